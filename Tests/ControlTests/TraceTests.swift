import Control
import Domain
import PolicyCompiler
import Store
import Synchronization
import Testing

@Suite struct TraceTests {
    private static let document = """
        policy: meters
        rules:
          - {name: telemetry, to: [192.0.2.10], protocol: tcp, ports: [443], route: internet}
          - {name: no-time, to: [192.0.2.0/24], protocol: udp, ports: [123], action: block}
        """

    /// A tenant with the policy and attached SIMs.
    private func devices(
        _ name: String = "acme", _ count: Int = 1, prefix: String = "99970", in bench: Bench
    ) async throws -> [IPv4Address] {
        let tenant = try await bench.tenant(name, sims: count, prefix: prefix)
        _ = try await bench.control.applyPolicy(
            Self.document, file: "meters", comment: "", to: tenant.name, by: .system)
        _ = try await bench.control.setDefaultPolicy(try Name(parsing: "meters"), of: tenant.name, by: .system)
        var addresses: [IPv4Address] = []
        for number in 0..<count {
            guard case .accept(let address, _) = try await bench.attach(try Bench.imsi(number, prefix)) else {
                throw Bench.Missing()
            }
            addresses.append(address)
        }
        return addresses
    }

    private func principal(_ tenant: String, in bench: Bench) async throws -> Principal {
        let tenants = try await bench.store.read { try $0.tenant(named: try Name(parsing: tenant)) }
        return Principal(name: tenant, role: .tenant(try #require(tenants).id))
    }

    private func packet(
        _ device: IPv4Address, to remote: String = "192.0.2.10", protocol number: UInt8 = 6, port: UInt16? = 443,
        answers: Bool = false, isError: Bool = false, _ fate: TracedPacket.Fate,
        by judge: TracedPacket.Judge = .nobody, policy: PolicyMark? = nil
    ) throws -> TracedPacket {
        TracedPacket(
            address: .v4(device), remote: .v4(try IPv4Address(parsing: remote)),
            direction: answers ? .toDevice : .fromDevice,
            isReply: answers, protocol: number, devicePort: port.map { _ in 40_000 }, remotePort: port,
            isError: isError, octets: 60, fate: fate, judgedBy: judge, policy: policy)
    }

    /// What a trace tells, while `body` runs: which begins when devices are traced, and ends the trace by returning.
    func told(
        _ question: TraceQuestion, by principal: Principal = .system, in bench: Bench,
        _ body: @escaping @Sendable (Telling) async throws -> Void
    ) async throws -> Telling {
        let trace = try await bench.control.trace(question, by: principal)
        let telling = Telling()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                do {
                    try await trace.run { telling.add($0) }
                } catch is CancellationError {
                    // How the test ends it.
                }
            }
            tasks.addTask {
                do {
                    try await telling.wait { $0.statuses > 0 }
                    try await body(telling)
                } catch is CancellationError {
                    // The trace has ended.
                }
            }
            try await tasks.next()
            tasks.cancelAll()
            try await tasks.waitForAll()
        }
        return telling
    }

    @Test func `a packet is told with the kernel's verdict, the rule and the reason`() async throws {
        try await Bench.run { bench in
            let devices = try await devices("acme", 2, in: bench)
            let mark = try #require(bench.kernel.now.devices[devices[0]]?.policy)
            let telling = try await told(TraceQuestion(imsi: try Bench.imsi(0), limit: 6), in: bench) { _ in
                bench.tracing.pass(
                    try packet(devices[0], .passed(.internet), by: .policy(rule: 0), policy: mark),
                    try packet(devices[1], .passed(.internet), by: .policy(rule: 0), policy: mark),
                    try packet(devices[0], .passed(.internet), by: .flow, policy: mark),
                    try packet(devices[0], answers: true, .passed(nil), policy: mark),
                    try packet(
                        devices[0], protocol: 17, port: 123, .dropped(by: "blocked"), by: .policy(rule: 1),
                        policy: mark),
                    try packet(
                        devices[0], protocol: 1, port: nil, .dropped(by: "blocked"), by: .policy(rule: 2),
                        policy: mark),
                    try packet(devices[0], to: "100.64.0.9", .dropped(by: "device_to_device"), policy: mark))
                try await Task.sleep(for: .seconds(20))
            }
            #expect(telling.end == "as many packets as were asked for")
            let packets = telling.packets
            #expect(packets.count == 6)
            #expect(packets.allSatisfy { $0.packet.device == .v4(devices[0]) && $0.difference == nil })
            #expect(packets.map(\.by) == [.rule, .flow, .answer, .rule, .rule, .gateway])
            #expect(packets.map(\.isAllowed) == [true, true, true, false, false, false])
            #expect(
                packets.map { $0.rule?.description } == ["telemetry", "telemetry", "telemetry", "no-time", nil, nil])
            #expect(packets.map(\.route) == ["internet", "internet", nil, nil, nil, nil])
            #expect(packets.map { $0.policy?.version } == [1, 1, 1, 1, 1, nil])
            #expect(
                packets.map(\.reason) == [
                    "rule \"telemetry\"", "of a connection that passes: rule \"telemetry\"",
                    "an answer: rule \"telemetry\"", "rule \"no-time\"",
                    "no rule matches, so the default blocks it",
                    "no policy opens other devices, nor the operator's own addresses",
                ])
            // Nothing is left in the kernel, and that somebody looked is written down.
            try await eventually { bench.tracing.devices.isEmpty }
            #expect(bench.tracing.now.traced == [[], [.v4(devices[0])], []])
            let audit = try await bench.control.auditRecords(before: nil, limit: 1, by: .system)
            let imsi = try Bench.imsi(0)
            #expect(audit.first?.action == "sim.trace" && audit.first?.target == "\(imsi)")
        }
    }

    @Test func `where kernel and policy differ, the line says so`() async throws {
        try await Bench.run { bench in
            let device = try await devices(in: bench)[0]
            let mark = try #require(bench.kernel.now.devices[device]?.policy)
            let other = try #require(PolicyMark(rawValue: 999))
            let telling = try await told(TraceQuestion(imsi: try Bench.imsi(0), limit: 5), in: bench) { _ in
                bench.tracing.pass(
                    try packet(device, port: 80, .passed(.internet), by: .flow, policy: mark),
                    try packet(device, .dropped(by: "blocked"), by: .policy(rule: 2), policy: mark),
                    try packet(
                        device, protocol: 17, port: 123, .dropped(by: "blocked"), by: .policy(rule: 2), policy: mark),
                    try packet(device, .passed(.internet), by: .flow, policy: other),
                    try packet(device, port: 80, answers: true, .passed(nil), policy: mark))
                try await Task.sleep(for: .seconds(20))
            }
            #expect(
                telling.packets.map(\.difference) == [
                    "by the policy it should be blocked", "by the policy it should pass",
                    "in the gateway the default decided", "the gateway judges the device by another policy",
                    "by the policy its connection should be blocked",
                ])
        }
    }

    @Test func `a new version judges the packets that come after it, and the old one those before`() async throws {
        try await Bench.run { bench in
            let device = try await devices(in: bench)[0]
            let mark = try #require(bench.kernel.now.devices[device]?.policy)
            let telling = try await told(TraceQuestion(imsi: try Bench.imsi(0), limit: 3), in: bench) { telling in
                bench.tracing.pass(try packet(device, .passed(.internet), by: .policy(rule: 0), policy: mark))
                try await telling.wait { $0.packets.count == 1 }
                _ = try await bench.control.applyPolicy(
                    Self.document.replacing("443", with: "8443"), file: "meters", comment: "",
                    to: try Name(parsing: "acme"), by: .system)
                bench.tracing.pass(
                    // It was under way when the version came.
                    try packet(device, .passed(.internet), by: .flow, policy: mark),
                    try packet(device, .dropped(by: "blocked"), by: .policy(rule: 2), policy: mark))
                try await Task.sleep(for: .seconds(20))
            }
            #expect(telling.packets.map { $0.policy?.version } == [1, 1, 2])
            #expect(telling.packets.allSatisfy { $0.difference == nil })
        }
    }

    @Test func `another tenant's SIM looks like one that does not exist`() async throws {
        try await Bench.run { bench in
            _ = try await devices(in: bench)
            _ = try await bench.tenant("globex")
            let stranger = try await principal("globex", in: bench)
            var details: [String] = []
            for imsi in [try Bench.imsi(0), try Bench.imsi(7)] {
                do throws(ControlError) {
                    _ = try await bench.control.trace(TraceQuestion(imsi: imsi), by: stranger)
                    Issue.record("traced")
                } catch {
                    #expect(error.code == .notFound)
                    details.append(error.detail.replacing("\(imsi)", with: "X"))
                }
            }
            #expect(Set(details).count == 1)
            #expect(bench.control.traces == 0)
        }
    }

    @Test func `a trace sees only the SIM's own packets, also when the address comes to another`() async throws {
        try await Bench.run { bench in
            let addresses = try await devices("acme", 2, in: bench)
            let telling = try await told(
                TraceQuestion(imsi: try Bench.imsi(0), time: .milliseconds(1200)), in: bench
            ) { telling in
                // The session ends; what its address sends from now on is not this SIM's.
                #expect(try await bench.account(.stop, imsi: try Bench.imsi(0), isLast: true))
                bench.tracing.change { state in
                    if let packet = try? packet(addresses[0], .passed(.internet)) { state.packets.append(packet) }
                }
                try await telling.wait { $0.end != nil }
            }
            #expect(telling.packets.isEmpty)
            #expect(telling.lastStatus?.addresses == [])
        }
    }

    @Test func `as many as may trace at the same time, for each tenant and in all`() async throws {
        try await Bench.run(settings: { settings in
            settings.traces.perTenant = 2
            settings.traces.inAll = 4
            settings.traces.keptForOperator = 1
        }) { bench in
            _ = try await devices(in: bench)
            _ = try await devices("globex", prefix: "99971", in: bench)
            let acme = try await principal("acme", in: bench)
            let globex = try await principal("globex", in: bench)
            let (own, theirs) = (
                TraceQuestion(imsi: try Bench.imsi(0)), TraceQuestion(imsi: try Bench.imsi(0, "99971"))
            )
            var traces = [try await bench.control.trace(own, by: acme), try await bench.control.trace(own, by: acme)]
            let refused = { (question: TraceQuestion, principal: Principal) async -> Bool in
                do throws(ControlError) {
                    _ = try await bench.control.trace(question, by: principal)
                    return false
                } catch { return error.code == .tooMany }
            }
            #expect(await refused(own, acme))
            traces.append(try await bench.control.trace(theirs, by: globex))
            #expect(await refused(theirs, globex))
            traces.append(try await bench.control.trace(own, by: .system))
            #expect(await refused(own, .system))
            #expect(bench.control.traces == 4)
            // Whoever forgets a trace makes room.
            traces.removeFirst()
            try await eventually { bench.control.traces == 3 }
            #expect(await refused(own, acme))
            #expect(!(await refused(own, .system)))
            traces = []
            try await eventually { bench.control.traces == 0 }
        }
    }

    @Test func `what is beyond a trace's rate is left out, and counted`() async throws {
        try await Bench.run { bench in
            let device = try await devices(in: bench)[0]
            let question = TraceQuestion(imsi: try Bench.imsi(0), time: .milliseconds(3500), packetsPerSecond: 5)
            let telling = try await told(question, in: bench) { telling in
                for _ in 0..<20 { bench.tracing.pass(try packet(device, .passed(.internet), by: .flow)) }
                // And those that the kernel has not even noted.
                bench.tracing.change { $0.counts[.v4(device), default: 0] += 100 }
                try await telling.wait { $0.end != nil }
            }
            #expect(telling.end == "its time is over")
            #expect(telling.packets.count == 5)
            #expect(telling.lastStatus?.packets == 5 && telling.lastStatus?.leftOut == 115)
        }
    }

    @Test func `only packets of the verdict that was asked for, and the others are not left out`() async throws {
        try await Bench.run { bench in
            let device = try await devices(in: bench)[0]
            let question = TraceQuestion(imsi: try Bench.imsi(0), time: .milliseconds(2500), isAllowed: false)
            let telling = try await told(question, in: bench) { telling in
                for _ in 0..<5 { bench.tracing.pass(try packet(device, .passed(.internet), by: .flow)) }
                bench.tracing.pass(try packet(device, .dropped(by: "invalid")))
                try await telling.wait { $0.end != nil }
            }
            #expect(telling.packets.map(\.isAllowed) == [false])
            #expect(telling.lastStatus?.leftOut == 0)
        }
    }

    @Test func `a SIM without a session is waited for`() async throws {
        try await Bench.run { bench in
            let tenant = try await bench.tenant("acme", sims: 1)
            let telling = try await told(TraceQuestion(imsi: try Bench.imsi(0), limit: 1), in: bench) { telling in
                guard case .accept(let address, _) = try await bench.attach(try Bench.imsi(0)) else {
                    Issue.record("not accepted")
                    return
                }
                try await telling.wait { $0.lastStatus?.addresses == [.v4(address)] }
                bench.tracing.pass(
                    try packet(address, .dropped(by: "blocked"), by: .policy(rule: 0), policy: .blockAll))
                try await Task.sleep(for: .seconds(20))
            }
            #expect(telling.packets.map(\.reason) == ["the SIM has no policy, so everything is blocked"])
            #expect(telling.packets.first?.difference == nil)
            #expect(tenant.name.description == "acme")
        }
    }

    @Test func `a gateway that cannot trace says so, and goes on when it can`() async throws {
        try await Bench.run { bench in
            _ = try await devices(in: bench)
            bench.tracing.change { $0.failure = DataPlaneError(code: .unsupported, operation: "tracing", detail: "no") }
            let trace = try await bench.control.trace(TraceQuestion(imsi: try Bench.imsi(0)), by: .system)
            let telling = Telling()
            try await trace.run { telling.add($0) }
            #expect(telling.end == "the gateway cannot trace: tracing: no")
            bench.tracing.change { $0.failure = nil }
            let second = try await told(
                TraceQuestion(imsi: try Bench.imsi(0), time: .milliseconds(100)), in: bench
            ) { try await $0.wait { $0.end != nil } }
            #expect(second.end == "its time is over")
        }
    }

    private func eventually(_ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(300)
        while try await !condition(), ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try await condition())
    }
}

/// What a trace has told.
final class Telling: Sendable {
    private let events = Mutex<[TraceEvent]>([])

    func add(_ event: TraceEvent) { events.withLock { $0.append(event) } }

    var packets: [PacketVerdict] {
        events.withLock { $0.compactMap { if case .packet(let packet) = $0 { packet } else { nil } } }
    }

    var statuses: Int {
        events.withLock { $0.count { if case .status = $0 { true } else { false } } }
    }

    var lastStatus: TraceStatus? {
        events.withLock { events in
            events.reversed().lazy.compactMap { event in
                switch event {
                case .packet: nil
                case .status(let status), .end(_, let status): status
                }
            }.first
        }
    }

    var end: String? {
        events.withLock { if case .end(let reason, _) = $0.last { reason } else { nil } }
    }

    struct TooLate: Error {}

    func wait(for condition: (Telling) -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(300)
        while !condition(self) {
            guard ContinuousClock.now < deadline else { throw TooLate() }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
