import Control
import Domain
import Testing
import VICI

/// Hosts behind tunnels that are asked whether they are there, and blocks that are given to tenants.
@Suite struct TunnelProbeTests {
    private static func probes(_ book: TunnelBook, at milliseconds: Int64) -> [TunnelProbe] {
        book.probes(mark: { $0.rawValue + 100 }, at: Timestamp(milliseconds: milliseconds))
    }

    private static func upBook() throws -> TunnelBook {
        let book = TunnelBook()
        book.set(try TestTunnel.setup(1, probe: "10.0.0.1"), at: 0)
        book.connect(at: 0)
        _ = book.told(at: 0)
        _ = book.told(at: 0)
        return book
    }

    @Test func `one that is up is asked, from the tenant's own address and by the tunnel's way`() throws {
        let book = try Self.upBook()
        #expect(Self.probes(book, at: 0).isEmpty)
        book.say(try TestTunnel.up(1), of: 1, at: 0)
        let probe = try #require(Self.probes(book, at: 0).first)
        #expect("\(probe.source) \(probe.destination) \(probe.mark)" == "100.64.1.0 10.0.0.1 101")
        #expect(Self.probes(book, at: 799).isEmpty && Self.probes(book, at: 800).count == 1)
    }

    @Test func `four questions without an answer, and flows do not take it; one answer, and they may`() throws {
        let book = try Self.upBook()
        book.say(try TestTunnel.up(1), of: 1, at: 0)
        var last: TunnelProbe?
        for turn: Int64 in 0..<4 {
            last = Self.probes(book, at: turn * 800).first
            #expect(book.condition(1) == .well, "\(turn)")
        }
        _ = Self.probes(book, at: 3200)
        #expect(book.condition(1) == .ill && book.isUp(1))
        #expect(book.state(of: VPN.ID(1))?.record.fault?.code == "probe-unanswered")
        // From elsewhere is no answer.
        let sent = try #require(last)
        let answer = { (from: String) in
            TunnelProbe.Answer(vpn: sent.vpn, sequence: sent.sequence, from: try IPv4Address(parsing: from))
        }
        book.note(try answer("10.0.0.2"), at: Timestamp(milliseconds: 3300))
        #expect(book.condition(1) == .ill)
        // One that comes late is an answer still.
        book.note(try answer("10.0.0.1"), at: Timestamp(milliseconds: 3300))
        #expect(book.condition(1) == .well && book.state(of: VPN.ID(1))?.record.fault == nil)
    }

    @Test func `answers that are always late keep it well, and those of long ago do not`() {
        var probe = ProbeState()
        var sent: [UInt16] = []
        for turn: Int64 in 0..<50 {
            if let number = probe.next(at: Timestamp(milliseconds: turn * 800)) { sent.append(number) }
            if sent.count > 2 { probe.note(answer: sent[sent.count - 3]) }
            #expect(!probe.isFailing)
        }
        for turn: Int64 in 50..<60 {
            _ = probe.next(at: Timestamp(milliseconds: turn * 800))
            probe.note(answer: sent[0])
        }
        #expect(probe.isFailing)
    }

    @Test func `an address out of all that the tenant's tunnels are made for is told of once`() throws {
        let book = TunnelBook()
        let (inside, outside) = (try IPv4Address(parsing: "100.64.1.9"), try IPv4Address(parsing: "100.64.2.9"))
        book.note(outside, of: Tenant.ID(1))
        #expect(book.takeWidened().isEmpty)
        book.set(try TestTunnel.setup(1), at: 0)
        book.note(inside, of: Tenant.ID(1))
        book.note(outside, of: Tenant.ID(2))
        #expect(book.takeWidened().isEmpty)
        book.note(outside, of: Tenant.ID(1))
        #expect(book.takeWidened() == [Tenant.ID(1)] && book.takeWidened().isEmpty)
        book.set(try TestTunnel.setup(1, blocks: ["100.64.1.0/24", "100.64.2.0/24"]), at: 0)
        book.note(outside, of: Tenant.ID(1))
        #expect(book.takeWidened().isEmpty)
        book.remove(VPN.ID(1))
        book.note(outside, of: Tenant.ID(1))
        #expect(book.takeWidened().isEmpty)
    }
}
