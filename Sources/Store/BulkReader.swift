public import Domain

/// What a ``StoreReader`` reads of bulk operations and of SIMs in a test.
public protocol BulkReader {
    func bulk(_ id: BulkOperation.ID) throws(StoreError) -> BulkOperation?
    /// Newest first, below a number. `tenant` nil: everyone's.
    func bulks(of tenant: Tenant.ID?, before: BulkOperation.ID?, limit: Int) throws(StoreError) -> [BulkOperation]
    /// Those that have something left to do, oldest first.
    func openBulks() throws(StoreError) -> [BulkOperation]
    /// How many of its SIMs are in which state.
    func bulkCounts(of id: BulkOperation.ID) throws(StoreError) -> [BulkItem.State: Int]
    /// By number, after one. `state` nil: in any.
    func bulkItems(
        of id: BulkOperation.ID, in state: BulkItem.State?, after: Int64?, limit: Int
    ) throws(StoreError) -> [BulkItem]
    /// SIMs that match, by id, and, of those that were named, what no SIM of the tenant has.
    func sims(matching filter: SIMFilter, limit: Int) throws(StoreError) -> (sims: [SIM], missing: [String])

    /// SIMs in a manufacturing test.
    func simsInTest() throws(StoreError) -> Set<SIM.ID>
    /// Active sessions of those whose test is over.
    func sessionsAfterTest(at time: Timestamp, limit: Int) throws(StoreError) -> [Session]
}

/// What a ``StoreTransaction`` changes of them.
public protocol BulkTransaction: BulkReader {
    /// Begins an operation with an item for each.
    func insertBulk(
        _ action: BulkOperation.Action, of tenant: Tenant.ID?, filter: String, sims: [SIM], missing: [String],
        author: String, at time: Timestamp
    ) throws(StoreError) -> BulkOperation
    func setBulkItems(_ items: [BulkItem], of id: BulkOperation.ID) throws(StoreError)
    /// What waits is left undone, with the reason.
    func cancelBulk(_ id: BulkOperation.ID, detail: String) throws(StoreError)
    func setBulk(_ id: BulkOperation.ID, appliedAt: Timestamp) throws(StoreError)
    /// Nothing is left to do; one that was cancelled stays so.
    func finishBulk(_ id: BulkOperation.ID, at time: Timestamp) throws(StoreError)

    /// Begins or ends a manufacturing test; the SIM is active besides.
    func setTest(_ allowance: SIM.TestAllowance?, of sim: SIM.ID) throws(StoreError)
    /// Adds what a SIM in a test has used. Of others nothing is kept.
    func addTestUse(_ octets: UInt64, of sim: SIM.ID) throws(StoreError)
}
