import Control
import Domain
import HTTPTypes
import Hummingbird

/// One action on many SIMs, and the states of single ones.
extension RouteTable {
    func addBulk() {
        post("/v1/sims/bulk") { call in
            let isDry = try call.query("dry_run").flag("dry_run", default: false)
            let body = try await call.json(BulkBody.self, limit: Limits.bulk)
            let action = try body.action()
            guard !isDry else {
                return .json(
                    BulkPreviewAnswer(
                        try await call.control.previewBulk(action, on: body.selection, by: call.principal)))
            }
            let view = try await call.control.startBulk(action, on: body.selection, by: call.principal)
            var response = Response.json(BulkAnswer(view), status: .accepted)
            response.headers[.location] = "/v1/sims/bulk/\(view.operation.id)"
            return response
        }
        get("/v1/sims/bulk") { call in
            let query = try call.query("limit", "cursor")
            let limit = try query.limit()
            let views = try await call.control.bulks(
                before: try query.value("cursor"), limit: limit, by: call.principal)
            return .json(
                Page(
                    items: views.map(BulkAnswer.init),
                    nextCursor: views.count < limit ? nil : views.last.map { "\($0.operation.id)" }))
        }
        get("/v1/sims/bulk/{operation}") { call in
            .json(BulkAnswer(try await call.control.bulk(try call.path("operation"), by: call.principal)))
        }
        get("/v1/sims/bulk/{operation}/items") { call in
            let query = try call.query("state", "limit", "cursor")
            let limit = try query.limit()
            let cursor = try query.value("cursor", as: BulkOperation.ID.self)
            let items = try await call.control.bulkItems(
                of: try call.path("operation"), in: try query.value("state"), after: cursor?.rawValue, limit: limit,
                by: call.principal)
            return .json(
                Page(
                    items: items.map(BulkItemAnswer.init),
                    nextCursor: items.count < limit ? nil : items.last.map { "\($0.number)" }))
        }
        post("/v1/sims/bulk/{operation}/cancel") { call in
            .json(BulkAnswer(try await call.control.cancelBulk(try call.path("operation"), by: call.principal)))
        }
        post("/v1/sims/{imsi}/terminate") { call in
            .json(StateChangeAnswer(try await call.control.terminate(try call.path("imsi"), by: call.principal)))
        }
        post("/v1/sims/{imsi}/activate") { call in
            .json(StateChangeAnswer(try await call.control.activate(try call.path("imsi"), by: call.principal)))
        }
        post("/v1/sims/{imsi}/test") { call in
            let body = try await call.json(TestBody.self)
            return .json(
                StateChangeAnswer(
                    try await call.control.beginTest(try call.path("imsi"), body.terms, by: call.principal)))
        }
    }
}

struct TestBody: RequestBody {
    let days: Whole<UInt16>?
    let octets: Whole<UInt64>?
    enum CodingKeys: String, CodingKey, CaseIterable { case days, octets }

    var terms: SIM.TestTerms {
        SIM.TestTerms(
            days: days?.value ?? SIM.TestTerms.standardDays, octets: octets?.value ?? SIM.TestTerms.standardOctets)
    }
}

/// What is to be done to which SIMs.
struct BulkBody: RequestBody {
    let kind: Text<BulkOperation.Kind>
    let tenant: Text<Name>?
    let group: Text<Name>?
    let state: Text<SIM.State>?
    let label: String?
    let sims: [String]?
    /// Of set-group; there and null: no group.
    let newGroup: Name??
    /// Of set-label.
    let newLabel: String?
    let testDays: Whole<UInt16>?
    let testOctets: Whole<UInt64>?
    enum CodingKeys: String, CodingKey, CaseIterable {
        case kind = "action"
        case tenant, group, state, label, sims
        case newGroup = "new_group"
        case newLabel = "new_label"
        case testDays = "test_days"
        case testOctets = "test_octets"
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        kind = try container.decode(Text<BulkOperation.Kind>.self, forKey: .kind)
        tenant = try container.decodeIfPresent(Text<Name>.self, forKey: .tenant)
        group = try container.decodeIfPresent(Text<Name>.self, forKey: .group)
        state = try container.decodeIfPresent(Text<SIM.State>.self, forKey: .state)
        label = try container.decodeIfPresent(String.self, forKey: .label)
        sims = try container.decodeIfPresent([String].self, forKey: .sims)
        newGroup = container.contains(.newGroup) ? .some(try container.chosenName(.newGroup)) : .none
        newLabel = try container.decodeIfPresent(String.self, forKey: .newLabel)
        testDays = try container.decodeIfPresent(Whole<UInt16>.self, forKey: .testDays)
        testOctets = try container.decodeIfPresent(Whole<UInt64>.self, forKey: .testOctets)
    }

    var selection: ControlPlane.BulkSelection {
        ControlPlane.BulkSelection(
            tenant: tenant?.value, group: group?.value, state: state?.value, label: label, names: sims)
    }

    func action() throws(ControlError) -> BulkOperation.Action {
        switch kind.value {
        case .suspend: return .suspend
        case .resume: return .resume
        case .terminate: return .terminate
        case .activate: return .activate
        case .test:
            let terms = TestBody(days: testDays, octets: testOctets).terms
            guard terms.isWhole else {
                throw ControlError.wrong("test_days", "a test lasts from 1 to 3650 days and takes one octet at least")
            }
            return .test(terms)
        case .setGroup:
            guard let newGroup else { throw ControlError.wrong("new_group", "is missing: name it, or null for none") }
            return .setGroup(newGroup)
        case .setLabel:
            guard let newLabel else { throw ControlError.wrong("new_label", "is missing") }
            return .setLabel(newLabel)
        }
    }
}

struct BulkAnswer: Encodable {
    let id: Int64
    let action: String
    /// What the action was given, where it is given something.
    let argument: String?
    let filter: String
    let author: String
    let state: String
    let createdAt: String
    let appliedAt: String?
    let finishedAt: String?
    let total: Int
    let waiting: Int
    let applied: Int
    let done: Int
    let unchanged: Int
    let unconfirmed: Int
    let failed: Int

    init(_ view: ControlPlane.BulkView) {
        let operation = view.operation
        id = operation.id.rawValue
        action = operation.action.kind.rawValue
        switch operation.action {
        case .suspend, .resume, .terminate, .activate: argument = nil
        case .test(let terms): argument = "\(terms.days) days" + (terms.octets.map { ", \($0) octets" } ?? "")
        case .setGroup(let group): argument = group.map { "\($0)" }
        case .setLabel(let label): argument = label
        }
        filter = operation.filter
        author = operation.author
        state = operation.state.rawValue
        createdAt = "\(operation.createdAt)"
        appliedAt = operation.appliedAt.map { "\($0)" }
        finishedAt = operation.finishedAt.map { "\($0)" }
        total = view.counts.values.reduce(0, +)
        waiting = view.counts[.waiting] ?? 0
        applied = view.counts[.applied] ?? 0
        done = view.counts[.done] ?? 0
        unchanged = view.counts[.unchanged] ?? 0
        unconfirmed = view.counts[.unconfirmed] ?? 0
        failed = view.counts[.failed] ?? 0
    }
}

struct BulkItemAnswer: Encodable {
    let number: Int64
    let sim: String
    let state: String
    let detail: String?

    init(_ item: BulkItem) {
        number = item.number
        sim = item.subject
        state = item.state.rawValue
        detail = item.detail.isEmpty ? nil : item.detail
    }
}

struct BulkPreviewAnswer: Encodable {
    let matching: Int
    let unchanged: Int
    let first: [String]
    let missing: [String]

    init(_ preview: ControlPlane.BulkPreview) {
        matching = preview.matching
        unchanged = preview.unchanged
        first = preview.first.map { "\($0)" }
        missing = preview.missing
    }
}
