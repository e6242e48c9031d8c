/// Names that a policy's devices may not look up when it names the list in `dns.blocklists`.
public struct Blocklist: Hashable, Sendable {
    public typealias ID = Identifier<Blocklist>
    public let id: ID
    /// `nil`: the operator's, which every tenant's policies may name.
    public let owner: Tenant.ID?
    public let name: Name
    public let settings: Settings
    public let author: String
    public let updatedAt: Timestamp
    public let status: Status

    /// What its owner says about it.
    public struct Settings: Hashable, Sendable {
        public let format: BlocklistFormat
        public let source: Source
        /// What the text has to be, to the last octet.
        public let checksum: TextDigest?
        /// Of the text.
        public let maximumOctets: Int64

        public init(
            format: BlocklistFormat = .auto, source: Source = .upload, checksum: TextDigest? = nil,
            maximumOctets: Int64 = standardOctets
        ) {
            self.format = format
            self.source = source
            self.checksum = checksum
            self.maximumOctets = maximumOctets
        }
    }

    public enum Source: Hashable, Sendable {
        /// Somebody brings the text.
        case upload
        /// It is fetched, and looked at again after so many seconds.
        case web(HTTPSAddress, seconds: Int64)
    }

    /// What has become of it.
    public struct Status: Hashable, Sendable {
        /// The text that holds: the last that was good.
        public var text: Text?
        /// When it was found to be good last.
        public var goodAt: Timestamp?
        /// When it was tried last to get it.
        public var triedAt: Timestamp?
        /// Why that failed, in words.
        public var error: String?

        public init(
            text: Text? = nil, goodAt: Timestamp? = nil, triedAt: Timestamp? = nil, error: String? = nil
        ) {
            self.text = text
            self.goodAt = goodAt
            self.triedAt = triedAt
            self.error = error
        }
    }

    public struct Text: Hashable, Sendable {
        public let digest: TextDigest
        public let octets: Int64
        /// What the server calls this version of it (RFC 9110 §8.8.3).
        public let entityTag: String?

        public init(digest: TextDigest, octets: Int64, entityTag: String? = nil) {
            self.digest = digest
            self.octets = octets
            self.entityTag = entityTag
        }
    }

    /// Of one of the operator's and one of a tenant's, when nobody says another.
    public static let standardOctets: Int64 = 64 << 20
    public static let standardTenantOctets: Int64 = 32 << 20
    /// The least time between two fetches.
    public static let minimumSeconds: Int64 = 300
    public static let maximumSeconds: Int64 = 30 * 86_400

    public init(
        id: ID, owner: Tenant.ID?, name: Name, settings: Settings, author: String, updatedAt: Timestamp,
        status: Status = Status()
    ) {
        self.id = id
        self.owner = owner
        self.name = name
        self.settings = settings
        self.author = author
        self.updatedAt = updatedAt
        self.status = status
    }
}

/// Names that no blocklist refuses a tenant's devices.
public struct DNSException: Hashable, Sendable {
    public let tenant: Tenant.ID
    public let pattern: HostPattern
    public let author: String
    public let createdAt: Timestamp

    /// Of one tenant.
    public static let maximumCount = 1024

    public init(tenant: Tenant.ID, pattern: HostPattern, author: String, createdAt: Timestamp) {
        self.tenant = tenant
        self.pattern = pattern
        self.author = author
        self.createdAt = createdAt
    }
}
