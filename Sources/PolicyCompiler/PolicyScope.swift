public import Domain

/// What a document may name that is not in it: what the operator and the tenant have at this moment. A name that is not
/// here is an error in the document.
public struct PolicyScope: Sendable {
    /// Lists that the tenant's policies share. A list of the same name in the document goes first.
    public var lists: [Name: [ListItem]]
    public var services: ServiceCatalogue
    /// The tenant's groups, with the numbers that stand for them in the kernel.
    public var groups: [Name: GroupNumber]
    /// The tenant's VPNs, the same.
    public var vpns: [Name: VPNNumber]
    /// The operator's and the tenant's lists of names to refuse.
    public var blocklists: Set<Name>
    /// Whether the operator has a time server for devices.
    public var hasTimeServer = false
    /// Whether the data plane limits the rates of rules, and counts what they let pass.
    public var isLimiting = true
    /// Where the tenant's rules are counted, by policy and rule. What is not here is counted nowhere yet.
    public var countedRules: [Name: [Name: CountedRule.ID]] = [:]
    /// `nil` where the gateway has no resolver for devices.
    public var resolverGuard: ResolverGuard?
    /// Whether this is a name of the IANA time zone database. Asked only for text of at most 64 letters, digits, `_`,
    /// `+`, `-` and `/`.
    public var isTimeZone: @Sendable (String) -> Bool

    /// Nothing but the standard services and UTC.
    public static let empty = PolicyScope()

    public init(
        lists: [Name: [ListItem]] = [:], services: ServiceCatalogue = .standard, groups: [Name: GroupNumber] = [:],
        vpns: [Name: VPNNumber] = [:], blocklists: Set<Name> = [], resolverGuard: ResolverGuard? = nil,
        isTimeZone: @escaping @Sendable (String) -> Bool = { $0 == "UTC" }
    ) {
        self.lists = lists
        self.services = services
        self.groups = groups
        self.vpns = vpns
        self.blocklists = blocklists
        self.resolverGuard = resolverGuard
        self.isTimeZone = isTimeZone
    }
}
