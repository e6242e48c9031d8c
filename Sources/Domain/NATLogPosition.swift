/// How far a collector of NAT events has been told.
public struct NATLogPosition: Hashable, Sendable {
    /// The plan that the rest is told under, until the next one's beginning.
    public var plan: Int64
    /// The plan whose blocks the walk takes back; `nil` when the collector is new.
    public var previousPlan: Int64?
    /// The walk over the sessions that were open when the plan, or the collector, was new: the last one told, and where it
    /// ends.
    public var walked: Session.ID
    public var walkEnd: Session.ID
    /// The last beginning and the last end that have been told.
    public var begun: Session.ID
    public var ended: Int64

    public init(
        plan: Int64, previousPlan: Int64?, walked: Session.ID, walkEnd: Session.ID, begun: Session.ID, ended: Int64
    ) {
        self.plan = plan
        self.previousPlan = previousPlan
        self.walked = walked
        self.walkEnd = walkEnd
        self.begun = begun
        self.ended = ended
    }
}
