import Control
import Domain
import Logging
import Store
import Synchronization
import Testing

@Suite struct NATLogTests {
    private static let start = Timestamp(milliseconds: 1_800_000_000_000)
    private static let collector = "udp:192.0.2.5:4739"

    /// A clock that a test moves, in seconds.
    private final class Clock: Sendable {
        private let seconds = Mutex<Int64>(0)
        var now: Timestamp { at(seconds.withLock { $0 }) }
        func set(_ seconds: Int64) { self.seconds.withLock { $0 = seconds } }
        func at(_ seconds: Int64) -> Timestamp {
            Timestamp(milliseconds: NATLogTests.start.milliseconds + seconds * 1000)
        }
    }

    private static func token(_ verdict: AttachVerdict) throws -> SessionToken {
        guard case .accept(_, let token) = verdict else { throw Bench.Missing() }
        return token
    }

    /// Everything after the position, read in pages of so many sessions.
    private func read(
        _ log: NATLog, after position: NATLogPosition, limit: Int = 100
    ) async throws -> (events: [NATEvent], end: NATLogPosition) {
        var (events, position): ([NATEvent], NATLogPosition) = ([], position)
        // More pages than any of these histories has.
        for _ in 0..<1000 {
            let page = try await log.page(after: position, limit: limit)
            events += page.events
            position = page.end
            if page.isLast { return (events, position) }
        }
        Issue.record("the log has no end")
        return (events, position)
    }

    private func position(_ bench: Bench, _ collector: String = collector) async throws -> NATLogPosition {
        try #require(try await bench.control.natLog.register([collector])[collector])
    }

    /// As `20 + 0 .1:1024`: the second, what happened to a block, and whose it is.
    private static func text(_ event: NATEvent) -> String {
        let (kind, binding, device, time): (String, NATBinding?, IPv4Address?, Timestamp) =
            switch event {
            case .allocated(let binding, let device, let time): ("+", binding, device, time)
            case .released(let binding, let device, let time): ("-", binding, device, time)
            case .exhausted(let time): ("full", nil, nil, time)
            }
        let words = ["\((time.milliseconds - start.milliseconds) / 1000)", kind]
        guard let binding, let device else { return words.joined(separator: " ") }
        return (words + ["\(device.bits & 255)", "\(binding.publicAddress):\(binding.firstPort)-\(binding.lastPort)"])
            .joined(separator: " ")
    }

    @Test func `beginnings and ends are told in their order, whatever the clock does and however they are read`()
        async throws
    {
        let clock = Clock()
        try await Bench.run(now: { clock.now }) { bench in
            let beginning = try await position(bench)
            _ = try await bench.tenant("acme", sims: 3)
            clock.set(10)
            let first = try Self.token(try await bench.attach(try Bench.imsi(0)))
            clock.set(12)
            _ = try await bench.attach(try Bench.imsi(1))
            clock.set(20)
            _ = try await bench.account(.stop, token: first, isLast: true)
            // The clock is set back, and the block is given again.
            clock.set(5)
            _ = try await bench.attach(try Bench.imsi(0))
            // A NAS that lost the session asks anew: one ends, and another begins.
            clock.set(30)
            _ = try await bench.attach(try Bench.imsi(0))
            _ = try await bench.attach(try Bench.imsi(2))
            clock.set(40)
            _ = try await bench.account(.on)
            let expected = [
                "10 + 1 198.19.0.0:1024-1535", "12 + 2 198.19.0.0:1536-2047", "20 - 1 198.19.0.0:1024-1535",
                "5 + 1 198.19.0.0:1024-1535", "30 - 1 198.19.0.0:1024-1535", "30 + 1 198.19.0.0:1024-1535",
                "30 + 3 198.19.0.0:2048-2559", "40 - 2 198.19.0.0:1536-2047", "40 - 1 198.19.0.0:1024-1535",
                "40 - 3 198.19.0.0:2048-2559",
            ]
            for limit in [1, 2, 3, 4, 100] {
                let (events, _) = try await read(bench.control.natLog, after: beginning, limit: limit)
                #expect(events.map(Self.text) == expected, "\(limit)")
            }
        }
    }

    @Test func `a collector goes on where it was, and a new one is told what is in use`() async throws {
        let clock = Clock()
        try await Bench.run(now: { clock.now }) { bench in
            let log = bench.control.natLog
            _ = try await bench.tenant("acme", sims: 3)
            clock.set(10)
            let old = try Self.token(try await bench.attach(try Bench.imsi(0)))
            let ended = try Self.token(try await bench.attach(try Bench.imsi(1)))
            _ = try await bench.account(.stop, token: ended, isLast: true)
            clock.set(20)
            // What had ended before is not told. What ends before the new one is told of its beginning is told whole.
            let first = try await position(bench)
            clock.set(30)
            _ = try await bench.account(.stop, token: old, isLast: true)
            let (events, told) = try await read(log, after: first, limit: 1)
            #expect(
                events.map(Self.text) == ["10 + 1 198.19.0.0:1024-1535", "30 - 1 198.19.0.0:1024-1535"])

            try await log.save([Self.collector: told])
            _ = try await bench.attach(try Bench.imsi(2))
            let both = try await log.register([Self.collector, "tcp:192.0.2.6:4739"])
            #expect(both[Self.collector] == told)
            #expect(try await read(log, after: told).events.map(Self.text) == ["30 + 3 198.19.0.0:2048-2559"])
            let second = try #require(both["tcp:192.0.2.6:4739"])
            #expect(try await read(log, after: second).events.map(Self.text) == ["30 + 3 198.19.0.0:2048-2559"])

            // Who is not named any more is forgotten, and begins anew when named again.
            #expect(try await log.register(["tcp:192.0.2.6:4739"]).count == 1)
            #expect(try await position(bench) != told)
            #expect(try await log.register([]).isEmpty)
            #expect(try await bench.store.read { try $0.natCollectors() }.isEmpty)
        }
    }

    @Test func `ends that all collectors know are forgotten, and only those`() async throws {
        try await Bench.run { bench in
            let log = bench.control.natLog
            var positions = try await log.register(["one", "two"])
            _ = try await bench.tenant("acme", sims: 1)
            for _ in 0..<4 { _ = try await bench.attach(try Bench.imsi(0)) }
            let ends = {
                try await bench.store.read { try $0.sessionEnds(after: 0, upTo: nil, limit: 9).map(\.number) }
            }
            positions["one"] = try await read(log, after: try #require(positions["one"])).end
            try await log.save(positions)
            #expect(try await ends() == [1, 2, 3])
            positions["two"]?.ended = 2
            try await log.save(positions)
            #expect(try await ends() == [3])
            // Without collectors nothing is numbered.
            _ = try await log.register([])
            _ = try await bench.attach(try Bench.imsi(0))
            #expect(try await ends().isEmpty)
        }
    }

    @Test func `a device without a block is told as exhaustion, and its end is not`() async throws {
        let clock = Clock()
        let plan = try NATPlan(publicPrefixes: [IPv4Prefix(parsing: "198.19.0.0")], portsPerDevice: 32_768)
        try await Bench.run(now: { clock.now }, settings: { $0.natPlan = plan }) { bench in
            let beginning = try await position(bench)
            _ = try await bench.tenant("acme", sims: 2)
            _ = try await bench.attach(try Bench.imsi(0))
            clock.set(7)
            _ = try await bench.attach(try Bench.imsi(1))
            _ = try await bench.account(.on)
            let events = try await read(bench.control.natLog, after: beginning).events
            #expect(
                events.map(Self.text) == [
                    "0 + 1 198.19.0.0:1024-33791", "7 full", "7 - 1 198.19.0.0:1024-33791",
                ])
        }
    }

    /// The plan is the configuration's, so that it changes with a restart: another control plane on the same store.
    @Test func `a change of the plan takes the old blocks back and gives the new ones`() async throws {
        let clock = Clock()
        try await Bench.run(now: { clock.now }) { bench in
            let beginning = try await position(bench)
            _ = try await bench.tenant("acme", sims: 4)
            let sessions = try await [0, 1].asyncMap { try Self.token(try await bench.attach(try Bench.imsi($0))) }
            clock.set(10)
            _ = try await bench.account(.stop, token: sessions[1], isLast: true)

            clock.set(20)
            let larger = try NATPlan(
                publicPrefixes: [IPv4Prefix(parsing: "203.0.113.0/30")], portsPerDevice: 1024, firstPort: 2048)
            let restarted = ControlPlane(
                store: bench.store, dataPlane: bench.kernel, disconnecting: bench.nas,
                settings: ControlSettings(natPlan: larger), logger: Logger(label: "test"), now: { clock.now })
            #expect(try await restarted.natLog.register([Self.collector])[Self.collector] == beginning)
            // Registered again: the same plan is no change.
            _ = try await restarted.natLog.register([Self.collector])
            // Before anybody was told, one that was open then ends, and another begins.
            clock.set(30)
            _ = try await bench.account(.stop, token: sessions[0], isLast: true)
            _ = try await bench.attach(try Bench.imsi(2))
            for limit in [1, 2, 100] {
                let (events, end) = try await read(restarted.natLog, after: beginning, limit: limit)
                #expect(
                    events.map(Self.text) == [
                        "0 + 1 198.19.0.0:1024-1535", "0 + 2 198.19.0.0:1536-2047", "10 - 2 198.19.0.0:1536-2047",
                        "20 - 1 198.19.0.0:1024-1535", "20 + 1 203.0.113.0:2048-3071",
                        "30 - 1 203.0.113.0:2048-3071", "30 + 3 203.0.113.0:4096-5119",
                    ], "\(limit)")
                #expect(try await read(restarted.natLog, after: end).events.isEmpty)
            }
            // A collector that comes later knows nothing of the old plan.
            let later = try await restarted.natLog.register([Self.collector, "late"])["late"]
            let events = try await read(restarted.natLog, after: try #require(later)).events
            #expect(events.map(Self.text) == ["30 + 3 203.0.113.0:4096-5119"])
        }
    }

    /// Random histories, read in random pages from random places, against what each device has had.
    @Test func `no block is given twice without having been released`() async throws {
        try await Bench.run { bench in
            let beginning = try await position(bench)
            _ = try await bench.tenant("acme", sims: 8)
            var random = SystemRandomNumberGenerator()
            var tokens: [Int: SessionToken] = [:]
            for _ in 0..<150 {
                let device = Int.random(in: 0..<8, using: &random)
                if Bool.random(using: &random), let token = tokens.removeValue(forKey: device) {
                    _ = try await bench.account(.stop, token: token, isLast: true)
                } else {
                    tokens[device] = try Self.token(try await bench.attach(try Bench.imsi(device)))
                }
            }
            let whole = try await read(bench.control.natLog, after: beginning).events
            for limit in [1, 3, 7, 20] {
                #expect(try await read(bench.control.natLog, after: beginning, limit: limit).events == whole)
            }
            var holders: [NATBinding: IPv4Address] = [:]
            for event in whole {
                switch event {
                case .allocated(let binding, let device, _):
                    #expect(holders.updateValue(device, forKey: binding) == nil)
                case .released(let binding, let device, _):
                    #expect(holders.removeValue(forKey: binding) == device)
                case .exhausted: Issue.record("the plan has room")
                }
            }
            #expect(holders.count == tokens.count)
        }
    }
}

extension Array {
    fileprivate func asyncMap<Value>(_ body: (Element) async throws -> Value) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await body(element)) }
        return values
    }
}
