public import Domain

/// A session policy as its author wrote it, with what it means.
public struct SessionPolicyDocument: Hashable, Sendable {
    public let policy: SessionPolicy

    /// 64 KiB.
    public static let maximumOctets = 65_536

    /// Reads one YAML or JSON document.
    /// - Parameter file: the name for diagnostics.
    /// - Throws: ``PolicyError`` with everything that is wrong.
    public init(parsing text: String, file: String, in scope: SessionPolicyScope) throws(PolicyError) {
        let root = try SourceNode.root(
            of: text, file: file, atMost: Self.maximumOctets,
            empty: "write at least one section, such as imei-lock: {mode: locked}")
        var reader = SessionPolicyReader(file: file, scope: scope)
        let policy = reader.policy(root)
        guard let policy, reader.diagnostics.isEmpty else { throw PolicyError(reader.diagnostics) }
        self.policy = policy
    }
}

/// What a session policy may name, and what the gateway can do.
public struct SessionPolicyScope: Sendable {
    /// The tenant's policies, for quarantine; `nil`: none can be named, because it is for all tenants.
    public var policies: Set<Name>?
    /// Lists of IMEIs: the operator's for a ceiling, else the tenant's.
    public var imeiLists: Set<Name>
    /// Whether the operator has a hook that approves SIMs.
    public var hasApprovalHook: Bool
    /// The sections that the data plane enforces, of those that it has to.
    public var enforced: Set<SessionPolicy.Section>
    /// Whether this is a name of the IANA time zone database.
    public var isTimeZone: @Sendable (String) -> Bool
    /// For whom the document is.
    public var level = SessionPolicyLevel.ceiling

    public init(
        policies: Set<Name>?, imeiLists: Set<Name>, hasApprovalHook: Bool, enforced: Set<SessionPolicy.Section>,
        isTimeZone: @escaping @Sendable (String) -> Bool
    ) {
        self.policies = policies
        self.imeiLists = imeiLists
        self.hasApprovalHook = hasApprovalHook
        self.enforced = enforced
        self.isTimeZone = isTimeZone
    }

    /// Of a document that is in force: what it names was there when it was set, and is looked up when it is needed.
    public static func stored(isTimeZone: @escaping @Sendable (String) -> Bool) -> Self {
        var scope = Self(
            policies: [], imeiLists: [], hasApprovalHook: true, enforced: Set(SessionPolicy.Section.allCases),
            isTimeZone: isTimeZone)
        scope.isStored = true
        return scope
    }

    /// Names are not looked up.
    var isStored = false
}

/// The keys of each kind of mapping in a document, in the order in which messages name them.
enum SessionPolicyKeys {
    static let document = SessionPolicy.Section.allCases.map(\.rawValue)
    static let imeiLock = ["mode", "imeis", "tacs", "lists", "on-violation", "on-missing"]
    static let locationLock = [
        "allow", "deny", "fence", "home-networks", "after-reports", "after", "max-age", "on-violation", "on-unknown",
    ]
    static let places = ["networks", "countries", "tracking-areas", "cells"]
    static let fence = ["days", "neighbours"]
    static let hours = ["zone", "windows", "dates", "at-end", "grace", "on-violation"]
    static let window = ["days", "from", "to"]
    static let date = ["date", "until", "from", "to", "closed"]
    static let approval = ["by", "on-violation", "on-no-answer"]
    static let dataLimit = ["volume", "per", "anchor-day", "zone", "warn-at", "pooled", "on-reached", "slow-rate"]
    static let bandwidth = ["up", "down", "burst"]
    static let quarantine = ["policy", "new-sims"]
}
