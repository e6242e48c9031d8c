public import Domain

/// What a ``StoreReader`` reads of volumes of data.
public protocol VolumeReader {
    func volumeAccount(_ key: VolumeAccount.Key) throws(StoreError) -> VolumeAccount?
    /// Every one, by number.
    func volumeAccounts() throws(StoreError) -> [VolumeAccount]
}

/// What a ``StoreTransaction`` changes of them. They go with the SIM, the group or the tenant whose they are.
public protocol VolumeTransaction: VolumeReader {
    /// With nothing used.
    /// - Throws: `.exhausted` when there is no number left for the data plane (2^32).
    func insertVolumeAccount(
        _ key: VolumeAccount.Key, _ limit: DataLimit, span: DataPeriod.Span
    ) throws(StoreError) -> VolumeAccount
    func putVolumeAccount(_ account: VolumeAccount) throws(StoreError)
    /// What is used; of accounts whose period is another by now nothing changes.
    func noteUsed(_ used: [UsedOctets]) throws(StoreError)
}

/// How much of a volume is used in a period.
public struct UsedOctets: Hashable, Sendable {
    public let quota: QuotaNumber
    public let period: UInt64
    public let octets: UInt64

    public init(quota: QuotaNumber, period: UInt64, octets: UInt64) {
        self.quota = quota
        self.period = period
        self.octets = octets
    }
}
