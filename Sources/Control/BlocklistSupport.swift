public import Store

/// What a gateway has for blocklists beside the store.
public struct BlocklistSupport: Sendable {
    public let texts: TextDirectory
    public let fetching: any BlocklistFetching
    public var limits: Limits
    /// Whether tenants' lists may come from private addresses too: in laboratories.
    public var allowsPrivateAddresses: Bool

    /// So that no tenant takes the memory and the disk of all.
    public struct Limits: Hashable, Sendable {
        public var operatorLists = 64
        public var tenantLists = 16
        /// Of one text of the operator's.
        public var operatorOctets: Int64 = 512 << 20
        /// Of one text of a tenant's, and of all of them together.
        public var tenantOctets: Int64 = 64 << 20
        public var tenantOctetsTogether: Int64 = 128 << 20
        /// Names, wildcards and prefixes.
        public var operatorEntries = 10_000_000
        public var tenantEntriesTogether = 2_000_000
        /// Fetches at the same time, of all and of one tenant.
        public var fetches = 8
        public var tenantFetches = 2
        /// Texts that are brought at the same time, of all and of one tenant.
        public var uploads = 4
        public var tenantUploads = 1

        public init() {}
    }

    public init(
        texts: TextDirectory, fetching: any BlocklistFetching, limits: Limits = Limits(),
        allowsPrivateAddresses: Bool = false
    ) {
        self.texts = texts
        self.fetching = fetching
        self.limits = limits
        self.allowsPrivateAddresses = allowsPrivateAddresses
    }
}
