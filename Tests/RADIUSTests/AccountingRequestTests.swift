import Domain
import RADIUS
import Testing

@Suite struct AccountingRequestTests {
    @Test func `radclient's stop is decoded in full`() throws {
        let packet = Captures.accountingStop
        let request = try Packets.accountingRequest(packet)
        try request.verify(packet.span, secret: Packets.secret)
        let report = request.report(from: NAS.ID(9), received: Timestamp(milliseconds: 5), in: packet.span)
        #expect(report.kind == .stop)
        #expect(report.nas == NAS.ID(9))
        #expect(report.accountingSessionID == "c612000200010001")
        #expect(report.address?.description == "100.64.0.7")
        #expect(report.usage.octetsUp == 2 << 32 | 4_294_967_295)
        #expect(report.usage.octetsDown == 1 << 32 | 1)
        #expect(report.usage.packetsUp == 12)
        #expect(report.usage.packetsDown == 13)
        #expect(report.usage.seconds == 3600)
        #expect(report.terminateCause == 1)
        #expect(report.isLastBearer)
        #expect(report.token?.description == "000102030405060708090a0b0c0d0e0f")
        #expect(report.time.description == "2026-11-26T06:00:00.000Z")
        #expect(report.imsi?.description == "001010000010001")
        #expect(report.apn?.description == "iot")
        #expect(request.bearer.threeGPP.isTeardown == true)
        #expect(request.bearer.framedIPv6Prefix?.length == 64)
        #expect(request.bearer.framedIPv6Prefix?.bits == UInt128(0x2001_0db8_0001) << 80)
        #expect(request.bearer.delegatedIPv6Prefix?.length == 56)
    }

    @Test func `Accounting-On names no session and takes the time of receipt`() throws {
        let packet = Captures.accountingOn
        let request = try Packets.accountingRequest(packet)
        try request.verify(packet.span, secret: Packets.secret)
        let report = request.report(from: NAS.ID(1), received: Timestamp(milliseconds: 42), in: packet.span)
        #expect(report.kind == .on)
        #expect(report.imsi == nil)
        #expect(report.time == Timestamp(milliseconds: 42))
        #expect(!report.isLastBearer)
    }

    @Test func `for how long a NAS has tried to say it is told apart from the time that its clock has`() throws {
        let attributes = Packets.attribute(40, [0, 0, 0, 7]) + Packets.attribute(41, [0, 0, 1, 4])
        let packet = Packets.packet(4, attributes)
        let request = try Packets.accountingRequest(packet)
        let report = request.report(from: NAS.ID(1), received: Timestamp(milliseconds: 42), in: packet.span)
        #expect(report.delaySeconds == 260 && report.time == Timestamp(milliseconds: 42))
        let short = Packets.packet(4, Packets.attribute(40, [0, 0, 0, 7]) + Packets.attribute(41, [1, 4]))
        #expect(throws: PacketError.attributeLength(type: 41)) { try Packets.accountingRequest(short) }
    }

    @Test(arguments: [(1, .start), (2, .stop), (3, .interim), (7, .on), (8, .off)] as [(UInt8, AccountingReport.Kind)])
    func `each status type is its kind`(_ number: UInt8, _ kind: AccountingReport.Kind) throws {
        let packet = Packets.packet(4, Packets.attribute(40, [0, 0, 0, number]))
        #expect(try Packets.accountingRequest(packet).kind == kind)
    }

    @Test func `a changed octet anywhere makes the authenticator wrong or the form`() throws {
        for offset in Captures.accountingStop.indices {
            // The identifier is covered, too.
            var packet = Captures.accountingStop
            packet[offset] ^= 0x20
            #expect(throws: PacketError.self, "octet \(offset)") {
                try Packets.accountingRequest(packet).verify(packet.span, secret: Packets.secret)
            }
        }
        let request = try Packets.accountingRequest(Captures.accountingStop)
        #expect(throws: PacketError.authenticatorWrong) {
            try request.verify(Captures.accountingStop.span, secret: Secret(bytes: Array("other".utf8)))
        }
    }

    @Test func `what has no status type that is recorded is refused`() {
        #expect(throws: PacketError.statusType(nil)) { try Packets.accountingRequest(Packets.packet(4, [])) }
        let tunnel = Packets.packet(4, Packets.attribute(40, [0, 0, 0, 9]))
        #expect(throws: PacketError.statusType(9)) { try Packets.accountingRequest(tunnel) }
        #expect(throws: PacketError.unexpectedCode(1)) { try Packets.accountingRequest(Packets.packet(1, [])) }
    }

    @Test(arguments: [40, 42, 43, 46, 47, 48, 49, 52, 53, 55] as [UInt8])
    func `a number of another length than four octets is refused`(_ type: UInt8) {
        for count in [0, 1, 3, 5, 8] {
            let attributes =
                Packets.attribute(40, [0, 0, 0, 1]) + Packets.attribute(type, [UInt8](repeating: 0, count: count))
            #expect(throws: PacketError.attributeLength(type: type)) {
                try Packets.accountingRequest(Packets.packet(4, attributes))
            }
        }
    }

    @Test func `Class of another server, or of another length, is no token of ours`() throws {
        for value: [UInt8] in [[1], Array("CRD1".utf8), Array("CRD2".utf8) + [UInt8](repeating: 1, count: 16)] {
            let attributes = Packets.attribute(40, [0, 0, 0, 1]) + Packets.attribute(25, value)
            #expect(try Packets.accountingRequest(Packets.packet(4, attributes)).bearer.token == nil)
        }
        // Another's beside ours does not hide it.
        let ours = Array("CRD1".utf8) + [UInt8](repeating: 1, count: 16)
        let both =
            Packets.attribute(40, [0, 0, 0, 1]) + Packets.attribute(25, ours) + Packets.attribute(25, [9, 9])
        #expect(try Packets.accountingRequest(Packets.packet(4, both)).bearer.token != nil)
    }
}
