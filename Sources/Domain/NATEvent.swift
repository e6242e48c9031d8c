/// What the log of NAT 1 tells (RFC 8158): blocks of ports, not flows, since a block is one device's for a whole session
/// (docs/decisions/0015).
public enum NATEvent: Hashable, Sendable {
    /// From this time on the device sends from these ports.
    case allocated(NATBinding, device: IPv4Address, at: Timestamp)
    /// Until this time it did.
    case released(NATBinding, device: IPv4Address, at: Timestamp)
    /// A session began without a block, because the plan has no more.
    case exhausted(at: Timestamp)
}
