/// Whether an upstream answers. Questions alone do not tell: some have no answer from anybody, and a device may ask nothing
/// else. So when several in a row were not answered in time, one is asked that every resolver has an answer to, and only
/// that one's silence counts. It knows no clock: milliseconds are the caller's.
public struct UpstreamHealth: Sendable {
    private enum State {
        case up
        /// It was asked whether it is there.
        case doubted(until: Int64)
        /// It was not. It is asked again at the time, with the wait after that.
        case down(probeAt: Int64, wait: Int64)
        /// It is being asked again.
        case probed(until: Int64, wait: Int64)
    }

    private var state = State.up
    private var silences = 0

    /// Silences in a row before it is asked.
    static let doubtAfter = 3
    static let probeMilliseconds: Int64 = 1000
    static let longestWait: Int64 = 16_000

    public init() {}

    /// Whether it is asked before those that are not.
    public var isUp: Bool {
        switch state {
        case .up, .doubted: true
        case .down, .probed: false
        }
    }

    /// Something that fits came from it.
    /// - Returns: whether it was down.
    public mutating func answered() -> Bool {
        let wasDown = !isUp
        state = .up
        silences = 0
        return wasDown
    }

    /// A question was not answered in time, or its port is closed.
    public mutating func wasSilent() { silences += 1 }

    public enum Action: Hashable, Sendable {
        case probe
        case goneDown
    }

    /// What is to be done now; called often.
    public mutating func tick(at now: Int64) -> Action? {
        switch state {
        case .up where silences >= Self.doubtAfter:
            state = .doubted(until: now + Self.probeMilliseconds)
            return .probe
        case .up: return nil
        case .doubted(let until):
            guard now >= until else { return nil }
            state = .down(probeAt: now + Self.probeMilliseconds, wait: 2 * Self.probeMilliseconds)
            return .goneDown
        case .down(let probeAt, let wait):
            guard now >= probeAt else { return nil }
            state = .probed(until: now + Self.probeMilliseconds, wait: wait)
            return .probe
        case .probed(let until, let wait):
            guard now >= until else { return nil }
            state = .down(probeAt: now + wait, wait: min(2 * wait, Self.longestWait))
            return nil
        }
    }
}
