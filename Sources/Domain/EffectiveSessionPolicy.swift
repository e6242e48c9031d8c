/// What holds for a SIM, each part with who said it.
public struct EffectiveSessionPolicy: Hashable, Sendable {
    public struct Applied<Value: Hashable & Sendable>: Hashable, Sendable {
        public let level: SessionPolicyLevel
        public let value: Value

        public init(level: SessionPolicyLevel, value: Value) {
            self.level = level
            self.value = value
        }
    }

    /// The operator's ceilings first, then the tenant's own nearest: three at most of each.
    public let imeiLocks: [Applied<IMEILock>]
    public let locationLocks: [Applied<LocationLock>]
    public let hours: [Applied<ServiceHours>]
    public let approvals: [Applied<ApprovalRule>]
    public let dataLimits: [Applied<DataLimit>]
    /// The lowest rate of each direction.
    public let up: Applied<BitRate>?
    public let down: Applied<BitRate>?
    /// In octets; the lowest that is said.
    public let burst: Applied<UInt64>?
    /// Where quarantine leads: what the operator says for the tenant, else the tenant's own nearest.
    public let quarantinePolicy: Applied<Name>?
    /// Who wants new SIMs in quarantine.
    public let newSIMs: SessionPolicyLevel?

    /// - Parameter documents: of each level that has one.
    public init(_ documents: [SessionPolicyLevel: SessionPolicy]) {
        func applied<Value>(_ section: KeyPath<SessionPolicy, Value?>) -> [Applied<Value>] {
            var found: [Applied<Value>] = []
            for level in [SessionPolicyLevel.ceiling, .tenantCeiling] {
                if let value = documents[level]?[keyPath: section] { found.append(Applied(level: level, value: value)) }
            }
            for level in [SessionPolicyLevel.sim, .group, .tenant] {
                guard let value = documents[level]?[keyPath: section] else { continue }
                found.append(Applied(level: level, value: value))
                break
            }
            return found
        }
        func lowest<Value: Comparable>(
            _ all: [Applied<Bandwidth>], _ part: (Bandwidth) -> Value?
        ) -> Applied<Value>? {
            all.compactMap { one in part(one.value).map { Applied(level: one.level, value: $0) } }
                .min { $0.value < $1.value }
        }
        imeiLocks = applied(\.imeiLock)
        locationLocks = applied(\.locationLock)
        hours = applied(\.hours)
        approvals = applied(\.approval)
        dataLimits = applied(\.dataLimit)
        let rates = applied(\.bandwidth)
        up = lowest(rates, \.up)
        down = lowest(rates, \.down)
        burst = lowest(rates, \.burst)
        let quarantines = applied(\.quarantine)
        quarantinePolicy =
            quarantines.lazy.compactMap { one in
                one.value.policy.map { Applied(level: one.level, value: $0) }
            }.first
        newSIMs = quarantines.first(where: \.value.newSIMs)?.level
    }

    /// Whether the data plane has something to limit.
    public var isLimited: Bool { !dataLimits.isEmpty || up != nil || down != nil }

    /// Nothing can be violated but a volume's end: judging it would say nothing.
    public var isUnjudged: Bool {
        imeiLocks.isEmpty && locationLocks.isEmpty && hours.isEmpty && approvals.isEmpty && newSIMs == nil
    }

    /// Whether there is a place to remember.
    public var learnsFence: Bool { locationLocks.contains { $0.value.fence != nil } }
}
