import Control
import Domain
import PolicyCompiler
import Store
import Testing

extension TraceTests {
    private static let document6 = """
        policy: meters
        rules: [{name: telemetry, to: ["2001:db8:ffff::/48"], protocol: tcp, ports: [443], route: internet}]
        """

    private func packet6(
        _ device: String, protocol number: UInt8 = 6, port: UInt16? = 443, answers: Bool = false,
        _ fate: TracedPacket.Fate, by judge: TracedPacket.Judge = .nobody
    ) throws -> TracedPacket {
        TracedPacket(
            address: .v6(try IPv6Address(parsing: device)), remote: .v6(try IPv6Address(parsing: "2001:db8:ffff::1")),
            direction: answers ? .toDevice : .fromDevice, isReply: answers, protocol: number,
            devicePort: port.map { _ in 40_000 }, remotePort: port, isError: false, octets: 60, fate: fate,
            judgedBy: judge, policy: nil)
    }

    @Test func `a session's IPv6 is traced with it, whatever address of its prefix sends`() async throws {
        try await Bench.run(settings: { $0.hasIPv6 = true }) { bench in
            let pool = try IPv6Prefix(parsing: "2001:db8:6400::/40")
            _ = try await bench.control.createPool(pool, blockLength: 48, delegatedLength: 63, by: .system)
            let tenant = try await bench.tenant("acme", sims: 2)
            _ = try await bench.control.applyPolicy(
                Self.document6, file: "meters", comment: "", to: tenant.name, by: .system)
            _ = try await bench.control.setDefaultPolicy(try Name(parsing: "meters"), of: tenant.name, by: .system)
            var sessions: [SessionPrefixes] = []
            for number in 0..<2 {
                guard
                    case .acceptIPv6(let prefixes, _, _) = try await bench.attach(
                        try Bench.imsi(number), type: .ipv4v6)
                else { throw Bench.Missing() }
                sessions.append(prefixes)
            }
            let (own, others) = (sessions[0].networks, sessions[1].networks)
            // The link's, and two of the prefix that is delegated.
            try #require(own.count == 3)
            let telling = try await told(TraceQuestion(imsi: try Bench.imsi(0), limit: 6), in: bench) { _ in
                bench.tracing.pass(
                    try packet6("\(own[0].address)7", .passed(.internet), by: .policy(rule: 0)),
                    try packet6("\(others[0].address)7", .passed(.internet), by: .policy(rule: 0)),
                    try packet6("\(own[2].address)8", .passed(.internet), by: .flow),
                    try packet6("\(own[0].address)7", answers: true, .passed(nil)),
                    try packet6("\(own[0].address)7", port: 80, .dropped(by: "blocked"), by: .policy(rule: 1)),
                    try packet6("\(own[0].address)7", port: 80, .passed(.internet), by: .policy(rule: 0)),
                    // Behind a fragment's header may be what the rule lets pass.
                    try packet6("\(own[0].address)7", protocol: 44, port: nil, .passed(.internet), by: .flow))
                try await Task.sleep(for: .seconds(20))
            }
            #expect(telling.lastStatus?.addresses.count == 4)
            let packets = telling.packets
            #expect(
                packets.map(\.packet.device)
                    == [own[0], own[2], own[0], own[0], own[0], own[0]].map { .v6($0.address) })
            #expect(packets.map(\.by) == [.rule, .flow, .answer, .rule, .rule, .flow])
            #expect(packets.map { $0.rule?.description } == ["telemetry", "telemetry", "telemetry", nil, nil, nil])
            #expect(
                packets.map(\.difference) == [nil, nil, nil, nil, "by the policy it should be blocked", nil])
            #expect(packets.last?.reason.contains("IPv6 extension header") == true)
        }
    }
}
