public import Domain

/// What a ``StoreReader`` reads of volumes of data.
public protocol VolumeReader {
    func volumeAccount(_ key: VolumeAccount.Key) throws(StoreError) -> VolumeAccount?
    /// Every one, by number.
    func volumeAccounts() throws(StoreError) -> [VolumeAccount]
}

/// What a ``StoreTransaction`` changes of them. They go with the SIM, the group or the tenant whose they are. One that is made
/// by ``VolumeAccount/init(unused:_:span:)`` is stored with its first change.
public protocol VolumeTransaction: VolumeReader {
    /// With nothing used.
    /// - Throws: `.exhausted` when there is no number left for the data plane (2^31).
    func insertVolumeAccount(
        _ key: VolumeAccount.Key, _ limit: DataLimit, span: DataPeriod.Span
    ) throws(StoreError) -> VolumeAccount
    func putVolumeAccount(_ account: VolumeAccount) throws(StoreError)
    /// Only what is used of them; of those whose period is another by now, or that are nobody's any more, nothing changes.
    func noteUsed(_ accounts: [VolumeAccount]) throws(StoreError)
}
