import CMallocCount
import Domain
import RADIUS
import Testing

/// Anybody can send packets: that one is decoded, or refused, costs no memory.
@Suite struct AllocationTests {
    /// Allocations of this thread while `body` ran.
    private static func count(_ body: () -> Void) -> UInt64 {
        let before = cmalloc_count()
        body()
        return cmalloc_count() - before
    }

    /// Of one decoding as an Access-Request, which may fail.
    private static func decodeAccess(_ packet: [UInt8]) -> UInt64 {
        count {
            do throws(PacketError) { _ = try AccessRequest(decoding: packet.span) } catch {}
        }
    }

    /// Of one decoding as an Accounting-Request, which may fail.
    private static func decodeAccounting(_ packet: [UInt8]) -> UInt64 {
        count {
            do throws(PacketError) { _ = try AccountingRequest(decoding: packet.span) } catch {}
        }
    }

    @Test func `the counter counts`() throws {
        var kept: [UInt8] = []
        #expect(Self.count { kept = [UInt8](repeating: 1, count: 100) } == 1)
        #expect(Self.count { kept.reserveCapacity(10_000) } > 0)
        #expect(Self.count { kept.withUnsafeBytes { _ in } } == 0)
        // As much of what throws: not for the throwing, but for what it did before.
        #expect(Self.count { do throws(PacketError) { throw .truncated } catch {} } == 0)
        let allocateAndThrow = { () throws(PacketError) in
            kept = [UInt8](repeating: 2, count: 100)
            throw .truncated
        }
        #expect(Self.count { do throws(PacketError) { try allocateAndThrow() } catch {} } == 1)
        // What decoding leaves in the packet is allocated by who asks for it.
        let request = try Packets.accessRequest(Captures.accessRequest)
        let packet = Captures.accessRequest
        #expect(Self.count { _ = request.bearer.apn(in: packet.span) } > 0)
        #expect(Self.count { _ = request.echo(in: packet.span) } > 0)
    }

    @Test func `decoding what a P-GW sends allocates nothing`() throws {
        let access = [Captures.accessRequest, Captures.chapRequest, Self.everythingRepeated]
        for packet in access {
            _ = try Packets.accessRequest(packet)
            #expect(Self.decodeAccess(packet) == 0)
        }
        for packet in [Captures.accountingStop, Captures.accountingOn] {
            _ = try Packets.accountingRequest(packet)
            #expect(Self.decodeAccounting(packet) == 0)
        }
    }

    @Test(arguments: AccessRequestTests.malformed)
    func `refusing a malformed packet allocates nothing`(_ malformed: AccessRequestTests.Malformed) {
        #expect(Self.decodeAccess(malformed.packet) == 0)
        #expect(Self.decodeAccounting(malformed.packet) == 0)
    }

    @Test func `nor does a packet that is cut off or changed anywhere`() {
        for packet in [Captures.accessRequest, Captures.accountingStop] {
            for offset in packet.indices {
                var cut = Array(packet.prefix(offset))
                #expect(Self.decodeAccess(cut) + Self.decodeAccounting(cut) == 0, "cut at \(offset)")
                // Its Length field agrees, so that the last attribute is what does not fit.
                if offset >= 4 { cut.replaceSubrange(2..<4, with: [UInt8(offset >> 8), UInt8(offset & 0xff)]) }
                #expect(Self.decodeAccess(cut) + Self.decodeAccounting(cut) == 0, "ends at \(offset)")
                for bit in 0..<8 {
                    var changed = packet
                    changed[offset] ^= 1 << UInt8(bit)
                    #expect(Self.decodeAccess(changed) + Self.decodeAccounting(changed) == 0, "\(offset), \(bit)")
                }
            }
        }
    }

    @Test func `finding the answer to a retransmission allocates nothing`() throws {
        var cache = DuplicateCache()
        let now = ContinuousClock.now
        let header = try Header(decoding: Captures.accessRequest.span)
        let key = DuplicateCache.Key(address: IPv4Address(bits: 1), port: 1, header: header)
        #expect(cache.look(for: key, at: now) == .new)
        #expect(Self.count { _ = cache.look(for: key, at: now) } == 0)
        cache.answer(key, with: Captures.chapRequest)
        var finding = DuplicateCache.Finding.new
        #expect(Self.count { finding = cache.look(for: key, at: now) } == 0)
        #expect(finding == .answered(Captures.chapRequest))
    }

    /// Prints what the rest of a request costs, for whoever wants to make it less.
    @Test func `what an authentic request allocates`() throws {
        let packet = Captures.accessRequest
        let request = try Packets.accessRequest(packet)
        try request.verify(packet.span, secret: Packets.secret, requiringMessageAuthenticator: true)
        let stop = Captures.accountingStop
        let accounting = try Packets.accountingRequest(stop)
        try accounting.verify(stop.span, secret: Packets.secret)
        let received = Timestamp(milliseconds: 0)
        // Both were right a line above. The second time, since the first makes what the runtime keeps of types.
        let costs = {
            [
                Self.count {
                    try? request.verify(packet.span, secret: Packets.secret, requiringMessageAuthenticator: true)
                },
                Self.count { _ = request.attachRequest(from: NAS.ID(1), in: packet.span) },
                Self.count { _ = request.echo(in: packet.span) },
                Self.count { try? accounting.verify(stop.span, secret: Packets.secret) },
                Self.count { _ = accounting.report(from: NAS.ID(1), received: received, in: stop.span) },
                Self.count { _ = accounting.echo(in: stop.span) },
            ]
        }
        _ = costs()
        let names = ["verify", "attachRequest", "echo", "verify (accounting)", "report", "echo (accounting)"]
        let list = zip(names, costs()).map { "\($0) \($1)" }.joined(separator: ", ")
        print("allocations of authentic requests: \(list)")
    }

    /// All that may occur more than once does, and all that decoding leaves in the packet is there.
    private static let everythingRepeated: [UInt8] = {
        let states = (0..<20).flatMap { Packets.attribute(33, [UInt8](repeating: $0, count: 8)) }
        let reports = (0..<20).flatMap { Packets.threeGPP(31, [UInt8](repeating: $0, count: 20)) }
        let rest =
            Packets.threeGPP(17, [UInt8](repeating: 1, count: 64)) + Packets.attribute(25, [1, 2, 3])
            + Packets.attribute(60, [UInt8](repeating: 2, count: 32)) + Packets.attribute(1, Array("user".utf8))
            + Packets.attribute(97, [0, 64, 0x20, 1]) + Packets.attribute(123, [0, 56, 0x20, 1])
        return Packets.packet(1, states + reports + rest)
    }()
}
