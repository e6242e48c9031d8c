/// What a NAS can be asked to change of a session that goes on (CoA-Request, RFC 5176 §2.2).
public enum SessionChange: Hashable, Sendable {
    /// Session-Timeout (27): the NAS ends the session after so many seconds.
    case sessionTimeout(seconds: UInt32)
    /// Idle-Timeout (28): or when it has carried nothing for so many.
    case idleTimeout(seconds: UInt32)
    /// Acct-Interim-Interval (85): how often it reports; 60 at least (RFC 2869 §5.16).
    case interimInterval(seconds: UInt32)
}
