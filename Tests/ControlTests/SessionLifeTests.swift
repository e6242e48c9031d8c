import Control
import Domain
import PolicyCompiler
import Store
import Synchronization
import Testing

/// How sessions move, carry several bearers, end without anybody saying so, and come back.
@Suite struct SessionLifeTests {
    private static func usage(_ up: UInt64, _ down: UInt64 = 0) -> SessionUsage {
        SessionUsage(octetsUp: up, octetsDown: down)
    }

    private static func accepted(_ verdict: AttachVerdict) throws -> (address: IPv4Address, token: SessionToken) {
        guard case .accept(let address, let token) = verdict else { throw Bench.Missing() }
        return (address, token)
    }

    private static func session(_ token: SessionToken, _ bench: Bench) async throws -> Session {
        try #require(try await bench.store.read { try $0.session(token: token) })
    }

    // MARK: Bearers

    @Test func `bearers of one session add up, and nothing that is said twice counts twice`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let (address, token) = try Self.accepted(await bench.attach(try Bench.imsi(0)))
            #expect(try await bench.account(.start, token: token))
            #expect(try await bench.account(.interim, token: token, usage: Self.usage(100, 10)))
            #expect(try await bench.account(.start, token: token, nsapi: 6, accountingSessionID: "A2"))
            for _ in 0..<2 {
                #expect(
                    try await bench.account(
                        .interim, token: token, nsapi: 6, accountingSessionID: "A2", usage: Self.usage(40)))
                #expect(try await bench.account(.interim, token: token, usage: Self.usage(150, 20)))
            }
            #expect(try await Self.session(token, bench).usage == Self.usage(190, 20))
            for _ in 0..<2 {
                #expect(
                    try await bench.account(
                        .stop, token: token, nsapi: 6, accountingSessionID: "A2", usage: Self.usage(50)))
            }
            // The number is given to another bearer, which counts from its own beginning.
            #expect(
                try await bench.account(
                    .interim, token: token, nsapi: 6, accountingSessionID: "A3", usage: Self.usage(7)))
            #expect(try await Self.session(token, bench).usage == Self.usage(207, 20))
            #expect(try await Self.session(token, bench).accountingSessionID == "A1")

            // The bearer that it began with ends first: the session lasts as long as there is another.
            #expect(try await bench.account(.stop, token: token, usage: Self.usage(160, 20)))
            #expect(bench.kernel.now.devices[address] != nil)
            #expect(
                try await bench.account(
                    .stop, token: token, nsapi: 6, accountingSessionID: "A3", usage: Self.usage(8)))
            let ended = try await Self.session(token, bench)
            #expect(ended.usage == Self.usage(218, 20) && ended.endCause == .stopped)
            #expect(bench.kernel.now.devices[address] == nil)
            let bearers = try await bench.control.sessionParts(ended.id, by: .system).bearers
            #expect(bearers.map(\.usage.octetsUp) == [160, 50, 8] && bearers.allSatisfy { $0.endedAt != nil })
        }
    }

    @Test func `the last bearer's indicator ends the session whatever else is known of`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let (address, token) = try Self.accepted(await bench.attach(try Bench.imsi(0)))
            #expect(try await bench.account(.start, token: token, nsapi: 6, accountingSessionID: "A2"))
            #expect(
                try await bench.account(.stop, token: token, nsapi: 6, isLast: true, accountingSessionID: "A2"))
            #expect(bench.kernel.now.devices[address] == nil)
            // A stop that comes late counts, and opens nothing.
            #expect(try await bench.account(.stop, token: token, usage: Self.usage(9)))
            #expect(try await Self.session(token, bench).usage == Self.usage(9))
            #expect(bench.kernel.now.devices.isEmpty)
        }
    }

    @Test func `without Class a bearer is known by the session's address`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let imsi = try Bench.imsi(0)
            let (address, token) = try Self.accepted(await bench.attach(imsi))
            #expect(try await bench.account(.interim, imsi: imsi, usage: Self.usage(5)))
            #expect(
                try await bench.account(
                    .start, imsi: imsi, nsapi: 7, accountingSessionID: "B", address: address))
            #expect(
                try await bench.account(
                    .interim, imsi: imsi, nsapi: 7, accountingSessionID: "B", usage: Self.usage(3)))
            #expect(
                try await bench.account(
                    .stop, imsi: imsi, nsapi: 7, accountingSessionID: "B", usage: Self.usage(4)))
            let session = try await Self.session(token, bench)
            #expect(session.usage == Self.usage(9) && session.endedAt == nil)
        }
    }

    @Test func `an Access-Request's Acct-Session-Id that is never heard again is no bearer`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let (address, token) = try Self.accepted(
                await bench.attach(try Bench.imsi(0), accountingSessionID: "asked"))
            #expect(try await bench.account(.start, token: token, accountingSessionID: "real"))
            #expect(try await Self.session(token, bench).accountingSessionID == "real")
            #expect(try await bench.account(.stop, token: token, accountingSessionID: "real"))
            #expect(bench.kernel.now.devices[address] == nil)
        }
    }

    @Test func `one SIM has a session on each of its APNs, and they end apart`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let imsi = try Bench.imsi(0)
            let first = try Self.accepted(await bench.attach(imsi))
            let second = try Self.accepted(await bench.attach(imsi, apn: "other.example", accountingSessionID: "B1"))
            #expect(first.address != second.address && bench.kernel.now.devices.count == 2)
            #expect(
                try await bench.account(
                    .stop, imsi: imsi, isLast: true, accountingSessionID: "B1", apn: "other.example"))
            #expect(bench.kernel.now.devices.keys.sorted() == [first.address])
            #expect(try await Self.session(second.token, bench).endCause == .stopped)
        }
    }

    // MARK: Equipment and place

    @Test func `where and in what a session was is kept, the newest hundred of it`() async throws {
        let clock = Mutex<Int64>(1_800_000_000_000)
        try await Bench.run(now: { Timestamp(milliseconds: clock.withLock { $0 }) }) { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let (_, token) = try Self.accepted(await bench.attach(try Bench.imsi(0)))
            let imei = try IMEI(parsing: "35693803564380")
            var equipment = Equipment(imei: imei, rat: .nbIoT, nsapi: 5)
            func report(_ equipment: Equipment) async throws {
                clock.withLock { $0 += 1000 }
                #expect(try await bench.account(.interim, token: token, equipment: equipment))
            }
            try await report(equipment)
            try await report(equipment)
            // What a report leaves out has not changed.
            try await report(Equipment(nsapi: 5))
            equipment.imei = try IMEI(parsing: "35693803564399")
            equipment.visitedNetwork = try PLMN(parsing: "26201")
            try await report(equipment)
            let session = try await Self.session(token, bench)
            let places = try await bench.control.sessionParts(session.id, by: .system).places
            #expect(places.map(\.imei) == [nil, imei, equipment.imei])
            #expect(places.map { $0.since.milliseconds % 100_000 } == [0, 1000, 4000])
            #expect(session.equipment.imei == equipment.imei && session.equipment.rat == .nbIoT)

            for cell in 0..<120 {
                equipment.location = UserLocation(octets: [129, UInt8(cell)])
                try await report(equipment)
            }
            let kept = try await bench.control.sessionParts(session.id, by: .system).places
            #expect(kept.count == 100 && kept.last?.location?.octets == [129, 119])
            #expect(kept.first?.location?.octets == [129, 20])
        }
    }

    // MARK: A NAS that starts anew

    @Test func `a NAS that starts loses all it had, and nothing that it has begun since`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 450)
            let other = try await bench.control.createNAS(
                Name(parsing: "pgw-2"), address: IPv4Address(parsing: "198.18.0.6"),
                secret: Secret(bytes: Array("a secret of some length".utf8)), by: .system)
            for number in 0..<448 { _ = try await bench.attach(try Bench.imsi(number)) }
            let kept = try Self.accepted(await bench.attach(try Bench.imsi(448), through: other.id))
            #expect(try await bench.account(.on))
            // Its first session after the start comes at once; what is lost ends in the background.
            let new = try Self.accepted(await bench.attach(try Bench.imsi(449)))
            let deadline = ContinuousClock.now + .seconds(300)
            while bench.kernel.now.devices.count > 2, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(Set(bench.kernel.now.devices.keys) == [kept.address, new.address])
            let open = try await bench.store.read {
                try $0.sessions(of: nil, activeOnly: true, after: nil, limit: 10)
            }
            #expect(Set(open.map(\.token)) == [kept.token, new.token])
            let all = try await bench.store.read {
                try $0.sessions(of: nil, activeOnly: false, after: nil, limit: 1000)
            }
            #expect(all.filter { $0.endCause == .nasStarted }.count == 448)
            #expect(try await bench.store.read { try $0.losses() } == [])
        }
    }

    @Test func `a repeated message of a start leaves the sessions that came after it`() async throws {
        let clock = Mutex<Int64>(1_800_000_000_000)
        try await Bench.run(now: { Timestamp(milliseconds: clock.withLock { $0 }) }) { bench in
            _ = try await bench.tenant("acme", sims: 2)
            let old = try Self.accepted(await bench.attach(try Bench.imsi(0)))
            clock.withLock { $0 += 60_000 }
            let new = try Self.accepted(await bench.attach(try Bench.imsi(1)))
            clock.withLock { $0 += 10_000 }
            #expect(try await bench.account(.on, delay: 30))
            #expect(Set(bench.kernel.now.devices.keys) == [new.address])
            #expect(try await Self.session(old.token, bench).endCause == .nasStarted)
            #expect(try await bench.account(.off))
            #expect(try await Self.session(new.token, bench).endCause == .nasStopped)
        }
    }

    // MARK: Stale sessions

    /// Says of each device what the test says.
    private final class ScriptedPackets: PacketWatching {
        let silent = Mutex<[IPAddress: Duration]>([:])
        let memory = Duration.seconds(60)
        func silences(of devices: Set<IPAddress>?) -> [IPAddress: Duration] {
            silent.withLock { all in all.filter { devices?.contains($0.key) ?? true } }
        }
    }

    @Test func `a session without report and packet ends, and comes back when its NAS reports it`() async throws {
        let clock = Mutex<Int64>(1_800_000_000_000)
        let packets = ScriptedPackets()
        try await Bench.run(now: { Timestamp(milliseconds: clock.withLock { $0 }) }, packets: packets) { bench in
            _ = try await bench.tenant("acme", sims: 4)
            _ = try await bench.control.updateNAS(Name(parsing: "pgw"), by: .system) { nas in
                nas.profile.interimSeconds = 60
                nas.profile.staleIntervals = 2
                nas.profile.idleMinutes = 1
            }
            var all: [(address: IPv4Address, token: SessionToken)] = []
            for number in 0..<4 {
                all.append(
                    try Self.accepted(
                        await bench.attach(try Bench.imsi(number), accountingSessionID: "S\(number)")))
                #expect(
                    try await bench.account(
                        .interim, token: all[number].token, accountingSessionID: "S\(number)",
                        usage: Self.usage(100)))
            }
            clock.withLock { $0 += 121_000 }
            // 0: nothing. 1: a packet 10 s ago. 2: a report just now. 3: nothing, and its NAS sends no Class.
            packets.silent.withLock { $0[.v4(all[1].address)] = .seconds(10) }
            #expect(try await bench.account(.interim, token: all[2].token, accountingSessionID: "S2"))
            // What was not heard since the daemon started was not missed by the NAS.
            var young = Reaper(started: .now - .seconds(100))
            #expect(try await bench.control.reap(&young, now: .now) == 0)
            var reaper = Reaper(started: .now - .seconds(200))
            #expect(try await bench.control.reap(&reaper, now: .now) == 2)
            #expect(Set(bench.kernel.now.devices.keys) == [all[1].address, all[2].address])
            #expect(try await Self.session(all[0].token, bench).endCause == .stale)
            let shown = try await bench.control.lastPackets(of: [try await Self.session(all[1].token, bench)])
            #expect(shown.values.first?.milliseconds == clock.withLock { $0 } - 10_000)

            // It was there all the time: its traffic is back, and what it carried meanwhile counts once.
            #expect(
                try await bench.account(
                    .interim, token: all[0].token, accountingSessionID: "S0", usage: Self.usage(130)))
            #expect(
                try await bench.account(
                    .interim, imsi: try Bench.imsi(3), accountingSessionID: "S3", usage: Self.usage(150)))
            #expect(Set(bench.kernel.now.devices.keys) == Set(all.map(\.address)))
            for (number, carried) in [(0, 130), (3, 150)] as [(Int, UInt64)] {
                let imsi = try Bench.imsi(number)
                let sessions = try await bench.store.read {
                    try $0.sessions(of: nil, activeOnly: false, after: nil, limit: 100).filter { $0.imsi == imsi }
                }
                #expect(sessions.count == 2 && sessions.last?.endedAt == nil)
                #expect(sessions.map(\.usage.octetsUp).reduce(0, +) == carried)
            }
            #expect(try await bench.account(.stop, token: all[0].token, accountingSessionID: "S0"))
            #expect(bench.kernel.now.devices[all[0].address] == nil)
        }
    }

    @Test func `what nobody concluded does not come back`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 2)
            let stopped = try Self.accepted(await bench.attach(try Bench.imsi(0)))
            #expect(try await bench.account(.stop, token: stopped.token, usage: Self.usage(3)))
            #expect(try await bench.account(.interim, token: stopped.token, usage: Self.usage(2)))
            #expect(bench.kernel.now.devices.isEmpty)
            // Nor one whose SIM may not any more.
            let lost = try Self.accepted(await bench.attach(try Bench.imsi(1)))
            #expect(try await bench.account(.on))
            _ = try await bench.control.suspend(try Bench.imsi(1), by: .system)
            #expect(try await bench.account(.interim, token: lost.token))
            #expect(bench.kernel.now.devices.isEmpty)
            _ = try await bench.control.resume(try Bench.imsi(1), by: .system)
            #expect(try await bench.account(.interim, token: lost.token))
            #expect(bench.kernel.now.devices.keys.sorted() == [lost.address])
        }
    }

    // MARK: Orders to the NAS

    @Test func `a NAS that takes changes is asked for one, and another's session ends instead`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let (_, token) = try Self.accepted(await bench.attach(try Bench.imsi(0)))
            let session = try await Self.session(token, bench)
            let change = [SessionChange.interimInterval(seconds: 60)]
            bench.nas.answer { _ in DisconnectOutcome(result: .contextNotFound, attempts: 1) }
            await #expect(throws: ControlError.self) {
                _ = try await bench.control.changeSession(
                    session.id, to: change, endingOtherwise: false, by: .system)
            }
            _ = try await bench.control.updateNAS(Name(parsing: "pgw"), by: .system) { $0.profile.takesChanges = true }
            bench.nas.answer { _ in DisconnectOutcome(result: .acknowledged, attempts: 1) }
            let order = try await bench.control.changeSession(
                session.id, to: change, endingOtherwise: false, by: .system)
            #expect(order.isComplete && bench.nas.changes == [change])
            #expect(try await Self.session(token, bench).endedAt == nil)

            bench.nas.answer { _ in DisconnectOutcome(result: .refused(errorCause: .missingAttribute), attempts: 1) }
            let refused = try await bench.control.changeSession(
                session.id, to: change, endingOtherwise: false, by: .system)
            #expect(!refused.isComplete && refused.steps[0].detail.contains("Missing-Attribute (402); add what"))
            bench.nas.answer { _ in DisconnectOutcome(result: .contextNotFound, attempts: 1) }
            _ = try await bench.control.changeSession(session.id, to: change, endingOtherwise: false, by: .system)
            #expect(try await Self.session(token, bench).endCause == .unknownToNAS)
            #expect(bench.kernel.now.devices.isEmpty)
        }
    }

    @Test func `a profile that cannot be is refused by field`() async throws {
        try await Bench.run { bench in
            let error = await #expect(throws: ControlError.self) {
                _ = try await bench.control.updateNAS(Name(parsing: "pgw"), by: .system) { nas in
                    nas.profile.attributes = [.nsapi, .nsapi]
                    nas.profile.interimSeconds = 59
                }
            }
            #expect(error?.problems.map(\.field) == ["attributes", "attributes", "interim_seconds"])
            let kept = try await bench.control.nas(Name(parsing: "pgw"), by: .system)
            #expect(kept.profile == NAS.Profile())
        }
    }
}
