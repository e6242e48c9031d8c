import TestSupport
import Testing
import VICI

@Suite struct FrameReaderTests {
    @Test func `gives the same packets in whatever pieces they come`() throws {
        try forAll(200) { random in
            let packets = (0..<Int.random(in: 0...6, using: &random)).map { _ in random.packet() }
            let octets = try packets.flatMap { try $0.encoded() }
            var reader = FrameReader()
            var read: [Packet] = []
            var rest = octets[...]
            while !rest.isEmpty {
                let count = min(rest.count, Int.random(in: 1...(random.oneIn(2) ? 3 : 5000), using: &random))
                reader.append(rest.prefix(count))
                rest = rest.dropFirst(count)
                while let packet = try reader.next() { read.append(packet) }
            }
            #expect(read == packets, "seed \(random.seed)")
            #expect(reader.waiting == 0, "seed \(random.seed)")
        }
    }

    @Test(arguments: [UInt32(0), 512 * 1024 + 1, 0x7fff_ffff, .max])
    func `refuses a length that no packet has before its octets come`(length: UInt32) {
        var reader = FrameReader()
        reader.append([24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) })
        #expect(throws: WireError.packetLength(Int(length))) { try reader.next() }
    }

    @Test func `takes the longest packet`() throws {
        var message = Message()
        for _ in 0..<8 { message.append("k", octets: [UInt8](repeating: 7, count: 65000)) }
        let octets = try Packet.commandResponse(message).encoded()
        var reader = FrameReader()
        reader.append(octets.dropLast())
        #expect(try reader.next() == nil)
        #expect(reader.waiting == octets.count - 1)
        reader.append(octets.suffix(1))
        #expect(try reader.next() == .commandResponse(message))
    }

    @Test func `waits for a length that has come in part`() throws {
        var reader = FrameReader()
        for octet: UInt8 in [0, 0, 0, 1] {
            #expect(try reader.next() == nil)
            reader.append([octet])
        }
        #expect(try reader.next() == nil)
        reader.append([5])
        #expect(try reader.next() == .eventConfirm)
    }
}
