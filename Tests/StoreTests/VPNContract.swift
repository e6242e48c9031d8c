import Domain
import Store
import Testing

@Suite("Store contract: VPNs")
struct VPNContract {
    private static func line(_ interface: String, _ networks: [String] = ["10.0.0.0/24"]) throws -> VPN.Line {
        VPN.Line(
            interface: try InterfaceName(parsing: interface), nextHop: try IPv4Address(parsing: "10.255.0.2"),
            networks: try networks.map { try IPv4Prefix(parsing: $0) },
            networks6: [try IPv6Prefix(parsing: "2001:db8:aa::/48")])
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a VPN comes back as it was made, by its tenant's name for it`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            let globex = try store.insertTenant(name: .test("globex"), at: noon)
            let hq = try store.insertVPN(
                name: .test("hq"), of: acme.id, line: Self.line("line1", ["10.1.0.0/16", "10.0.0.0/24"]), at: noon)
            #expect(hq.number == VPNNumber(0) && hq.networks.map(\.description) == ["10.0.0.0/24", "10.1.0.0/16"])
            #expect(try store.vpn(named: .test("hq"), of: acme.id) == hq)
            #expect(try store.vpn(named: .test("hq"), of: globex.id) == nil)
            let theirs = try store.insertVPN(name: .test("hq"), of: globex.id, line: Self.line("line2"), at: noon)
            #expect(theirs.number == VPNNumber(1))
            #expect(try store.vpns(of: acme.id) == [hq] && store.allVPNs() == [hq, theirs])
            let again = refusal {
                try store.insertVPN(name: .test("hq"), of: acme.id, line: Self.line("line3"), at: noon)
            }
            #expect(again?.code == .conflict && again?.message.contains("hq") == true)
            let taken = refusal {
                try store.insertVPN(name: .test("b"), of: acme.id, line: Self.line("line2"), at: noon)
            }
            #expect(taken?.code == .conflict && taken?.message.contains("line2") == true)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `the lowest free number is given, and a tenant's VPNs go with it`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            let globex = try store.insertTenant(name: .test("globex"), at: noon)
            var all: [VPN] = []
            for number in 0..<4 {
                all.append(
                    try store.insertVPN(
                        name: .test("v\(number)"), of: number == 3 ? globex.id : acme.id,
                        line: Self.line("line\(number)"), at: noon))
            }
            try store.deleteVPN(all[1].id)
            #expect(refusal { try store.deleteVPN(all[1].id) }?.code == .notFound)
            let next = try store.insertVPN(name: .test("new"), of: globex.id, line: Self.line("line9"), at: noon)
            #expect(next.number == VPNNumber(1))
            try store.deleteTenant(acme.id)
            #expect(try store.allVPNs() == [all[3], next])
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `lines and tunnels stand side by side, and are counted together`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            let globex = try store.insertTenant(name: .test("globex"), at: noon)
            let line = try store.insertVPN(name: .test("b"), of: acme.id, line: Self.line("line1"), at: noon)
            let tunnel = try store.insertVPN(name: .test("a"), of: acme.id, tunnel: .test(), at: noon)
            let theirs = try store.insertVPN(name: .test("a"), of: globex.id, tunnel: .test(), at: noon)
            #expect([line, tunnel, theirs].map(\.number.rawValue) == [0, 1, 2])
            #expect(try store.vpns(of: acme.id) == [tunnel, line])
            #expect(try store.allVPNs() == [line, tunnel, theirs])
            for vpn in [line, tunnel, theirs] {
                #expect(try store.vpn(vpn.id) == vpn && store.vpn(numbered: vpn.number) == vpn)
            }
            #expect(try store.vpn(VPN.ID(999)) == nil && store.vpn(numbered: #require(VPNNumber(4095))) == nil)
            #expect(try store.vpnCount(of: acme.id) == 2 && store.vpnCount(of: globex.id) == 1)
            #expect(try store.vpnCount(of: Tenant.ID(999)) == 0)
            try store.deleteVPN(line.id)
            #expect(try store.vpn(numbered: line.number) == nil && store.vpnCount(of: acme.id) == 1)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a tenant's limit is what the operator said last`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            let globex = try store.insertTenant(name: .test("globex"), at: noon)
            #expect(try store.vpnLimit(of: acme.id) == nil)
            for limit in [0, 5, .max, nil, nil, 7] as [UInt32?] {
                try store.setVPNLimit(limit, of: acme.id)
                #expect(try store.vpnLimit(of: acme.id) == limit && store.vpnLimit(of: globex.id) == nil)
            }
            #expect(refusal { try store.setVPNLimit(1, of: Tenant.ID(999)) }?.code == .notFound)
        }
    }
}
