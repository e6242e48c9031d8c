import Domain
import Testing

/// Everything that can be violated, at every level, with every action, at every time of judgement.
@Suite struct SessionPolicyJudgeTests {
    struct Case: Sendable {
        let name: String
        let reason: ViolationReason
        /// The policy that says `action`.
        let policy: @Sendable (ViolationAction) -> SessionPolicy
        /// Makes facts that do not fit.
        let facts: @Sendable (inout SessionFacts) -> Void
        /// Makes them fit.
        let cure: @Sendable (inout SessionFacts) -> Void
    }

    static let now = Timestamp(milliseconds: 1_795_395_600_000)  // Monday, 2026-11-23T01:00:00Z

    static func imei(_ text: String) -> IMEI { known(IMEI(utf8: text.utf8)) }
    static func network(_ text: String) -> PLMN { known(PLMN(utf8: text.utf8)) }

    /// At a cell of E-UTRAN in Switzerland.
    private static func seen(_ network: PLMN, _ cell: UInt8, _ time: Timestamp)
        -> SIMStanding.Seen<SIMStanding.Location>
    {
        SIMStanding.Seen(
            SIMStanding.Location(
                location: UserLocation(octets: [129, 0x22, 0xf8, 0x10, 0, 0, 1, cell]), visitedNetwork: network),
            at: time)
    }

    static let cases: [Case] = {
        let first = imei("35123456000001"), other = imei("35999999000001")
        let home = known(IMSI(utf8: "228010000000001".utf8))
        let swiss = network("22801")
        return [
            Case(name: "another IMEI", reason: .imeiChanged) {
                SessionPolicy(imeiLock: IMEILock(mode: .locked, onViolation: $0, onMissing: .report))
            } facts: {
                $0.standing.firstIMEI = .init(first, at: now)
                $0.imei = other
            } cure: {
                $0.imei = first
            },
            Case(name: "an IMEI that is in no list", reason: .imeiNotListed) {
                SessionPolicy(
                    imeiLock: IMEILock(
                        mode: .list(imeis: [first], tacs: [], lists: []), onViolation: $0, onMissing: .report))
            } facts: {
                $0.imei = other
            } cure: {
                $0.imei = first
            },
            Case(name: "a model that is in no list", reason: .imeiNotListed) {
                SessionPolicy(
                    imeiLock: IMEILock(
                        mode: .list(imeis: [], tacs: [first.model], lists: []), onViolation: $0, onMissing: .report))
            } facts: {
                $0.imei = other
            } cure: {
                $0.imei = imei("35123456777777")
            },
            Case(name: "no IMEI", reason: .imeiMissing) {
                SessionPolicy(imeiLock: IMEILock(mode: .locked, onViolation: .report, onMissing: $0))
            } facts: {
                $0.imei = nil
            } cure: {
                $0.imei = first
            },
            Case(name: "an IMEI of zeros", reason: .imeiAllZeros) {
                SessionPolicy(imeiLock: IMEILock(mode: .learn, onViolation: .report, onMissing: $0))
            } facts: {
                $0.imei = imei("00000000000000")
            } cure: {
                $0.imei = first
            },
            Case(name: "a network that is not allowed", reason: .locationNotAllowed) {
                SessionPolicy(
                    locationLock: LocationLock(
                        allow: .init(networks: [network("26201")]), onViolation: $0, onUnknown: .report))
            } facts: {
                $0.standing.location = seen(swiss, 1, $0.now)
            } cure: {
                $0.standing.location = .init(.init(location: nil, visitedNetwork: network("26201")), at: $0.now)
            },
            Case(name: "a country that is denied", reason: .locationDenied) {
                SessionPolicy(
                    locationLock: LocationLock(
                        deny: .init(countries: Country.countries(ofMCC: "228")), onViolation: $0, onUnknown: .report))
            } facts: {
                $0.standing.location = seen(swiss, 1, $0.now)
            } cure: {
                $0.standing.location = .init(.init(location: nil, visitedNetwork: network("26201")), at: $0.now)
            },
            Case(name: "outside of the fence", reason: .locationOutsideFence) {
                SessionPolicy(
                    locationLock: LocationLock(
                        fence: .init(days: 7, withNeighbours: false), onViolation: $0, onUnknown: .report))
            } facts: {
                $0.standing.fenceSince = Timestamp(milliseconds: $0.now.milliseconds - 30 * 86_400_000)
                $0.standing.location = seen(swiss, 9, $0.now)
            } cure: { facts in
                for place in DevicePlace(facts.standing.location?.value.location, visitedNetwork: nil).fencePlaces {
                    facts.fence[place] = facts.standing.fenceSince
                }
            },
            Case(name: "an unknown location", reason: .locationUnknown) {
                SessionPolicy(
                    locationLock: LocationLock(
                        allow: .init(networks: [swiss]), onViolation: .report, onUnknown: $0))
            } facts: {
                $0.standing.location = nil
            } cure: {
                $0.standing.location = seen(swiss, 1, $0.now)
            },
            Case(name: "an old location", reason: .locationUnknown) {
                SessionPolicy(
                    locationLock: LocationLock(
                        allow: .init(networks: [swiss]), maximumAge: TimeSpan(milliseconds: 1000), onViolation: .report,
                        onUnknown: $0))
            } facts: {
                $0.standing.location = seen(swiss, 1, Timestamp(milliseconds: $0.now.milliseconds - 1001))
            } cure: {
                $0.standing.location = seen(swiss, 1, $0.now)
            },
            Case(name: "another home network", reason: .homeNetworkNotAllowed) {
                SessionPolicy(
                    locationLock: LocationLock(homeNetworks: [network("26201")], onViolation: $0, onUnknown: .report))
            } facts: {
                $0.imsi = home
            } cure: {
                $0.imsi = known(IMSI(utf8: "262010000000001".utf8))
            },
            Case(name: "outside the hours", reason: .outsideHours) {
                SessionPolicy(
                    hours: ServiceHours(
                        windows: [known(Schedule(days: [.monday], from: 360, to: 1200, zone: "UTC"))], zone: "UTC",
                        onViolation: $0))
            } facts: {
                $0.startedAt = Timestamp(milliseconds: $0.now.milliseconds - 600_000)
            } cure: {
                $0.now = Timestamp(milliseconds: now.milliseconds + 6 * 3_600_000)
            },
            Case(name: "not approved", reason: .notApproved) {
                SessionPolicy(approval: ApprovalRule(by: .flag, onViolation: $0, onNoAnswer: .keep))
            } facts: { _ in
            } cure: {
                $0.standing.approval = .init(at: now, by: "ops")
            },
            Case(name: "not approved by the hook", reason: .notApproved) {
                SessionPolicy(approval: ApprovalRule(by: .hook, onViolation: $0, onNoAnswer: .allow))
            } facts: {
                $0.standing.hookAnswer = .init(false, at: now)
            } cure: {
                $0.standing.hookAnswer = .init(true, at: now)
            },
        ]
    }()

    static func facts(_ moment: SessionFacts.Moment, at time: Timestamp = now) -> SessionFacts {
        SessionFacts(
            now: time, moment: moment, imsi: known(IMSI(utf8: "228010000000001".utf8)), imei: nil,
            standing: SIMStanding(),
            startedAt: time, outlook: { _ in HoursOutlook(Self.always, at: time) { Self.utc($0) } })
    }

    static let always = ServiceHours(
        windows: [known(Schedule(days: Set(Weekday.allCases), from: 0, to: 1440, zone: "UTC"))], zone: "UTC",
        onViolation: .report)
    static func utc(_ time: Timestamp) -> Int { Int(time.milliseconds / 60_000) }

    static let moments: [SessionFacts.Moment] = [
        .attach, .report(isLocated: true), .report(isLocated: false), .clock, .edit,
    ]

    @Test func `every violation has its action, at every level, at every time of judgement`() {
        var count = 0
        for one in Self.cases {
            for level in SessionPolicyLevel.allCases {
                for action in ViolationAction.allCases {
                    for moment in Self.moments {
                        let policy = EffectiveSessionPolicy([level: one.policy(action)])
                        var facts = Self.facts(moment)
                        one.facts(&facts)
                        let bad = Self.judged(policy, facts)
                        let isPending = moment == .clock || moment == .report(isLocated: false)
                        if isPending,
                            [.locationNotAllowed, .locationDenied, .locationOutsideFence].contains(one.reason)
                        {
                            // Nothing was reported: where the device is has not changed.
                            #expect(bad.violations.isEmpty, "\(one.name)")
                            facts.standing.crossings[level] = .init(isOutside: true)
                        }
                        let found = Self.judged(policy, facts)
                        #expect(found.violations.map(\.reason) == [one.reason], "\(one.name) \(level) \(moment)")
                        #expect(found.violations.map(\.level) == [level])
                        #expect(found.action == action, "\(one.name) \(level) \(action) \(moment)")
                        facts.standing.crossings = [:]
                        one.cure(&facts)
                        #expect(Self.judged(policy, facts).violations.isEmpty, "\(one.name) \(level) \(moment), cured")
                        count += 1
                    }
                }
            }
        }
        #expect(count == 14 * 5 * 4 * 5)
    }

    static func judged(_ policy: EffectiveSessionPolicy, _ facts: SessionFacts) -> SessionJudgement {
        var facts = facts
        let now = facts.now
        facts.outlook = { HoursOutlook($0, at: now) { Self.utc($0) } }
        return SessionPolicyJudge.judge(policy, facts)
    }

    @Test func `the strongest of several violations holds and all reasons are kept`() {
        let policy = EffectiveSessionPolicy([
            .ceiling: SessionPolicy(imeiLock: IMEILock(mode: .locked, onViolation: .report, onMissing: .block)),
            .tenant: SessionPolicy(
                imeiLock: IMEILock(mode: .locked, onViolation: .report, onMissing: .report),
                approval: ApprovalRule(by: .flag, onViolation: .quarantine, onNoAnswer: .keep)),
        ])
        let found = Self.judged(policy, Self.facts(.attach))
        #expect(found.action == .block)
        #expect(found.violations.map(\.reason) == [.imeiMissing, .imeiMissing, .notApproved])
        #expect(found.violations.map(\.level) == [.ceiling, .tenant, .tenant])
    }

    @Test func `ceilings hold beside the nearest of the tenant's own`() {
        let lock = { IMEILock(mode: $0, onViolation: .block, onMissing: .block) }
        let documents: [SessionPolicyLevel: SessionPolicy] = [
            .ceiling: SessionPolicy(
                imeiLock: lock(.off), bandwidth: Bandwidth(up: BitRate(bitsPerSecond: 64_000), down: nil, burst: nil)),
            .tenantCeiling: SessionPolicy(imeiLock: lock(.learn)),
            .tenant: SessionPolicy(
                imeiLock: lock(.locked), hours: Self.always,
                bandwidth: Bandwidth(up: BitRate(bitsPerSecond: 128_000), down: nil, burst: nil)),
            .group: SessionPolicy(imeiLock: lock(.learn)),
            .sim: SessionPolicy(
                imeiLock: lock(.locked),
                bandwidth: Bandwidth(
                    up: BitRate(bitsPerSecond: 32_000), down: BitRate(bitsPerSecond: 9_000), burst: nil)),
        ]
        let effective = EffectiveSessionPolicy(documents)
        #expect(effective.imeiLocks.map(\.level) == [.ceiling, .tenantCeiling, .sim])
        #expect(effective.hours.map(\.level) == [.tenant])
        #expect(effective.up?.value.bitsPerSecond == 32_000)
        #expect(effective.up?.level == .sim)
        #expect(effective.down?.level == .sim)
        var others = documents
        others[.sim] = nil
        let group = EffectiveSessionPolicy(others)
        #expect(group.imeiLocks.map(\.level) == [.ceiling, .tenantCeiling, .group])
        #expect(group.up?.value.bitsPerSecond == 64_000)
        #expect(group.up?.level == .ceiling)
    }

    @Test
    func `the first IMEI is learned, a changed check digit or software version is none, and a reject learns nothing`()
        throws
    {
        let policy = EffectiveSessionPolicy([
            .tenant: SessionPolicy(imeiLock: IMEILock(mode: .locked, onViolation: .reject, onMissing: .reject))
        ])
        var facts = Self.facts(.attach)
        facts.imei = try IMEI(parsing: "351234560000017")
        facts.standing = Self.judged(policy, facts).standing
        #expect(facts.standing.firstIMEI?.value == Self.imei("35123456000001"))
        facts.imei = try IMEI(parsing: "3512345600000199")
        let same = Self.judged(policy, facts)
        #expect(same.violations.isEmpty)
        #expect(same.standing.imeiChanges == 0)
        facts.imei = try IMEI(parsing: "351234560000025")
        let other = Self.judged(policy, facts)
        #expect(other.action == .reject)
        #expect(other.standing.firstIMEI == facts.standing.firstIMEI)
        #expect(other.standing.imeiChanges == 1)
    }

    @Test func `by hand, for a time, and what is let pass for a time`() {
        let policy = EffectiveSessionPolicy([
            .tenant: SessionPolicy(quarantine: QuarantineRule(policy: nil, newSIMs: true))
        ])
        var facts = Self.facts(.clock)
        #expect(Self.judged(policy, facts).violations.map(\.reason) == [.newSIM])
        let until = Self.now + TimeSpan(milliseconds: 60_000)
        facts.standing.toleratedUntil = until
        let tolerated = Self.judged(policy, facts)
        #expect(tolerated.action == .report)
        #expect(tolerated.judgeAt == until)
        facts.standing.approval = .init(at: Self.now, by: "ops")
        facts.standing.quarantine = .init(since: Self.now, until: until, reason: "looks odd", by: "ops")
        let held = Self.judged(policy, facts)
        #expect(held.action == .quarantine)
        #expect(held.violations.map(\.reason) == [.byHand])
        #expect(held.judgeAt == until)
        facts.now = until
        let over = Self.judged(policy, facts)
        #expect(over.violations.isEmpty)
        #expect(over.standing.quarantine == nil)
    }

    @Test func `without the hook's answer the choice is what the rule says`() {
        let stale = SIMStanding.Seen(true, at: Timestamp(milliseconds: Self.now.milliseconds - 3_600_000))
        let fresh = SIMStanding.Seen(true, at: Self.now)
        struct Row {
            let choice: ApprovalRule.WithoutAnswer
            let answer: SIMStanding.Seen<Bool>?
            let reason: ViolationReason?
            let asks: Bool
        }
        let no = { (seen: SIMStanding.Seen<Bool>) in SIMStanding.Seen(false, at: seen.at) }
        let rows = [
            Row(choice: .keep, answer: nil, reason: .approvalUnanswered, asks: true),
            Row(choice: .allow, answer: nil, reason: nil, asks: true),
            Row(choice: .quarantine, answer: nil, reason: .approvalUnanswered, asks: true),
            Row(choice: .keep, answer: stale, reason: nil, asks: true),
            Row(choice: .keep, answer: no(stale), reason: .notApproved, asks: true),
            Row(choice: .allow, answer: no(stale), reason: nil, asks: true),
            Row(choice: .quarantine, answer: stale, reason: .approvalUnanswered, asks: true),
            Row(choice: .quarantine, answer: fresh, reason: nil, asks: false),
            Row(choice: .allow, answer: no(fresh), reason: .notApproved, asks: false),
        ]
        for row in rows {
            let policy = EffectiveSessionPolicy([
                .tenant: SessionPolicy(approval: ApprovalRule(by: .hook, onViolation: .block, onNoAnswer: row.choice))
            ])
            var facts = Self.facts(.clock)
            facts.standing.hookAnswer = row.answer
            let found = Self.judged(policy, facts)
            #expect(found.violations.map(\.reason) == (row.reason.map { [$0] } ?? []), "\(row)")
            #expect(found.asksApproval == row.asks, "\(row)")
        }
    }
}

/// A value of a test's own.
func known<Value>(_ value: Value?) -> Value {
    guard let value else { preconditionFailure("a value of the test is none") }
    return value
}
