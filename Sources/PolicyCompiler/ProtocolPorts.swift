/// Packets of one protocol to some ports, or of any protocol.
public struct ProtocolPorts: Hashable, Sendable {
    /// IP protocol number; `nil` is any.
    public let `protocol`: UInt8?
    /// Destination ports, as written; empty is any. Only for TCP and UDP.
    public let ports: [ClosedRange<UInt16>]

    /// Packets of every protocol to every port.
    public static let any = ProtocolPorts(unchecked: nil, ports: [])

    /// - Precondition: only TCP and UDP have ports.
    public init(protocol number: UInt8?, ports: [ClosedRange<UInt16>]) {
        precondition(ports.isEmpty || IPProtocol.hasPorts(number), "ports of a protocol that has none")
        self.init(unchecked: number, ports: ports)
    }

    private init(unchecked number: UInt8?, ports: [ClosedRange<UInt16>]) {
        self.protocol = number
        self.ports = ports
    }

    /// The same packets with one element for each protocol, in the order of the first of each; ``any`` alone when it is
    /// among them.
    static func united(_ all: [ProtocolPorts]) -> [ProtocolPorts] {
        var order: [UInt8] = []
        var ports: [UInt8: [ClosedRange<UInt16>]] = [:]
        for one in all {
            guard let number = one.protocol else { return [.any] }
            if ports[number] == nil { order.append(number) }
            let known = ports[number]
            let isAll = one.ports.isEmpty || known?.isEmpty == true
            ports[number] = isAll ? [] : (known ?? []) + one.ports.filter { !(known ?? []).contains($0) }
        }
        return order.map { ProtocolPorts(protocol: $0, ports: ports[$0] ?? []) }
    }
}
