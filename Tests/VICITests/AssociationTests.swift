import Domain
import Testing
import VICI

@Suite struct AssociationTests {
    private static func event(_ capture: [UInt8]) throws -> DaemonEvent {
        guard case .event(let name, let message) = try Packet(decoding: capture.span) else {
            throw CommandError.malformed(key: "event")
        }
        return try DaemonEvent(#require(DaemonEvent.Name(rawValue: name)), message)
    }

    @Test func `reads an IKE_SA of the daemon's`() throws {
        guard case .listed(let ike) = try Self.event(Captures.listSA) else {
            Issue.record("not a list-sa")
            return
        }
        #expect(ike.name == "vpn-1")
        #expect(ike.state == .established)
        #expect(ike.local.address == .v4(try IPv4Address(parsing: "192.0.2.1")))
        #expect(ike.local.port == 4500)
        #expect(ike.local.identity == "a.gw.test")
        #expect(ike.remote.address == .v4(try IPv4Address(parsing: "192.0.2.11")))
        #expect(ike.remote.identity == "192.0.2.11")
        #expect(ike.isInitiator)
        #expect(ike.initiatorSPI != 0)
        #expect(ike.responderSPI != 0)
        #expect(ike.nat == [.remote, .any])
        #expect("\(ike.algorithms)" == "AES_GCM_16-256/PRF_HMAC_SHA2_384/ECP_384")
        #expect(try #require(ike.establishedSeconds) >= 0)
        #expect(try #require(ike.rekeySeconds) > 10000)
    }

    @Test func `reads the CHILD_SAs of a rekeying`() throws {
        guard case .listed(let ike) = try Self.event(Captures.listSA) else {
            Issue.record("not a list-sa")
            return
        }
        try #require(ike.children.count == 2)
        let (old, new) = (ike.children[0], ike.children[1])
        #expect(old.state == .deleted)
        #expect(!old.carriesTraffic)
        #expect(new.state == .installed)
        #expect(new.carriesTraffic)
        #expect(new.name == "vpn-1")
        #expect(new.id != old.id)
        #expect(new.requestID == old.requestID)
        #expect(new.mode == "TUNNEL")
        #expect(new.protocol == "ESP")
        #expect(new.isEncapsulated)
        #expect(new.inboundSPI != nil)
        #expect(new.outboundSPI != nil)
        #expect("\(old.algorithms)" == "AES_GCM_16-256")
        #expect("\(new.algorithms)" == "AES_GCM_16-256/ECP_384")
        #expect(new.inbound.idleSeconds == nil)
        #expect(new.localSelectors.map(\.description) == ["100.64.1.0/24"])
        #expect(new.remoteSelectors.map(\.prefix) == [try IPv4Prefix(parsing: "10.0.0.0/24")])
    }

    @Test func `tells up from down`() throws {
        guard case .ike(true, let up) = try Self.event(Captures.ikeUp),
            case .ike(false, let down) = try Self.event(Captures.ikeDown),
            case .child(true, let childUp) = try Self.event(Captures.childUp),
            case .child(false, let childDown) = try Self.event(Captures.childDown)
        else {
            Issue.record("not the events that were captured")
            return
        }
        #expect(up.tasks == ["IKE_ESTABLISH", "CHILD_CREATE"])
        #expect(up.children == [])
        #expect(down.state == .deleting)
        #expect(childUp.children.map(\.state) == [.installed])
        #expect(childDown.children.map(\.state) == [.deleted])
    }

    @Test func `reads both ends of a rekeying`() throws {
        guard case .ikeRekeyed(let old, let new) = try Self.event(Captures.ikeRekey),
            case .childRekeyed(let ike, let oldChild, let newChild) = try Self.event(Captures.childRekey)
        else {
            Issue.record("not the events that were captured")
            return
        }
        #expect(old.state == .rekeying)
        #expect(old.establishedSeconds == nil)
        #expect(new.state == .established)
        #expect(new.id == old.id + 1)
        #expect(ike.children == [])
        #expect(oldChild.state == .rekeyed)
        #expect(newChild.state == .installed)
        #expect(newChild.requestID == oldChild.requestID)
    }

    @Test func `reads one that has no peer yet`() throws {
        var section = Message()
        section.append("uniqueid", "3")
        section.append("state", "CONNECTING")
        section.append("remote-host", "%any")
        let ike = try IKEAssociation(name: "vpn-1", section)
        #expect(ike.state == .connecting)
        #expect(ike.remote.address == nil)
        #expect(ike.remote.identity == "%any")
        #expect(ike.children == [])
    }

    @Test(arguments: ["uniqueid", "state"])
    func `refuses one without`(key: String) {
        var section = Message()
        for other in ["uniqueid", "state"] where other != key { section.append(other, "1") }
        #expect(throws: CommandError.malformed(key: key)) { try IKEAssociation(name: "x", section) }
        #expect(throws: CommandError.malformed(key: key)) { try ChildAssociation(key: "x", section) }
    }

    @Test func `a selector of more than a prefix is no prefix`() {
        #expect(ChildAssociation.Selector("10.0.0.1/32[tcp/443]").prefix == nil)
        #expect(ChildAssociation.Selector("10.0.0.1..10.0.0.9").prefix == nil)
        #expect(ChildAssociation.Selector("10.0.0.1/32").prefix?.length == 32)
    }

    @Test func `an event without an association is none`() {
        for name in DaemonEvent.Name.allCases {
            #expect(throws: CommandError.self) { try DaemonEvent(name, Message()) }
        }
    }
}
