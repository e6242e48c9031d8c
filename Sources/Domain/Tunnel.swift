/// An IPsec connection (IKEv2, RFC 7296) between the gateway and an enterprise's own VPN device, or a partner's.
///
/// Its traffic selectors are the tenant's blocks here and ``networks`` there; the pair is one tenant's alone, whatever
/// networks other tenants have.
public struct Tunnel: Hashable, Sendable {
    public let peer: Peer
    /// What is behind the peer, in their order. Devices reach these, and packets to devices come from these only.
    public let networks: [RemoteNetwork]
    /// Whose devices may use it.
    public let devices: Devices
    public let profile: Profile
    public let authentication: Authentication
    /// What the peer must say it is; `nil`: what ``Peer/defaultIdentity`` says, or for ``Peer/anywhere`` what the VPN is called.
    public let peerIdentity: IKEIdentity?
    /// What the gateway says it is.
    public let gatewayIdentity: GatewayIdentity
    public let initiation: Initiation
    /// ESP in UDP (RFC 3948) also where no NAT is seen: for networks that lose ESP.
    public let forcesEncapsulation: Bool
    /// One CHILD_SA for each pair of networks, for peers that take one traffic selector a side (many Cisco).
    public let pairsSelectors: Bool
    /// An address behind the peer that answers an echo request (RFC 792) while the tunnel is well.
    public let probe: IPv4Address?
    /// Whose it is, when it is not the tenant's own, and what may pass.
    public let partner: Partner?

    public static let maximumNetworks = 64

    public init(
        peer: Peer, networks: [RemoteNetwork], devices: Devices = .all, profile: Profile = .standard,
        authentication: Authentication = .sharedKey, peerIdentity: IKEIdentity? = nil,
        gatewayIdentity: GatewayIdentity = .name, initiation: Initiation = .always, forcesEncapsulation: Bool = false,
        pairsSelectors: Bool = false,
        probe: IPv4Address? = nil, partner: Partner? = nil
    ) {
        self.peer = peer
        self.networks = Set(networks).sorted()
        self.devices = devices
        self.profile = profile
        self.authentication = authentication
        self.peerIdentity = peerIdentity
        self.gatewayIdentity = gatewayIdentity
        self.initiation = initiation
        self.forcesEncapsulation = forcesEncapsulation
        self.pairsSelectors = pairsSelectors
        self.probe = probe
        self.partner = partner
    }

    /// Where the other end is.
    public enum Peer: Hashable, Sendable, CustomStringConvertible {
        case address(IPAddress)
        /// Looked up again while the tunnel is down.
        case name(DomainName)
        /// Behind an address that is not known before it calls.
        case anywhere

        /// Parses an address, a domain name, or `any`.
        public init(parsing text: some StringProtocol) throws(ParseError) {
            if text == "any" {
                self = .anywhere
            } else if let name = DomainName(utf8: Array(text.utf8)) {
                self = .name(name)
            } else {
                do {
                    self = .address(try IPAddress(parsing: text))
                } catch {
                    throw ParseError(
                        kind: "a VPN's peer", text: text,
                        expected: "write its address, its domain name, or any when it has no fixed address")
                }
            }
        }

        public var description: String {
            switch self {
            case .address(let address): "\(address)"
            case .name(let name): "\(name)"
            case .anywhere: "any"
            }
        }

        public var defaultIdentity: IKEIdentity? {
            switch self {
            case .address(let address): .address(address)
            case .name(let name): .name(name)
            case .anywhere: nil
            }
        }
    }

    /// A network behind the peer, and where devices see it when that is not the same (a 1:1 translation, NETMAP).
    public struct RemoteNetwork: Hashable, Comparable, Sendable, CustomStringConvertible {
        /// As the enterprise knows it, and as the traffic selectors say.
        public let network: IPv4Prefix
        /// As devices and policies know it: the same, or another of its length.
        public let seenAs: IPv4Prefix

        public init(_ network: IPv4Prefix) {
            self.network = network
            seenAs = network
        }

        /// `nil` when the lengths differ.
        public init?(_ network: IPv4Prefix, seenAs: IPv4Prefix) {
            guard network.length == seenAs.length else { return nil }
            self.network = network
            self.seenAs = seenAs
        }

        public var isTranslated: Bool { network != seenAs }

        /// Parses `10.0.0.0/24`, or `10.0.0.0/24=192.168.7.0/24`: the network there, and what devices see it as.
        @specialized(where Text == Substring)
        public init<Text: StringProtocol>(parsing text: Text) throws(ParseError) {
            guard let mark = text.utf8.firstIndex(of: UInt8(ascii: "=")) else {
                self.init(try IPv4Prefix(parsing: text))
                return
            }
            let network = try IPv4Prefix(parsing: text[..<mark])
            let seenAs = try IPv4Prefix(parsing: text[text.utf8.index(after: mark)...])
            guard let translated = Self(network, seenAs: seenAs) else {
                throw ParseError(
                    kind: "a translated network", text: text,
                    expected: "write two prefixes of one length: each address there has one that devices see")
            }
            self = translated
        }

        public static func < (a: Self, b: Self) -> Bool { (a.seenAs, a.network) < (b.seenAs, b.network) }
        public var description: String { isTranslated ? "\(network)=\(seenAs)" : "\(network)" }
    }

    public enum Devices: Hashable, Sendable, CustomStringConvertible {
        case all
        /// Those of these groups, 1 to 16 in their order.
        case groups([Name])

        public static let maximumGroups = 16

        public var description: String {
            switch self {
            case .all: "all"
            case .groups(let groups): groups.map { "group:\($0)" }.joined(separator: ",")
            }
        }

        /// Parses `all`, or `group:meters`, several with commas between them.
        public init(parsing text: some StringProtocol) throws(ParseError) {
            let wrong = ParseError(
                kind: "whose devices use a VPN", text: text,
                expected: "write all, or group:NAME, at most \(Self.maximumGroups) with commas between them")
            guard text != "all" else {
                self = .all
                return
            }
            var names: Set<Name> = []
            for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                guard part.hasPrefix("group:") else { throw wrong }
                names.insert(try Name(parsing: part.dropFirst(6)))
            }
            guard names.count <= Self.maximumGroups else { throw wrong }
            self = .groups(names.sorted())
        }
    }

    /// The algorithms that are offered and taken (RFC 8247, RFC 8221).
    public enum Profile: String, CaseIterable, Sendable {
        /// AES-256-GCM, PRF-HMAC-SHA2-384, ECP-384 or Curve25519.
        case standard = "default"
        /// AES-256-CBC, HMAC-SHA2-256, MODP-2048.
        case compatible
    }

    public enum Authentication: String, CaseIterable, Sendable {
        /// RFC 7296 §2.15, by a key of 32 random octets.
        case sharedKey = "psk"
        /// RFC 7427.
        case certificate
    }

    public enum GatewayIdentity: String, CaseIterable, Sendable {
        /// A domain name that is this VPN's alone.
        case name
        /// The address that the peer calls, for peers that take nothing else (AWS). The peer's own identity must then be no
        /// other VPN's.
        case address
    }

    public enum Initiation: String, CaseIterable, Sendable {
        /// Made at once, and again whenever it ends.
        case always
        /// Made when a device sends.
        case onDemand = "on-demand"
        /// The peer makes it.
        case never
    }

    /// Another enterprise that the tenant lets near its devices, and how far.
    public struct Partner: Hashable, Sendable {
        public let name: Name
        /// As devices see them, within the tunnel's; empty: all of those.
        public let destinations: [IPv4Prefix]
        /// Of either direction, at the side that is called; empty: every protocol.
        public let ports: [PartnerPorts]
        /// Outside this it is down.
        public let validFrom: Timestamp?
        public let validUntil: Timestamp?

        public init(
            name: Name, destinations: [IPv4Prefix] = [], ports: [PartnerPorts] = [], validFrom: Timestamp? = nil,
            validUntil: Timestamp? = nil
        ) {
            self.name = name
            self.destinations = Set(destinations).sorted()
            self.ports = Set(ports).sorted()
            self.validFrom = validFrom
            self.validUntil = validUntil
        }

        public static let maximumDestinations = 64
        public static let maximumPorts = 64

        public func isValid(at time: Timestamp) -> Bool {
            (validFrom.map { $0 <= time } ?? true) && (validUntil.map { time < $0 } ?? true)
        }
    }
}

/// What a partner may call: `tcp/443`, `udp/5000-5010`, `icmp`.
public struct PartnerPorts: Hashable, Comparable, Sendable, CustomStringConvertible {
    public enum Transport: String, CaseIterable, Sendable {
        case tcp, udp, icmp
    }

    public let transport: Transport
    /// `nil`: all; and for ICMP, which has none.
    public let ports: ClosedRange<UInt16>?

    public init(transport: Transport, ports: ClosedRange<UInt16>?) {
        self.transport = transport
        self.ports = transport == .icmp ? nil : ports
    }

    public init(parsing text: some StringProtocol) throws(ParseError) {
        let wrong = ParseError(
            kind: "a protocol and its ports", text: text, expected: "write tcp/443, udp/5000-5010, tcp, udp or icmp")
        let sides = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = sides.first, let transport = Transport(rawValue: String(first)) else { throw wrong }
        guard sides.count == 2 else {
            self.init(transport: transport, ports: nil)
            return
        }
        let ends = sides[1].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map {
            $0.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt16($0) : nil
        }
        guard transport != .icmp, let low = ends.first ?? nil, let high = ends.last ?? nil, low > 0, low <= high else {
            throw wrong
        }
        self.init(transport: transport, ports: low...high)
    }

    public static func < (a: Self, b: Self) -> Bool { a.description < b.description }

    public var description: String {
        guard let ports else { return transport.rawValue }
        return ports.count == 1
            ? "\(transport.rawValue)/\(ports.lowerBound)"
            : "\(transport.rawValue)/\(ports.lowerBound)-\(ports.upperBound)"
    }
}
