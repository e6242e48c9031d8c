import Control
import Domain
import PolicyCompiler
import Store
import Synchronization
import TestSupport
import Testing

/// Random lives of SIMs and sessions against a model of what a NAS knows: attaches, reports of several bearers, reports that
/// come twice or late, ends, NAS that start anew, SIMs that are suspended and resumed, sessions that are given up and come
/// back, and a process that is killed between store and kernel. After each step:
///
/// - no address and no SIM on an APN is in two sessions;
/// - the kernel lets pass what has an active session of a SIM that may have one, and nothing else;
/// - what sessions have counted is what the NAS was told that it is recorded: no octet lost, none twice.
///
/// `CORDON_SEEDS` multiplies how many lives are tried; `make soak` does.
@Suite struct LifePropertyTests {
    private static let seeds = 12 * seedFactor
    private static let steps = 220

    @Test func `no address twice, no traffic without a session, no octet lost or counted twice`() async throws {
        var tally = Life.Tally()
        for seed in 0..<Self.seeds {
            try await Life.run(seed: seed, steps: Self.steps, &tally)
        }
        print("\(Self.seeds) lives: \(tally)")
        // Each kind of step has come up: a life in which nothing happens proves nothing.
        #expect(tally.counts.count == Life.Step.allCases.count, "\(tally)")
        #expect(tally.continued > 0 && tally.killed > 0)
    }
}

/// One random life.
private struct Life {
    enum Step: CaseIterable {
        case attach, start, interim, again, bearer, stop, stopBearer, on, off, suspend, resume, silence, kill, forget
    }

    struct Tally: CustomStringConvertible {
        var counts: [Step: Int] = [:]
        /// Sessions that came back after they had been given up.
        var continued = 0
        /// How often the process ended with something in the store that the kernel did not have.
        var killed = 0

        var description: String {
            let steps = counts.sorted { "\($0.key)" < "\($1.key)" }.map { "\($0.key) \($0.value)" }
            return "\(steps.joined(separator: ", ")); \(continued) sessions came back, \(killed) kills"
        }
    }

    /// What the NAS knows of a session.
    struct Known {
        let nas: NAS.ID
        let sim: Int
        let apn: String
        let address: IPv4Address?
        let prefix: IPv6Prefix?
        let token: SessionToken
        /// By number; the first is the one it began with.
        var bearers: [Int: Counters]
        /// Whether the NAS echoes Class.
        let hasClass: Bool
    }

    struct Counters {
        let id: String
        let nsapi: UInt8
        var octets: UInt64 = 0
    }

    struct Place: Hashable {
        let sim: Int
        let apn: String
    }

    let bench: Bench
    let clock: Clock
    var random: Generator
    var known: [Place: Known] = [:]
    /// The last count of each bearer that ever was, as far as it was acknowledged.
    var acknowledged: [String: UInt64] = [:]
    /// Reports that may come again.
    var sent: [(AccountingReport, String)] = []
    var suspended: Set<Int> = []
    var serial = 0
    let nas: [NAS.ID]
    static let sims = 5
    static let apns = ["iot.example", "other.example"]

    final class Clock: Sendable {
        let milliseconds = Mutex<Int64>(1_800_000_000_000)
        var now: Timestamp { Timestamp(milliseconds: milliseconds.withLock { $0 }) }
        func pass(_ seconds: Int64) { milliseconds.withLock { $0 += seconds * 1000 } }
    }

    /// Of no device is anything known.
    struct Quiet: PacketWatching {
        let memory = Duration.seconds(3600)
        func silences(of devices: Set<IPAddress>?) -> [IPAddress: Duration] { [:] }
    }

    static func run(seed: UInt64, steps: Int, _ tally: inout Tally) async throws {
        let clock = Clock()
        let outcome = Mutex<Tally>(tally)
        try await Bench.run(now: { clock.now }, settings: { $0.hasIPv6 = true }, packets: Quiet()) { bench in
            _ = try await bench.tenant("acme", sims: sims)
            _ = try await bench.control.createPool(
                IPv6Prefix(parsing: "2001:db8::/40"), blockLength: 48, delegatedLength: 63, by: .system)
            let second = try await bench.control.createNAS(
                Name(parsing: "pgw-2"), address: IPv4Address(parsing: "198.18.0.6"),
                secret: Secret(bytes: Array("a secret of some length".utf8)), by: .system)
            bench.nas.answer { _ in DisconnectOutcome(result: .contextNotFound, attempts: 1) }
            var life = Life(bench: bench, clock: clock, seed: seed, nas: [bench.nasID, second.id])
            var tally = outcome.withLock { $0 }
            for number in 0..<steps {
                let step = life.next()
                tally.counts[step, default: 0] += 1
                try await life.take(step, &tally)
                let problems = try await life.problems()
                #expect(problems == [], "seed \(seed), step \(number): \(step)")
                if !problems.isEmpty { break }
            }
            tally.continued += try await life.continued()
            let result = tally
            outcome.withLock { $0 = result }
        }
        tally = outcome.withLock { $0 }
    }

    init(bench: Bench, clock: Clock, seed: UInt64, nas: [NAS.ID]) {
        self.bench = bench
        self.clock = clock
        self.nas = nas
        random = Generator(seed: seed)
    }

    private mutating func next() -> Step {
        // Reports are what most of a life is made of.
        let often: [Step] = [
            .attach, .attach, .attach, .start, .interim, .interim, .interim, .again, .bearer, .stopBearer,
        ]
        return random.next() % 2 == 0
            ? often[Int(random.next() % UInt64(often.count))]
            : Step.allCases[Int(random.next() % UInt64(Step.allCases.count))]
    }

    private mutating func one<Element>(of elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[Int(random.next() % UInt64(elements.count))]
    }

    private mutating func oneKnown() -> Place? {
        one(of: known.keys.sorted { ($0.sim, $0.apn) < ($1.sim, $1.apn) })
    }

    // MARK: Steps

    mutating func take(_ step: Step, _ tally: inout Tally) async throws {
        clock.pass(Int64(2 + random.next() % 5))
        switch step {
        case .attach: try await attach(isHeard: true)
        case .start: try await report(.start)
        case .interim: try await report(.interim)
        case .again: try await repeatOne()
        case .bearer: try await addBearer()
        case .stop: try await stop()
        case .stopBearer: try await stopBearer()
        case .on: try await lose(.on)
        case .off: try await lose(.off)
        case .suspend, .resume: try await administer(step)
        case .silence: try await silence()
        case .kill: try await kill(&tally)
        // The NAS loses a session and says nothing.
        case .forget: if let place = oneKnown() { known[place] = nil }
        }
    }

    /// - Parameter isHeard: whether the answer reaches the NAS.
    private mutating func attach(isHeard: Bool) async throws {
        let sim = Int(random.next() % UInt64(Self.sims))
        guard let apn = one(of: Self.apns), let through = one(of: nas) else { return }
        serial += 1
        guard let type = one(of: [PDNType.ipv4, .ipv4, .ipv6, .ipv4v6]) else { return }
        let verdict = try await bench.attach(
            try Bench.imsi(sim), apn: apn, accountingSessionID: "s\(serial)", through: through, type: type)
        let granted: (address: IPv4Address?, prefix: IPv6Prefix?, token: SessionToken)
        switch verdict {
        case .accept(let address, let token): granted = (address, nil, token)
        case .acceptIPv6(let prefixes, let address, let token): granted = (address, prefixes.link, token)
        case .reject(let reason):
            #expect(reason == .simSuspended && suspended.contains(sim))
            return
        case .noAnswer:
            #expect(!isHeard)
            return
        }
        #expect(!suspended.contains(sim))
        #expect((granted.address != nil) == type.hasIPv4 && (granted.prefix != nil) == type.hasIPv6)
        guard isHeard else { return }
        known[Place(sim: sim, apn: apn)] = Known(
            nas: through, sim: sim, apn: apn, address: granted.address, prefix: granted.prefix, token: granted.token,
            bearers: [5: Counters(id: "s\(serial)", nsapi: 5)], hasClass: random.next() % 4 != 0)
    }

    private mutating func report(_ kind: AccountingReport.Kind) async throws {
        guard let place = oneKnown(), let bearer = one(of: (known[place]?.bearers.keys.sorted() ?? [])) else { return }
        if kind == .interim { known[place]?.bearers[bearer]?.octets += random.next() % 100_000 }
        guard let session = known[place] else { return }
        try await send(kind, session, bearer, isLast: false)
    }

    private mutating func addBearer() async throws {
        guard let place = oneKnown(), let session = known[place] else { return }
        // Numbers are used again once they are free.
        guard let free = (6...8).first(where: { session.bearers[$0] == nil }) else { return }
        serial += 1
        let bearer = Counters(id: "b\(serial)", nsapi: UInt8(free))
        known[place]?.bearers[free] = bearer
        guard let session = known[place] else { return }
        try await send(.start, session, free, isLast: false)
    }

    private mutating func stopBearer() async throws {
        guard let place = oneKnown(), var session = known[place],
            let bearer = one(of: session.bearers.keys.sorted().filter { $0 != 5 })
        else { return }
        session.bearers[bearer]?.octets += random.next() % 1000
        try await send(.stop, session, bearer, isLast: false)
        known[place]?.bearers[bearer] = nil
    }

    /// The stop of the whole session: each bearer's, the last with the indicator.
    private mutating func stop() async throws {
        guard let place = oneKnown(), var session = known[place] else { return }
        let bearers = session.bearers.keys.sorted(by: >)
        for bearer in bearers {
            session.bearers[bearer]?.octets += random.next() % 1000
            try await send(.stop, session, bearer, isLast: bearer == bearers.last)
        }
        known[place] = nil
    }

    private mutating func send(
        _ kind: AccountingReport.Kind, _ session: Known, _ bearer: Int, isLast: Bool
    ) async throws {
        guard let counters = session.bearers[bearer] else { return }
        let report = AccountingReport(
            nas: session.nas, kind: kind, token: session.hasClass ? session.token : nil,
            imsi: try Bench.imsi(session.sim), apn: try APN(parsing: session.apn), address: session.address,
            accountingSessionID: counters.id, equipment: Equipment(nsapi: counters.nsapi),
            usage: kind == .start ? SessionUsage() : SessionUsage(octetsUp: counters.octets), terminateCause: nil,
            isLastBearer: isLast, time: clock.now, prefix: session.prefix)
        if try await deliver(report) {
            // What is not of a session that Cordon knows is recorded, and counted for nobody.
            let isCounted = try await isKnown(report)
            if kind != .start, isCounted {
                acknowledged[counters.id] = max(acknowledged[counters.id] ?? 0, counters.octets)
            }
        }
        sent.append((report, counters.id))
        if sent.count > 40 { sent.removeFirst() }
    }

    private func deliver(_ report: AccountingReport) async throws -> Bool {
        await withCheckedContinuation { continuation in
            let isQueued = bench.control.account(report) { continuation.resume(returning: $0) }
            if !isQueued { continuation.resume(returning: false) }
        }
    }

    /// Whether the last record of what was reported belongs to a session.
    private func isKnown(_ report: AccountingReport) async throws -> Bool {
        guard let token = report.token else {
            let all = try await sessions()
            let apn = report.apn
            return try await bench.store.read { store in
                try all.contains { session in
                    guard session.imsi == report.imsi, session.apn == apn else { return false }
                    return try store.accounting(of: session.id).contains { $0 == report }
                }
            }
        }
        return try await bench.store.read { store in try store.session(token: token) != nil }
    }

    /// A report comes again, or late.
    private mutating func repeatOne() async throws {
        guard let (report, id) = one(of: sent) else { return }
        guard try await deliver(report), report.kind != .start, try await isKnown(report) else { return }
        acknowledged[id] = max(acknowledged[id] ?? 0, report.usage.octetsUp)
    }

    private mutating func lose(_ kind: AccountingReport.Kind) async throws {
        guard let through = one(of: nas) else { return }
        #expect(try await bench.account(kind, through: through))
        // Now and then one of its sessions is there all the same.
        for (place, session) in known where session.nas == through {
            if random.next() % 3 != 0 { known[place] = nil }
        }
    }

    private mutating func administer(_ step: Step) async throws {
        let sim = Int(random.next() % UInt64(Self.sims))
        let imsi = try Bench.imsi(sim)
        if step == .suspend {
            _ = try await bench.control.suspend(imsi, by: .system)
            suspended.insert(sim)
            for place in known.keys where place.sim == sim { known[place] = nil }
        } else {
            _ = try await bench.control.resume(imsi, by: .system)
            suspended.remove(sim)
        }
    }

    /// Nobody reports anything for long enough that sessions are given up.
    private mutating func silence() async throws {
        clock.pass(2 * 3600)
        // The NAS are there: it is their sessions that they say nothing of.
        for through in nas { _ = try await bench.account(.interim, through: through) }
        var reaper = Reaper(started: .now - .seconds(4 * 3600))
        _ = try await bench.control.reap(&reaper, now: .now)
    }

    /// The process ends when the store has a change and the kernel has not, and starts again.
    private mutating func kill(_ tally: inout Tally) async throws {
        bench.kernel.change { $0.refusals = 1 }
        if random.next() % 2 == 0 {
            try await attach(isHeard: false)
        } else if let place = oneKnown(), let session = known[place], let bearer = session.bearers.keys.min() {
            try await send(.stop, session, bearer, isLast: true)
            known[place] = nil
        }
        tally.killed += bench.kernel.now.refusals == 0 ? 1 : 0
        bench.kernel.change { $0.refusals = 0 }
        try await bench.control.start()
    }

    // MARK: What has to be

    private func sessions() async throws -> [Session] {
        try await bench.store.read { try $0.sessions(of: nil, activeOnly: false, after: nil, limit: 100_000) }
    }

    func continued() async throws -> Int {
        let all = try await sessions()
        return all.indices.filter { index in
            all[..<index].contains {
                $0.endCause?.isConcluded == true && $0.sim == all[index].sim && $0.apn == all[index].apn
                    && $0.accountingSessionID == all[index].accountingSessionID
            }
        }.count
    }

    /// One sentence each.
    func problems() async throws -> [String] {
        var problems: [String] = []
        let all = try await sessions()
        let open = all.filter { $0.endedAt == nil }
        if Set(open.map(\.address)).count != open.count { problems.append("an address is in two sessions") }
        let networks = open.flatMap { $0.prefixes?.networks ?? [] }
        if Set(networks).count != networks.count { problems.append("a prefix is in two sessions") }
        if Set(open.map { "\($0.imsi) \($0.apn)" }).count != open.count {
            problems.append("a SIM has two sessions on an APN")
        }
        let barred = Set(try suspended.map { try Bench.imsi($0) })
        let passing = Set(open.filter { !barred.contains($0.imsi) }.flatMap(\.devices))
        let present = bench.kernel.now
        let kernel = Set(
            present.devices.keys.map { IPAddress.v4($0) } + present.devices6.keys.map { IPAddress.v6($0.address) })
        if !kernel.isSubset(of: passing) {
            problems.append("traffic without a session: \(kernel.subtracting(passing))")
        }
        if !passing.isSubset(of: kernel) {
            problems.append("a session without traffic: \(passing.subtracting(kernel))")
        }
        let counted = all.map(\.usage.octetsUp).reduce(0, +)
        let told = acknowledged.values.reduce(0, +)
        if counted != told { problems.append("\(told) octets were acknowledged, \(counted) are counted") }
        return problems
    }
}
