public import Domain

/// What a ``StoreReader`` reads of IPv6.
public protocol PrefixReader {
    func prefixPools() throws(StoreError) -> [PrefixPoolUsage]
    /// The blocks of IPv6 that a tenant has.
    func prefixBlocks(of tenant: Tenant.ID) throws(StoreError) -> [IPv6Prefix]
    func prefixLeases(of sim: SIM.ID) throws(StoreError) -> [PrefixLease]
    func prefixLease(of sim: SIM.ID, on apn: APN) throws(StoreError) -> PrefixLease?
    /// The active session that has the address in its link's prefix or in the one that is delegated to it.
    func activeSession(address: IPv6Address) throws(StoreError) -> Session?
}

/// What a ``StoreTransaction`` changes of it.
public protocol PrefixTransaction: PrefixReader {
    /// Throws `.conflict` when it overlaps another, or its lengths do not fit.
    func insertPool(
        prefix: IPv6Prefix, blockLength: UInt8, delegatedLength: UInt8?
    ) throws(StoreError) -> PrefixPool
    /// Throws `.conflict` while a block of it is given to a tenant.
    func deletePool(_ id: PrefixPool.ID) throws(StoreError)
    /// Gives the tenant a block of IPv6 when it has none.
    func ensurePrefixBlock(of tenant: Tenant.ID) throws(StoreError)
    /// The SIM's prefixes on the APN, given in the same manner as IPv4 addresses
    /// (``StoreTransaction/takeLease(sim:tenant:apn:)``), and released with them. Throws `.exhausted` when no pool has a
    /// block left.
    func takePrefixes(sim: SIM.ID, tenant: Tenant.ID, apn: APN) throws(StoreError) -> PrefixLease
}

extension StoreReader {
    /// The active session of an address of either family.
    public func activeSession(address: IPAddress) throws(StoreError) -> Session? {
        switch address {
        case .v4(let address): try activeSession(address: address)
        case .v6(let address): try activeSession(address: address)
        }
    }
}

extension StoreTransaction {
    /// A session with IPv4 alone.
    public func insertSession(
        token: SessionToken, sim: Subscriber, nas: NAS.ID, lease: AddressLease, equipment: Equipment,
        accountingSessionID: String?, at time: Timestamp
    ) throws(StoreError) -> Session {
        try insertSession(
            token: token, sim: sim, nas: nas, lease: lease, hasIPv4: true, prefixes: nil, equipment: equipment,
            accountingSessionID: accountingSessionID, at: time)
    }
}
