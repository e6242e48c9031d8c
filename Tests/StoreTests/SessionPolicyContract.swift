import Domain
import Store
import Testing

@Suite("Store contract: session policies, standings, restrictions, lists of IMEIs")
struct SessionPolicyContract {
    @Test(arguments: StoreUnderTest.allCases)
    func `each place has one document, and goes with what it is for`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let group = try store.insertGroup(name: .test("g"), of: scene.tenant.id, policy: nil)
            let places: [SessionPolicyPlace] = [
                .ceiling, .tenantCeiling(scene.tenant.id), .tenant(scene.tenant.id),
                .group(group.id, of: scene.tenant.id), .sim(scene.sim.id, of: scene.tenant.id),
            ]
            for place in places {
                #expect(try store.sessionPolicy(at: place) == nil)
                #expect(refusal { try store.deleteSessionPolicy(at: place) }?.code == .notFound)
            }
            let records = try places.map {
                try store.putSessionPolicy("of \($0.level)", at: $0, author: "ops", time: noon)
            }
            #expect(try store.sessionPolicies() == records)
            for record in records { #expect(try store.sessionPolicy(at: record.place) == record) }
            let again = try store.putSessionPolicy("new", at: places[2], author: "acme", time: noon)
            #expect(again.version > records[4].version)
            #expect(try store.sessionPolicy(at: places[2]) == again)
            try store.deleteSessionPolicy(at: places[0])
            #expect(try store.sessionPolicies().count == 4)
            #expect(
                refusal {
                    try store.putSessionPolicy("x", at: .tenant(Tenant.ID(999)), author: "", time: noon)
                }?.code == .notFound)
            try store.deleteGroup(group.id)
            try store.deleteSIM(scene.sim.id)
            #expect(try store.sessionPolicies().map(\.place.level) == [.tenantCeiling, .tenant])
            try store.deleteTenant(scene.tenant.id)
            #expect(try store.sessionPolicies().isEmpty)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a standing is what was put, whole or empty`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let sim = try Scene(store).sim.id
            #expect(try store.standing(of: sim) == SIMStanding())
            var standing = SIMStanding()
            try store.putStanding(standing, of: sim)
            #expect(try store.standing(of: sim) == standing)
            #expect(try store.heldSIMs().isEmpty)
            standing.firstIMEI = .init(try IMEI(parsing: "00123456000001"), at: noon)
            standing.lastIMEI = .init(try IMEI(parsing: "35123456000002"), at: noon)
            standing.imeiChanges = 3
            standing.location = .init(
                .init(location: UserLocation(octets: [128, 1, 2]), visitedNetwork: try PLMN(parsing: "234015")),
                at: noon)
            standing.crossings = [
                .ceiling: .init(isOutside: true), .sim: .init(contraryReports: 2, contrarySince: noon),
            ]
            standing.fenceSince = noon
            standing.quarantine = .init(since: noon, until: noon, reason: "odd\nones", by: "ops")
            standing.toleratedUntil = noon
            standing.approval = .init(at: noon, by: "ops")
            standing.hookAnswer = .init(false, at: noon)
            try store.putStanding(standing, of: sim)
            #expect(try store.standing(of: sim) == standing)
            #expect(try store.heldSIMs() == [sim])
            #expect(refusal { try store.putStanding(standing, of: SIM.ID(999)) }?.code == .notFound)

            let cell = FencePlace(try Cell(parsing: "22801-5"))
            let area = FencePlace(try TrackingArea(parsing: "22801-5"))
            try store.addFencePlaces([cell], of: sim, isFirst: true, at: noon)
            try store.addFencePlaces(
                [cell, area], of: sim, isFirst: false, at: Timestamp(milliseconds: noon.milliseconds + 1))
            #expect(try store.fence(of: sim, among: [cell, FencePlace(stored: "x")]) == [cell: noon])
            #expect(try store.fence(of: sim, among: nil).count == 2)
            try store.addFencePlaces((0..<400).map { FencePlace(stored: "\($0)") }, of: sim, isFirst: false, at: noon)
            #expect(try store.fence(of: sim, among: nil).count == LocationLock.Fence.maximumPlaces)
            try store.deleteFence(of: sim)
            #expect(try store.fence(of: sim, among: nil).isEmpty)
            try store.deleteSIM(sim)
            #expect(try store.standing(of: sim) == SIMStanding())
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a restriction decides what the kernel should hold`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let put = { (name: String) in
                try store.putPolicy(
                    name: .test(name), of: scene.tenant.id, document: "", author: "", comment: "", at: noon)
            }
            let usual = try put("usual").id
            let service = try put("service").id
            try store.setDefaultPolicy(usual, of: scene.tenant.id)
            let session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            let violations = [
                Violation(reason: .imeiChanged, level: .ceiling, action: .report, detail: "a b\nc"),
                Violation(reason: .locationDenied, level: .sim, action: .quarantine, detail: ""),
            ]
            let read = [
                Violation(reason: .imeiChanged, level: .ceiling, action: .report, detail: "a b c"), violations[1],
            ]
            #expect(try store.restriction(of: session.id) == nil)
            let rows: [(ViolationAction, Policy.ID?, Policy.ID??)] = [
                (.report, nil, usual), (.quarantine, service, service), (.quarantine, nil, .some(nil)),
                (.block, nil, .some(nil)), (.reject, nil, nil),
            ]
            for (action, policy, mark) in rows {
                let restriction = SessionRestriction(
                    action: action, policy: policy, violations: violations, since: noon,
                    until: action == .block ? noon : nil)
                try store.putRestriction(restriction, of: session.id)
                let stored = try store.restriction(of: session.id)
                #expect(stored?.violations == read && stored?.action == action && stored?.policy == policy)
                #expect(stored?.until == restriction.until)
                let lists = [
                    try store.enforcedSessions(), try store.enforcedSessions(of: scene.sim.id),
                    try store.enforcedSessions(ofTenant: scene.tenant.id),
                    [try store.enforcedSession(session.id)].compactMap { $0 },
                ]
                for list in lists {
                    #expect(list.map(\.session) == (mark == nil ? [] : [session.id]), "\(action)")
                    if let mark { #expect(list.first?.policy == mark, "\(action)") }
                }
                for one in [usual, service] {
                    #expect(
                        try store.enforcedSessions(judgedBy: one).count == (mark == .some(one) ? 1 : 0), "\(action)")
                }
            }
            try store.putRestriction(
                SessionRestriction(
                    action: .quarantine, policy: service, violations: violations, since: noon, until: nil),
                of: session.id)
            #expect(refusal { try store.deletePolicy(service) }?.code == .conflict)
            try store.setJudgeAt(noon, of: session.id)
            try store.setIsToReject(true, session.id)
            #expect(try store.sessions(toJudgeBy: noon, limit: 9) == [session.id])
            #expect(try store.sessions(toJudgeBy: Timestamp(milliseconds: 0), limit: 9).isEmpty)
            #expect(try store.judgeAt(of: session.id) == noon)
            #expect(try store.judgedSessions(after: nil, limit: 9) == [session.id])
            #expect(try store.sessionsToReject() == [session.id])
            var ended = session
            ended.endedAt = noon
            try store.updateSession(ended)
            #expect(try store.judgeAt(of: session.id) == nil)
            #expect(try store.sessionsToReject().isEmpty)
            #expect(try store.restriction(of: session.id)?.action == .quarantine)
            try store.deletePolicy(service)
            try store.putRestriction(nil, of: session.id)
            #expect(try store.restriction(of: session.id) == nil)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `lists of IMEIs are each owner's own, and a look-up finds the equipment and its model`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withTransaction { store in
            let acme = try Scene(store).tenant.id
            let imei = try IMEI(parsing: "35123456000001")
            let items = try ["35123456000001", "35999999", "00000001000002"].map { try IMEIList.Item(parsing: $0) }
            let list = try store.putIMEIList(
                named: .test("fleet"), of: acme, items: Set(items.map(\.key)), author: "acme", at: noon)
            #expect(list.count == 3)
            #expect(try store.imeiLists(of: acme) == [list])
            #expect(try store.imeiLists(of: nil).isEmpty)
            #expect(try store.imeiList(named: .test("fleet"), of: acme) == list)
            #expect(try Set(store.items(of: list.id, after: nil, limit: 9)) == Set(items))
            #expect(try store.items(of: list.id, after: items[1].key, limit: 1) == [items[2]])
            #expect(try store.isListed(imei, in: .test("fleet"), of: acme))
            #expect(try store.isListed(IMEI(parsing: "35999999123456"), in: .test("fleet"), of: acme))
            #expect(try !store.isListed(IMEI(parsing: "35123456000002"), in: .test("fleet"), of: acme))
            #expect(try !store.isListed(imei, in: .test("fleet"), of: nil))
            #expect(try !store.isListed(imei, in: .test("other"), of: acme))
            let own = try store.putIMEIList(named: .test("fleet"), of: nil, items: [], author: "ops", at: noon)
            #expect(try store.imeiLists(of: nil) == [own])
            _ = try store.putIMEIList(
                named: .test("fleet"), of: acme, items: [items[1].key], author: "acme", at: noon)
            #expect(try !store.isListed(imei, in: .test("fleet"), of: acme))
            try store.deleteIMEIList(own.id)
            #expect(refusal { try store.deleteIMEIList(own.id) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `the approval hook's secret is sealed`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            #expect(try store.approvalHook() == nil)
            #expect(try store.approvalHookSecret() == nil)
            let hook = ApprovalHook(
                address: try HTTPSAddress(parsing: "https://billing.example/cordon"),
                timeout: TimeSpan(milliseconds: 2000), cache: TimeSpan(milliseconds: 3_600_000), author: "ops",
                updatedAt: noon)
            try store.putApprovalHook(hook, secret: Secret(bytes: [1, 2, 3]))
            #expect(try store.approvalHook() == hook)
            #expect(try store.approvalHookSecret()?.bytes == [1, 2, 3])
            try store.deleteApprovalHook()
            #expect(try store.approvalHook() == nil)
        }
    }
}
