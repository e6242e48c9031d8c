public import Domain

/// What a ``StoreReader`` reads of the life of sessions beside the sessions themselves.
public protocol SessionPartsReader {
    /// In the order in which they were first reported. Empty for a session that has had one bearer only.
    func bearers(of session: Session.ID) throws(StoreError) -> [SessionBearer]
    /// Oldest first, ``Domain/SessionPlace/maximumCount`` at most. Empty for a session that stayed where it began.
    func places(of session: Session.ID) throws(StoreError) -> [SessionPlace]
    /// Whether anything was reported of the session.
    func hasAccounting(of session: Session.ID) throws(StoreError) -> Bool
    /// The last session that had the lease, active or not.
    func lastSession(of lease: AddressLease) throws(StoreError) -> Session?
    /// Looks at `scanning` active sessions after one, by id, and gives those that had no report since before `time`.
    /// - Returns: the last that was looked at; `nil` when there was none left.
    func silentSessions(
        since time: Timestamp, after: Session.ID?, scanning: Int
    ) throws(StoreError) -> (last: Session.ID?, found: [Session])
    /// What NAS have lost and is not ended yet, oldest first.
    func losses() throws(StoreError) -> [NASLoss]
    /// Active sessions that a loss is about, by id.
    func sessions(of loss: NASLoss, after: Session.ID?, limit: Int) throws(StoreError) -> [Session]
}

/// What a ``StoreTransaction`` changes of it.
public protocol SessionPartsTransaction: SessionPartsReader {
    /// Adds the bearer, or replaces what is known of the one with its key. When there are too many, those that ended
    /// longest ago go.
    func putBearer(_ bearer: SessionBearer, of session: Session.ID) throws(StoreError)
    /// Adds the newest place; the oldest go.
    func appendPlace(_ place: SessionPlace, of session: Session.ID) throws(StoreError)
    /// Begins a session that goes on where an ended one was given up: its SIM, address, NAS, equipment and bearers, and its
    /// token, by which the NAS will go on naming it. The ended one gets another. Its counters begin at zero; those of its
    /// bearers, as the NAS counts them, go on.
    func continueSession(_ ended: Session, at time: Timestamp) throws(StoreError) -> Session
    func insertLoss(
        of nas: NAS.ID, cause: Session.EndCause, lastSession: Session.ID, begunBy: Timestamp?
    ) throws(StoreError) -> NASLoss
    func deleteLoss(_ id: NASLoss.ID) throws(StoreError)
}

/// A NAS has lost its sessions.
public struct NASLoss: Hashable, Sendable {
    public typealias ID = Identifier<NASLoss>
    public let id: ID
    public let nas: NAS.ID
    public let cause: Session.EndCause
    /// None that began later is concerned.
    public let lastSession: Session.ID
    /// And none that began after this; `nil`: the number alone tells.
    public let begunBy: Timestamp?

    public init(id: ID, nas: NAS.ID, cause: Session.EndCause, lastSession: Session.ID, begunBy: Timestamp?) {
        self.id = id
        self.nas = nas
        self.cause = cause
        self.lastSession = lastSession
        self.begunBy = begunBy
    }
}
