public import Domain

/// A packet that a device sends, as far as policies look at it.
public struct PacketQuery: Hashable, Sendable {
    public let destination: IPv4Address
    /// IP protocol number.
    public let `protocol`: UInt8
    /// The destination port; `nil` when the protocol has none. A rule with ports matches no packet without.
    public let port: UInt16?

    public init(destination: IPv4Address, protocol: UInt8, port: UInt16?) {
        self.destination = destination
        self.protocol = `protocol`
        self.port = port
    }
}

extension PacketQuery: CustomStringConvertible {
    /// `198.51.100.7:443/tcp`, `198.51.100.7/icmp`.
    public var description: String {
        "\(destination)\(port.map { ":\($0)" } ?? "")/\(IPProtocol.name(`protocol`))"
    }
}
