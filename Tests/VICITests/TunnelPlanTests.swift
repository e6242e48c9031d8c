import Domain
import Testing
import VICI

@Suite struct TunnelPlanTests {
    private static func plan(
        peer: String = "192.0.2.11", networks: [String] = ["10.0.0.0/24"], profile: Tunnel.Profile = .standard,
        authentication: Tunnel.Authentication = .sharedKey, initiation: Tunnel.Initiation = .always,
        forcesEncapsulation: Bool = false, pairs: Bool = false, addresses: [String] = ["192.0.2.1", "2001:db8::1"],
        identity: String = "hq.acme.gw.example", peerIdentity: String = "192.0.2.11", isUnique: Bool = true,
        blocks: [String] = ["100.64.1.0/24"], path: TunnelPlan.DataPath = .userSpace,
        credentials: TunnelPlan.Credentials = .sharedKey, lookedUp: [String] = [], mayCarryTraffic: Bool = true,
        timers: TunnelPlan.Timers = .init()
    ) throws -> TunnelPlan {
        let tunnel = Tunnel(
            peer: try Tunnel.Peer(parsing: peer),
            networks: try networks.map { try Tunnel.RemoteNetwork(parsing: $0) }, profile: profile,
            authentication: authentication, initiation: initiation, forcesEncapsulation: forcesEncapsulation,
            pairsSelectors: pairs)
        return try TunnelPlan(
            identifier: "vpn-17", tunnel: tunnel, localAddresses: try addresses.map { try IPAddress(parsing: $0) },
            localIdentity: try IKEIdentity(parsing: identity), peerIdentity: try IKEIdentity(parsing: peerIdentity),
            isPeerIdentityUnique: isUnique, localBlocks: try blocks.map { try IPv4Prefix(parsing: $0) }, path: path,
            credentials: credentials, lookedUpAddresses: try lookedUp.map { try IPAddress(parsing: $0) },
            mayCarryTraffic: mayCarryTraffic, timers: timers)
    }

    private static func settings(_ plan: TunnelPlan) throws -> Message {
        try #require(plan.connection.message[section: "vpn-17"])
    }

    private static func child(_ plan: TunnelPlan) throws -> Message {
        try #require(settings(plan)[section: "children"]?[section: "vpn-17"])
    }

    /// Taken by charon 5.9.8, with success.
    @Test func `says all of a tunnel`() throws {
        #expect(
            "\(try Self.plan().connection.message)" == """
                vpn-17 { version = 2 local_addrs = [192.0.2.1, 2001:db8::1] remote_addrs = [192.0.2.11] proposals = \
                [aes256gcm16-prfsha384-ecp384, aes256gcm16-prfsha384-x25519] mobike = no fragmentation = yes encap = \
                no keyingtries = 1 unique = replace dpd_delay = 10s reauth_time = 0s rekey_time = 14400s over_time = \
                1440s rand_time = 3600s send_certreq = no local { auth = psk id = fqdn:hq.acme.gw.example } remote { \
                auth = psk id = 192.0.2.11 } children { vpn-17 { mode = tunnel local_ts = [100.64.1.0/24] remote_ts = \
                [10.0.0.0/24] esp_proposals = [aes256gcm16-ecp384, aes256gcm16-x25519] rekey_time = 3600s life_time = \
                3960s rand_time = 900s start_action = none dpd_action = restart close_action = none } } }
                """)
    }

    @Test func `offers exactly the profile's algorithms`() throws {
        let plan = try Self.plan(profile: .compatible)
        #expect(try Self.settings(plan)[list: "proposals"] == ["aes256-sha256-modp2048"])
        #expect(try Self.child(plan)[list: "esp_proposals"] == ["aes256-sha256-modp2048"])
        for profile in Tunnel.Profile.allCases {
            // Every CHILD_SA's proposal has a group.
            #expect(
                profile.espProposals.allSatisfy {
                    $0.hasSuffix("ecp384") || $0.hasSuffix("x25519") || $0.hasSuffix("modp2048")
                })
        }
    }

    struct Actions: Sendable {
        let initiation: Tunnel.Initiation
        let path: TunnelPlan.DataPath
        var peer = "192.0.2.11"
        let start: String
        let dead: String
        let close: String
    }

    @Test(arguments: [
        Actions(initiation: .always, path: .userSpace, start: "none", dead: "restart", close: "none"),
        Actions(initiation: .always, path: .kernel(interfaceID: 1), start: "none", dead: "restart", close: "none"),
        Actions(initiation: .always, path: .userSpace, peer: "any", start: "none", dead: "clear", close: "none"),
        Actions(initiation: .onDemand, path: .userSpace, start: "none", dead: "clear", close: "none"),
        Actions(initiation: .onDemand, path: .kernel(interfaceID: 1), start: "trap", dead: "trap", close: "trap"),
        Actions(
            initiation: .onDemand, path: .kernel(interfaceID: 1), peer: "any", start: "none", dead: "clear",
            close: "none"),
        Actions(initiation: .never, path: .kernel(interfaceID: 1), start: "none", dead: "clear", close: "none"),
    ])
    func `leaves to the daemon what it can do`(_ expected: Actions) throws {
        let child = try Self.child(
            Self.plan(
                peer: expected.peer, initiation: expected.initiation, peerIdentity: "branch.example",
                path: expected.path))
        #expect(child["start_action"] == expected.start)
        #expect(child["dpd_action"] == expected.dead)
        #expect(child["close_action"] == expected.close)
    }

    @Test func `names the interface where the kernel does ESP`() throws {
        let child = try Self.child(Self.plan(path: .kernel(interfaceID: 17)))
        #expect(child["if_id_in"] == "17")
        #expect(child["if_id_out"] == "17")
        #expect(try Self.child(Self.plan())["if_id_in"] == nil)
    }

    @Test func `a peer that calls from anywhere is known by its identity`() throws {
        let plan = try Self.plan(peer: "any", addresses: [], peerIdentity: "branch@acme.example")
        let settings = try Self.settings(plan)
        #expect(settings[list: "local_addrs"] == ["%any"])
        #expect(settings[list: "remote_addrs"] == ["%any"])
        #expect(settings[section: "remote"]?["id"] == "email:branch@acme.example")
        #expect(!plan.canInitiate)
    }

    @Test func `a name stands for what it was looked up as`() throws {
        let found = try Self.plan(
            peer: "vpn.acme.example", peerIdentity: "vpn.acme.example", lookedUp: ["198.51.100.7", "2001:db8::7"])
        #expect(try Self.settings(found)[list: "remote_addrs"] == ["198.51.100.7", "2001:db8::7"])
        #expect(found.canInitiate)
        let lost = try Self.plan(peer: "vpn.acme.example", peerIdentity: "vpn.acme.example")
        #expect(try Self.settings(lost)[list: "remote_addrs"] == ["%any"])
        #expect(!lost.canInitiate)
        // Not of a peer that has its own.
        #expect(try Self.plan(lookedUp: ["198.51.100.7"]).peerAddresses.map(\.description) == ["192.0.2.11"])
    }

    @Test func `has one CHILD_SA of all selectors, or one of each pair`() throws {
        let networks = ["10.0.1.0/24", "10.0.0.1/32"]
        let blocks = ["100.64.2.0/24", "100.64.1.0/24"]
        let one = try Self.plan(networks: networks, blocks: blocks)
        #expect(try Self.child(one)[list: "local_ts"] == ["100.64.1.0/24", "100.64.2.0/24"])
        #expect(try Self.child(one)[list: "remote_ts"] == ["10.0.0.1/32", "10.0.1.0/24"])
        #expect(one.children.map(\.name) == ["vpn-17"])
        let pairs = try Self.plan(networks: networks, pairs: true, blocks: blocks)
        #expect(pairs.children.map(\.name) == ["vpn-17", "vpn-17-2", "vpn-17-3", "vpn-17-4"])
        #expect(try Self.settings(pairs)[section: "children"]?.keys == pairs.children.map(\.name))
        #expect(Set(pairs.children.map { "\($0.local) \($0.remote)" }).count == 4)
    }

    @Test func `selects what is there, not what devices see it as`() throws {
        let plan = try Self.plan(networks: ["10.0.0.0/24=192.168.7.0/24", "10.0.0.0/24=192.168.8.0/24"])
        #expect(try Self.child(plan)[list: "remote_ts"] == ["10.0.0.0/24"])
    }

    @Test func `has no CHILD_SA while it may not carry traffic`() throws {
        let plan = try Self.plan(mayCarryTraffic: false)
        #expect(plan.children == [])
        #expect(!plan.canInitiate)
        #expect(try Self.settings(plan)[section: "children"] == nil)
    }

    @Test func `forces encapsulation where the tunnel says so`() throws {
        #expect(try Self.settings(Self.plan(forcesEncapsulation: true))["encap"] == "yes")
    }

    @Test func `binds a certificate's issuer to the connection`() throws {
        let plan = try Self.plan(
            authentication: .certificate, peerIdentity: "CN=branch",
            credentials: .certificate(own: [0x30, 1], authorities: [[0x30, 2], [0x30, 3]]))
        let settings = try Self.settings(plan)
        #expect(settings["send_cert"] == "always")
        #expect(settings["send_certreq"] == nil)
        let local = try #require(settings[section: "local"])
        let remote = try #require(settings[section: "remote"])
        #expect(local["auth"] == "pubkey")
        #expect(local[content: "certs"] == .list([[0x30, 1]]))
        #expect(remote[content: "cacerts"] == .list([[0x30, 2], [0x30, 3]]))
        #expect(remote["id"]?.hasPrefix("asn1dn:#30") == true)
        #expect(remote["auth"] == "pubkey")
    }

    @Test func `a key belongs to the VPN's own identity, and to the peer's where that is no other's`() throws {
        let key = [UInt8](repeating: 7, count: 32)
        let unique = try Self.plan().secret("vpn-17.3", key)
        #expect(unique.owners == ["fqdn:hq.acme.gw.example", "192.0.2.11"])
        #expect(unique.identifier == "vpn-17.3")
        #expect(unique.secret == key)
        #expect(try Self.plan(isUnique: false).secret("vpn-17.3", key).owners == ["fqdn:hq.acme.gw.example"])
    }

    @Test func `lifetimes stay within a minute and a week`() throws {
        let short = TunnelPlan.Timers(ikeSeconds: 0, childSeconds: 0, deadPeerSeconds: 0)
        #expect([short.ikeSeconds, short.childSeconds, short.deadPeerSeconds] == [60, 60, 1])
        let long = try Self.plan(
            timers: .init(ikeSeconds: .max, childSeconds: .max, deadPeerSeconds: .max))
        #expect(try Self.child(long)["life_time"] == "665280s")
        #expect(try Self.settings(long)["over_time"] == "60480s")
    }

    @Test func `does not exist for what cannot be`() throws {
        #expect(throws: TunnelPlan.PlanError.noLocalBlocks) { try Self.plan(blocks: []) }
        #expect(throws: TunnelPlan.PlanError.noNetworks) { try Self.plan(networks: []) }
        #expect(throws: TunnelPlan.PlanError.peerIdentityIsLocal) {
            try Self.plan(peerIdentity: "HQ.acme.gw.example")
        }
        #expect(throws: TunnelPlan.PlanError.interfaceID) { try Self.plan(path: .kernel(interfaceID: 0)) }
        #expect(throws: TunnelPlan.PlanError.credentials) {
            try Self.plan(credentials: .certificate(own: [], authorities: []))
        }
        #expect(throws: TunnelPlan.PlanError.credentials) { try Self.plan(authentication: .certificate) }
        let blocks = (0..<17).map { "100.64.\($0).0/24" }
        let networks = (0..<16).map { "10.0.\($0).0/24" }
        #expect(throws: TunnelPlan.PlanError.tooManyPairs(272)) {
            try Self.plan(networks: networks, pairs: true, blocks: blocks)
        }
        #expect(try Self.plan(networks: networks, blocks: blocks).children.count == 1)
    }

    @Test func `the largest fits in a packet`() throws {
        let blocks = (0..<16).map { "100.64.\($0).0/24" }
        let networks = (0..<16).map { "10.0.\($0).0/24" }
        let plan = try Self.plan(networks: networks, pairs: true, blocks: blocks, path: .kernel(interfaceID: .max))
        let message = plan.connection.message
        let octets = try Packet.commandRequest(name: "load-conn", message).encoded()
        #expect(octets.count < Packet.maximumLength / 2)
    }
}
