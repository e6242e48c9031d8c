/// Why a request has no answer, or why a connection is closed.
package enum ConversationError: Error, Hashable, Sendable {
    /// The daemon has no such command: another version, or a plugin that is not loaded.
    case unknownCommand(String)
    /// The daemon has no such event, or was not asked for it.
    case unknownEvent(String)
    /// The request does not fit in a packet.
    case unencodable(WireError)
    case tooManyWaiting
    case withdrawn
    /// The connection ended. What was not sent can be sent again on another; of what was sent, look first.
    case lost(wasSent: Bool)

    // These close the connection.
    case malformed(WireError)
    /// A packet that answers nothing that was asked.
    case unexpectedPacket(type: UInt8)
    /// ``Conversation/maximumStream`` reached.
    case streamTooLong
}
