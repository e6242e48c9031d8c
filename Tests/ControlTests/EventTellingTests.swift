import Control
import Domain
import PolicyCompiler
import Store
import Testing
import VICI

/// What is told when something happens: once, with its reason, to whom it belongs.
@Suite struct EventTellingTests {
    private static func token(_ verdict: AttachVerdict) throws -> SessionToken {
        guard case .accept(_, let token) = verdict else { throw Bench.Missing() }
        return token
    }

    private static func usage(_ up: UInt64) -> SessionUsage { SessionUsage(octetsUp: up) }

    // MARK: Sessions

    @Test func `a session's beginning, its being replaced, its moves and its end are told once each`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme", sims: 1)
            let imsi = try Bench.imsi(0)
            let first = try SessionPolicyTests.Scene.equipment("35123456000001", "26201")
            _ = try await bench.attach(imsi, equipment: first)
            let token = try Self.token(await bench.attach(imsi, equipment: first))
            let areas = [(0x12, 1), (0x12, 2), (0x34, 2)] as [(UInt8, UInt8)]
            for (area, cell) in areas {
                // TAI and ECGI of 262-01.
                let place = UserLocation(
                    octets: [130, 0x62, 0xf2, 0x10, 0, area, 0x62, 0xf2, 0x10, 0, 0, 0, cell])
                var equipment = first
                equipment.location = place
                #expect(try await bench.account(.interim, token: token, equipment: equipment))
            }
            var swapped = first
            swapped.imei = try IMEI(parsing: "35999999000001")
            for _ in 0..<2 { #expect(try await bench.account(.interim, token: token, equipment: swapped)) }
            for _ in 0..<2 {
                #expect(try await bench.account(.stop, token: token, isLast: true, usage: Self.usage(77)))
            }
            let events = try await bench.told()
            #expect(
                events.map(\.news.code) == [
                    .sessionStarted, .sessionReplaced, .sessionMoved, .sessionEquipmentChanged, .sessionEnded,
                ])
            #expect(events.allSatisfy { $0.news.tenant == acme.id && $0.news.imsi == imsi })
            #expect(events[0].news.session != events[1].news.session)
            #expect(events[1].detail("replaced") == "\(try #require(events[0].news.session))")
            #expect(events[0].detail("apn") == "iot.example" && events[0].detail("visited_network") == "26201")
            #expect(events[2].detail("before") == "tracking area 26201-18")
            #expect(events[2].detail("place") == "tracking area 26201-52")
            #expect(events[3].detail("imei") == "35999999000001")
            #expect(events[4].detail("cause") == "stopped" && events[4].detail("octets_up") == "77")
        }
    }

    @Test func `sessions that a NAS loses or does not have end with that reason, and it can go on with them`()
        async throws
    {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 3)
            bench.nas.answer { _ in DisconnectOutcome(result: .contextNotFound, attempts: 1) }
            var tokens: [SessionToken] = []
            for number in 0..<3 { tokens.append(try Self.token(await bench.attach(try Bench.imsi(number)))) }
            let before = try await bench.told().count
            // A NAS repeats itself.
            for _ in 0..<3 { #expect(try await bench.account(.on)) }
            #expect(try await bench.account(.interim, token: tokens[0], usage: Self.usage(5)))
            _ = try await bench.control.suspend(try Bench.imsi(0), by: .system)
            let events = Array(try await bench.told().dropFirst(before))
            #expect(
                events.map(\.news.code) == [
                    .nasOn, .sessionEnded, .sessionEnded, .sessionEnded, .sessionStarted, .suspended, .sessionEnded,
                ])
            #expect(events[0].news.tenant == nil && events[0].news.subject == Event.Subject(.nas, "pgw"))
            #expect(events[0].detail("sessions") == "3")
            #expect(events[1...3].allSatisfy { $0.detail("cause") == "nas-started" })
            #expect(events[4].detail("continued") != nil)
            #expect(events[6].detail("cause") == "unknown-to-nas")
        }
    }

    // MARK: Refusals

    @Test func `a SIM that is refused in a loop is one event for a reason and a window, with the count`() async throws {
        let clock = TestClock(1_800_000_000_000)
        try await Bench.run(now: { clock.now }) { bench in
            let acme = try await bench.tenant("acme", sims: 1)
            let (known, unknown) = (try Bench.imsi(0), try Bench.imsi(7))
            _ = try await bench.control.suspend(known, by: .system)
            let before = try await bench.told().count
            for _ in 0..<5 {
                #expect(try await bench.attach(known) == .reject(.simSuspended))
                #expect(try await bench.attach(unknown) == .reject(.simUnknown))
                #expect(try await bench.attach(nil) == .reject(.imsiMissing))
            }
            var events = Array(try await bench.told().dropFirst(before))
            #expect(events.map(\.news.code) == [.simSuspended, .simUnknown, .imsiMissing])
            #expect(events.map(\.news.tenant) == [acme.id, nil, nil])
            #expect(events[0].detail("nas") == nil && events[1].detail("nas") == "pgw")

            clock.advance(minutes: 10)
            try await bench.control.tellRefusals()
            // The keeper may have been first.
            try await Bench.wait { try await bench.told().count == before + 6 }
            events = Array(try await bench.told().dropFirst(before + 3))
            #expect(Set(events.map(\.news.code)) == [.simSuspended, .simUnknown, .imsiMissing])
            #expect(events.count == 3 && events.allSatisfy { $0.detail("count") == "4" && $0.detail("since") != nil })
            // Nobody is refused any more: nothing is told, and the next is a first again.
            for _ in 0..<2 {
                clock.advance(minutes: 10)
                try await bench.control.tellRefusals()
            }
            #expect(try await bench.told().count == before + 6)
            _ = try await bench.attach(nil)
            let last = try #require(try await bench.told().last)
            #expect(last.number == Event.Number(before + 7) && last.detail("count") == nil)
        }
    }

    @Test func `refusals of one batch are folded, and the book has an end`() throws {
        var limits = RefusalBook.Limits()
        (limits.capacity, limits.unknown) = (6, 2)
        let book = RefusalBook(limits: limits)
        let refusal = { (number: Int, tenant: Int64?, reason: AttachRejection) in
            RefusalBook.Refusal(
                AttachRequest(
                    nas: NAS.ID(3), imsi: try Bench.imsi(number), apn: nil, accountingSessionID: nil,
                    equipment: Equipment()), reason, of: tenant.map(Tenant.ID.init))
        }
        let (start, end) = (Timestamp(milliseconds: 0), Timestamp(milliseconds: RefusalBook.window))
        let batch = try [0, 0, 1, 0].map { try refusal($0, 1, .simSuspended) }
        let told = book.first(among: batch)
        #expect(told.map(\.refusal) == [batch[0], batch[2]])
        // What was not stored is not known.
        #expect(book.first(among: batch).count == 2)
        book.note(batch, told: told, at: start)
        #expect(book.first(among: batch).isEmpty)
        let due = book.due(at: end, limit: 10)
        #expect(due.map(\.count) == [2] && due.first?.refusal == batch[0])
        book.giveBack(due)
        #expect(book.takeAll().map(\.count) == [2] && book.count == 0)

        // SIMs that are nobody's: the first two by themselves, the others by their NAS.
        for number in 0..<100 {
            let one = [try refusal(number, nil, .simUnknown)]
            book.note(one, told: book.first(among: one), at: start)
        }
        #expect(book.count == 3)
        let folded = book.due(at: end, limit: 10)
        #expect(folded.map(\.count) == [97] && folded.first?.key.imsi == nil && folded.first?.key.nas == NAS.ID(3))
        // And tenants' when there is no room at all.
        for number in 0..<100 {
            let one = [try refusal(number, 1, .simSuspended)]
            book.note(one, told: book.first(among: one), at: start)
        }
        #expect(book.count <= 7)
    }

    // MARK: States, quarantine, policies

    @Test func `each change of a SIM's state is told once, of many SIMs too`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 3)
            let imsi = try Bench.imsi(0)
            let control = bench.control
            for _ in 0..<2 { _ = try await control.suspend(imsi, by: .system) }
            for _ in 0..<2 { _ = try await control.resume(imsi, by: .system) }
            _ = try await control.beginTest(imsi, SIM.TestTerms(), by: .system)
            _ = try await control.activate(imsi, by: .system)
            _ = try await control.terminate(imsi, by: .system)
            #expect(
                try await bench.told().map(\.news.code) == [.suspended, .resumed, .testBegun, .activated, .terminated])
            let bulk = try await control.startBulk(
                .suspend, on: ControlPlane.BulkSelection(tenant: try Name(parsing: "acme")), by: .system)
            try await Bench.wait { try await control.bulk(bulk.operation.id, by: .system).operation.state != .running }
            let events = try await bench.told().dropFirst(5)
            #expect(events.map(\.news.code) == [.suspended, .suspended])
            #expect(Set(events.compactMap(\.news.imsi)) == [try Bench.imsi(1), try Bench.imsi(2)])
            #expect(events.allSatisfy { $0.detail("by") == "cordond" && $0.detail("before") == "active" })
        }
    }

    @Test func `quarantine is told of the session, of a SIM without one, and once for a device that attaches anew`()
        async throws
    {
        try await Bench.run { bench in
            let scene = try await SessionPolicyTests.Scene(bench)
            let imsi = try Bench.imsi(0)
            let before = try await bench.told().count
            for _ in 0..<2 {
                _ = try await bench.control.quarantine(imsi, reason: "odd traffic", until: nil, by: .system)
            }
            _ = try await bench.control.release(imsi, tolerating: nil, by: .system)
            _ = try await bench.control.release(imsi, tolerating: nil, by: .system)
            _ = try await scene.on()
            _ = try await bench.control.quarantine(imsi, reason: "odd traffic", until: nil, by: .system)
            for _ in 0..<3 { _ = try await scene.on() }
            _ = try await bench.control.release(imsi, tolerating: nil, by: .system)
            let events = Array(try await bench.told().dropFirst(before))
            #expect(
                events.map(\.news.code) == [
                    .quarantineEntered, .quarantineLeft, .sessionStarted, .byHand, .quarantineEntered,
                    .sessionReplaced, .sessionReplaced, .sessionReplaced, .quarantineLeft, .violationOver,
                ])
            #expect(events[0].news.session == nil && events[0].detail("by") == "cordond")
            #expect(events[4].news.session == events[2].news.session && events[4].detail("reason") == "by-hand")
        }
    }

    @Test func `policies, who has them, and session policies are told with who changed them`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme", sims: 1).name
            let (open, group) = (try Name(parsing: "open"), try Name(parsing: "meters"))
            let control = bench.control
            let document = "policy: open\nrules: [{name: r, to: [192.0.2.1], route: internet}]"
            for _ in 0..<2 {
                _ = try await control.applyPolicy(document, file: "p", comment: "why", to: acme, by: .system)
            }
            _ = try await control.rollBackPolicy(open, of: acme, to: 1, comment: "", by: .system)
            for _ in 0..<2 { _ = try await control.setDefaultPolicy(open, of: acme, by: .system) }
            _ = try await control.createGroup(group, of: acme, policy: open, by: .system)
            _ = try await control.setPolicy(nil, ofGroup: group, of: acme, by: .system)
            _ = try await control.setDefaultPolicy(nil, of: acme, by: .system)
            try await control.deletePolicy(open, of: acme, by: .system)
            let hours = "hours: {zone: UTC, windows: [{from: \"06:00\", to: \"20:00\"}]}"
            _ = try await control.setSessionPolicy(hours, file: "s", at: .tenant(acme), by: .system)
            _ = try await control.setSessionPolicy(hours, file: "s", at: .ceiling, by: .system)
            _ = try await control.clearSessionPolicy(at: .tenant(acme), by: .system)
            let events = try await bench.told()
            #expect(
                events.map(\.news.code) == [
                    .policyApplied, .policyApplied, .policyApplied, .policyAssigned, .policyAssigned, .policyAssigned,
                    .policyAssigned, .policyDeleted, .sessionPolicySet, .sessionPolicySet, .sessionPolicyCleared,
                ])
            #expect(events.allSatisfy { $0.detail("by") == "cordond" })
            #expect(events[1].detail("version") == "2" && events[1].detail("before") == "1")
            #expect(events[0].detail("comment") == "why" && events[0].news.subject == Event.Subject(.policy, "open"))
            #expect(events[4].news.subject == Event.Subject(.group, "meters") && events[5].detail("policy") == nil)
            // The ceiling for all is the operator's own.
            #expect(events[9].news.tenant == nil && events[8].news.tenant != nil)
            #expect(events[8].detail("sections") == "hours")
        }
    }

    @Test func `what is undone is not told`() async throws {
        try await Bench.run(storedIn: FullStore.init) { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let store = try #require(bench.store as? FullStore)
            store.set(full: true)
            #expect(try await bench.attach(try Bench.imsi(0)) == .noAnswer)
            #expect(try await bench.attach(try Bench.imsi(5)) == .noAnswer)
            store.set(full: false)
            #expect(try await bench.told().isEmpty)
            #expect(try await bench.attach(try Bench.imsi(5)) == .reject(.simUnknown))
            #expect(try await bench.told().map(\.news.code) == [.simUnknown])
        }
    }

    // MARK: VPNs

    @Test func `a VPN's going down and coming up, and why it does not come up, are told once`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            let (acme, line) = (try Name(parsing: "acme"), try InterfaceName(parsing: "line1"))
            bench.kernel.change { $0.upInterfaces = [line] }
            _ = try await bench.control.createVPN(
                Name(parsing: "hq"), of: acme,
                line: VPN.Line(interface: line, networks: [IPv4Prefix(parsing: "10.0.0.0/24")]), by: .system)
            bench.kernel.change { $0.upInterfaces = [] }
            try await Bench.wait { try await bench.told().count == 1 }
            bench.kernel.change { $0.upInterfaces = [line] }
            try await Bench.wait { try await bench.told().count == 2 }
            let events = try await bench.told()
            #expect(events.map(\.news.code) == [.vpnDown, .vpnUp])
            #expect(events.allSatisfy { $0.news.subject == Event.Subject(.vpn, "hq") && $0.news.tenant != nil })
        }
    }

    @Test func `a tunnel's fault is told when it lasts, once, and again when it is another`() throws {
        let book = TunnelBook()
        book.begin(isExclusive: false)
        book.set(try TestTunnel.setup(1), at: Timestamp(milliseconds: 0))
        let fail = { (words: String, time: Int64) in
            book.noteFailure(VPN.ID(1), words: words, at: Timestamp(milliseconds: time))
        }
        let told = { (time: Int64) in book.takeNewFaults(at: Timestamp(milliseconds: time)).map(\.fault.code) }
        fail("no", 1000)
        #expect(told(2000) == [] && told(3000) == ["other"] && told(4000) == [])
        fail("no", 5000)
        #expect(told(9000) == [])
        book.set(try TestTunnel.setup(1, networks: ["10.9.0.0/24"]), at: Timestamp(milliseconds: 10_000))
        #expect(told(20_000) == [])
        fail("no", 21_000)
        #expect(told(23_000) == ["other"])
    }
}

extension Bench {
    /// Everything that has been told, oldest first.
    func told() async throws -> [Event] {
        try await store.read { store in try store.events(EventFilter(.all), after: 0, limit: 10_000).events }
    }
}

extension Event {
    func detail(_ key: String) -> String? { news.details.first { $0.key == key }?.value }
}
