import Control
import Domain
import PolicyCompiler
import Testing

@Suite struct ScheduleTests {
    private static let document = """
        policy: p
        rules:
          - name: telemetry
            to: [192.0.2.1]
            route: internet
          - name: firmware
            to: [192.0.2.9]
            route: internet
            schedule: {days: [mon-fri], from: "01:00", to: "05:00"}
        """
    /// Monday, 2026-11-23T00:59:30Z.
    private static let start: Int64 = 1_795_395_570_000
    private static let device = IPv4Address(bits: 0x6440_0001)

    private func flow(to destination: String) throws -> Flow {
        Flow(
            source: try IPv4Address(parsing: "100.64.0.1"), destination: try IPv4Address(parsing: destination),
            protocol: 6, sourcePort: 1, destinationPort: 443)
    }

    @Test func `a rule opens and closes at its time, and flows are cut when it closes`() async throws {
        let clock = TestClock(Self.start)
        try await Bench.run(now: { clock.now }) { bench in
            let mark = try await Self.apply(in: bench)
            let firmware = try flow(to: "192.0.2.9")
            let passes = { bench.kernel.now.rulesets[mark].map { Self.passes(firmware, $0) } }
            #expect(passes() == false)
            try await bench.control.keepSchedules()
            #expect(passes() == false)
            clock.advance(minutes: 1)
            try await bench.control.keepSchedules()
            #expect(passes() == true)

            let telemetry = try flow(to: "192.0.2.1")
            bench.kernel.change { state in
                state.devices[Self.device] = DeviceEntry(address: Self.device, policy: mark, nat: nil)
                state.flows = [telemetry, firmware]
            }
            clock.advance(minutes: 240)
            // The keeper may be first; then its sweep is waited for.
            try await bench.control.keepSchedules()
            #expect(passes() == false)
            for _ in 0..<6000 where bench.kernel.now.flows.count > 1 { try await Task.sleep(for: .milliseconds(10)) }
            #expect(bench.kernel.now.flows == [telemetry])
        }
    }

    @Test func `flows that could not be cut are cut when that is tried again`() async throws {
        let clock = TestClock(Self.start)
        try await Bench.run(now: { clock.now }) { bench in
            let mark = try await Self.apply(in: bench)
            let firmware = try flow(to: "192.0.2.9")
            clock.advance(minutes: 1)
            try await bench.control.keepSchedules()
            bench.kernel.change { state in
                state.devices[Self.device] = DeviceEntry(address: Self.device, policy: mark, nat: nil)
                state.flows = [firmware]
                state.sweepRefusals = 1
            }
            clock.advance(minutes: 240)
            // Here or by the keeper, one of the two is refused; the keeper tries until it is done.
            _ = try? await bench.control.keepSchedules()
            for _ in 0..<6000 where !bench.kernel.now.flows.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
            #expect(bench.kernel.now.flows.isEmpty)
            #expect(bench.kernel.now.sweepRefusals == 0)
        }
    }

    @Test func `after a restart the rules are open that should be`() async throws {
        let clock = TestClock(Self.start)
        try await Bench.run(now: { clock.now }) { bench in
            let mark = try await Self.apply(in: bench)
            clock.advance(minutes: 60)
            try await bench.control.start()
            let ruleset = try #require(bench.kernel.now.rulesets[mark])
            #expect(Self.passes(try flow(to: "192.0.2.9"), ruleset))
        }
    }

    @Test func `a zone that the host does not know is an error in the document`() async throws {
        try await Bench.run { bench in
            let document = Self.document.replacing("\"05:00\"", with: "\"05:00\", zone: Mars/Olympus")
            await #expect(throws: ControlError.self) {
                try await bench.control.validatePolicy(document, file: "p", by: .system)
            }
        }
    }

    private static func apply(in bench: Bench) async throws -> PolicyMark {
        let tenant = try await bench.tenant("acme")
        let applied = try await bench.control.applyPolicy(
            document, file: "p", comment: "", to: tenant.name, by: .system)
        return try #require(applied.policy.mark)
    }

    private static func passes(_ flow: Flow, _ ruleset: Ruleset) -> Bool {
        let packet = PacketQuery(
            destination: flow.destination, protocol: flow.protocol, port: flow.destinationPort)
        return ruleset.way(to: packet.destination, protocol: packet.protocol, port: packet.port) == .internet
    }

    @Test(
        arguments: [
            (0, 3 * 1440), (59_999, 3 * 1440), (60_000, 3 * 1440 + 1), (-1, 3 * 1440 - 1),
            (4 * 86_400_000, 0), (4 * 86_400_000 - 1, 7 * 1440 - 1), (1_795_395_570_000, 59),
        ] as [(Int64, Int)])
    func `the minute of the week begins on Monday`(_ time: Int64, _ minute: Int) {
        #expect(WallClock.minuteOfWeek(Timestamp(milliseconds: time), offset: 0) == minute)
        #expect(WallClock.utc.minuteOfWeek("UTC", Timestamp(milliseconds: time)) == minute)
        #expect(WallClock.utc.minuteOfWeek("Europe/Zurich", Timestamp(milliseconds: time)) == nil)
    }
}
