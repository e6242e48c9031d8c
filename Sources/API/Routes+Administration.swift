import Control
import Domain
import Hummingbird
import PolicyCompiler
import Store

/// Tokens, the audit log and the operator's overview.
extension RouteTable {
    func addAdministration() {
        post("/v1/tokens") { call in
            let body = try await call.json(NewTokenBody.self)
            let new = try await call.control.createToken(
                body.name.value, tenant: body.tenant?.value, by: call.principal)
            return .created(
                NewTokenAnswer(
                    token: TokenAnswer(new.token, tenant: body.tenant.map { "\($0.value)" }), secret: new.secret),
                at: ["tokens", "\(new.token.name)"])
        }
        get("/v1/tokens") { call in
            var names = NameBook(call: call)
            var items: [TokenAnswer] = []
            for token in try await call.control.tokens(by: call.principal) {
                let tenant: String? =
                    switch token.role {
                    case .operator: nil
                    case .tenant(let id): try await names.tenant(id)
                    }
                items.append(TokenAnswer(token, tenant: tenant))
            }
            return .json(Page(items: items))
        }
        delete("/v1/tokens/{token}") { call in
            try await call.control.deleteToken(try call.path("token"), by: call.principal)
            return .noContent
        }
        get("/v1/audit") { call in
            let query = try call.query("limit", "cursor")
            let limit = try query.limit()
            let before = try query.value("cursor", as: Identifier<AuditRecord>.self)
            let records = try await call.control.auditRecords(
                before: before?.rawValue, limit: limit, by: call.principal)
            return .json(
                Page(
                    items: records.map(AuditAnswer.init),
                    nextCursor: records.count < limit ? nil : records.last.map { "\($0.id)" }))
        }
        get("/v1/status") { call in
            guard call.isOperator else {
                throw ControlError(.forbidden, "only the operator may do this; use an operator token")
            }
            let counts = try await call.control.counts()
            let counters = try await call.control.counters()
            return .json(StatusAnswer(isReady: call.control.isReady, counts, counters))
        }
    }
}

extension Call {
    var isOperator: Bool {
        switch principal.role {
        case .operator: true
        case .tenant: false
        }
    }
}

struct TokenAnswer: Encodable {
    let name: String
    /// `operator` or `tenant`.
    let role: String
    let tenant: String?
    let createdAt: String

    init(_ token: APIToken, tenant: String?) {
        name = "\(token.name)"
        role =
            switch token.role {
            case .operator: "operator"
            case .tenant: "tenant"
            }
        self.tenant = tenant
        createdAt = "\(token.createdAt)"
    }
}

/// The only answer that ever holds a token's secret.
struct NewTokenAnswer: Encodable {
    let token: TokenAnswer
    let secret: String

    private enum CodingKeys: CodingKey { case secret }

    func encode(to encoder: any Encoder) throws {
        try token.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(secret, forKey: .secret)
    }
}

struct AuditAnswer: Encodable {
    let id: Int64
    let time: String
    let actor: String
    let action: String
    let target: String
    let detail: String

    init(_ record: AuditRecord) {
        id = record.id
        time = "\(record.time)"
        actor = record.actor
        action = record.action
        target = record.target
        detail = record.detail
    }
}

struct StatusAnswer: Encodable {
    let isReady: Bool
    let tenants: Int
    let sims: Int
    let activeSessions: Int
    let policies: Int
    let counters: [Counter]

    struct Counter: Encodable {
        let name: String
        let packets: UInt64
        let octets: UInt64
    }

    init(isReady: Bool, _ counts: StoreCounts, _ counters: [DataPlaneCounter]) {
        self.isReady = isReady
        tenants = counts.tenants
        sims = counts.sims
        activeSessions = counts.activeSessions
        policies = counts.policies
        self.counters = counters.sorted { $0.name < $1.name }.map {
            Counter(name: $0.name, packets: $0.packets, octets: $0.octets)
        }
    }
}
