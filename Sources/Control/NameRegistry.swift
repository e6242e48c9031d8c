import DNS
import Domain
import PolicyCompiler
import Synchronization

/// What the resolver asks, answered from the sessions and policies in force.
final class NameRegistry: NameService {
    let devices = DeviceTable()
    let book: NameBook
    let queries = QueryBook()
    private let policies = Mutex(Policies())
    /// Where ``book``'s seconds are counted from.
    private let start = ContinuousClock.now
    /// Told that there is something for the kernel.
    let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation

    private struct Policies {
        var known: [PolicyMark: PolicyNames] = [:]
        var owners: [PolicyMark: Tenant.ID] = [:]
        var upstreams: [Tenant.ID: [Upstream]] = [:]
    }

    /// What a policy says of names.
    fileprivate struct PolicyNames {
        let filter: NameFilter
        /// What would hold were the policy not in monitor mode.
        let strict: NameFilter?
        let blockAnswer: NameClient.BlockAnswer
        /// All that its rules have.
        let hosts: [HostPattern]
    }

    private let now: @Sendable () -> Timestamp

    init(limits: NameLimits = NameLimits(), now: @escaping @Sendable () -> Timestamp) {
        self.now = now
        book = NameBook(limits: limits)
        (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    var seconds: Int64 { (ContinuousClock.now - start).components.seconds }

    func wake() { wakeUp.yield() }
    func stop() { wakeUp.finish() }

    // MARK: NameService

    func client(at address: IPAddress) -> NameClient? {
        guard let device = devices[address] else { return nil }
        return policies.withLock { policies in
            let names = policies.known[device.policy] ?? PolicyNames.unknown
            // A device without a policy looks nothing up, whosever it is.
            let tenant = policies.owners[device.policy] ?? Tenant.ID(0)
            return NameClient(
                tenant: tenant, policy: device.policy, group: device.group, filter: names.filter,
                blockAnswer: names.blockAnswer, upstreams: policies.upstreams[tenant] ?? [])
        }
    }

    func learn(_ lesson: NameLesson, then: @escaping @Sendable (NameLessonResult) -> Void) {
        let isWork = book.learn(
            lesson, at: seconds,
            mustWait: { names in
                let hosts = policies.withLock { $0.known[lesson.policy]?.hosts ?? [] }
                return hosts.contains { pattern in names.contains { pattern.matches($0) } }
            }, then: then)
        if isWork { wake() }
    }

    func note(_ record: QueryRecord) {
        var wouldBe: NameFilter.Reason?
        if case .refused = record.outcome {
        } else {
            let strict = policies.withLock { $0.known[record.policy]?.strict }
            if case .refused(let reason)? = strict?.judged(record.name) { wouldBe = reason }
        }
        queries.note(record, wouldBeRefused: wouldBe, at: now)
    }

    // MARK: Policies

    func set(_ policy: ValidatedPolicy?, for mark: PolicyMark) {
        policies.withLock { policies in
            policies.known[mark] = policy.map(PolicyNames.init)
            if policy == nil { policies.owners[mark] = nil }
        }
        if policy == nil { book.forget([mark]) }
    }

    func replaceAll(_ all: [PolicyMark: ValidatedPolicy?], owners: [PolicyMark: Tenant.ID]) {
        let known = all.compactMapValues { $0.map(PolicyNames.init) }
        policies.withLock { policies in
            policies.known = known
            policies.owners = owners
        }
    }

    func setOwner(_ tenant: Tenant.ID, of mark: PolicyMark) { policies.withLock { $0.owners[mark] = tenant } }

    func setUpstreams(_ upstreams: [Tenant.ID: [Upstream]]) { policies.withLock { $0.upstreams = upstreams } }

    func names(of address: IPAddress, for policy: PolicyMark) -> [DomainName] { book.names(of: address, for: policy) }
}

extension NameRegistry.PolicyNames {
    /// Of devices whose policy is not known: nothing may be looked up.
    fileprivate static let unknown = NameRegistry.PolicyNames(
        filter: NameFilter(NameFilter.Rules()), strict: nil, blockAnswer: .nxdomain, hosts: [])

    fileprivate init(_ policy: ValidatedPolicy) {
        var rules = NameFilter.Rules()
        rules.deny = policy.dns.deny
        rules.allow = policy.dns.allow
        rules.reachable = policy.rules.filter { $0.action != .block }.flatMap(\.hosts)
        rules.isOpen = policy.dns.default == .allow
        let strict = NameFilter(rules)
        let hosts = Array(Set(policy.rules.flatMap(\.hosts)))
        let answer: NameClient.BlockAnswer =
            switch policy.dns.answer {
            case .nxdomain: .nxdomain
            case .nodata: .nodata
            case .refused: .refused
            case .address(let address): .address(address)
            }
        guard policy.mode == .monitor else {
            self.init(filter: strict, strict: nil, blockAnswer: answer, hosts: hosts)
            return
        }
        // In monitor mode what would be refused is noted and passes.
        var open = NameFilter.Rules()
        open.isOpen = true
        self.init(filter: NameFilter(open), strict: strict, blockAnswer: answer, hosts: hosts)
    }
}
