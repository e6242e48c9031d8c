import Domain
import IPFIX
import TestSupport
import Testing

@Suite struct ExportSessionTests {
    private static let noon = Timestamp(milliseconds: 1_795_694_400_123)
    private static let device = IPv4Address(bits: 0x6440_0001)
    private static let binding = NATBinding(
        publicAddress: IPv4Address(bits: 0xC613_0007), firstPort: 1536, lastPort: 2047)

    private func session(
        _ transport: ExportSession.Transport = .udp, limit: Int = 1400
    ) -> ExportSession {
        ExportSession(transport: transport, observationDomain: 9, messageLimit: limit, templateSeconds: 60)
    }

    private func after(_ seconds: Int64) -> Timestamp {
        Timestamp(milliseconds: Self.noon.milliseconds + seconds * 1000)
    }

    /// RFC 8158 and IANA: natEvent 16, port block allocation.
    @Test func `an allocated block is these octets`() {
        var session = session()
        let messages = session.messages(
            for: [.allocated(Self.binding, device: Self.device, at: Self.noon)], at: after(1))
        let templates: [UInt8] = [
            0, 2, 0, 48,
            // observationTimeMilliseconds, sourceIPv4Address, postNATSourceIPv4Address, portRangeStart, portRangeEnd, natEvent
            1, 0, 0, 6, 1, 67, 0, 8, 0, 8, 0, 4, 0, 225, 0, 4, 1, 105, 0, 2, 1, 106, 0, 2, 0, 230, 0, 1,
            // observationTimeMilliseconds, natPoolId, natEvent
            1, 1, 0, 3, 1, 67, 0, 8, 1, 27, 0, 4, 0, 230, 0, 1,
        ]
        let record: [UInt8] = [
            1, 0, 0, 25, 0, 0, 1, 0xa2, 0x17, 0xba, 0x12, 0x7b, 100, 64, 0, 1, 198, 19, 0, 7, 6, 0, 7, 255, 16,
        ]
        // Export time 1,795,694,401.
        let header: [UInt8] = [0, 10, 0, 89, 0x6b, 0x08, 0x1f, 0x41, 0, 0, 0, 0, 0, 0, 0, 9]
        #expect(messages == [header + templates + record])
    }

    @Test func `each event has its record`() throws {
        var session = session()
        var templates: [UInt16: Template] = [:]
        let messages = session.messages(
            for: [
                .allocated(Self.binding, device: Self.device, at: Self.noon),
                .released(Self.binding, device: Self.device, at: after(5)), .exhausted(at: after(6)),
            ], at: after(7))
        try #require(messages.count == 1)
        let message = try DecodedMessage(messages[0], knowing: &templates)
        #expect(message.exportSeconds == 1_795_694_407 && message.sequence == 0 && message.observationDomain == 9)
        let time = UInt64(Self.noon.milliseconds)
        let block: [UInt16: UInt64] = [8: 0x6440_0001, 225: 0xC613_0007, 361: 1536, 362: 2047]
        #expect(
            message.records == [
                block.merging([323: time, 230: 16]) { $1 }, block.merging([323: time + 5000, 230: 17]) { $1 },
                [323: time + 6000, 283: 1, 230: 3],
            ])
    }

    /// RFC 7011 §8.4: over UDP templates are lost as other messages are.
    @Test func `over UDP templates come again after their time, over TCP once`() throws {
        for transport in [ExportSession.Transport.udp, .tcp] {
            var session = session(transport)
            var known: [UInt16: Template] = [:]
            var seen: [Int64] = []
            // The clock is set back before the last.
            for second: Int64 in [0, 1, 59, 60, 61, 119, 120, 500, 400] {
                for octets in session.messages(for: [], at: after(second)) {
                    let message = try DecodedMessage(octets, knowing: &known)
                    #expect(message.templates == [256, 257] && message.records.isEmpty && message.sequence == 0)
                    seen.append(second)
                }
            }
            #expect(seen == (transport == .udp ? [0, 60, 120, 500, 400] : [0]))
        }
    }

    @Test func `exhaustion is told once a second`() throws {
        var session = session()
        var templates: [UInt16: Template] = [:]
        let times = [0, 1, 999, 1000, 1500, 2000].map { Timestamp(milliseconds: Self.noon.milliseconds + $0) }
        let messages = session.messages(for: times.map { .exhausted(at: $0) }, at: after(3))
        let told = try messages.flatMap { try DecodedMessage($0, knowing: &templates).records.compactMap { $0[323] } }
        #expect(told == [0, 1000, 2000].map { UInt64(Self.noon.milliseconds) + $0 })
    }

    /// RFC 7011 §3.1 and §10.3.3.
    @Test func `every message keeps to its limit, and numbers are those of the records before it`() throws {
        try forAll(200) { random in
            let limit = Int.random(in: 300...1400, using: &random)
            var session = session(limit: limit)
            var templates: [UInt16: Template] = [:]
            var told: [UInt64] = []
            var count: UInt32 = 0
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let events = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                    let time = after(Int64(count))
                    count += 1
                    return random.oneIn(5)
                        ? NATEvent.exhausted(at: time)
                        : random.oneIn(2)
                            ? .allocated(Self.binding, device: Self.device, at: time)
                            : .released(Self.binding, device: Self.device, at: time)
                }
                for octets in session.messages(for: events, at: Self.noon) {
                    #expect(octets.count <= max(limit, ExportSession.smallestMessageLimit), "seed \(random.seed)")
                    let message = try DecodedMessage(octets, knowing: &templates)
                    #expect(message.sequence == UInt32(told.count), "seed \(random.seed)")
                    told += message.records.compactMap { $0[323] }
                }
            }
            #expect(
                told == (0..<count).map { UInt64(after(Int64($0)).milliseconds) }, "seed \(random.seed)")
        }
    }
}
