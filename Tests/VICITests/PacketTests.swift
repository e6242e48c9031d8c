import TestSupport
import Testing
import VICI

@Suite struct PacketTests {
    @Test func `decodes what it encodes`() throws {
        try forAll { random in
            let packet = random.packet()
            let octets = try packet.encoded()
            #expect(try Packet(decoding: Array(octets.dropFirst(4)).span) == packet, "seed \(random.seed)")
        }
    }

    @Test(arguments: Captures.all)
    func `encodes the daemon's packets as the daemon does`(_ capture: [UInt8]) throws {
        let packet = try Packet(decoding: capture.span)
        #expect(Array(try packet.encoded().dropFirst(4)) == capture)
    }

    struct Case: Sendable {
        let octets: [UInt8]
        let packet: Packet
    }

    @Test(arguments: [
        Case(octets: [0, 0, 0, 9, 0, 7] + Array("version".utf8), packet: .commandRequest(name: "version", Message())),
        Case(octets: [0, 0, 0, 1, 1], packet: .commandResponse(Message())),
        Case(octets: [0, 0, 0, 1, 2], packet: .commandUnknown),
        Case(octets: [0, 0, 0, 5, 3, 3] + Array("log".utf8), packet: .eventRegister(name: "log")),
        Case(octets: [0, 0, 0, 5, 4, 3] + Array("log".utf8), packet: .eventUnregister(name: "log")),
        Case(octets: [0, 0, 0, 1, 5], packet: .eventConfirm),
        Case(octets: [0, 0, 0, 1, 6], packet: .eventUnknown),
        Case(octets: [0, 0, 0, 5, 7, 3] + Array("log".utf8), packet: .event(name: "log", Message())),
    ])
    func `has its type, its name and its length in front`(_ expected: Case) throws {
        #expect(try expected.packet.encoded() == expected.octets)
        #expect(try Packet(decoding: Array(expected.octets.dropFirst(4)).span) == expected.packet)
    }

    struct Wrong: Sendable {
        let octets: [UInt8]
        let error: WireError
    }

    @Test(arguments: [
        Wrong(octets: [], error: .truncated(at: 0)),
        Wrong(octets: [8], error: .packetType(8)),
        Wrong(octets: [0], error: .truncated(at: 1)),
        Wrong(octets: [0, 0], error: .name(at: 1)),
        Wrong(octets: [7, 4, 0x61], error: .truncated(at: 2)),
        Wrong(octets: [2, 0], error: .trailing(at: 1)),
        Wrong(octets: [3, 1, 0x61, 0], error: .trailing(at: 3)),
        Wrong(octets: [5, 5], error: .trailing(at: 1)),
        Wrong(octets: [1, 9], error: .element(9, at: 1)),
    ])
    func `tells where it is wrong`(_ wrong: Wrong) {
        #expect(throws: wrong.error) { try Packet(decoding: wrong.octets.span) }
    }

    @Test func `is not sent longer than the daemon takes`() throws {
        var message = Message()
        // 9 values of 3 + 2 + 58000 octets, and 9 of the packet's own: name and type.
        for _ in 0..<9 { message.append("k", octets: [UInt8](repeating: 0, count: 58000)) }
        let request = Packet.commandRequest(name: "load-conn", message)
        #expect(try request.encoded().count == 4 + 11 + 9 * 58005)
        message.append("k", octets: [UInt8](repeating: 0, count: 58000))
        #expect(throws: WireError.packetLength(11 + 10 * 58005)) {
            try Packet.commandRequest(name: "load-conn", message).encoded()
        }
    }
}
