/// IPv6 address space of the operator, cut into blocks that are given to tenants whole. Each session that has IPv6 gets
/// one /64 of its tenant's block for its link (3GPP TS 29.061 §11.2.1.3), and where the pool says so a prefix to
/// delegate beside it.
public struct PrefixPool: Hashable, Sendable {
    public typealias ID = Identifier<PrefixPool>
    public let id: ID
    public let prefix: IPv6Prefix
    /// The prefix length of a block; from the pool's own length to that of a ``unitLength``.
    public let blockLength: UInt8
    /// The length of the prefix that each session gets to delegate (Delegated-IPv6-Prefix, RFC 4818), 60 to 64; `nil`: none.
    public let delegatedLength: UInt8?

    /// Why a pool cannot be so, for who wrote it.
    public struct Fault: Error, Hashable, CustomStringConvertible {
        public let description: String
    }

    /// Global unicast (RFC 4291 §2.5.4, 2000::/3) and unique local addresses (RFC 4193, fc00::/7): what a device can have.
    private static let possible = [
        IPv6Prefix(containing: IPv6Address(bits: 0x20 << 120), length: 3),
        IPv6Prefix(containing: IPv6Address(bits: 0xfc << 120), length: 7),
    ]
    /// A /64 for each network of a delegated prefix is in the kernel: sixteen at most.
    public static let delegatedLengths: ClosedRange<UInt8> = 60...64

    public init(id: ID, prefix: IPv6Prefix, blockLength: UInt8, delegatedLength: UInt8?) throws(Fault) {
        guard Self.possible.contains(where: { $0.contains(prefix) }) else {
            throw Fault(
                description: "\(prefix) is neither in 2000::/3 nor in fc00::/7, where devices' prefixes are from")
        }
        if let delegatedLength, !Self.delegatedLengths.contains(delegatedLength) {
            throw Fault(
                description: "prefixes to delegate cannot have the length \(delegatedLength): write one from 60 to 64")
        }
        let longest = Self.unitLength(delegating: delegatedLength)
        guard prefix.length <= longest, (prefix.length...longest).contains(blockLength) else {
            throw Fault(
                description:
                    "blocks of /\(blockLength) do not fit into \(prefix): write a length from \(prefix.length) to \(longest), "
                    + "and a pool of length \(longest) at most")
        }
        self.id = id
        self.prefix = prefix
        self.blockLength = blockLength
        self.delegatedLength = delegatedLength
    }

    /// What one session takes: its /64 or, with a prefix to delegate, twice that one: the first half begins with the
    /// session's /64, the second is the delegated prefix.
    public var unitLength: UInt8 { Self.unitLength(delegating: delegatedLength) }

    private static func unitLength(delegating length: UInt8?) -> UInt8 { length.map { $0 - 1 } ?? 64 }

    public var blockCount: UInt64 { 1 << UInt64(blockLength - prefix.length) }
    public var sessionsPerBlock: UInt64 { 1 << UInt64(unitLength - blockLength) }
}

/// How full a pool is.
public struct PrefixPoolUsage: Hashable, Sendable {
    public let pool: PrefixPool
    public let blocksGiven: UInt64
    public let prefixesLeased: UInt64
    public init(pool: PrefixPool, blocksGiven: UInt64, prefixesLeased: UInt64) {
        self.pool = pool
        self.blocksGiven = blocksGiven
        self.prefixesLeased = prefixesLeased
    }
}

/// The prefixes that one SIM has on one APN, kept until the operator releases them.
public struct PrefixLease: Hashable, Sendable {
    public let sim: SIM.ID
    public let apn: APN
    public let prefixes: SessionPrefixes

    public init(sim: SIM.ID, apn: APN, prefixes: SessionPrefixes) {
        self.sim = sim
        self.apn = apn
        self.prefixes = prefixes
    }
}

/// What a session has of IPv6.
public struct SessionPrefixes: Hashable, Sendable {
    /// Of its link, a /64: the device makes its addresses of it (RFC 4862).
    public let link: IPv6Prefix
    /// To delegate behind the device (RFC 8415 §6.3), 60 to 64 bits long; not around ``link``.
    public let delegated: IPv6Prefix?

    /// - Parameters:
    ///   - network: the first 64 bits of ``link``.
    ///   - delegatedLength: 60 to 64; `nil`: nothing is delegated.
    public init(network: UInt64, delegatedLength: UInt8?) {
        let address = { (network: UInt64) in IPv6Address(bits: UInt128(network) << 64) }
        link = IPv6Prefix(containing: address(network), length: 64)
        delegated = delegatedLength.map { length in
            IPv6Prefix(containing: address(network | 1 << (64 - UInt64(min(length, 64)))), length: length)
        }
    }

    /// The first 64 bits of ``link``.
    public var network: UInt64 { Self.network(of: link.address) }

    public static func network(of address: IPv6Address) -> UInt64 { UInt64(truncatingIfNeeded: address.bits >> 64) }

    /// Each /64 of them, as the kernel knows them: 1 to 17.
    public var networks: [IPv6Prefix] {
        guard let delegated else { return [link] }
        let count = UInt128(1) << UInt128(64 - min(max(delegated.length, 60), 64))
        return [link]
            + (0..<count).map { index in
                IPv6Prefix(containing: IPv6Address(bits: delegated.address.bits | index << 64), length: 64)
            }
    }

    public func contains(_ address: IPv6Address) -> Bool {
        link.contains(address) || delegated?.contains(address) == true
    }
}
