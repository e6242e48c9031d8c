import Domain
import Testing

@Suite struct LocationLockTests {
    private typealias Judge = SessionPolicyJudgeTests

    private static let inside = known(PLMN(utf8: "22801".utf8))
    private static let outside = known(PLMN(utf8: "26201".utf8))

    /// Plays reports at minutes, and gives at which of them it was restricted.
    private func play(
        _ lock: LocationLock, _ reports: [(minute: Int64, network: PLMN?)]
    ) -> [Bool] {
        let policy = EffectiveSessionPolicy([.tenant: SessionPolicy(locationLock: lock)])
        var standing = SIMStanding()
        return reports.map { report in
            let time = Judge.now + TimeSpan(milliseconds: report.minute * 60_000)
            if let network = report.network {
                standing.location = .init(.init(location: nil, visitedNetwork: network), at: time)
            }
            var facts = Judge.facts(report.network == nil ? .clock : .report(isLocated: true), at: time)
            facts.standing = standing
            let found = Judge.judged(policy, facts)
            standing = found.standing
            return found.action == .quarantine
        }
    }

    @Test func `one report outside or inside does not count where three are wanted`() {
        let lock = LocationLock(
            allow: .init(networks: [Self.inside]), afterReports: 3, onViolation: .quarantine, onUnknown: .report)
        let (i, o) = (Self.inside, Self.outside)
        let found = play(
            lock, [i, o, i, o, o, i, o, o, o, i, o, i, i, i, o].enumerated().map { (Int64($0.offset), $0.element) })
        #expect(
            found == [
                false, false, false, false, false, false, false, false, true, true, true, true, true, false, false,
            ])
    }

    @Test func `the time outside counts without further reports`() {
        let lock = LocationLock(
            allow: .init(networks: [Self.inside]), afterReports: nil, after: TimeSpan(milliseconds: 600_000),
            onViolation: .quarantine, onUnknown: .report)
        let found = play(
            lock, [(0, Self.outside), (5, Self.outside), (9, nil), (10, nil), (11, Self.inside), (20, nil), (21, nil)])
        #expect(found == [false, false, false, true, true, true, false])
    }

    @Test func `an edit counts at once, and is no report of a device on its way out`() {
        let network = { (allowed: PLMN) in
            EffectiveSessionPolicy([
                .tenant: SessionPolicy(
                    locationLock: LocationLock(
                        allow: .init(networks: [allowed]), afterReports: 3, onViolation: .block, onUnknown: .report))
            ])
        }
        var facts = Judge.facts(.report(isLocated: true))
        facts.standing.location = .init(.init(location: nil, visitedNetwork: Self.outside), at: facts.now)
        let pending = Judge.judged(network(Self.inside), facts)
        #expect(pending.violations.isEmpty)
        facts.moment = .edit
        // Something else was edited: one report out of three stays one.
        facts.standing = pending.standing
        #expect(Judge.judged(network(Self.inside), facts).violations.isEmpty)
        facts.standing.crossings = [:]
        let tightened = Judge.judged(network(Self.inside), facts)
        #expect(tightened.action == .block)
        facts.standing = tightened.standing
        #expect(Judge.judged(network(Self.outside), facts).violations.isEmpty)
    }

    @Test func `who is outside stays so when nothing more is said of where it is`() {
        let lock = LocationLock(
            allow: .init(networks: [Self.inside]), maximumAge: TimeSpan(milliseconds: 60_000), onViolation: .quarantine,
            onUnknown: .report)
        #expect(play(lock, [(0, Self.outside), (5, nil), (6, Self.inside), (9, nil)]) == [true, true, false, false])
    }

    /// Of E-UTRAN: tracking area and cell.
    private static func location(area: UInt8, cell: UInt8) -> UserLocation {
        UserLocation(octets: [130, 0x22, 0xf8, 0x10, 0, area, 0x22, 0xf8, 0x10, 0, 0, 0, cell])
    }

    @Test(arguments: [false, true])
    func `the cells of the first days are the fence, and its tracking areas are when neighbours are tolerated`(
        withNeighbours: Bool
    ) {
        let policy = EffectiveSessionPolicy([
            .tenant: SessionPolicy(
                locationLock: LocationLock(
                    fence: .init(days: 2, withNeighbours: withNeighbours), onViolation: .quarantine, onUnknown: .report)
            )
        ])
        var standing = SIMStanding()
        var fence: [FencePlace: Timestamp] = [:]
        let report = { (hour: Int64, location: UserLocation) -> [ViolationReason] in
            let time = Judge.now + TimeSpan(milliseconds: hour * 3_600_000)
            standing.location = .init(.init(location: location, visitedNetwork: nil), at: time)
            var facts = Judge.facts(.report(isLocated: true), at: time)
            facts.standing = standing
            facts.fence = fence
            let found = Judge.judged(policy, facts)
            standing = found.standing
            for place in found.learned { fence[place] = time }
            return found.violations.map(\.reason)
        }
        #expect(report(0, Self.location(area: 1, cell: 1)) == [])
        #expect(report(47, Self.location(area: 1, cell: 2)) == [])
        #expect(fence.count == 3)
        #expect(report(48, Self.location(area: 1, cell: 1)) == [])
        #expect(report(49, Self.location(area: 1, cell: 3)) == (withNeighbours ? [] : [.locationOutsideFence]))
        #expect(report(50, Self.location(area: 2, cell: 3)) == [.locationOutsideFence])
        #expect(report(51, UserLocation(octets: [129, 0x22, 0xf8, 0x10, 0, 0, 0, 2])) == [])
        #expect(
            report(52, UserLocation(octets: [128, 0x22, 0xf8, 0x10, 0, 1]))
                == (withNeighbours ? [] : [.locationUnknown]))
        #expect(fence.count == 3)
    }

    @Test func `places are read from every type of location`() throws {
        let plmn: [UInt8] = [0x22, 0xf8, 0x10]
        struct Row {
            let octets: [UInt8]
            let area: String?
            let cell: String?
        }
        let rows = [
            Row(octets: [0] + plmn + [0x12, 0x34, 0, 77], area: "22801-4660", cell: "22801-4660-77"),
            Row(octets: [1] + plmn + [0x12, 0x34, 0, 78], area: "22801-4660", cell: "22801-4660-78"),
            Row(octets: [2] + plmn + [0x12, 0x34, 9], area: "22801-4660", cell: nil),
            Row(octets: [128] + plmn + [0x12, 0x34], area: "22801-4660", cell: nil),
            Row(octets: [129] + plmn + [0x01, 0x23, 0x45, 0x67], area: nil, cell: "22801-19088743"),
            Row(
                octets: [130] + plmn + [0x12, 0x34] + plmn + [0x01, 0x23, 0x45, 0x67], area: "22801-0x1234",
                cell: "22801-0x1234567"),
            Row(octets: [131] + plmn + [1, 2, 3], area: nil, cell: nil),
            Row(octets: [132] + plmn + [0x12, 0x34] + plmn + [1, 2, 3], area: "22801-4660", cell: nil),
            Row(octets: [133] + plmn + [1, 2, 3], area: nil, cell: nil),
            Row(octets: [134] + plmn + [0x12, 0x34] + plmn + [1, 2, 3], area: "22801-4660", cell: nil),
            Row(octets: [135] + plmn + [1, 0, 0, 0, 5], area: nil, cell: "22801-4294967301"),
            Row(octets: [136] + plmn + [1, 0x12, 0x34], area: "22801-70196", cell: nil),
            Row(
                octets: [137] + plmn + [1, 0x12, 0x34] + plmn + [1, 0, 0, 0, 5], area: "22801-70196",
                cell: "22801-4294967301"),
            Row(octets: [138] + plmn + [1], area: nil, cell: nil),
            Row(octets: [139] + plmn + [1, 0x12, 0x34] + plmn + [1], area: "22801-70196", cell: nil),
        ]
        #expect(rows.count == 15)
        for row in rows {
            let place = DevicePlace(UserLocation(octets: row.octets), visitedNetwork: nil)
            #expect(place.network == Self.inside, "\(row)")
            #expect(place.area == (try row.area.map { try TrackingArea(parsing: $0) }), "\(row)")
            #expect(place.cell == (try row.cell.map { try Cell(parsing: $0) }), "\(row)")
        }
        let unknown = DevicePlace(UserLocation(octets: [77, 1, 2]), visitedNetwork: Self.outside)
        #expect(unknown.network == Self.outside && unknown.cell == nil)
    }

    @Test func `a location that is not precise enough for a list is unknown`() throws {
        let lock = LocationLock(
            allow: .init(cells: [try Cell(parsing: "22801-1")]), onViolation: .block, onUnknown: .quarantine)
        let policy = EffectiveSessionPolicy([.sim: SessionPolicy(locationLock: lock)])
        for (network, reason) in [(Self.inside, ViolationReason.locationUnknown), (Self.outside, .locationNotAllowed)] {
            var facts = Judge.facts(.report(isLocated: true))
            facts.standing.location = .init(.init(location: nil, visitedNetwork: network), at: facts.now)
            #expect(Judge.judged(policy, facts).violations.map(\.reason) == [reason])
        }
    }

    @Test func `countries have the codes of the table`() throws {
        #expect(Country.countries(ofMCC: "228") == [try Country(parsing: "ch")])
        #expect(Country.countries(ofMCC: "235") == [try Country(parsing: "GB")])
        #expect(Country.countries(ofMCC: "362").map(\.code).sorted() == ["BQ", "CW", "SX"])
        for shared in ["901", "999", "001", "203"] { #expect(Country.countries(ofMCC: shared).isEmpty) }
        #expect(throws: ParseError.self) { try Country(parsing: "UK") }
    }
}
