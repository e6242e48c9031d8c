public import Domain

/// Asks hosts behind tunnels whether they are there (ICMP echo, RFC 792), with packets that take the tunnel's own way.
public protocol TunnelProbing: Sendable {
    /// Sends without waiting. What cannot be sent has no answer.
    func send(_ probes: [TunnelProbe])

    /// What has come since the last call. Only for what was sent, whoever says so: an answer carries what nobody else knows.
    func answers() -> [TunnelProbe.Answer]
}

/// One question.
public struct TunnelProbe: Hashable, Sendable {
    public let vpn: VPNNumber
    public let sequence: UInt16
    /// The gateway's own address in the tenant's block.
    public let source: IPv4Address
    public let destination: IPv4Address
    /// What leads through the tunnel.
    public let mark: UInt32

    public init(vpn: VPNNumber, sequence: UInt16, source: IPv4Address, destination: IPv4Address, mark: UInt32) {
        self.vpn = vpn
        self.sequence = sequence
        self.source = source
        self.destination = destination
        self.mark = mark
    }

    public struct Answer: Hashable, Sendable {
        public let vpn: VPNNumber
        public let sequence: UInt16
        public let from: IPv4Address

        public init(vpn: VPNNumber, sequence: UInt16, from: IPv4Address) {
            self.vpn = vpn
            self.sequence = sequence
            self.from = from
        }
    }
}

/// How one tunnel's probe does. A question is sent when the last is answered or given up.
package struct ProbeState: Hashable, Sendable {
    /// Between two questions, and as long as an answer is waited for.
    package static let intervalMilliseconds: Int64 = 800
    /// So many without an answer, one after the other, and the tunnel is taken for dead.
    package static let patience = 4

    package private(set) var sequence: UInt16 = 0
    package private(set) var lost = 0
    private var sentAt: Timestamp?
    private var isAnswered = true

    package init() {}

    package var isFailing: Bool { lost >= Self.patience }

    /// - Returns: the number of the question to send now, when it is time.
    package mutating func next(at time: Timestamp) -> UInt16? {
        if let sentAt, time.milliseconds - sentAt.milliseconds < Self.intervalMilliseconds { return nil }
        if !isAnswered { lost = min(lost + 1, Self.patience) }
        sequence &+= 1
        (sentAt, isAnswered) = (time, false)
        return sequence
    }

    package mutating func note(answer sequence: UInt16) {
        // One that comes late is an answer still.
        guard self.sequence &- sequence < UInt16(Self.patience) else { return }
        lost = 0
        if sequence == self.sequence { isAnswered = true }
    }

    package mutating func restart() { self = ProbeState() }
}
