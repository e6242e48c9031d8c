public import Domain

/// One Transport Session with a collector (RFC 7011): what is sent in it, in order. No sockets and no clock.
public struct ExportSession: Sendable {
    public enum Transport: String, Hashable, Sendable {
        case udp
        case tcp
    }

    private let transport: Transport
    private let observationDomain: UInt32
    /// Octets of a message at most.
    private let messageLimit: Int
    /// Templates are sent again after so long, over UDP (§8.4).
    private let templateSeconds: Int64
    /// Records sent so far, modulo 2^32 (§3.1).
    private var sequence: UInt32 = 0
    private var templatesSent: Timestamp?
    private var exhaustionTold: Timestamp?

    /// The smallest message that holds the templates and a record.
    public static let smallestMessageLimit = 400

    /// - Parameter messageLimit: ``smallestMessageLimit`` at least.
    public init(transport: Transport, observationDomain: UInt32, messageLimit: Int, templateSeconds: Int64) {
        self.transport = transport
        self.observationDomain = observationDomain
        self.messageLimit = max(messageLimit, Self.smallestMessageLimit)
        self.templateSeconds = templateSeconds
    }

    /// The messages that tell these events, with the templates before them when their time has come. None when there is
    /// nothing to say.
    public mutating func messages(for events: [NATEvent], at now: Timestamp) -> [[UInt8]] {
        var messages: [[UInt8]] = []
        var message = message(at: now)
        if areTemplatesDue(at: now) {
            message.append(NATRecord.templates)
            templatesSent = now
        }
        for event in events where isWorthTelling(event) {
            let record = NATRecord(event)
            if !message.append(record.octets, of: record.template) {
                messages.append(message.encoded())
                message = self.message(at: now)
                _ = message.append(record.octets, of: record.template)
            }
            // The header has the number of the message's first record, so this counts for the next.
            sequence &+= 1
        }
        if !message.isEmpty { messages.append(message.encoded()) }
        return messages
    }

    private func message(at now: Timestamp) -> Message {
        Message(
            limit: messageLimit, exportSeconds: UInt32(clamping: now.milliseconds / 1000), sequence: sequence,
            observationDomain: observationDomain)
    }

    /// A clock that was set back counts as the time that has passed.
    private func areTemplatesDue(at now: Timestamp) -> Bool {
        guard let templatesSent else { return true }
        guard transport == .udp else { return false }
        return !(0..<templateSeconds * 1000).contains(now.milliseconds - templatesSent.milliseconds)
    }

    /// Exhaustion is told once a second: a fleet that finds the plan full would say it for each device (RFC 8158 §7.2).
    private mutating func isWorthTelling(_ event: NATEvent) -> Bool {
        guard case .exhausted(let time) = event else { return true }
        if let told = exhaustionTold, (0..<1000).contains(time.milliseconds - told.milliseconds) { return false }
        exhaustionTold = time
        return true
    }
}
