public import Domain

/// One change that somebody made.
public struct AuditRecord: Hashable, Sendable {
    public let id: Int64
    public let time: Timestamp
    public let actor: String
    public let action: String
    public let target: String
    public let detail: String
    public init(id: Int64, time: Timestamp, actor: String, action: String, target: String, detail: String) {
        self.id = id
        self.time = time
        self.actor = actor
        self.action = action
        self.target = target
        self.detail = detail
    }
}
