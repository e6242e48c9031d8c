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
    private let dataPlane = Mutex<(any DataPlane)?>(nil)
    /// Batches are given one after the other.
    private let giving = Mutex(())
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
    fileprivate final class PolicyNames: Sendable {
        let source: Source
        let filter: NameFilter
        /// What would hold were the policy not in monitor mode.
        let strict: NameFilter?

        init(source: Source, filter: NameFilter, strict: NameFilter?) {
            self.source = source
            self.filter = filter
            self.strict = strict
        }
    }

    private let now: @Sendable () -> Timestamp
    private let blocklists: BlocklistBook

    init(limits: NameLimits, blocklists: BlocklistBook, now: @escaping @Sendable () -> Timestamp) {
        self.now = now
        self.blocklists = blocklists
        book = NameBook(limits: limits)
        (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    var seconds: Int64 { (ContinuousClock.now - start).components.seconds }

    /// - Returns: whether there is nothing left to give.
    private func giveAtOnce() -> Bool {
        let given = giving.withLockIfAvailable { _ -> NameBook.Batch? in
            guard let dataPlane = dataPlane.withLock({ $0 }), let batch = book.takeBatch() else { return nil }
            // A refusal is told by whoever gives it again.
            guard batch.changes.isEmpty || (try? dataPlane.setNamesAtOnce(batch.changes)) == true else {
                book.putBack(batch)
                return nil
            }
            book.finish(batch, isTaken: true)
            return batch
        }
        guard let batch = given ?? nil else { return false }
        batch.tell(.inForce)
        return true
    }

    /// Gives the kernel what it does not have.
    /// - Throws: what the kernel said. What was to be given is given again.
    func give() throws(DataPlaneError) {
        let (batch, error) = giving.withLock { _ -> (NameBook.Batch?, DataPlaneError?) in
            guard let dataPlane = dataPlane.withLock({ $0 }), let batch = book.takeBatch() else { return (nil, nil) }
            do throws(DataPlaneError) {
                if !batch.changes.isEmpty { try dataPlane.setNames(batch.changes) }
                book.finish(batch, isTaken: true)
                return (batch, nil)
            } catch {
                book.finish(batch, isTaken: false)
                return (batch, error)
            }
        }
        batch?.tell(error == nil ? .inForce : .late)
        if let error { throw error }
    }

    /// Whether there is something to give.
    var isWork: Bool { book.isWork }

    func setDataPlane(_ new: any DataPlane) { dataPlane.withLock { $0 = new } }

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
                blockAnswer: names.source.blockAnswer, upstreams: policies.upstreams[tenant] ?? [])
        }
    }

    func learn(_ lesson: NameLesson, then: @escaping @Sendable (NameLessonResult) -> Void) {
        // What no rule has opens nothing.
        guard let filter = policies.withLock({ $0.known[lesson.policy]?.filter }),
            lesson.names.contains(where: { filter.isRuled(WireName($0)) })
        else { return then(.inForce) }
        book.learn(lesson, at: seconds, then: then)
    }

    func giveLessons() {
        // From here where the kernel is free, which saves the way to another thread and back.
        if book.isWork, !giveAtOnce() { wake() }
    }

    /// What holds for a name, were the policy not in monitor mode.
    func verdict(on name: WireName, for policy: PolicyMark) -> NameFilter.Verdict {
        let names = policies.withLock { $0.known[policy] } ?? PolicyNames.unknown
        return (names.strict ?? names.filter).judged(name)
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
        let owner = policies.withLock { $0.owners[mark] }
        let names = policy.map { made(Source($0), owner) }
        policies.withLock { policies in
            policies.known[mark] = names
            if policy == nil { policies.owners[mark] = nil }
        }
        guard policy == nil else { return }
        book.forget([mark])
        queries.forget([mark])
    }

    func replaceAll(_ all: [PolicyMark: ValidatedPolicy?], owners: [PolicyMark: Tenant.ID]) {
        var known: [PolicyMark: PolicyNames] = [:]
        for (mark, policy) in all { known[mark] = policy.map { made(Source($0), owners[mark]) } }
        let all = known
        policies.withLock { policies in
            policies.known = all
            policies.owners = owners
        }
        blocklists.observe { [weak self] tenant in self?.remake(of: tenant) }
    }

    private func made(_ source: Source, _ owner: Tenant.ID?) -> PolicyNames {
        guard let owner else { return PolicyNames(source, lists: [], exceptions: []) }
        return PolicyNames(
            source, lists: blocklists.filterLists(for: owner, source.blocklists),
            exceptions: blocklists.exceptions(of: owner))
    }

    /// Makes the filters anew that depend on lists: a tenant's, or all.
    private func remake(of tenant: Tenant.ID?) {
        let affected = policies.withLock { policies in
            policies.known.filter { mark, names in
                guard !names.source.blocklists.isEmpty, let owner = policies.owners[mark] else { return false }
                return tenant == nil || owner == tenant
            }.mapValues(\.source)
        }
        for (mark, source) in affected {
            let names = made(source, policies.withLock { $0.owners[mark] })
            policies.withLock { policies in
                // Policies change where lists do, on the engine's loop: it is still this version. One that is gone stays gone.
                if policies.known[mark] != nil { policies.known[mark] = names }
            }
        }
    }

    func setOwner(_ tenant: Tenant.ID, of mark: PolicyMark) { policies.withLock { $0.owners[mark] = tenant } }

    func setUpstreams(_ upstreams: [Tenant.ID: [Upstream]]) { policies.withLock { $0.upstreams = upstreams } }

    func names(of address: IPAddress, for policy: PolicyMark) -> [DomainName] { book.names(of: address, for: policy) }
}

extension NameRegistry.PolicyNames {
    /// Of devices whose policy is not known: nothing may be looked up.
    fileprivate static let unknown = NameRegistry.PolicyNames(
        source: .init(), filter: NameFilter(NameFilter.Rules()), strict: nil)

    /// - Parameters:
    ///   - lists: those that the policy names.
    ///   - exceptions: the tenant's.
    fileprivate convenience init(_ source: NameRegistry.Source, lists: [NameFilter.List], exceptions: [HostPattern]) {
        var rules = source.rules
        rules.lists = lists
        rules.exceptions = exceptions
        let strict = NameFilter(rules)
        guard source.isMonitored else {
            self.init(source: source, filter: strict, strict: nil)
            return
        }
        // In monitor mode what would be refused is noted and passes.
        var open = NameFilter.Rules()
        open.isOpen = true
        open.ruled = rules.ruled
        self.init(source: source, filter: NameFilter(open), strict: strict)
    }
}

extension NameRegistry {
    /// What a policy's document says of names.
    fileprivate struct Source: Sendable {
        var rules = NameFilter.Rules()
        var blocklists: [Name] = []
        var isMonitored = false
        var blockAnswer = NameClient.BlockAnswer.nxdomain

        init() {}

        init(_ policy: ValidatedPolicy) {
            rules.deny = policy.dns.deny
            rules.allow = policy.dns.allow
            rules.reachable = policy.rules.filter { $0.action != .block }.flatMap(\.hosts)
            rules.isOpen = policy.dns.default == .allow
            blocklists = policy.dns.blocklists
            isMonitored = policy.mode == .monitor
            if rules.isOpen {
                let said = rules.allow + rules.reachable
                rules.deny += ResolverGuard.standard.names.filter { name in !said.contains { $0.covers(name) } }
            }
            rules.ruled = policy.rules.flatMap(\.hosts)
            blockAnswer =
                switch policy.dns.answer {
                case .nxdomain: .nxdomain
                case .nodata: .nodata
                case .refused: .refused
                case .address(let address): .address(address)
                }
        }
    }
}
