/// Address space of the operator, cut into blocks that are given to tenants whole.
public struct AddressPool: Hashable, Sendable {
    public typealias ID = Identifier<AddressPool>
    public let id: ID
    public let prefix: IPv4Prefix
    /// The prefix length of a block, 24 by default; between the pool's own length and 30.
    public let blockLength: UInt8

    public init(id: ID, prefix: IPv4Prefix, blockLength: UInt8) {
        self.id = id
        self.prefix = prefix
        self.blockLength = blockLength
    }

    public var blockCount: UInt64 { 1 << UInt64(blockLength - prefix.length) }
    /// The first and the last address of a block are not given out: some device stacks take them for the network
    /// and broadcast addresses of a class C.
    public var addressesPerBlock: UInt64 { 1 << UInt64(32 - blockLength) - 2 }
}

/// How full a pool is.
public struct AddressPoolUsage: Hashable, Sendable {
    public let pool: AddressPool
    public let blocksGiven: UInt64
    public let addressesLeased: UInt64
    public init(pool: AddressPool, blocksGiven: UInt64, addressesLeased: UInt64) {
        self.pool = pool
        self.blocksGiven = blocksGiven
        self.addressesLeased = addressesLeased
    }
}

/// The address that one SIM has on one APN, kept until the operator releases it, with its number in NAT 1.
public struct AddressLease: Hashable, Sendable {
    public let sim: SIM.ID
    public let apn: APN
    public let address: IPv4Address
    /// Which port block of NAT 1 is this lease's (``NATPlan``), from zero. Unique among leases.
    public let natIndex: Int64

    public init(sim: SIM.ID, apn: APN, address: IPv4Address, natIndex: Int64) {
        self.sim = sim
        self.apn = apn
        self.address = address
        self.natIndex = natIndex
    }
}
