import Control
import Domain
import PolicyCompiler
import Store
import Synchronization
import Testing

/// One action on many SIMs, SIMs in a test, and what is answered from memory.
@Suite struct BulkTests {
    private static func accepted(_ verdict: AttachVerdict) throws -> (address: IPv4Address, token: SessionToken) {
        guard case .accept(let address, let token) = verdict else { throw Bench.Missing() }
        return (address, token)
    }

    private static func settled(
        _ id: BulkOperation.ID, _ bench: Bench, within limit: Duration = .seconds(240)
    ) async throws -> ControlPlane.BulkView {
        let deadline = ContinuousClock.now + limit
        while true {
            let view = try await bench.control.bulk(id, by: .system)
            if view.operation.state != .running || ContinuousClock.now > deadline { return view }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private static func fleet(_ count: Int, _ bench: Bench) async throws -> Tenant {
        let tenant = try await bench.tenant("fleet")
        _ = try await bench.control.createGroup(Name(parsing: "a"), of: tenant.name, policy: nil, by: .system)
        _ = try await bench.control.createGroup(Name(parsing: "b"), of: tenant.name, policy: nil, by: .system)
        var csv = "iccid,imsi,msisdn,group,name\n"
        for number in 0..<count {
            csv += "8999\(1_000_000_000_000_000 + number),\(999_700_000_000_000 + number),,a,meter [\(number)]\n"
        }
        _ = try await bench.control.importSIMs(
            csv: Array(csv.utf8), isAtomic: true, to: tenant.name, by: .system)
        return tenant
    }

    private static func attach(_ numbers: Range<Int>, _ bench: Bench) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in numbers {
                group.addTask {
                    let verdict = try await bench.attach(try IMSI(parsing: "\(999_700_000_000_000 + number)"))
                    if case .accept = verdict { return true } else { return false }
                }
            }
            for try await isAccepted in group { #expect(isAccepted) }
        }
    }

    /// A device without its volume for a moment has octets that nobody counts.
    @Test func `devices that a bulk action moves have what limits them in the batch that moves them`() async throws {
        try await Bench.run(isLimiting: true) { bench in
            let tenant = try await Self.fleet(3, bench)
            try await Self.attach(0..<3, bench)
            _ = try await bench.control.setSessionPolicy(
                "bandwidth: {up: 2Mbit/s}\ndata-limit: {volume: 5MB, per: month, pooled: group, on-reached: block}\n",
                file: "p", at: .group(Name(parsing: "b"), of: tenant.name), by: .system)
            #expect(bench.kernel.now.entries.count == 3 && bench.kernel.now.entries.allSatisfy { $0.limit == nil })
            bench.kernel.change { $0.entries = [] }
            let begun = try await bench.control.startBulk(
                .setGroup(Name(parsing: "b")), on: ControlPlane.BulkSelection(tenant: tenant.name), by: .system)
            #expect(try await Self.settled(begun.operation.id, bench).counts == [.done: 3])
            let kernel = bench.kernel.now
            #expect(Set(kernel.entries.map(\.address)).count == 3 && kernel.entries.allSatisfy { $0.limit != nil })
            let limits = kernel.entries.compactMap { $0.limit.flatMap { kernel.limits[$0] } }
            let rate = try BitRate(parsing: "2Mbit/s")
            #expect(limits.count == kernel.entries.count && limits.allSatisfy { $0.up?.rate == rate })
            let quotas = Set(limits.flatMap(\.quotas))
            #expect(quotas.count == 1 && quotas.allSatisfy { kernel.quotas[$0]?.limit == 5_000_000 })
            // The engine has the same in mind: nothing is left to be given again.
            bench.kernel.change { $0.entries = [] }
            _ = try await bench.control.keepLimits()
            #expect(bench.kernel.now.entries.isEmpty)
        }
    }

    @Test func `a cancelled operation leaves what waits as it is, and says so`() async throws {
        try await Bench.run { bench in
            let tenant = try await Self.fleet(3, bench)
            try await Self.attach(0..<3, bench)
            // Nothing of it can be done yet.
            bench.kernel.change { $0.refusals = .max }
            let begun = try await bench.control.startBulk(
                .suspend, on: ControlPlane.BulkSelection(tenant: tenant.name), by: .system)
            let cancelled = try await bench.control.cancelBulk(begun.operation.id, by: .system)
            #expect(cancelled.operation.state == .cancelled && cancelled.counts == [.failed: 3])
            bench.kernel.change { $0.refusals = 0 }
            let deadline = ContinuousClock.now + .seconds(300)
            var view = cancelled
            while view.operation.finishedAt == nil, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(10))
                view = try await bench.control.bulk(begun.operation.id, by: .system)
            }
            #expect(view.operation.state == .cancelled && view.operation.finishedAt != nil)
            let items = try await bench.control.bulkItems(
                of: begun.operation.id, in: nil, after: nil, limit: 10, by: .system)
            #expect(items.allSatisfy { $0.detail == "cancelled by cordond before its turn" })
            let sims = try await bench.control.sims(of: tenant.name, group: nil, after: nil, limit: 10, by: .system)
            #expect(sims.count == 3 && sims.allSatisfy { $0.state == .active })
            #expect(bench.kernel.now.devices.count == 3)
            await #expect(throws: ControlError.self) {
                try await bench.control.cancelBulk(begun.operation.id, by: .system)
            }
        }
    }

    @Test func `10,000 SIMs are suspended within 5 seconds, told apart by their items, and twice changes nothing`()
        async throws
    {
        try await Bench.run(pool: "100.64.0.0/16", settings: { $0.queueCapacity = 20_000 }) { bench in
            let tenant = try await Self.fleet(10_000, bench)
            try await Self.attach(0..<10_000, bench)
            #expect(bench.kernel.now.devices.count == 10_000)
            bench.nas.answer { _ in DisconnectOutcome(result: .contextNotFound, attempts: 1) }
            let selection = ControlPlane.BulkSelection(tenant: tenant.name, label: "meter [*]")
            let started = ContinuousClock.now
            let begun = try await bench.control.startBulk(.suspend, on: selection, by: .system)
            #expect(begun.counts.values.reduce(0, +) == 10_000)
            while !bench.kernel.now.devices.isEmpty, ContinuousClock.now - started < .seconds(30) {
                try await Task.sleep(for: .milliseconds(5))
            }
            let stopped = ContinuousClock.now - started
            print("10,000 SIMs had no traffic any more after \(stopped)")
            #expect(stopped < .seconds(5))
            let view = try await Self.settled(begun.operation.id, bench)
            #expect(view.operation.state == .finished && view.counts == [.done: 10_000])
            #expect(view.operation.appliedAt != nil)
            let open = try await bench.store.read { try $0.counts().activeSessions }
            #expect(open == 0)
            #expect(try await bench.attach(try IMSI(parsing: "999700000000000")) == .reject(.simSuspended))

            let again = try await bench.control.startBulk(.suspend, on: selection, by: .system)
            #expect(try await Self.settled(again.operation.id, bench).counts == [.unchanged: 10_000])
        }
    }

    @Test func `conditions narrow, what is not there is named, and a rehearsal changes nothing`() async throws {
        try await Bench.run { bench in
            let tenant = try await Self.fleet(30, bench)
            let globex = try await bench.tenant("globex", sims: 2, prefix: "99971")
            let named = ["999700000000003", "89991000000000000004", "999700000000003", "262019999999999", "nonsense"]
            let selection = ControlPlane.BulkSelection(tenant: tenant.name, names: named)
            let preview = try await bench.control.previewBulk(
                .setLabel("x"), on: selection, by: .system)
            #expect(preview.matching == 2 && preview.unchanged == 0)
            #expect(preview.missing == ["262019999999999", "nonsense"])
            #expect(try await bench.control.bulks(before: nil, limit: 10, by: .system).isEmpty)

            let labelled = try await bench.control.startBulk(.setLabel("x"), on: selection, by: .system)
            let view = try await Self.settled(labelled.operation.id, bench)
            #expect(view.counts == [.done: 2, .failed: 2])
            let failed = try await bench.control.bulkItems(
                of: view.operation.id, in: .failed, after: nil, limit: 10, by: .system)
            #expect(failed.map(\.subject) == ["262019999999999", "nonsense"])

            let moved = try await bench.control.startBulk(
                .setGroup(Name(parsing: "b")),
                on: ControlPlane.BulkSelection(tenant: tenant.name, group: Name(parsing: "a"), label: "meter [2?]"),
                by: .system)
            #expect(try await Self.settled(moved.operation.id, bench).counts == [.done: 10])
            #expect(
                try await bench.control.sims(
                    of: tenant.name, group: Name(parsing: "b"), after: nil, limit: 100, by: .system
                ).count == 10)

            // Nothing is meant by no condition, and nobody's but one's own.
            for (selection, principal) in [
                (ControlPlane.BulkSelection(), Principal.system),
                (ControlPlane.BulkSelection(tenant: tenant.name), Principal(name: "g", role: .tenant(globex.id))),
            ] {
                await #expect(throws: ControlError.self) {
                    _ = try await bench.control.startBulk(.suspend, on: selection, by: principal)
                }
            }
            let own = Principal(name: "g", role: .tenant(globex.id))
            let theirs = try await bench.control.startBulk(
                .suspend, on: ControlPlane.BulkSelection(state: .active), by: own)
            #expect(try await Self.settled(theirs.operation.id, bench).counts == [.done: 2])
            #expect(try await bench.control.bulks(before: nil, limit: 10, by: own).count == 1)
            await #expect(throws: ControlError.self) { _ = try await bench.control.bulk(moved.operation.id, by: own) }
        }
    }

    @Test func `an operation that was cut short goes on, and what the kernel refused is done later`() async throws {
        try await Bench.run { bench in
            let tenant = try await Self.fleet(2500, bench)
            try await Self.attach(0..<200, bench)
            bench.nas.answer { _ in DisconnectOutcome(result: .noAnswer, attempts: 1) }
            // The first batch is refused by the kernel: neither has it, and it is tried again.
            bench.kernel.change { $0.refusals = 1 }
            let selection = ControlPlane.BulkSelection(tenant: tenant.name)
            let begun = try await bench.control.startBulk(.suspend, on: selection, by: .system)
            let deadline = ContinuousClock.now + .seconds(300)
            while bench.kernel.now.refusals > 0, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(bench.kernel.now.devices.count == 200)
            // Another daemon on the same store takes it up, as after a restart.
            let second = ControlPlane(
                store: bench.store, dataPlane: bench.kernel, disconnecting: bench.nas,
                settings: bench.control.settings, logger: Bench.quietLogger, now: bench.control.now)
            try await second.start()
            try await Bench.running(second) {
                let view = try await Self.settled(begun.operation.id, bench)
                #expect(view.operation.state == .finished)
                #expect(view.counts == [.done: 2300, .unconfirmed: 200])
            }
            #expect(bench.kernel.now.devices.isEmpty)
            let item = try await bench.control.bulkItems(
                of: begun.operation.id, in: .unconfirmed, after: nil, limit: 1, by: .system)
            #expect(item.first?.detail.contains("no answer to 1 datagram") == true)
        }
    }

    @Test func `terminated is for good, and resume brings traffic back`() async throws {
        try await Bench.run { bench in
            let tenant = try await Self.fleet(3, bench)
            try await Self.attach(0..<3, bench)
            let all = ControlPlane.BulkSelection(tenant: tenant.name)
            _ = try await bench.control.terminate(try IMSI(parsing: "999700000000002"), by: .system)
            let suspended = try await bench.control.startBulk(.suspend, on: all, by: .system)
            #expect(try await Self.settled(suspended.operation.id, bench).counts == [.unconfirmed: 2, .failed: 1])
            let resumed = try await bench.control.startBulk(.resume, on: all, by: .system)
            #expect(try await Self.settled(resumed.operation.id, bench).counts == [.done: 2, .failed: 1])
            #expect(bench.kernel.now.devices.count == 2)
            #expect(
                try await bench.attach(try IMSI(parsing: "999700000000002")) == .reject(.simTerminated))
        }
    }

    // MARK: Test SIMs

    @Test func `a SIM in a test is active until its time or volume is over, and then when it is activated`()
        async throws
    {
        let clock = Mutex<Int64>(1_800_000_000_000)
        try await Bench.run(now: { Timestamp(milliseconds: clock.withLock { $0 }) }) { bench in
            _ = try await bench.tenant("acme", sims: 2)
            let (byVolume, byTime) = (try Bench.imsi(0), try Bench.imsi(1))
            bench.nas.answer { _ in DisconnectOutcome(result: .acknowledged, attempts: 1) }
            _ = try await bench.control.beginTest(byVolume, SIM.TestTerms(days: 1, octets: 1000), by: .system)
            _ = try await bench.control.beginTest(byTime, SIM.TestTerms(days: 1, octets: nil), by: .system)
            let first = try Self.accepted(await bench.attach(byVolume))
            _ = try Self.accepted(await bench.attach(byTime))
            let usage = { SessionUsage(octetsUp: $0, octetsDown: 100) }
            #expect(try await bench.account(.interim, token: first.token, usage: usage(899)))
            #expect(try await bench.control.endTests() == 0)
            #expect(bench.kernel.now.devices.count == 2)
            #expect(try await bench.account(.interim, token: first.token, usage: usage(900)))
            let deadline = ContinuousClock.now + .seconds(300)
            while bench.kernel.now.devices.count > 1, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(bench.kernel.now.devices[first.address] == nil && bench.kernel.now.devices.count == 1)
            #expect(try await bench.attach(byVolume) == .reject(.simTestOver))
            let shown = try await bench.control.sim(byVolume, by: .system).sim
            #expect(shown.state == .test && shown.test?.used == 1000)
            clock.withLock { $0 += 86_400_000 }
            while !bench.kernel.now.devices.isEmpty, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(bench.kernel.now.devices.isEmpty)
            #expect(try await bench.attach(byTime) == .reject(.simTestOver))

            _ = try await bench.control.activate(byTime, by: .system)
            _ = try Self.accepted(await bench.attach(byTime))
            // Suspended and resumed it is where it was.
            _ = try await bench.control.suspend(byVolume, by: .system)
            #expect(try await bench.attach(byVolume) == .reject(.simSuspended))
            #expect(try await bench.control.resume(byVolume, by: .system).state == .test)
            #expect(try await bench.attach(byVolume) == .reject(.simTestOver))
        }
    }

    // MARK: Memory

    @Test func `a rejection is repeated without the store until the SIM is changed`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let (imsi, unknown) = (try Bench.imsi(0), try Bench.imsi(7))
            _ = try await bench.control.suspend(imsi, by: .system)
            #expect(try await bench.attach(imsi) == .reject(.simSuspended))
            #expect(try await bench.attach(unknown) == .reject(.simUnknown))
            _ = try await bench.control.resume(imsi, by: .system)
            _ = try Self.accepted(await bench.attach(imsi))
            _ = try await bench.control.createSIM(
                imsi: unknown, iccid: ICCID(parsing: "89997000000000000077"), msisdn: nil, group: nil, label: "",
                of: Name(parsing: "acme"), by: .system)
            _ = try Self.accepted(await bench.attach(unknown))

            _ = try await bench.control.suspend(imsi, by: .system)
            #expect(try await bench.attach(imsi) == .reject(.simSuspended))
            try await bench.store.close()
            for _ in 0..<3 { #expect(try await bench.attach(imsi) == .reject(.simSuspended)) }
            // Another APN is another question.
            #expect(try await bench.attach(imsi, apn: "other") == .noAnswer)
        }
    }

    @Test func `memory of rejections is bounded, and what was decided before a change is not kept`() throws {
        var limits = VerdictBook.Limits()
        limits.capacity = 1000
        let book = VerdictBook(limits: limits)
        let now = ContinuousClock.now
        let request = { (number: Int, apn: String?) in
            AttachRequest(
                nas: NAS.ID(1), imsi: try Bench.imsi(number), apn: try apn.map { try APN(parsing: $0) },
                accountingSessionID: nil, equipment: Equipment())
        }
        for number in 0..<10_000 {
            book.remember([(try request(number, "iot"), .simUnknown)], since: 0, at: now)
        }
        #expect(book.count <= 1000)
        #expect(try book.rejection(of: request(9999, "iot"), at: now) == .simUnknown)
        #expect(try book.rejection(of: request(9999, "other"), at: now) == nil)
        #expect(try book.rejection(of: request(9999, "iot"), at: now + .seconds(31)) == nil)
        #expect(try book.rejection(of: request(0, "iot"), at: now) == nil)
        let before = book.changes
        book.forgetAll()
        book.remember([(try request(9999, "iot"), .simSuspended)], since: before, at: now)
        #expect(try book.rejection(of: request(9999, "iot"), at: now) == nil)
        // Pools come and go without anybody.
        book.remember([(try request(1, "iot"), .addressPoolExhausted)], since: book.changes, at: now)
        #expect(try book.rejection(of: request(1, "iot"), at: now) == nil)
    }

    @Test func `a storm has a beginning, an end and a sum`() {
        let watch = StormWatch()
        let nas = NAS.ID(3)
        for _ in 0..<StormWatch.threshold - 1 { watch.note(nas, nil, isRemembered: false) }
        #expect(watch.turn() == [])
        for number in 0..<StormWatch.threshold {
            watch.note(nas, number % 2 == 0 ? .simUnknown : nil, isRemembered: number % 4 == 0)
        }
        guard case .began(nas, let count) = watch.turn().first else {
            Issue.record("no storm")
            return
        }
        #expect(count.attaches == StormWatch.threshold && count.rejects == [.simUnknown: StormWatch.threshold / 2])
        for _ in 0..<StormWatch.threshold { watch.note(nas, .simSuspended, isRemembered: true) }
        #expect(watch.turn() == [])
        guard case .ended(nas, let all, seconds: 30) = watch.turn().first else {
            Issue.record("the storm does not end")
            return
        }
        #expect(all.attaches == 2 * StormWatch.threshold && watch.turn() == [])
    }
}
