public import Domain

/// A session policy's document, and for whom it is.
public struct SessionPolicyRecord: Hashable, Sendable {
    /// Another document has another version, also one that is put after the place was cleared.
    public let version: Int64
    public let place: SessionPolicyPlace
    public let document: String
    public let author: String
    public let appliedAt: Timestamp

    public init(version: Int64, place: SessionPolicyPlace, document: String, author: String, appliedAt: Timestamp) {
        self.version = version
        self.place = place
        self.document = document
        self.author = author
        self.appliedAt = appliedAt
    }
}

/// For whom a session policy is.
public enum SessionPolicyPlace: Hashable, Sendable {
    case ceiling
    case tenantCeiling(Tenant.ID)
    case tenant(Tenant.ID)
    case group(SIMGroup.ID, of: Tenant.ID)
    case sim(SIM.ID, of: Tenant.ID)

    public var level: SessionPolicyLevel {
        switch self {
        case .ceiling: .ceiling
        case .tenantCeiling: .tenantCeiling
        case .tenant: .tenant
        case .group: .group
        case .sim: .sim
        }
    }

    /// `nil`: all.
    public var tenant: Tenant.ID? {
        switch self {
        case .ceiling: nil
        case .tenantCeiling(let tenant), .tenant(let tenant), .group(_, let tenant), .sim(_, let tenant): tenant
        }
    }
}

/// What a ``StoreReader`` reads of session policies.
public protocol SessionPolicyReader {
    /// Every document in force.
    func sessionPolicies() throws(StoreError) -> [SessionPolicyRecord]
    func sessionPolicy(at place: SessionPolicyPlace) throws(StoreError) -> SessionPolicyRecord?

    /// That of a SIM of which nothing is remembered is new.
    func standing(of sim: SIM.ID) throws(StoreError) -> SIMStanding
    /// SIMs that somebody has put into quarantine.
    func heldSIMs() throws(StoreError) -> [SIM.ID]
    /// Those of `places` that are remembered for the SIM's fence, with when it was first seen there; `nil`: all.
    func fence(of sim: SIM.ID, among places: [FencePlace]?) throws(StoreError) -> [FencePlace: Timestamp]

    func restriction(of session: Session.ID) throws(StoreError) -> SessionRestriction?
    /// Open sessions to judge again by then, the longest due first.
    func sessions(toJudgeBy time: Timestamp, limit: Int) throws(StoreError) -> [Session.ID]
    /// When the session is to be judged again by time alone.
    func judgeAt(of session: Session.ID) throws(StoreError) -> Timestamp?
    /// Open sessions that are judged again by time, by number.
    func judgedSessions(after: Session.ID?, limit: Int) throws(StoreError) -> [Session.ID]
    /// Open sessions whose NAS is to be told to end them.
    func sessionsToReject() throws(StoreError) -> [Session.ID]
    /// What the kernel should hold of one session; `nil`: nothing.
    func enforcedSession(_ id: Session.ID) throws(StoreError) -> EnforcedSession?

    /// `owner` nil: the operator's.
    func imeiList(named name: Name, of owner: Tenant.ID?) throws(StoreError) -> IMEIList?
    func imeiLists(of owner: Tenant.ID?) throws(StoreError) -> [IMEIList]
    /// In the order of their keys.
    func items(of list: IMEIList.ID, after: Int64?, limit: Int) throws(StoreError) -> [IMEIList.Item]
    /// Whether the IMEI or its model is in the list: a look-up, however long the list is.
    func isListed(_ imei: IMEI, in list: Name, of owner: Tenant.ID?) throws(StoreError) -> Bool

    func approvalHook() throws(StoreError) -> ApprovalHook?
    /// What its requests are signed with, decrypted.
    func approvalHookSecret() throws(StoreError) -> Secret?
}

/// What a ``StoreTransaction`` changes of session policies.
public protocol SessionPolicyTransaction: SessionPolicyReader {
    func putSessionPolicy(
        _ document: String, at place: SessionPolicyPlace, author: String, time: Timestamp
    ) throws(StoreError) -> SessionPolicyRecord
    func deleteSessionPolicy(at place: SessionPolicyPlace) throws(StoreError)

    func putStanding(_ standing: SIMStanding, of sim: SIM.ID) throws(StoreError)
    /// Up to ``LocationLock/Fence/maximumPlaces``; more are not remembered.
    /// - Parameter isFirst: it is known that there are none yet.
    func addFencePlaces(
        _ places: [FencePlace], of sim: SIM.ID, isFirst: Bool, at time: Timestamp) throws(StoreError)
    func deleteFence(of sim: SIM.ID) throws(StoreError)

    /// `nil`: it has none any more.
    func putRestriction(_ restriction: SessionRestriction?, of session: Session.ID) throws(StoreError)
    func setJudgeAt(_ time: Timestamp?, of session: Session.ID) throws(StoreError)
    func setIsToReject(_ isToReject: Bool, _ session: Session.ID) throws(StoreError)

    /// Creates the owner's list, or replaces it whole.
    func putIMEIList(
        named name: Name, of owner: Tenant.ID?, items: Set<Int64>, author: String, at time: Timestamp
    ) throws(StoreError) -> IMEIList
    func deleteIMEIList(_ id: IMEIList.ID) throws(StoreError)

    func putApprovalHook(_ hook: ApprovalHook, secret: Secret) throws(StoreError)
    func deleteApprovalHook() throws(StoreError)
}
