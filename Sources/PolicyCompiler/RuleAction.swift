public import Domain

/// What happens to a packet that a rule matches.
public enum RuleAction: Hashable, Sendable {
    case block
    /// Out by the first of these that is up; blocked when none is, and never by another. Not empty. Either the internet
    /// or the time server alone, or VPNs only.
    case route([Route])
    /// To a device of the tenant, from another or through a VPN.
    case allow

    public static let internet = RuleAction.route([.internet])
}

/// One way out.
public enum Route: Hashable, Sendable, CustomStringConvertible {
    /// Behind NAT 1 and NAT 2.
    case internet
    /// To the operator's time server, wherever the packet is addressed (many devices have one address for good); its answers
    /// look as if they came from there.
    case timeServer
    /// Through a VPN of the tenant.
    case vpn(Name)

    /// As documents write it: `internet`, `time-server`, `vpn:hq`.
    public var description: String {
        switch self {
        case .internet: "internet"
        case .timeServer: "time-server"
        case .vpn(let name): "vpn:\(name)"
        }
    }
}
