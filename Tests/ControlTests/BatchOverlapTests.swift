import Control
import Dispatch
import Domain
import PolicyCompiler
import Store
import Synchronization
import Testing

/// While the kernel is given one batch, the store takes the next.
@Suite struct BatchOverlapTests {
    private final class Answers: Sendable {
        private let verdicts = Mutex<[AttachVerdict]>([])
        func note(_ verdict: AttachVerdict) { verdicts.withLock { $0.append(verdict) } }
        var all: [AttachVerdict] { verdicts.withLock { $0 } }
    }

    typealias Open = @Sendable () -> Void

    /// A bench with four SIMs whose kernel takes no batch until it is told to, for ten minutes at most.
    private static func run(
        policy: String? = nil,
        _ body: @escaping @Sendable (SessionPolicyTests.Scene, _ open: @escaping Open) async throws -> Void
    ) async throws {
        // Nothing else wants the engine meanwhile: what is done alone would wait for the gate, and all behind it for that.
        try await Bench.run(settings: { $0.verificationInterval = .seconds(3600) }, isLimiting: true) { bench in
            let scene = try await SessionPolicyTests.Scene(bench, sims: 4)
            if let policy {
                _ = try await bench.control.setSessionPolicy(policy, file: "s", at: .tenant(scene.acme), by: .system)
            }
            let gate = DispatchSemaphore(value: 0)
            bench.kernel.change { $0.gate = { _ = gate.wait(timeout: .now() + 600) } }
            let open: Open = {
                bench.kernel.change { $0.gate = nil }
                for _ in 0..<8 { gate.signal() }
            }
            defer { open() }
            try await body(scene, open)
        }
    }

    private static func waitForSession(_ bench: Bench, _ number: Int) async throws {
        try await Bench.wait {
            try await bench.store.read { store in
                guard let sim = try store.subscriber(imsi: try Bench.imsi(number)) else { return false }
                return try !store.activeSessions(of: sim.id).isEmpty
            }
        }
    }

    @Test func `a batch is stored while the kernel takes the one before, and neither is answered until it has them`()
        async throws
    {
        try await Self.run { scene, open in
            let bench = scene.bench
            let answered = Answers()
            async let first: Void = answered.note(try await bench.attach(Bench.imsi(0)))
            try await Self.waitForSession(bench, 0)
            // The second comes when the first is stored and waits for the kernel.
            async let second: Void = answered.note(try await bench.attach(Bench.imsi(1)))
            try await Self.waitForSession(bench, 1)
            #expect(answered.all.isEmpty)
            #expect(bench.kernel.now.devices.isEmpty)
            open()
            _ = try await (first, second)
            #expect(answered.all.count == 2)
            for verdict in answered.all {
                guard case .accept(let address, _) = verdict else {
                    Issue.record("\(verdict)")
                    continue
                }
                #expect(bench.kernel.now.devices[address] != nil)
            }
        }
    }

    @Test func `a kernel that is slow holds the store back, and nobody is forgotten`() async throws {
        try await Self.run { scene, open in
            let bench = scene.bench
            let answered = Answers()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<3 {
                    group.addTask { answered.note(try await bench.attach(Bench.imsi(number))) }
                    try await Self.waitForSession(bench, number)
                }
                // One is with the kernel, and two wait for it.
                group.addTask { answered.note(try await bench.attach(Bench.imsi(3))) }
                try await Task.sleep(for: .milliseconds(200))
                let isStored = try await bench.store.read { store in
                    guard let sim = try store.subscriber(imsi: try Bench.imsi(3)) else { return false }
                    return try !store.activeSessions(of: sim.id).isEmpty
                }
                #expect(!isStored && answered.all.isEmpty)
                open()
                try await group.waitForAll()
            }
            #expect(answered.all.count == 4 && bench.kernel.now.devices.count == 4)
        }
    }

    /// A device that the kernel was given after its SIM was suspended would stay.
    @Test func `a change has neither beside it`() async throws {
        try await Self.run { scene, open in
            let bench = scene.bench
            async let first = bench.attach(try Bench.imsi(0))
            try await Self.waitForSession(bench, 0)
            async let second = bench.attach(try Bench.imsi(1))
            try await Self.waitForSession(bench, 1)
            async let suspended = bench.control.suspend(try Bench.imsi(0), by: .system)
            open()
            _ = try await suspended
            guard case .accept = try await first, case .accept(let address, _) = try await second else {
                Issue.record("not accepted")
                return
            }
            #expect(Array(bench.kernel.now.devices.keys) == [address])
        }
    }

    @Test func `what the kernel refuses is not answered, and the batch behind it is`() async throws {
        try await Self.run { scene, open in
            let bench = scene.bench
            async let first = bench.attach(try Bench.imsi(0))
            try await Self.waitForSession(bench, 0)
            async let second = bench.attach(try Bench.imsi(1))
            try await Self.waitForSession(bench, 1)
            bench.kernel.change { $0.refusals = 1 }
            open()
            #expect(try await first == .noAnswer)
            guard case .accept(let address, _) = try await second else {
                Issue.record("not accepted")
                return
            }
            #expect(bench.kernel.now.devices[address] != nil)
        }
    }

    /// What the second batch gives the kernel of the device takes the place of what the first gave.
    @Test func `a report behind an attach that the kernel has not taken leaves it its limit`() async throws {
        let policy = """
            bandwidth: {down: 1Mbit/s}
            imei-lock: {mode: locked, on-violation: block, on-missing: report}
            """
        try await Self.run(policy: policy) { scene, open in
            let bench = scene.bench
            async let attach = scene.on(0, imei: "35123456000001")
            try await Self.waitForSession(bench, 0)
            async let report: Void = scene.report(0, imei: "35123456000019")
            try await Bench.wait {
                try await bench.store.read { store in
                    guard let sim = try store.subscriber(imsi: try Bench.imsi(0)),
                        let session = try store.activeSessions(of: sim.id).first
                    else { return false }
                    return try store.restriction(of: session.id)?.action == .block
                }
            }
            #expect(bench.kernel.now.devices.isEmpty)
            open()
            let address = try await attach
            try await report
            let device = try #require(bench.kernel.now.devices[address])
            #expect(device.policy == .blockAll)
            #expect(LimitTests.limit(bench, address)?.down?.rate == BitRate(bitsPerSecond: 1_000_000))
        }
    }
}
