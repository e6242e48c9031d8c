import Control
import Domain
import HTTPTypes
import Hummingbird
import PolicyCompiler
import Store

extension RouteTable {
    func addSessionPolicies() {
        addSessionPolicy("/v1/session-policies/ceiling") { _ in .ceiling }
        addSessionPolicy("/v1/tenants/{tenant}/session-policy") { call throws(ControlError) in
            .tenant(try call.path("tenant"))
        }
        addSessionPolicy("/v1/tenants/{tenant}/session-policy/ceiling") { call throws(ControlError) in
            .tenantCeiling(try call.path("tenant"))
        }
        addSessionPolicy("/v1/tenants/{tenant}/groups/{group}/session-policy") { call throws(ControlError) in
            .group(try call.path("group"), of: try call.path("tenant"))
        }
        addSessionPolicy("/v1/sims/{imsi}/session-policy") { call throws(ControlError) in
            .sim(try call.path("imsi"))
        }
        addIMEILists()
        addApprovalHook()
    }

    private func addSessionPolicy(
        _ path: String, _ target: @escaping @Sendable (Call) throws(ControlError) -> ControlPlane.SessionPolicyTarget
    ) {
        get(RouterPath(path)) { call in
            let record = try await call.control.sessionPolicy(at: try target(call), by: call.principal)
            return .json(SessionPolicyAnswer(record, by: call.principal)).tagged(record.version)
        }
        put(RouterPath(path)) { call in
            let query = try call.query("file", "dry_run")
            let file = query.text("file") ?? "session policy"
            let document = try await call.text(
                limit: SessionPolicyDocument.maximumOctets, types: ["application/yaml", "application/json"])
            guard try !query.flag("dry_run", default: false) else {
                let plan = try await call.control.planSessionPolicy(
                    document, file: file, at: try target(call), by: call.principal)
                return .json(SessionPolicyPlanAnswer(plan))
            }
            let applied = try await call.control.setSessionPolicy(
                document, file: file, at: try target(call), expecting: try call.expectation(), by: call.principal)
            return .json(AppliedSessionPolicyAnswer(applied)).tagged(applied.record.version)
        }
        delete(RouterPath(path)) { call in
            guard try !call.query("dry_run").flag("dry_run", default: false) else {
                let plan = try await call.control.planSessionPolicy(
                    nil, file: "", at: try target(call), by: call.principal)
                return .json(SessionPolicyPlanAnswer(plan))
            }
            let report = try await call.control.clearSessionPolicy(
                at: try target(call), expecting: try call.expectation(), by: call.principal)
            return .json(EnforcementAnswer(report))
        }
    }

    // MARK: Lists of IMEIs

    private func addIMEILists() {
        addIMEILists("/v1/imei-lists") { _ in nil }
        addIMEILists("/v1/tenants/{tenant}/imei-lists") { call throws(ControlError) in
            try call.path("tenant", as: Name.self)
        }
    }

    private func addIMEILists(_ path: String, _ owner: @escaping @Sendable (Call) throws(ControlError) -> Name?) {
        get(RouterPath(path)) { call in
            _ = try call.query()
            let lists = try await call.control.imeiLists(of: try owner(call), by: call.principal)
            return .json(Page(items: lists.map { IMEIListAnswer($0, items: nil, nextCursor: nil) }))
        }
        get(RouterPath(path + "/{list}")) { call in
            let query = try call.query("limit", "cursor")
            let limit = try query.limit()
            let after = try query.value("cursor", as: ListKey.self)?.value
            let (list, items) = try await call.control.imeiList(
                try call.path("list"), of: try owner(call), after: after, limit: limit, by: call.principal)
            let next = items.count < limit ? nil : items.last.map { "\($0.key)" }
            return .json(IMEIListAnswer(list, items: items.map(\.description), nextCursor: next))
        }
        put(RouterPath(path + "/{list}")) { call in
            let text = try await call.bytes(limit: Limits.csv, types: ["text/plain", "text/csv"])
            let (list, report) = try await call.control.putIMEIList(
                try call.path("list"), text: text, of: try owner(call), by: call.principal)
            return .json(IMEIListChangeAnswer(list, report))
        }
        delete(RouterPath(path + "/{list}")) { call in
            try await call.control.deleteIMEIList(
                try call.path("list"), of: try owner(call), by: call.principal)
            return .noContent
        }
    }

    // MARK: Approval hook

    private func addApprovalHook() {
        get("/v1/approval-hook") { call in
            .json(ApprovalHookAnswer(try await call.control.approvalHook(by: call.principal)))
        }
        put("/v1/approval-hook") { call in
            let body = try await call.json(ApprovalHookBody.self)
            let hook = try await call.control.setApprovalHook(
                body.url.value, secret: Secret(bytes: Array(body.secret.utf8)),
                timeout: body.timeout?.value ?? TimeSpan(milliseconds: 2000),
                cache: body.cache?.value ?? TimeSpan(milliseconds: 3_600_000), by: call.principal)
            return .json(ApprovalHookAnswer(hook))
        }
        delete("/v1/approval-hook") { call in
            try await call.control.deleteApprovalHook(by: call.principal)
            return .noContent
        }
    }
}

/// A key of a list of IMEIs, as the cursor of its pages.
private struct ListKey: TextParsable {
    let value: Int64

    init(parsing text: some StringProtocol) throws(ParseError) {
        guard let value = Int64(text) else {
            throw ParseError(kind: "a cursor", text: text, expected: "write next_cursor of the page before")
        }
        self.value = value
    }
}

struct ApprovalHookBody: RequestBody {
    let url: Text<HTTPSAddress>
    /// Goes in and never comes out again.
    let secret: String
    let timeout: Text<TimeSpan>?
    let cache: Text<TimeSpan>?
    enum CodingKeys: String, CodingKey, CaseIterable { case url, secret, timeout, cache }
}

struct ApprovalHookAnswer: Encodable {
    let url: String
    let timeout: String
    let cache: String
    let author: String
    let updatedAt: String

    init(_ hook: ApprovalHook) {
        url = "\(hook.address)"
        timeout = "\(hook.timeout.milliseconds % 1000 == 0 ? "\(hook.timeout)" : "\(hook.timeout.milliseconds)ms")"
        cache = "\(hook.cache)"
        author = hook.author
        updatedAt = "\(hook.updatedAt)"
    }
}

struct SessionPolicyAnswer: Encodable {
    let level: String
    let version: Int64
    let document: String
    /// Of a ceiling for the operator only: it names one of the operator's people.
    let author: String?
    let appliedAt: String

    init(_ record: SessionPolicyRecord, by principal: Principal) {
        level = record.place.level.rawValue
        version = record.version
        document = record.document
        let isOpen = principal.role == .operator || record.place.level > .tenantCeiling
        author = isOpen ? record.author : nil
        appliedAt = "\(record.appliedAt)"
    }
}

struct AppliedSessionPolicyAnswer: Encodable {
    let level: String
    let version: Int64
    let sessions: Int
    let inForceMs: Double
    let flowsCut: Int
    let totalMs: Double

    init(_ applied: ControlPlane.AppliedSessionPolicy) {
        level = applied.record.place.level.rawValue
        version = applied.record.version
        sessions = applied.report.sessions
        inForceMs = applied.report.inForce.milliseconds
        flowsCut = applied.report.flowsCut
        totalMs = applied.report.total.milliseconds
    }
}

struct SessionPolicyPlanAnswer: Encodable {
    let version: Int64?
    let sessions: Int
    let changes: [Count]
    let listed: [Change]

    struct Count: Encodable {
        /// `none`: nothing restricts them any more.
        let action: String
        let sessions: Int
    }

    struct Change: Encodable {
        let imsi: String
        let session: Int64
        let before: String
        let after: String
        let violations: [ViolationAnswer]
    }

    init(_ plan: ControlPlane.SessionPolicyPlan) {
        version = plan.version
        sessions = plan.sessions
        changes = ([nil] + ViolationAction.allCases).compactMap { action in
            plan.changes[action].map { Count(action: action?.rawValue ?? "none", sessions: $0) }
        }
        listed = plan.listed.map {
            Change(
                imsi: "\($0.imsi)", session: $0.session.rawValue, before: $0.before?.rawValue ?? "none",
                after: $0.after?.rawValue ?? "none", violations: $0.violations.map(ViolationAnswer.init))
        }
    }
}

struct ViolationAnswer: Encodable {
    let section: String
    let reason: String
    let level: String
    let action: String
    let detail: String

    init(_ violation: Violation) {
        section = violation.reason.section.rawValue
        reason = violation.reason.rawValue
        level = violation.level.rawValue
        action = violation.action.rawValue
        detail = violation.detail
    }
}

struct RestrictionAnswer: Encodable {
    let action: String
    let since: String
    let until: String?
    let violations: [ViolationAnswer]

    init(_ restriction: SessionRestriction) {
        action = restriction.action.rawValue
        since = "\(restriction.since)"
        until = restriction.until.map { "\($0)" }
        violations = restriction.violations.map(ViolationAnswer.init)
    }
}

struct IMEIListAnswer: Encodable {
    let name: String
    let count: Int
    let author: String
    let updatedAt: String
    let items: [String]?
    let nextCursor: String?

    init(_ list: IMEIList, items: [String]?, nextCursor: String?) {
        name = "\(list.name)"
        count = list.count
        author = list.author
        updatedAt = "\(list.updatedAt)"
        self.items = items
        self.nextCursor = nextCursor
    }
}

struct IMEIListChangeAnswer: Encodable {
    let name: String
    let count: Int
    let sessions: Int
    let inForceMs: Double
    let flowsCut: Int
    let totalMs: Double

    init(_ list: IMEIList, _ report: EnforcementReport) {
        name = "\(list.name)"
        count = list.count
        sessions = report.sessions
        inForceMs = report.inForce.milliseconds
        flowsCut = report.flowsCut
        totalMs = report.total.milliseconds
    }
}
