/// A command of the daemon's, and how its answer is read.
package protocol Command: Sendable {
    associatedtype Answer: Sendable
    static var name: String { get }
    var message: Message { get }
    /// The event whose messages belong to the answer.
    var stream: String? { get }
    func answer(in reply: Conversation.Reply) throws(CommandError) -> Answer
}

extension Command {
    package var message: Message { Message() }
    package var stream: String? { nil }
    package var request: Conversation.Request { .command(name: Self.name, message, stream: stream) }
}

extension Command where Answer == Void {
    package func answer(in reply: Conversation.Reply) throws(CommandError) { try reply.checkSuccess() }
}

/// Why a command was not done.
package enum CommandError: Error, Hashable, Sendable {
    /// What the daemon says, and what it logged meanwhile, where that was asked for.
    case refused(words: String, log: [LogLine] = [])
    /// An answer without what every answer to this command has.
    case malformed(key: String)
    case conversation(ConversationError)
}

extension Conversation.Reply {
    /// `success` is `yes`, or `no` with `errmsg` beside it.
    func checkSuccess(log: [LogLine] = []) throws(CommandError) {
        switch message["success"] {
        case "yes": return
        case "no": throw .refused(words: message["errmsg"] ?? "", log: log)
        default: throw .malformed(key: "success")
        }
    }

    func names(_ key: String) throws(CommandError) -> [String] {
        guard case .list = message[content: key] else { throw .malformed(key: key) }
        return message[list: key]
    }
}
