package import Domain

/// What becomes of one VPN, as its record takes it: from vici's events, its commands' answers, and Cordon itself.
package enum TunnelEvent: Hashable, Sendable {
    /// A message that the directory has found to be about this VPN.
    case log(LogLine)
    /// `ike-updown`. `sa` is charon's `uniqueid`.
    case ikeUp(sa: UInt32, address: IPAddress, port: UInt16, identity: String)
    case ikeDown(sa: UInt32)
    /// `ike-rekey`: the new one takes the old one's children.
    case ikeRekeyed(sa: UInt32, new: UInt32)
    /// `child-updown`, with the traffic selectors as charon writes them.
    case childUp(sa: UInt32, name: String, local: [String], remote: [String])
    case childDown(sa: UInt32, name: String)
    /// `child-rekey`.
    case childRekeyed(sa: UInt32, name: String)
    /// The `initiate` command was given.
    case initiated
    /// Its answer: `nil`, or charon's `errmsg`.
    case initiationEnded(error: String?)
    /// Octets so far of the CHILD_SAs that are there; each starts at zero.
    case counters(bytesIn: UInt64, bytesOut: UInt64)
    case probe(answered: Bool, address: IPv4Address)
    /// Cordon's own look-up of the peer's name failed.
    case nameUnresolved(DomainName)
    /// A new charon, which knows nothing of the former's tunnels and numbers its IKE_SAs anew.
    case charonStarted
    /// Taken down on purpose: a partner's time is over, or the VPN is turned off.
    case ended
    case resumed
}
