import Domain
import RADIUS
import TestSupport
import Testing

/// Every decoder over packets that were right once. That this ends is the test: a trap ends the process.
@Suite struct MutationTests {
    @Test func `a million mutated packets through every decoder, without a trap`() throws {
        let seeds = [
            Captures.accessRequest, Captures.chapRequest, Captures.accountingStop, Captures.accountingOn,
            try DisconnectMessage(key: .accountingSessionID("x"), eventTimestamp: 1)
                .encoded(identifier: 1, secret: Packets.secret),
        ]
        var random = Generator(seed: 2865)
        var taken = 0
        var refused = 0
        let rounds = 1_000_000 * Int(seedFactor)
        for round in 0..<rounds {
            var packet = seeds[round % seeds.count]
            Self.mutate(&packet, using: &random)
            // One code in three lets each decoder get past it.
            if packet.count > 0, !random.oneIn(3) { packet[0] = [1, 4, 41][round % 3] }
            if Self.decode(packet) { taken += 1 } else { refused += 1 }
        }
        // Both ways were gone, or the mutations are too mild or too wild to show anything.
        #expect(taken > 100_000)
        #expect(refused > 100_000)
        #expect(taken + refused == rounds)
    }

    /// Whether any decoder took it. What is taken is used, since a value must not trap later either.
    private static func decode(_ packet: [UInt8]) -> Bool {
        var isTaken = false
        if let request = try? AccessRequest(decoding: packet.span) {
            isTaken = true
            use(request.bearer, in: packet)
            // A wrong authenticator is the rule here.
            try? request.verify(packet.span, secret: Packets.secret, requiringMessageAuthenticator: false)
            _ = request.password(in: packet.span, secret: Packets.secret)
            _ = request.isCHAPResponse(of: [1], in: packet.span)
            _ = try? AccessReject(reason: .simUnknown).encoded(
                answering: request.echo(in: packet.span), secret: Packets.secret)
        }
        if let request = try? AccountingRequest(decoding: packet.span) {
            isTaken = true
            try? request.verify(packet.span, secret: Packets.secret)
            use(request.bearer, in: packet)
            let received = Timestamp(milliseconds: 0)
            _ = request.report(from: NAS.ID(1), received: received, in: packet.span).time.description
            _ = try? AccountingResponse().encoded(
                answering: request.echo(in: packet.span), secret: Packets.secret)
        }
        if let header = try? Header(decoding: packet.span) {
            let packet = Array(packet.prefix(header.length))
            // Signed here, so that what follows the authenticator check is reached as well.
            let digest = Authenticator.digest(of: packet.span, authenticator: 0, secret: Packets.secret)
            let signed =
                packet.prefix(4) + withUnsafeBytes(of: digest.bigEndian, Array.init) + packet.dropFirst(20)
            let answer = try? DisconnectAnswer(decoding: Array(signed).span) { _ in (0, Packets.secret) }
            isTaken = isTaken || answer != nil
        }
        return isTaken
    }

    /// Makes every value that decoding left in the packet.
    private static func use(_ bearer: Bearer, in packet: [UInt8]) {
        _ = bearer.userName(in: packet.span)
        _ = bearer.nasIdentifier(in: packet.span)
        _ = bearer.equipment(in: packet.span).location?.elements
        _ = bearer.threeGPP.qosProfile(in: packet.span)
        _ = bearer.threeGPP.dnsServersIPv6(in: packet.span)
        _ = bearer.threeGPP.externalIdentifier(in: packet.span)
        _ = bearer.threeGPP.secondaryRATUsage(in: packet.span)
    }

    private static func mutate(_ packet: inout [UInt8], using random: inout Generator) {
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            guard !packet.isEmpty else { return }
            let offset = Int.random(in: 0..<packet.count, using: &random)
            switch Int.random(in: 0...6, using: &random) {
            case 0: packet[offset] = UInt8.random(in: .min ... .max, using: &random)
            case 1: packet[offset] = random.pick(0, 1, 2, 255)
            case 2: packet.removeSubrange(offset..<min(packet.count, offset + Int.random(in: 1...8, using: &random)))
            case 3:
                let copied = packet[offset..<min(packet.count, offset + Int.random(in: 1...30, using: &random))]
                packet.insert(contentsOf: Array(copied), at: Int.random(in: 0...packet.count, using: &random))
            case 4: packet.removeLast(packet.count - offset)
            case 5: packet[offset] ^= 1 << UInt8.random(in: 0...7, using: &random)
            default: packet += [UInt8](repeating: UInt8(truncatingIfNeeded: offset), count: 5)
            }
            // Half the time the Length field follows, so that the mutation is looked into.
            if packet.count >= 4, random.oneIn(2) {
                packet[2] = UInt8(truncatingIfNeeded: packet.count >> 8)
                packet[3] = UInt8(truncatingIfNeeded: packet.count)
            }
        }
    }
}
