import TestSupport
import Testing
import VICI

/// The daemon's packets, changed. That this ends is the test: a trap ends the process.
@Suite struct MutationTests {
    @Test func `a hundred thousand mutated packets are decoded without a trap`() throws {
        var random = Generator(seed: 598)
        var taken = 0
        var refused = 0
        let rounds = 100_000 * Int(seedFactor)
        for round in 0..<rounds {
            var packet = Captures.all[round % Captures.all.count]
            Self.mutate(&packet, using: &random)
            guard let decoded = try? Packet(decoding: packet.span) else {
                refused += 1
                continue
            }
            taken += 1
            // What was taken can be sent, and is the same then.
            if random.oneIn(10) { #expect(try Array(decoded.encoded().dropFirst(4)) == packet) }
            Self.use(decoded)
        }
        // Both ways were gone, or the mutations are too mild or too wild to show anything.
        #expect(taken > rounds / 10)
        #expect(refused > rounds / 10)
    }

    @Test func `any octets are taken or refused by a conversation, in any state of it`() throws {
        try forAll(1000) { random in
            var conversation = Conversation()
            for id in 0..<UInt64.random(in: 0...3, using: &random) {
                _ = conversation.submit(
                    random.oneIn(2)
                        ? .command(name: "list-sas", Message(), stream: "list-sa") : .register(event: "ike-updown"),
                    as: id)
            }
            for _ in 0..<20 {
                var octets = try random.packet().encoded()
                if random.oneIn(3) { Self.mutate(&octets, using: &random) }
                _ = conversation.receive(octets)
            }
            _ = conversation.end()
            #expect(conversation.isIdle)
        }
    }

    /// Reads everything that is read of a packet anywhere: a value must not trap later either.
    private static func use(_ packet: Packet) {
        switch packet {
        case .event(let name, let message):
            for event in DaemonEvent.Name.allCases where event.rawValue == name || event == .listSA {
                _ = try? DaemonEvent(event, message)
            }
            _ = try? Commands.Associations(child: "x").answer(in: .init(events: [message]))
            _ = try? Commands.LoadedConnections().answer(in: .init(events: [message]))
            _ = try? LogLine(message)
        case .commandResponse(let message):
            let reply = Conversation.Reply(message: message)
            _ = try? Commands.Version().answer(in: reply)
            _ = try? Commands.Statistics().answer(in: reply)
            _ = try? Commands.Terminate(.init(), timeoutMilliseconds: nil).answer(in: reply)
            _ = try? Commands.Rekey(.init()).answer(in: reply)
            _ = try? Commands.Connections().answer(in: reply)
            _ = message.description
        case .commandRequest, .commandUnknown, .eventRegister, .eventUnregister, .eventConfirm, .eventUnknown: break
        }
    }

    private static func mutate(_ packet: inout [UInt8], using random: inout Generator) {
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            guard !packet.isEmpty else { return }
            let offset = Int.random(in: 0..<packet.count, using: &random)
            switch Int.random(in: 0...6, using: &random) {
            case 0: packet[offset] = UInt8.random(in: .min ... .max, using: &random)
            case 1: packet[offset] = random.pick(0, 1, 2, 3, 4, 5, 6, 255)
            case 2: packet.removeSubrange(offset..<min(packet.count, offset + Int.random(in: 1...8, using: &random)))
            case 3:
                let copied = packet[offset..<min(packet.count, offset + Int.random(in: 1...60, using: &random))]
                packet.insert(contentsOf: Array(copied), at: Int.random(in: 0...packet.count, using: &random))
            case 4: packet.removeLast(packet.count - offset)
            case 5: packet[offset] = random.pick(UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "g"))
            default: packet[offset] ^= 1 << UInt8.random(in: 0...7, using: &random)
            }
        }
    }
}
