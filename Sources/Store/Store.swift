public import Domain

/// Everything that Cordon remembers, behind transactions. `SQLiteStore` is the embedded implementation; one contract
/// test suite runs against each.
///
/// Writes are serial. A write's closure runs inside one transaction that is durable (fsync) when `write` returns;
/// callers that wait at the same time put their work into one closure (`Control.Engine` does), so that they share the
/// cost of the commit. A closure that throws leaves nothing behind.
public protocol Store: Sendable {
    func read<Value: Sendable>(
        _ body: @Sendable @escaping (any StoreReader) throws -> Value
    ) async throws -> Value

    /// Has a closure run when those have been that were queued before, and `completion` called with what came of it: once it
    /// is durable, and before the next closure runs.
    /// - Parameter other: runs in a transaction of its own when the first was refused for another reason than that the store
    ///   does not write.
    func queueWrite<Value: Sendable>(
        _ body: @Sendable @escaping (any StoreTransaction) throws -> Value,
        orElse other: (@Sendable (any StoreTransaction) throws -> Value)?,
        completion: @Sendable @escaping (Result<Value, any Error>) -> Void)

    /// Flushes and closes; later calls throw ``StoreError`` `.unavailable`.
    func close() async throws
}

extension Store {
    public func write<Value: Sendable>(
        _ body: @Sendable @escaping (any StoreTransaction) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queueWrite(body, orElse: nil) { continuation.resume(with: $0) }
        }
    }
}

/// Reads of one consistent state. Lists are ordered by their key and read in pages: `after` is the last key of the
/// page before, `nil` for the first.
public protocol StoreReader: VPNReader, AccessPointReader, EventReader, SessionPolicyReader, SessionPartsReader,
    BulkReader, VolumeReader, UsageReader, RuleUsageReader, PrefixReader
{
    func tenant(named name: Name) throws(StoreError) -> Tenant?
    func tenant(_ id: Tenant.ID) throws(StoreError) -> Tenant?
    func tenants() throws(StoreError) -> [Tenant]

    func group(named name: Name, of tenant: Tenant.ID) throws(StoreError) -> SIMGroup?
    func group(_ id: SIMGroup.ID) throws(StoreError) -> SIMGroup?
    func groups(of tenant: Tenant.ID) throws(StoreError) -> [SIMGroup]
    /// Every group of every tenant.
    func allGroups() throws(StoreError) -> [SIMGroup]

    func policy(named name: Name, of tenant: Tenant.ID) throws(StoreError) -> Policy?
    func policy(_ id: Policy.ID) throws(StoreError) -> Policy?
    func policies(of tenant: Tenant.ID) throws(StoreError) -> [Policy]
    /// Every policy of every tenant, with the version in force.
    func allPolicies() throws(StoreError) -> [Policy]
    /// All versions of a policy, newest first.
    func versions(of policy: Policy.ID) throws(StoreError) -> [Policy]

    func list(named name: Name, of tenant: Tenant.ID) throws(StoreError) -> SharedList?
    func lists(of tenant: Tenant.ID) throws(StoreError) -> [SharedList]
    /// Every list of every tenant.
    func allLists() throws(StoreError) -> [SharedList]
    /// The operator's services.
    func services() throws(StoreError) -> [ServiceRecord]

    /// `owner` nil: the operator's.
    func blocklist(named name: Name, of owner: Tenant.ID?) throws(StoreError) -> Blocklist?
    func blocklist(_ id: Blocklist.ID) throws(StoreError) -> Blocklist?
    /// The owner's own, by name.
    func blocklists(of owner: Tenant.ID?) throws(StoreError) -> [Blocklist]
    /// The operator's and every tenant's.
    func allBlocklists() throws(StoreError) -> [Blocklist]
    func dnsExceptions(of tenant: Tenant.ID) throws(StoreError) -> [DNSException]
    func allDNSExceptions() throws(StoreError) -> [DNSException]

    func sim(imsi: IMSI) throws(StoreError) -> SIM?
    /// What an admission asks about a SIM, in one look-up.
    func subscriber(imsi: IMSI) throws(StoreError) -> Subscriber?
    func sim(_ id: SIM.ID) throws(StoreError) -> SIM?
    /// SIMs of `tenant` (`nil`: of all), by IMSI.
    func sims(
        of tenant: Tenant.ID?, group: SIMGroup.ID?, after: IMSI?, limit: Int
    ) throws(StoreError) -> [SIM]
    /// Which policy judges the SIM: its group's, else its tenant's default, else none.
    func effectivePolicy(of sim: SIM.ID) throws(StoreError) -> Policy.ID?

    func leases(of sim: SIM.ID) throws(StoreError) -> [AddressLease]
    func lease(of sim: SIM.ID, on apn: APN) throws(StoreError) -> AddressLease?

    func pools() throws(StoreError) -> [AddressPoolUsage]
    /// The blocks a tenant has.
    func blocks(of tenant: Tenant.ID) throws(StoreError) -> [IPv4Prefix]

    func nas(named name: Name) throws(StoreError) -> NAS?
    func nas(_ id: NAS.ID) throws(StoreError) -> NAS?
    func allNAS() throws(StoreError) -> [NAS]
    /// The shared secret, decrypted.
    func secret(of nas: NAS.ID) throws(StoreError) -> Secret?

    func session(_ id: Session.ID) throws(StoreError) -> Session?
    func session(token: SessionToken) throws(StoreError) -> Session?
    /// The active session of an address.
    func activeSession(address: IPv4Address) throws(StoreError) -> Session?
    func activeSession(of sim: SIM.ID, on apn: APN) throws(StoreError) -> Session?
    func activeSessions(of sim: SIM.ID) throws(StoreError) -> [Session]
    func activeSessions(through nas: NAS.ID) throws(StoreError) -> [Session]
    /// Sessions by id. `tenant` nil: of all tenants.
    func sessions(
        of tenant: Tenant.ID?, activeOnly: Bool, after: Session.ID?, limit: Int
    ) throws(StoreError) -> [Session]
    /// Sessions with one of these numbers in NAT 1's plan that were there at some time from `from` to `to`, both
    /// included; `nil`: ever before, ever after. By number, then by start. A look-up for each number, however long the
    /// history is.
    /// - Throws: `.notFound` when `after` is no session.
    func sessions(
        natIndexes: ClosedRange<Int64>, from: Timestamp?, to: Timestamp?, after: Session.ID?, limit: Int
    ) throws(StoreError) -> [Session]
    /// Collectors of NAT events, by name, and how far each has been told.
    func natCollectors() throws(StoreError) -> [String: NATLogPosition]
    /// The plans of NAT 1 since there were collectors, oldest first.
    func natPlans() throws(StoreError) -> [NATPlanRecord]
    /// The last session that has begun, and the number of the last end that was numbered; zero when there is none.
    func lastOfNATLog() throws(StoreError) -> (session: Session.ID, end: Int64)
    /// Sessions that began after one and up to another, in that order.
    func sessionsBegun(after: Session.ID, upTo: Session.ID?, limit: Int) throws(StoreError) -> [SessionLease]
    /// Ends with numbers above one and up to another, in that order.
    func sessionEnds(after: Int64, upTo: Int64?, limit: Int) throws(StoreError) -> [SessionEnd]
    /// Sessions that had not ended with the end of this number, by id, after one and up to another.
    func sessionsOpen(
        atEnd end: Int64, after: Session.ID, upTo: Session.ID, limit: Int
    ) throws(StoreError) -> [SessionLease]
    /// Every active session of an active SIM with the policy that judges it: what the kernel should hold.
    func enforcedSessions() throws(StoreError) -> [EnforcedSession]
    /// Those that the policy judges (through a group or a tenant's default).
    func enforcedSessions(judgedBy policy: Policy.ID) throws(StoreError) -> [EnforcedSession]
    func enforcedSessions(of sim: SIM.ID) throws(StoreError) -> [EnforcedSession]
    func enforcedSessions(ofGroup group: SIMGroup.ID) throws(StoreError) -> [EnforcedSession]
    func enforcedSessions(ofTenant tenant: Tenant.ID) throws(StoreError) -> [EnforcedSession]

    /// What the resolver has told devices, for a start to go on from, by number. Some may be of policies that are gone.
    func allNames() throws(StoreError) -> [LearnedName]
    /// `nil` for the standard.
    func dns(of tenant: Tenant.ID) throws(StoreError) -> TenantDNS?
    func allDNS() throws(StoreError) -> [Tenant.ID: TenantDNS]

    /// The token with this SHA-256 digest of its secret.
    func token(digest: [UInt8]) throws(StoreError) -> APIToken?
    func tokens() throws(StoreError) -> [APIToken]
    /// Newest first.
    func audit(before: Int64?, limit: Int) throws(StoreError) -> [AuditRecord]
    /// Accounting records of a session, oldest first.
    func accounting(of session: Session.ID) throws(StoreError) -> [AccountingReport]
    func counts() throws(StoreError) -> StoreCounts
}

/// A transaction under way. Everything a reader sees, it sees with the changes made so far.
public protocol StoreTransaction: StoreReader, VPNTransaction, AccessPointTransaction, EventTransaction,
    SessionPolicyTransaction, SessionPartsTransaction, BulkTransaction, VolumeTransaction, UsageTransaction,
    RuleUsageTransaction, PrefixTransaction
{
    /// Runs `body` in a savepoint: when it throws, its changes are undone and the transaction goes on.
    func savepoint<Value>(_ body: () throws -> Value) throws -> Value

    func insertTenant(name: Name, at time: Timestamp) throws(StoreError) -> Tenant
    /// Throws `.conflict` while the tenant has SIMs; its groups, policies, lists, blocklists and blocks go with it.
    func deleteTenant(_ id: Tenant.ID) throws(StoreError)
    func setDefaultPolicy(_ policy: Policy.ID?, of tenant: Tenant.ID) throws(StoreError)

    func insertGroup(name: Name, of tenant: Tenant.ID, policy: Policy.ID?) throws(StoreError) -> SIMGroup
    func setPolicy(_ policy: Policy.ID?, ofGroup group: SIMGroup.ID) throws(StoreError)
    /// Throws `.conflict` while SIMs are in it.
    func deleteGroup(_ id: SIMGroup.ID) throws(StoreError)

    /// Creates the policy, or makes `document` its next version in force.
    func putPolicy(
        name: Name, of tenant: Tenant.ID, document: String, author: String, comment: String, at time: Timestamp
    ) throws(StoreError) -> Policy
    /// Throws `.conflict` while a group or the tenant's default uses it.
    func deletePolicy(_ id: Policy.ID) throws(StoreError)

    /// Adds what was learned, or replaces what has its number. Those of policies that are gone are ignored.
    func putNames(_ names: [LearnedName]) throws(StoreError)
    func deleteNames(_ numbers: some Sequence<Int64>) throws(StoreError)
    func putDNS(_ settings: TenantDNS, of tenant: Tenant.ID) throws(StoreError)

    /// Creates the tenant's list, or replaces it whole.
    func putList(_ list: SharedList) throws(StoreError)
    func deleteList(named name: Name, of tenant: Tenant.ID) throws(StoreError)
    /// Creates the service, or replaces it.
    func putService(_ service: ServiceRecord) throws(StoreError)
    func deleteService(named name: Name) throws(StoreError)

    /// Creates the owner's blocklist of that name, or says anew what it is; its status stays.
    func putBlocklist(
        name: Name, of owner: Tenant.ID?, settings: Blocklist.Settings, author: String, at time: Timestamp
    ) throws(StoreError) -> Blocklist
    func setStatus(_ status: Blocklist.Status, of blocklist: Blocklist.ID) throws(StoreError)
    func deleteBlocklist(_ id: Blocklist.ID) throws(StoreError)
    func putDNSException(_ exception: DNSException) throws(StoreError)
    func deleteDNSException(_ pattern: HostPattern, of tenant: Tenant.ID) throws(StoreError)

    /// Throws `.conflict` when the IMSI, ICCID or MSISDN is another SIM's.
    func insertSIM(_ sim: NewSIM, of tenant: Tenant.ID, at time: Timestamp) throws(StoreError) -> SIM
    func setState(_ state: SIM.State, of sim: SIM.ID) throws(StoreError)
    func setGroup(_ group: SIMGroup.ID?, of sim: SIM.ID) throws(StoreError)
    func setLabel(_ label: String, of sim: SIM.ID) throws(StoreError)
    /// Throws `.conflict` while it has an active session. Its leases are released.
    func deleteSIM(_ id: SIM.ID) throws(StoreError)

    func insertPool(prefix: IPv4Prefix, blockLength: UInt8) throws(StoreError) -> AddressPool
    /// Throws `.conflict` while a block of it is given to a tenant.
    func deletePool(_ id: AddressPool.ID) throws(StoreError)
    /// Gives the tenant a block when it has none: others' networks are routed to it before there is a device.
    func ensureBlock(of tenant: Tenant.ID) throws(StoreError)
    /// Gives the tenant one more block. Throws `.exhausted` when no pool has one left.
    func addBlock(of tenant: Tenant.ID) throws(StoreError)
    /// The SIM's lease on the APN, made from the tenant's blocks when there is none, from a new block of a pool when
    /// those are full. Throws `.exhausted` when no pool has a block left.
    func takeLease(sim: SIM.ID, tenant: Tenant.ID, apn: APN) throws(StoreError) -> AddressLease
    /// Gives the SIM's addresses and prefixes back. Throws `.conflict` while it has an active session.
    func releaseLeases(of sim: SIM.ID) throws(StoreError)

    func insertNAS(
        name: Name, address: IPv4Address, secret: Secret, requiresMessageAuthenticator: Bool, disconnectPort: UInt16,
        disconnectKey: NAS.DisconnectKey
    ) throws(StoreError) -> NAS
    func updateNAS(_ nas: NAS, secret: Secret?) throws(StoreError)
    /// Throws `.conflict` while it has active sessions.
    func deleteNAS(_ id: NAS.ID) throws(StoreError)

    /// Throws `.conflict` when the SIM has an active session on this APN already, or the address is in use.
    /// - Parameters:
    ///   - hasIPv4: whether it is given the lease's address, which it has to be without `prefixes`.
    ///   - prefixes: of the SIM's lease of IPv6 on the APN; `nil`: it has no IPv6.
    func insertSession(
        token: SessionToken, sim: Subscriber, nas: NAS.ID, lease: AddressLease, hasIPv4: Bool,
        prefixes: SessionPrefixes?, equipment: Equipment, accountingSessionID: String?, at time: Timestamp
    ) throws(StoreError) -> Session
    /// Writes equipment, NAS, accounting id, usage and times of an existing session.
    func updateSession(_ session: Session) throws(StoreError)
    func appendAccounting(_ report: AccountingReport, session: Session.ID?, received: Timestamp) throws(StoreError)

    /// Ends of sessions are numbered from the first collector on.
    func putNATCollector(_ name: String, at position: NATLogPosition) throws(StoreError)
    func deleteNATCollector(_ name: String) throws(StoreError)
    /// The plan that is in force from now on.
    func appendNATPlan(_ plan: NATPlan, at time: Timestamp) throws(StoreError) -> NATPlanRecord
    /// Forgets numbered ends up to this number, the oldest first, and not more than `limit` at once.
    func forgetSessionEnds(upTo number: Int64, limit: Int) throws(StoreError)

    func insertToken(_ token: APIToken, digest: [UInt8]) throws(StoreError)
    func deleteToken(named name: Name) throws(StoreError)
    func appendAudit(actor: String, action: String, target: String, detail: String, at time: Timestamp)
        throws(StoreError)
}
