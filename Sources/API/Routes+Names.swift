import Control
import Domain
import Hummingbird

extension RouteTable {
    func addNames() {
        get("/v1/tenants/{tenant}/policies/{policy}/names") { call in
            _ = try call.query()
            let learned = try await call.control.learnedAddresses(
                of: try call.path("policy"), try call.path("tenant"), by: call.principal)
            return .json(Page(items: learned.map(LearnedAnswer.init)))
        }
        get("/v1/tenants/{tenant}/dns") { call in
            _ = try call.query()
            return .json(try await Self.answer(call))
        }
        put("/v1/tenants/{tenant}/dns") { call in
            let body = try await call.json(TenantDNSBody.self)
            try await call.control.setTenantDNS(
                TenantDNS(
                    log: body.log?.value.log ?? .off, sampling: body.sampling?.value ?? 1,
                    upstreams: body.upstreams?.map(\.value) ?? []),
                of: try call.path("tenant"), by: call.principal)
            return .json(try await Self.answer(call))
        }
        get("/v1/tenants/{tenant}/dns/refused") { call in
            let refused = try await call.control.refusedNames(
                of: try call.path("tenant"), limit: try call.query("limit").limit(), by: call.principal)
            return .json(Page(items: refused.map(RefusedNameAnswer.init)))
        }
        get("/v1/tenants/{tenant}/dns/queries") { call in
            let query = try call.query("after", "limit")
            let after = query.text("after")
            guard after.map({ UInt64($0) != nil }) ?? true else {
                throw ControlError.wrong("after", "\"\(after?.shortened ?? "")\" is not the number of an entry")
            }
            let log = try await call.control.queryLog(
                of: try call.path("tenant"), after: after.flatMap { UInt64($0) } ?? 0, limit: try query.limit(),
                by: call.principal)
            return .json(Page(items: log.map(LoggedQueryAnswer.init)))
        }
    }

    private static func answer(_ call: Call) async throws -> TenantDNSAnswer {
        let (settings, counters) = try await call.control.tenantDNS(of: try call.path("tenant"), by: call.principal)
        return TenantDNSAnswer(settings, counters)
    }
}

struct TenantDNSBody: RequestBody {
    let log: Text<LogWord>?
    let sampling: Whole<UInt32>?
    let upstreams: [Text<TenantDNS.Upstream>]?
    enum CodingKeys: String, CodingKey, CaseIterable { case log, sampling, upstreams }
}

struct LogWord: TextParsable {
    let log: TenantDNS.Log

    init(parsing text: some StringProtocol) throws(ParseError) {
        guard let log = TenantDNS.Log(rawValue: String(text)) else {
            throw ParseError(
                kind: "a choice of what is logged", text: text,
                expected: "write \(TenantDNS.Log.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self.log = log
    }
}

extension TenantDNS.Upstream: TextParsable {}

struct TenantDNSAnswer: Encodable {
    let log: String
    let sampling: UInt32
    let upstreams: [String]
    let counters: Counters

    struct Counters: Encodable {
        let questions: UInt64
        let answered: UInt64
        let refused: UInt64
        let wouldBeRefused: UInt64
        let refusedAnswers: UInt64
        let failed: UInt64
        let limited: UInt64
    }

    init(_ settings: TenantDNS, _ counters: ControlPlane.QueryCounters) {
        log = settings.log.rawValue
        sampling = settings.sampling
        upstreams = settings.upstreams.map(\.description)
        self.counters = Counters(
            questions: counters.questions, answered: counters.answered, refused: counters.refused,
            wouldBeRefused: counters.wouldBeRefused, refusedAnswers: counters.refusedAnswers,
            failed: counters.failed, limited: counters.limited)
    }
}

struct LearnedAnswer: Encodable {
    let name: String
    let address: String
    let until: String
    let imsi: String?
    let rules: [String]

    init(_ learned: ControlPlane.LearnedAddress) {
        name = "\(learned.name)"
        address = "\(learned.address)"
        until = "\(learned.until)"
        imsi = learned.imsi.map { "\($0)" }
        rules = learned.rules.map { "\($0)" }
    }
}

struct RefusedNameAnswer: Encodable {
    let name: String
    let policy: String
    let group: String?
    let reason: String
    let count: UInt64
    let imsi: String?

    init(_ refused: ControlPlane.RefusedName) {
        name = refused.name
        policy = "\(refused.policy)"
        group = refused.group.map { "\($0)" }
        reason = refused.reason
        count = refused.count
        imsi = refused.imsi.map { "\($0)" }
    }
}

struct LoggedQueryAnswer: Encodable {
    let number: UInt64
    let time: String
    let device: String
    let name: String
    let type: UInt16
    let responseCode: UInt8
    let outcome: String
    let microseconds: UInt32

    init(_ query: ControlPlane.LoggedQuery) {
        number = query.number
        time = "\(query.time)"
        device = "\(query.device)"
        name = query.name
        type = query.type
        responseCode = query.responseCode
        outcome = query.outcome
        microseconds = query.microseconds
    }
}
