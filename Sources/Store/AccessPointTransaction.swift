public import Domain

/// What a ``StoreReader`` reads of APNs.
public protocol AccessPointReader {
    /// `nil` for one that is not registered.
    func accessPoint(_ apn: APN) throws(StoreError) -> AccessPoint?
    /// By name.
    func accessPoints() throws(StoreError) -> [AccessPoint]
    /// Whether SIMs of other tenants have addresses on the APN. Looks at every lease.
    func hasLeases(on apn: APN, besides tenant: Tenant.ID) throws(StoreError) -> Bool
}

/// What a ``StoreTransaction`` changes of APNs.
public protocol AccessPointTransaction: AccessPointReader {
    /// - Parameter owner: `nil`: shared.
    /// - Throws: `.conflict` when the APN is registered.
    func insertAccessPoint(_ apn: APN, owner: Tenant.ID?, at time: Timestamp) throws(StoreError) -> AccessPoint
    func deleteAccessPoint(_ apn: APN) throws(StoreError)
}
