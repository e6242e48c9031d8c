public import Domain

/// A packet that a device sends or is sent, as far as policies look at it.
public struct PacketQuery: Hashable, Sendable {
    public let destination: IPAddress
    /// IP protocol number.
    public let `protocol`: UInt8
    /// The destination port; `nil` when the protocol has none. A rule with ports matches no packet without.
    public let port: UInt16?
    public let direction: Direction
    /// The name by which somebody asks for a destination that has no known address: then `destination` says nothing, and
    /// only rules for names and for everything match.
    public var name: DomainName?

    public enum Direction: Hashable, Sendable {
        case fromDevice
        /// From an address behind one of the tenant's VPNs.
        case toDevice(source: IPAddress, via: Name)
    }

    public init(destination: IPAddress, protocol: UInt8, port: UInt16?, direction: Direction = .fromDevice) {
        self.destination = destination
        self.protocol = `protocol`
        self.port = port
        self.direction = direction
    }

    /// A packet from a device to a name.
    public init(name: DomainName, protocol: UInt8, port: UInt16?) {
        self.init(destination: IPv4Address(bits: 0), protocol: `protocol`, port: port)
        self.name = name
    }

    /// A packet from a device to an IPv4 address.
    public init(destination: IPv4Address, protocol: UInt8, port: UInt16?) {
        self.init(destination: .v4(destination), protocol: `protocol`, port: port)
    }
}

extension PacketQuery: CustomStringConvertible {
    /// `198.51.100.7:443/tcp`, `198.51.100.7/icmp`, `[2001:db8::7]:443/tcp`; to a device with where it comes from,
    /// `10.0.0.5 through vpn:hq to 100.64.0.9:22/tcp`.
    public var description: String {
        let place =
            switch (destination, port) {
            case (_, let port?) where name != nil: "\(name.map(\.description) ?? ""):\(port)"
            case (_, nil) where name != nil: "\(name.map(\.description) ?? "")"
            case (.v6(let address), let port?): "[\(address)]:\(port)"
            case (.v4(let address), let port?): "\(address):\(port)"
            case (let address, nil): "\(address)"
            }
        let packet = "\(place)/\(IPProtocol.name(`protocol`))"
        switch direction {
        case .fromDevice: return packet
        case .toDevice(let source, let via): return "\(source) through vpn:\(via) to \(packet)"
        }
    }
}
