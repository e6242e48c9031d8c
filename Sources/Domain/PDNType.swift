/// What a PDN connection carries, as the NAS asks for it in 3GPP-PDP-Type (3GPP TS 29.061 §16.4.7.2, VSA 3).
public enum PDNType: Hashable, Sendable {
    /// Also what is meant by a NAS that does not say, and by PPP, which has carried nothing else.
    case ipv4
    case ipv6
    /// The session gets what there is of both (TS 23.401 §5.3.1.1).
    case ipv4v6
    /// Non-IP, unstructured or Ethernet: nothing here enforces anything on those.
    case other

    public var hasIPv4: Bool { self == .ipv4 || self == .ipv4v6 }
    public var hasIPv6: Bool { self == .ipv6 || self == .ipv4v6 }
}
