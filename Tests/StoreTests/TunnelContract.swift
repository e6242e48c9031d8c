import Domain
import Store
import TestSupport
import Testing

@Suite("Store contract: tunnels")
struct TunnelContract {
    @Test(arguments: StoreUnderTest.allCases)
    func `a tunnel comes back as it was made, with all of it said or almost nothing`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            for (index, tunnel) in try Tunnel.forms().enumerated() {
                let vpn = try store.insertVPN(name: .test("v\(index)"), of: acme.id, tunnel: tunnel, at: noon)
                #expect(vpn.way == .tunnel(tunnel) && vpn.tenant == acme.id && vpn.createdAt == noon)
                #expect(vpn.interface.description == "vpn\(index)")
                #expect(try store.vpn(vpn.id) == vpn)
                #expect(try store.vpn(numbered: vpn.number) == vpn)
                #expect(try store.vpn(named: vpn.name, of: acme.id) == vpn)
            }
            let count = try Tunnel.forms().count
            #expect(try store.vpnCount(of: acme.id) == UInt32(count) && store.allVPNs().count == count)
            #expect(try store.vpns(of: acme.id).map(\.way) == Tunnel.forms().map { .tunnel($0) })
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a tunnel of any kind comes back`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            try forAll(200) { random in
                let seed = random.seed
                let tunnel = try Tunnel.random(&random)
                let vpn = try store.insertVPN(name: .test("hq"), of: acme.id, tunnel: tunnel, at: noon)
                #expect(try store.vpn(vpn.id) == vpn, "seed \(seed)")
                let other = try Tunnel.random(&random)
                try store.updateTunnel(vpn.id, to: other)
                #expect(try store.vpn(vpn.id)?.way == .tunnel(other), "seed \(seed)")
                try store.deleteVPN(vpn.id)
            }
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a tunnel becomes another and stays the same VPN, and touches no other`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            let forms = try Tunnel.forms()
            let (hq, other) = (
                try store.insertVPN(name: .test("hq"), of: acme.id, tunnel: forms[0], at: noon),
                try store.insertVPN(name: .test("other"), of: acme.id, tunnel: forms[0], at: noon)
            )
            let key = try store.insertVPNKey(Secret(bytes: [1, 2, 3]), of: hq.id, at: noon)
            for form in forms + forms.reversed() {
                try store.updateTunnel(hq.id, to: form)
                let now = try #require(try store.vpn(hq.id))
                #expect(now.way == .tunnel(form) && now.number == hq.number && now.createdAt == noon)
                #expect(try store.vpn(other.id) == other)
                #expect(try store.vpnKeys(of: hq.id) == [key])
            }
            #expect(refusal { try store.updateTunnel(VPN.ID(999), to: forms[0]) }?.code == .notFound)
            let line = try store.insertVPN(
                name: .test("line"), of: acme.id,
                line: VPN.Line(interface: InterfaceName(parsing: "line1"), networks: [.test("10.0.0.0/24")]), at: noon)
            let wrong = refusal { try store.updateTunnel(line.id, to: forms[0]) }
            #expect(wrong?.code == .conflict && wrong?.message.contains("is a line") == true)
            #expect(try store.vpn(line.id) == line)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a tunnel that is refused leaves nothing`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            let hq = try store.insertVPN(name: .test("hq"), of: acme.id, tunnel: Tunnel.test(), at: noon)
            let again = refusal { try store.insertVPN(name: .test("hq"), of: acme.id, tunnel: Tunnel.test(), at: noon) }
            #expect(again?.code == .conflict && again?.message == "the tenant has a VPN hq already")
            let nobody = refusal {
                try store.insertVPN(name: .test("hq"), of: Tenant.ID(999), tunnel: Tunnel.test(), at: noon)
            }
            #expect(nobody?.code == .notFound)
            let partner = Tunnel.Partner(
                name: try .test("initech"), validFrom: noon, validUntil: noon)
            let never = Tunnel(peer: .anywhere, networks: [], partner: partner)
            let late = refusal { try store.insertVPN(name: .test("b"), of: acme.id, tunnel: never, at: noon) }
            #expect(late?.code == .conflict && late?.message.contains("ends before it begins") == true)
            #expect(refusal { try store.updateTunnel(hq.id, to: never) }?.code == .conflict)
            // An interface of the operator's that has the name of the second tunnel's.
            _ = try store.insertVPN(
                name: .test("line"), of: acme.id,
                line: VPN.Line(interface: InterfaceName(parsing: "vpn2"), networks: [.test("10.0.0.0/24")]), at: noon)
            let taken = refusal { try store.insertVPN(name: .test("c"), of: acme.id, tunnel: Tunnel.test(), at: noon) }
            #expect(taken?.code == .conflict && taken?.message.contains("vpn2") == true)
            #expect(try store.allVPNs().map(\.name.description) == ["hq", "line"])
            #expect(try store.vpn(hq.id) == hq)
        }
    }
}
