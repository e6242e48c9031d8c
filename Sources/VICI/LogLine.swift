/// A line of the daemon's log, of the `log` and `control-log` events.
package struct LogLine: Hashable, Sendable, CustomStringConvertible {
    /// `IKE`, `CFG`, `NET`, `ESP`, …
    package let group: String
    /// -1 (silent) to 4 (private).
    package let level: Int
    package let ikeName: String?
    package let ikeID: UInt32?
    package let text: String

    package init(group: String, level: Int = 1, ikeName: String? = nil, ikeID: UInt32? = nil, text: String) {
        self.group = group
        self.level = level
        self.ikeName = ikeName
        self.ikeID = ikeID
        self.text = text
    }

    package init(_ message: Message) throws(CommandError) {
        guard let text = message["msg"] else { throw .malformed(key: "msg") }
        guard let group = message["group"] else { throw .malformed(key: "group") }
        self.init(
            group: group, level: message[number: "level"] ?? 1, ikeName: message["ikesa-name"],
            ikeID: message[number: "ikesa-uniqueid"], text: text)
    }

    package var description: String { "[\(group)] \(text)" }

    /// The lines among streamed events; what is none is left out.
    static func lines(of events: [Message]) -> [LogLine] { events.compactMap { try? LogLine($0) } }
}
