import Control
import Domain
import PolicyCompiler
import Testing
import VICI

@Suite struct VPNBookTests {
    private static func vpn(_ number: UInt32) throws -> (VPN, VPNEntry) {
        let vpn = try TestTunnel.setup(number).vpn
        return (vpn, VPNEntry(interface: vpn.interface, networks: Set(vpn.networks), isUp: false))
    }

    private static func time(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }

    @Test func `one that has never been up is up at once`() throws {
        let book = VPNBook()
        let (vpn, entry) = try Self.vpn(1)
        book.set(vpn, entry, condition: .ill, at: Self.time(0))
        #expect(book.note({ _ in .ill }, at: Self.time(1)).isEmpty)
        #expect(book.note({ _ in .well }, at: Self.time(2)).map(\.isUp) == [true])
        #expect(book.note({ _ in .well }, at: Self.time(3)).isEmpty)
        // As one that is well when it is made.
        let (other, its) = try Self.vpn(2)
        book.set(other, its, condition: .well, at: Self.time(4))
        #expect(book.state(of: other.number)?.isUp == true)
    }

    @Test func `one that goes down does so at once, and comes back when it has been well for two seconds`() throws {
        let book = VPNBook()
        let (vpn, entry) = try Self.vpn(1)
        book.set(vpn, entry, condition: .well, at: Self.time(0))
        #expect(book.note({ _ in .ill }, at: Self.time(100)).map(\.isUp) == [false])
        #expect(book.note({ _ in .well }, at: Self.time(200)).isEmpty)
        #expect(book.note({ _ in .well }, at: Self.time(2199)).isEmpty)
        // What comes and goes begins anew.
        #expect(book.note({ _ in .ill }, at: Self.time(2199)).isEmpty)
        #expect(book.note({ _ in .well }, at: Self.time(2300)).isEmpty)
        #expect(book.note({ _ in .well }, at: Self.time(4299)).isEmpty)
        #expect(book.note({ _ in .well }, at: Self.time(4300)).map(\.isUp) == [true])
    }

    @Test func `one that rests is down, and need not show that it lasts`() throws {
        let book = VPNBook()
        let (vpn, entry) = try Self.vpn(1)
        book.set(vpn, entry, condition: .well, at: Self.time(0))
        #expect(book.note({ _ in .resting }, at: Self.time(10)).map(\.isUp) == [false])
        #expect(book.note({ _ in .resting }, at: Self.time(20)).isEmpty)
        #expect(book.note({ _ in .well }, at: Self.time(30)).map(\.isUp) == [true])
    }

    @Test func `with other networks it is the same still, and another of its number is not`() throws {
        let book = VPNBook()
        let (vpn, entry) = try Self.vpn(1)
        book.set(vpn, entry, condition: .well, at: Self.time(0))
        book.set(vpn, entry, condition: .ill, at: Self.time(1))
        #expect(book.state(of: vpn.number)?.isUp == true)
        let other = VPN(
            id: VPN.ID(99), tenant: vpn.tenant, name: vpn.name, number: vpn.number, way: vpn.way,
            createdAt: vpn.createdAt)
        book.set(other, entry, condition: .ill, at: Self.time(2))
        #expect(book.state(of: vpn.number)?.isUp == false)
        book.remove(vpn.number)
        #expect(book.entries.isEmpty)
    }

    @Test func `the networks of one that is held are the other's`() throws {
        let book = VPNBook()
        let (vpn, _) = try Self.vpn(1)
        let blocks = [try IPv4Prefix(parsing: "100.64.1.0/24")]
        let entry = VPNEntry(
            interface: vpn.interface, networks: Set(vpn.networks),
            tunnel: TunnelEntry(blocks: blocks, networks: vpn.tunnel?.networks ?? []), isUp: false)
        book.set(vpn, entry, condition: .well, at: Self.time(0))
        book.hold(vpn.number, true, blocks: blocks)
        #expect(book.entries[vpn.number]?.tunnel?.blocks == [])
        book.hold(vpn.number, false, blocks: blocks)
        #expect(book.entries[vpn.number]?.tunnel == entry.tunnel && book.entries[vpn.number]?.isUp == true)
    }
}
