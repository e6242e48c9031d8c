import Control
import Domain
import PolicyCompiler
import Store
import Synchronization
import TestSupport
import Testing

/// Random lives of limited SIMs against a model that counts: packets, moves between groups, edits, periods that end, processes
/// that end, also between store and data plane, and kernels that start anew. After each step every volume has just the octets
/// that passed in its period.
@Suite struct LimitModelTests {
    @Test func `no octet of a volume is lost or counted twice`() async throws {
        var tally = LimitLife.Tally()
        for seed in 0..<6 * seedFactor {
            let before = tally
            tally = try await LimitLife.run(seed: seed, before)
        }
        print("volumes: \(tally)")
        #expect(tally.counts.count == LimitLife.Step.allCases.count, "\(tally)")
        #expect(tally.octets > 100_000 && tally.refused > 0 && tally.failed > 0, "\(tally)")
    }
}

private struct LimitLife: Sendable {
    enum Step: CaseIterable {
        case pass, attach, stop, move, edit, own, clearOwn, reset, topUp, day, restart, failure, reboot
    }

    struct Tally: Sendable {
        var counts: [Step: Int] = [:]
        var octets: UInt64 = 0
        /// Packets that a volume did not let pass.
        var refused = 0
        /// Changes that the data plane did not take.
        var failed = 0
    }

    enum Key: Hashable {
        case ceiling
        case sim(Int)
        case group
    }

    private static let sims = 3
    private static let steps = 120

    let clock: TestClock
    var random: Generator
    var tally: Tally
    var expected: [Key: UInt64] = [:]
    var addresses: [Int: IPv4Address] = [:]
    var tokens: [Int: SessionToken] = [:]
    var inGroup: Set<Int> = []
    var withOwn: Set<Int> = []
    /// Its period's, in days since the start, which is a Monday.
    var day: Int64 = 0
    var left = Self.steps
    var kernel = Self.newKernel()

    static func newKernel() -> RecordingDataPlane {
        let kernel = RecordingDataPlane()
        kernel.change { $0.isLimiting = true }
        return kernel
    }

    static func run(seed: UInt64, _ tally: Tally) async throws -> Tally {
        let clock = TestClock(SessionPolicyTests.start)
        let result = Box(tally)
        // The bench's own process limits nothing: those that do come and go beside it.
        try await Bench.run(now: { clock.now }) { bench in
            let acme = try await SessionPolicyTests.Scene(bench, sims: Self.sims).acme
            _ = try await bench.control.createGroup(Name(parsing: "g"), of: acme, policy: nil, by: .system)
            var life = LimitLife(clock: clock, random: Generator(seed: seed), tally: result.value)
            while life.left > 0 { try await life.process(bench, acme, seed) }
            result.set(life.tally)
        }
        return result.value
    }

    /// One process, from its start to its end.
    private mutating func process(_ bench: Bench, _ acme: Name, _ seed: UInt64) async throws {
        guard let plan = Bench.plan else { return }
        let control = ControlPlane(
            store: bench.store, dataPlane: kernel, disconnecting: bench.nas, settings: ControlSettings(natPlan: plan),
            logger: Bench.quietLogger, now: bench.control.now)
        try await control.start()
        let own = Bench(
            control: control, store: bench.store, kernel: kernel, tracing: bench.tracing, nas: bench.nas,
            nasID: bench.nasID, web: bench.web, directory: bench.directory)
        var life = self
        try await Bench.running(control) {
            if life.left == Self.steps { try await life.begin(own, acme) }
            try await life.check(own, "seed \(seed), at a start")
            var isAlive = true
            while isAlive, life.left > 0 {
                life.left -= 1
                let step =
                    life.random.oneIn(3) ? .pass : Step.allCases.randomElement(using: &life.random) ?? .pass
                life.tally.counts[step, default: 0] += 1
                isAlive = try await life.take(step, own, acme)
                if isAlive { try await life.check(own, "seed \(seed), \(Self.steps - life.left): \(step)") }
            }
        }
        self = life
    }

    private mutating func begin(_ bench: Bench, _ acme: Name) async throws {
        try await set(bench, acme)
        for sim in 0..<Self.sims {
            guard case .accept(let address, let token) = try await bench.attach(Bench.imsi(sim)) else { continue }
            (addresses[sim], tokens[sim]) = (address, token)
        }
    }

    private mutating func set(_ bench: Bench, _ acme: Name) async throws {
        let volume = { (random: inout Generator, range: ClosedRange<Int>) in
            "\(Int.random(in: range, using: &random))KB"
        }
        let action = Int.random(in: 0...2, using: &random) == 0 ? "slow, slow-rate: 8kbit/s" : "block"
        let documents: [(ControlPlane.SessionPolicyTarget, String)] = [
            (
                .ceiling,
                "data-limit: {volume: \(volume(&random, 20...150)), per: week, pooled: tenant, on-reached: \(action)}"
            ),
            (.tenant(acme), "data-limit: {volume: \(volume(&random, 2...10)), per: day, warn-at: [20, 90]}"),
            (
                .group(try Name(parsing: "g"), of: acme),
                "data-limit: {volume: \(volume(&random, 3...15)), per: day, pooled: group, on-reached: \(action)}"
            ),
        ]
        for (target, document) in documents {
            _ = try await bench.control.setSessionPolicy(document, file: "s", at: target, by: .system)
        }
    }

    /// - Returns: whether the process goes on.
    private mutating func take(_ step: Step, _ bench: Bench, _ acme: Name) async throws -> Bool {
        let sim = Int.random(in: 0...Self.sims - 1, using: &random)
        let imsi = try Bench.imsi(sim)
        switch step {
        case .pass:
            guard let address = addresses[sim] else { return true }
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let octets = UInt64(Int.random(in: 40...3000, using: &random))
                guard kernel.pass(octets, of: address) else {
                    tally.refused += 1
                    continue
                }
                tally.octets += octets
                for key in keys(of: sim) { expected[key, default: 0] += octets }
            }
        case .attach:
            guard case .accept(let address, let token) = try await bench.attach(imsi) else { return true }
            (addresses[sim], tokens[sim]) = (address, token)
        case .stop:
            guard let token = tokens.removeValue(forKey: sim) else { return true }
            #expect(try await bench.account(.stop, token: token, isLast: true))
            addresses[sim] = nil
        case .move:
            let group = inGroup.contains(sim) ? nil : try Name(parsing: "g")
            _ = try await bench.control.setGroup(group, ofSIM: imsi, by: .system)
            if group == nil { inGroup.remove(sim) } else { inGroup.insert(sim) }
        case .edit: try await set(bench, acme)
        case .own:
            _ = try await bench.control.setSessionPolicy(
                "data-limit: {volume: \(Int.random(in: 2...10, using: &random))KB, per: day}", file: "s",
                at: .sim(imsi), by: .system)
            withOwn.insert(sim)
        case .clearOwn:
            guard withOwn.remove(sim) != nil else { return true }
            _ = try await bench.control.clearSessionPolicy(at: .sim(imsi), by: .system)
        case .reset:
            let change = try await bench.control.resetVolume(of: imsi, level: .ceiling, by: .system)
            #expect(change.volume.used == 0)
            expected[.ceiling] = 0
        case .topUp:
            _ = try await bench.control.topUp(imsi, DataVolume(octets: 10_000), level: .ceiling, by: .system)
        case .day:
            advance()
            try await bench.control.keepLimits()
        case .restart: return false
        case .failure:
            kernel.change { $0.refusals = 1 }
            if Int.random(in: 0...1, using: &random) == 0 {
                advance()
                do { try await bench.control.keepLimits() } catch { tally.failed += 1 }
            } else {
                // Stored or not, what is used is the same.
                do { try await set(bench, acme) } catch { tally.failed += 1 }
            }
            kernel.change { $0.refusals = 0 }
            return false
        case .reboot:
            try await bench.control.storeAllUse()
            kernel = Self.newKernel()
            return false
        }
        return true
    }

    private mutating func advance() {
        clock.advance(minutes: 24 * 60)
        day += 1
        for key in expected.keys where key != .ceiling || day % 7 == 0 { expected[key] = 0 }
    }

    private func keys(of sim: Int) -> [Key] {
        [.ceiling, !withOwn.contains(sim) && inGroup.contains(sim) ? .group : .sim(sim)]
    }

    private func check(_ bench: Bench, _ when: String) async throws {
        for sim in 0..<Self.sims {
            let view = try await bench.control.effectivePolicy(of: Bench.imsi(sim), by: .system)
            let used = view.volumes.map(\.used)
            let wanted = keys(of: sim).map { expected[$0] ?? 0 }
            try #require(used == wanted, "\(when): SIM \(sim)")
        }
        // Whoever has a session is limited.
        for (sim, address) in addresses {
            let device = kernel.now.devices[address]
            try #require(device?.limit.flatMap { kernel.now.limits[$0] }?.quotas.count == 2, "\(when): SIM \(sim)")
        }
    }
}

private final class Box: Sendable {
    private let stored: Mutex<LimitLife.Tally>
    init(_ value: LimitLife.Tally) { stored = Mutex(value) }
    var value: LimitLife.Tally { stored.withLock { $0 } }
    func set(_ value: LimitLife.Tally) { stored.withLock { $0 = value } }
}
