/// What both ends of a vici connection exchange (README, "Packet layer").
package enum Packet: Hashable, Sendable {
    case commandRequest(name: String, Message)
    case commandResponse(Message)
    /// The daemon has no such command.
    case commandUnknown
    case eventRegister(name: String)
    case eventUnregister(name: String)
    case eventConfirm
    /// The daemon has no such event, or the client was not registered for it.
    case eventUnknown
    case event(name: String, Message)

    /// The longest packet that either end takes, its 32-bit length not counted.
    package static let maximumLength = 512 * 1024

    package var type: UInt8 {
        switch self {
        case .commandRequest: 0
        case .commandResponse: 1
        case .commandUnknown: 2
        case .eventRegister: 3
        case .eventUnregister: 4
        case .eventConfirm: 5
        case .eventUnknown: 6
        case .event: 7
        }
    }

    /// Decodes one packet, without the length that stands before it on a connection.
    package init(decoding bytes: Span<UInt8>) throws(WireError) {
        guard bytes.count <= Self.maximumLength else { throw .packetLength(bytes.count) }
        var cursor = Cursor(offset: 0)
        let type = try cursor.octet(of: bytes)
        switch type {
        case 0:
            let name = try cursor.name(of: bytes)
            self = .commandRequest(name: name, try Message(decoding: bytes, from: cursor.offset))
        case 1: self = .commandResponse(try Message(decoding: bytes, from: cursor.offset))
        case 2: self = .commandUnknown
        case 3: self = .eventRegister(name: try cursor.name(of: bytes))
        case 4: self = .eventUnregister(name: try cursor.name(of: bytes))
        case 5: self = .eventConfirm
        case 6: self = .eventUnknown
        case 7:
            let name = try cursor.name(of: bytes)
            self = .event(name: name, try Message(decoding: bytes, from: cursor.offset))
            return
        default: throw .packetType(type)
        }
        switch self {
        case .commandRequest, .commandResponse, .event: return
        case .commandUnknown, .eventRegister, .eventUnregister, .eventConfirm, .eventUnknown:
            guard cursor.isAtEnd(of: bytes) else { throw .trailing(at: cursor.offset) }
        }
    }

    /// The packet, with its length in front of it.
    package func encoded() throws(WireError) -> [UInt8] {
        var packet: [UInt8] = [type]
        switch self {
        case .commandRequest(let name, let message), .event(let name, let message):
            try packet.append(name: name)
            try message.encode(into: &packet)
        case .commandResponse(let message): try message.encode(into: &packet)
        case .eventRegister(let name), .eventUnregister(let name): try packet.append(name: name)
        case .commandUnknown, .eventConfirm, .eventUnknown: break
        }
        guard packet.count <= Self.maximumLength else { throw .packetLength(packet.count) }
        let length = stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: packet.count >> $0) }
        return length + packet
    }
}
