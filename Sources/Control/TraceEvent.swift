public import Domain
public import PolicyCompiler

/// What somebody who traces is told.
public enum TraceEvent: Sendable {
    /// At the beginning, and again when something of it has changed, and every two seconds.
    case status(TraceStatus)
    case packet(PacketVerdict)
    /// Nothing comes after it.
    case end(reason: String, TraceStatus)
}

public struct TraceStatus: Hashable, Sendable {
    /// Of the SIM's sessions: IPv4 addresses, and the first of each /64. None: it has no session, and what it does is waited
    /// for.
    public var addresses: [IPAddress] = []
    /// Packets that were told.
    public var packets = 0
    /// Packets that were not, because there were too many.
    public var leftOut: UInt64 = 0
}

/// A packet, what became of it, and by whose rule.
public struct PacketVerdict: Hashable, Sendable {
    /// When the gateway noted it, some hundredths of a second after it came.
    public let time: Timestamp
    public let packet: TracedPacket
    /// What decided.
    public let by: Judge
    /// The policy of the rule. `nil`: the SIM has none, or no policy was asked.
    public let policy: Policy?
    /// `nil`: the default, or no rule at all.
    public let rule: Name?
    public let route: String?
    /// It passes only because the policy is in monitor mode.
    public let wouldBlock: Bool
    /// In words, without a full stop.
    public let reason: String
    /// How the kernel and the policy's reference differ, in words; `nil` when they agree, as they should.
    public let difference: String?

    public enum Judge: String, Hashable, Sendable {
        /// A rule of the policy, or its default.
        case rule
        /// The connection that it belongs to, which a rule has let pass.
        case flow
        /// An answer to a packet of such a connection.
        case answer
        /// What the gateway does with every device's packets.
        case gateway
    }

    public var isAllowed: Bool { if case .passed = packet.fate { true } else { false } }
}

/// What is asked of a trace.
public struct TraceQuestion: Sendable {
    public var imsi: IMSI
    /// The longest it lasts.
    public var time: Duration
    /// Packets after which it ends; `nil` for any number.
    public var limit: Int?
    public var packetsPerSecond: Int
    /// Only packets that passed, or only those that did not.
    public var isAllowed: Bool?

    public init(
        imsi: IMSI, time: Duration = .seconds(60), limit: Int? = nil, packetsPerSecond: Int = 100,
        isAllowed: Bool? = nil
    ) {
        self.imsi = imsi
        self.time = time
        self.limit = limit
        self.packetsPerSecond = packetsPerSecond
        self.isAllowed = isAllowed
    }
}
