import Domain
import Foundation
import PolicyCompiler
import Testing

@Suite struct SessionPolicyDocumentTests {
    private static func scope() throws -> SessionPolicyScope {
        SessionPolicyScope(
            policies: [try Name(parsing: "service-only")], imeiLists: [try Name(parsing: "fleet")],
            hasApprovalHook: true, enforced: Set(SessionPolicy.Section.allCases),
            isTimeZone: { ["UTC", "Europe/Zurich"].contains($0) })
    }

    @Test func `a document with every section is read`() throws {
        let document = """
            imei-lock:
              mode: list
              imeis: [35123456000001, "351234560000025"]
              tacs: [35999999]
              lists: [fleet]
              on-violation: reject
              on-missing: quarantine
            location-lock:
              allow:
                networks: [22801]
                countries: [CH, li]
                tracking-areas: [22801-4660]
                cells: [22801-0x1234567, 22801-1-2]
              deny: {networks: ["26201"]}
              fence: {days: 7, neighbours: false}
              home-networks: [22801]
              after-reports: 3
              after: 10m
              max-age: 6h
              on-violation: quarantine
              on-unknown: block
            hours:
              zone: Europe/Zurich
              windows:
                - {days: [mon-fri], from: "06:00", to: "20:00"}
                - {days: sat, from: "22:00", to: "02:00"}
              dates:
                - {date: 2026-12-24, from: "08:00", to: "12:00"}
                - {date: 2026-12-25, until: 2026-12-26, closed: true}
              at-end: finish
              grace: 15m
            approval: {by: hook, on-violation: quarantine, on-no-answer: allow}
            data-limit:
              volume: 50MB
              per: month
              anchor-day: 15
              zone: Europe/Zurich
              warn-at: [95, 80]
              pooled: group
              on-reached: slow
              slow-rate: 64kbit/s
            bandwidth: {up: 64kbit/s, down: 256kbit/s, burst: 16KB}
            quarantine: {policy: service-only, new-sims: true}
            """
        let policy = try SessionPolicyDocument(parsing: document, file: "p.yaml", in: Self.scope()).policy
        #expect(policy.sections == Set(SessionPolicy.Section.allCases))
        let name = try Name(parsing: "fleet")
        let expected = IMEILock(
            mode: .list(
                imeis: [try IMEI(parsing: "35123456000001"), try IMEI(parsing: "35123456000002")],
                tacs: [try TypeAllocationCode(parsing: "35999999")], lists: [name]),
            onViolation: .reject, onMissing: .quarantine)
        #expect(policy.imeiLock == expected)
        let lock = try #require(policy.locationLock)
        #expect(lock.allow?.countries.map(\.code).sorted() == ["CH", "LI"])
        #expect(lock.allow?.cells.map(\.description).sorted() == ["22801-1-2", "22801-19088743"])
        #expect(lock.fence == .init(days: 7, withNeighbours: false))
        #expect(lock.afterReports == 3 && lock.after?.milliseconds == 600_000)
        #expect(lock.maximumAge.milliseconds == 6 * 3_600_000 && lock.onUnknown == .block)
        let hours = try #require(policy.hours)
        #expect(
            hours.windows.map(\.description) == ["mon-fri 06:00-20:00 Europe/Zurich", "sat 22:00-02:00 Europe/Zurich"])
        #expect(hours.dates.map(\.date.description) == ["2026-12-24", "2026-12-25", "2026-12-26"])
        #expect(hours.dates.map(\.open) == [480..<720, nil, nil])
        #expect(hours.atEnd == .finish && hours.grace?.milliseconds == 900_000 && hours.onViolation == .block)
        #expect(policy.approval == ApprovalRule(by: .hook, onViolation: .quarantine, onNoAnswer: .allow))
        let limit = DataLimit(
            volume: 50_000_000, period: .month(anchorDay: 15), zone: "Europe/Zurich", warnAt: [80, 95], pool: .group,
            onReached: .slow(try BitRate(parsing: "64kbit/s")))
        #expect(policy.dataLimit == limit)
        let bandwidth = Bandwidth(
            up: try BitRate(parsing: "64kbit/s"), down: try BitRate(parsing: "256kbit/s"), burst: 16_000)
        #expect(policy.bandwidth == bandwidth)
        #expect(policy.quarantine == QuarantineRule(policy: try Name(parsing: "service-only"), newSIMs: true))
    }

    @Test func `what is left out is as documented`() throws {
        let text = #"{"imei-lock": {"mode": "learn"}, "location-lock": {"allow": {"networks": ["22801"]}}}"#
        let policy = try SessionPolicyDocument(parsing: text, file: "p.json", in: Self.scope()).policy
        #expect(policy.imeiLock == IMEILock(mode: .learn, onViolation: .quarantine, onMissing: .report))
        #expect(policy.locationLock?.afterReports == 1 && policy.locationLock?.after == nil)
        #expect(policy.locationLock?.onViolation == .quarantine && policy.locationLock?.onUnknown == .report)
        #expect(policy.locationLock?.maximumAge == (try TimeSpan(parsing: "1d")))
    }

    @Test func `the example and the documentation's are right`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let example = try String(
            contentsOf: root.appending(path: "Examples/session-policies/every-section.yaml"), encoding: .utf8)
        let policy = try SessionPolicyDocument(parsing: example, file: "every-section.yaml", in: Self.scope()).policy
        #expect(policy.sections == Set(SessionPolicy.Section.allCases))
        let page = try String(contentsOf: root.appending(path: "docs/tenant.md"), encoding: .utf8)
        let block = try #require(page.split(separator: "```yaml\n").first { $0.hasPrefix("imei-lock:") })
        let document = String(try #require(block.split(separator: "```").first))
        #expect(try SessionPolicyDocument(parsing: document, file: "tenant.md", in: Self.scope()).policy.hours != nil)
    }

    struct Wrong: Sendable {
        let document: String
        let place: String
        let message: String
    }

    private static let wrong = [
        Wrong(document: "{}", place: "1:1: ", message: "has no section"),
        Wrong(document: "imei-lok: {mode: off}", place: "1:1: imei-lok", message: "did you mean \"imei-lock\"?"),
        Wrong(document: "imei-lock: {}", place: "1:12: imei-lock", message: "\"mode\" is missing"),
        Wrong(
            document: "imei-lock: {mode: lokced}", place: "1:19: imei-lock.mode", message: "did you mean \"locked\"?"),
        Wrong(document: "imei-lock: {mode: list}", place: "1:12: imei-lock", message: "mode: list without a list"),
        Wrong(
            document: "imei-lock: {mode: list, imeis: [123]}", place: "1:33: imei-lock.imeis[0]",
            message: "is not an IMEI"),
        Wrong(
            document: "imei-lock: {mode: locked, tacs: [35123456]}", place: "1:33: imei-lock.tacs",
            message: "belong to mode: list"),
        Wrong(
            document: "imei-lock: {mode: learn, on-violation: block}", place: "1:40: imei-lock.on-violation",
            message: "only reports"),
        Wrong(
            document: "imei-lock: {mode: list, lists: [flet]}", place: "1:33: imei-lock.lists[0]",
            message: "there is no IMEI list \"flet\" (did you mean \"fleet\"?)"),
        Wrong(
            document: "imei-lock: {mode: locked, on-violation: kill}", place: "1:41: imei-lock.on-violation",
            message: "write report or quarantine or block or reject"),
        Wrong(document: "location-lock: {after: 5m}", place: "1:16: location-lock", message: "says nothing of places"),
        Wrong(
            document: "location-lock: {allow: {countries: [XX]}}", place: "1:37: location-lock.allow.countries[0]",
            message: "two letters"),
        Wrong(
            document: "location-lock: {allow: {}}", place: "1:24: location-lock.allow", message: "no place is named"),
        Wrong(
            document: "location-lock: {fence: {days: 0}}", place: "1:31: location-lock.fence.days",
            message: "a number from 1 to 90"),
        Wrong(
            document: "location-lock: {fence: {days: 7}, max-age: 5}", place: "1:44: location-lock.max-age",
            message: "a number with its unit"),
        Wrong(document: "hours: {windows: []}", place: "1:8: hours", message: "\"zone\" is missing"),
        Wrong(document: "hours: {zone: Mars/X, dates: []}", place: "1:15: hours.zone", message: "is not a time zone"),
        Wrong(document: "hours: {zone: UTC}", place: "1:8: hours", message: "do not say when"),
        Wrong(
            document: "hours: {zone: UTC, windows: [{days: [mno]}]}", place: "1:38: hours.windows[0].days[0]",
            message: "did you mean \"mon\"?"),
        Wrong(
            document: "hours: {zone: UTC, dates: [{date: 2026-02-30}]}", place: "1:35: hours.dates[0].date",
            message: "is not a date"),
        Wrong(
            document: "hours: {zone: UTC, dates: [{date: 2026-02-03, until: 2026-02-02}]}",
            place: "1:35: hours.dates[0]", message: "until is before date"),
        Wrong(
            document: "hours: {zone: UTC, dates: [{date: 2026-02-03, closed: true, from: \"01:00\"}]}",
            place: "1:28: hours.dates[0]", message: "has no hours"),
        Wrong(document: "hours: {zone: UTC, windows: [], grace: 2d}", place: "1:40: hours.grace", message: "up to 24h"),
        Wrong(document: "approval: {}", place: "1:11: approval", message: "\"by\" is missing"),
        Wrong(
            document: "approval: {by: flag, on-no-answer: keep}", place: "1:36: approval.on-no-answer",
            message: "belongs to by: hook"),
        Wrong(
            document: "data-limit: {volume: 5, per: day}", place: "1:22: data-limit.volume",
            message: "is not a volume"),
        Wrong(
            document: "data-limit: {volume: 5MB, per: day, anchor-day: 3}", place: "1:49: data-limit.anchor-day",
            message: "write per: month"),
        Wrong(
            document: "data-limit: {volume: 5MB, per: day, on-reached: slow}", place: "1:13: data-limit",
            message: "needs a rate"),
        Wrong(document: "bandwidth: {burst: 5KB}", place: "1:12: bandwidth", message: "no rate is said"),
        Wrong(document: "bandwidth: {up: 1bit/s}", place: "1:17: bandwidth.up", message: "is not a rate"),
        Wrong(
            document: "quarantine: {policy: other}", place: "1:22: quarantine.policy",
            message: "there is no policy \"other\""),
        Wrong(
            document: "quarantine: {new-sims: yes}", place: "1:24: quarantine.new-sims",
            message: "neither true nor false"),
    ]

    @Test func `what is wrong is told with its place`() throws {
        for wrong in Self.wrong {
            do throws(PolicyError) {
                _ = try SessionPolicyDocument(
                    parsing: wrong.document, file: "p.yaml", in: (try? Self.scope()) ?? .stored { _ in true })
                Issue.record("\(wrong.document) was taken")
            } catch {
                let first = error.diagnostics.first?.description ?? ""
                #expect(first.hasPrefix("p.yaml:\(wrong.place)") && first.contains(wrong.message), "\(first)")
            }
        }
    }

    @Test func `what nothing enforces, and what is not there, is refused`() throws {
        var scope = try Self.scope()
        scope.enforced = []
        scope.hasApprovalHook = false
        scope.policies = nil
        let cases = [
            ("data-limit: {volume: 5MB, per: day}", "does not enforce data-limit"),
            ("bandwidth: {up: 64kbit/s}", "does not enforce bandwidth"),
            ("approval: {by: hook}", "has no approval hook"),
            ("quarantine: {policy: service-only}", "a ceiling for all tenants can name no policy"),
        ]
        for (document, message) in cases {
            do throws(PolicyError) {
                _ = try SessionPolicyDocument(parsing: document, file: "p.yaml", in: scope)
                Issue.record("\(document) was taken")
            } catch {
                #expect(error.description.contains(message), "\(error)")
            }
        }
        // One that is in force is read whatever has gone since.
        let stored = try SessionPolicyDocument(
            parsing: "quarantine: {policy: gone}\nimei-lock: {mode: list, lists: [gone]}", file: "p.yaml",
            in: .stored { $0 == "UTC" })
        #expect(stored.policy.quarantine?.policy == (try Name(parsing: "gone")))
    }
}
