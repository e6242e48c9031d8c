import Domain
import Testing

import VICI

@Suite struct TunnelDirectoryTests {
    typealias Entry = TunnelDirectory.Entry
    let gateway: IKEIdentity
    let head: Entry
    let branch: Entry
    let mobile: Entry

    init() throws {
        gateway = try IKEIdentity(parsing: "gw.cordon.example")
        head = Entry(
            vpn: VPN.ID(1), connection: "vpn-1", addresses: [try IPAddress(parsing: "192.0.2.2")],
            peerIdentity: try IKEIdentity(parsing: "hq.acme.example"), ownIdentity: gateway)
        branch = Entry(
            vpn: VPN.ID(2), connection: "vpn-2", addresses: [try IPAddress(parsing: "192.0.2.2")],
            peerIdentity: try IKEIdentity(parsing: "branch.acme.example"),
            ownIdentity: try IKEIdentity(parsing: "gw2.cordon.example"))
        mobile = Entry(
            vpn: VPN.ID(3), connection: "vpn-3", addresses: [],
            peerIdentity: try IKEIdentity(parsing: "van.acme.example"),
            ownIdentity: gateway)
    }

    private func line(_ text: String, sa: UInt32? = 1, name: String? = "(unnamed)") -> LogLine {
        LogLine(group: "IKE", ikeName: name, ikeID: sa, text: text)
    }

    private func sought(_ identity: String, asks: String = "gw.cordon.example", from address: String = "192.0.2.2")
        -> LogLine
    { line("looking for peer configs matching 192.0.2.1[\(asks)]...\(address)[\(identity)]") }

    @Test func `goes by the connection's name`() {
        var directory = TunnelDirectory([head, mobile])
        let named = line("initiating IKE_SA vpn-3[1] to 192.0.2.2", name: "vpn-3")
        #expect(directory.attribute(named) == TunnelDirectory.Delivery(vpn: VPN.ID(3), lines: [named]))
        #expect(directory.attribute(line("x", name: "vpn-4")) == nil)
        #expect(directory.attribute(line("error writing to socket: x", sa: nil, name: nil)) == nil)
    }

    @Test func `goes by the peer's address where one VPN alone has it`() {
        var directory = TunnelDirectory([head, mobile])
        let first = line("192.0.2.2 is initiating an IKE_SA")
        #expect(directory.attribute(first) == TunnelDirectory.Delivery(vpn: VPN.ID(1), lines: [first]))
        #expect(directory.vpn(connection: "(unnamed)", sa: 1) == VPN.ID(1))
    }

    /// What was said of the VPN before is nobody's.
    @Test func `a VPN that is changed or removed is known by what it is now`() {
        var directory = TunnelDirectory([head, branch])
        let call = { (address: String, sa: UInt32) in self.line("\(address) is initiating an IKE_SA", sa: sa) }
        #expect(directory.attribute(call("192.0.2.2", 1)) == nil)
        directory.remove(branch.vpn)
        #expect(directory.attribute(call("192.0.2.2", 2))?.vpn == head.vpn)
        #expect(directory.vpn(connection: "vpn-2", sa: 9) == nil)
        directory.set(
            Entry(
                vpn: head.vpn, connection: "vpn-1", addresses: branch.addresses + [.v4(IPv4Address(bits: 0xc633_6407))],
                peerIdentity: branch.peerIdentity, ownIdentity: gateway))
        #expect(directory.attribute(call("198.51.100.7", 3))?.vpn == head.vpn)
        directory.set(mobile)
        #expect(directory.attribute(sought("van.acme.example", from: "203.0.113.9"))?.vpn == mobile.vpn)
        directory.set(
            Entry(
                vpn: head.vpn, connection: "vpn-1", addresses: [.v4(IPv4Address(bits: 0xc633_6407))],
                peerIdentity: head.peerIdentity, ownIdentity: gateway))
        #expect(directory.attribute(call("192.0.2.2", 4)) == nil)
        #expect(directory.vpn(connection: "vpn-1", sa: 9) == head.vpn)
    }

    @Test func `waits for the identity where several VPNs have the address, and then gives what was kept`() {
        var directory = TunnelDirectory([head, branch])
        let lines = [
            line("192.0.2.2 is initiating an IKE_SA"), line("received proposals: IKE:X"), sought("Branch.acme.example"),
        ]
        #expect(directory.attribute(lines[0]) == nil)
        #expect(directory.attribute(line("remote host is behind NAT")) == nil)
        #expect(directory.attribute(lines[1]) == nil)
        #expect(directory.attribute(lines[2]) == TunnelDirectory.Delivery(vpn: VPN.ID(2), lines: lines))
        let last = line("no matching peer config found")
        #expect(directory.attribute(last) == TunnelDirectory.Delivery(vpn: VPN.ID(2), lines: [last]))
    }

    @Test func `goes by whom the peer asks for when it gives a wrong name`() {
        var directory = TunnelDirectory([head, branch])
        #expect(directory.attribute(sought("typo.acme.example", asks: "gw2.cordon.example"))?.vpn == VPN.ID(2))
    }

    @Test func `is put right by the identity when another's peer is behind the same address`() {
        var directory = TunnelDirectory([head, mobile])
        #expect(directory.attribute(line("192.0.2.2 is initiating an IKE_SA"))?.vpn == VPN.ID(1))
        #expect(directory.attribute(sought("van.acme.example"))?.vpn == VPN.ID(3))
        #expect(directory.attribute(line("no matching peer config found"))?.vpn == VPN.ID(3))
    }

    @Test func `goes by the identity of a peer whose address is not known before`() {
        var directory = TunnelDirectory([head, branch, mobile])
        #expect(directory.attribute(line("198.51.100.9 is initiating an IKE_SA")) == nil)
        #expect(directory.attribute(sought("van.acme.example", from: "198.51.100.9"))?.lines.count == 2)
        #expect(directory.strangers.isEmpty)
    }

    @Test func `gives what was kept when charon gives the IKE_SA a name`() {
        var directory = TunnelDirectory([head, branch])
        let first = line("192.0.2.2 is initiating an IKE_SA")
        #expect(directory.attribute(first) == nil)
        let named = line("selected peer config 'vpn-2'", name: "vpn-2")
        #expect(directory.attribute(named) == TunnelDirectory.Delivery(vpn: VPN.ID(2), lines: [first, named]))
        #expect(directory.attribute(named)?.lines == [named])
    }

    @Test func `tells of callers that are nobody's`() throws {
        var directory = TunnelDirectory([mobile])
        for line in try Capture("unknown-peer").lines { #expect(directory.attribute(line) == nil) }
        #expect(directory.strangers == [TunnelDirectory.Stranger(address: "192.0.2.2", identity: nil, asked: nil)])
        directory.startAnew()
        #expect(directory.strangers.isEmpty)
    }

    @Test func `keeps at most 256 callers and 16 lines of each`() {
        var directory = TunnelDirectory([])
        for sa in 0..<2000 as Range<UInt32> {
            for _ in 0..<20 { _ = directory.attribute(line("198.51.100.9 is initiating an IKE_SA", sa: sa)) }
        }
        #expect(directory.strangers.count == TunnelDirectory.maximumCallers)
    }
}
