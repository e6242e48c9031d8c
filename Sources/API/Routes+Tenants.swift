import Control
import Domain
import Hummingbird

extension RouteTable {
    func addTenants() {
        post("/v1/tenants") { call in
            let body = try await call.json(NewTenantBody.self)
            let tenant = try await call.control.createTenant(body.name.value, by: call.principal)
            return .created(TenantAnswer(tenant, defaultPolicy: nil), at: ["tenants", "\(tenant.name)"])
        }
        get("/v1/tenants") { call in
            _ = try call.query()
            var items: [TenantAnswer] = []
            for tenant in try await call.control.tenants(by: call.principal) {
                items.append(try await call.answer(tenant))
            }
            return .json(Page(items: items))
        }
        get("/v1/tenants/{tenant}") { call in
            let tenant = try await call.control.tenant(try call.path("tenant", as: Name.self), by: call.principal)
            return .json(try await call.answer(tenant))
        }
        delete("/v1/tenants/{tenant}") { call in
            try await call.control.deleteTenant(try call.path("tenant"), by: call.principal)
            return .noContent
        }
        put("/v1/tenants/{tenant}/default-policy") { call in
            let body = try await call.json(PolicyChoiceBody.self)
            let report = try await call.control.setDefaultPolicy(
                body.policy, of: try call.path("tenant"), by: call.principal)
            return .json(EnforcementAnswer(report))
        }
        get("/v1/tenants/{tenant}/blocks") { call in
            let blocks = try await call.control.allBlocks(of: try call.path("tenant"), by: call.principal)
            return .json(Page(items: blocks.map { BlockAnswer(prefix: "\($0)") }))
        }
    }

    func addGroups() {
        post("/v1/tenants/{tenant}/groups") { call in
            let body = try await call.json(NewGroupBody.self)
            let tenant = try call.path("tenant", as: Name.self)
            let group = try await call.control.createGroup(
                body.name.value, of: tenant, policy: body.policy?.value, by: call.principal)
            return .created(
                GroupAnswer(name: "\(group.name)", policy: body.policy.map { "\($0.value)" }),
                at: ["tenants", "\(tenant)", "groups", "\(group.name)"])
        }
        get("/v1/tenants/{tenant}/groups") { call in
            let tenant = try call.path("tenant", as: Name.self)
            let groups = try await call.control.groups(of: tenant, by: call.principal)
            let names = try await call.policyNames(of: tenant)
            return .json(
                Page(items: groups.map { GroupAnswer(name: "\($0.name)", policy: $0.policy.flatMap { names[$0] }) }))
        }
        delete("/v1/tenants/{tenant}/groups/{group}") { call in
            try await call.control.deleteGroup(
                try call.path("group"), of: try call.path("tenant"), by: call.principal)
            return .noContent
        }
        put("/v1/tenants/{tenant}/groups/{group}/policy") { call in
            let body = try await call.json(PolicyChoiceBody.self)
            let report = try await call.control.setPolicy(
                body.policy, ofGroup: try call.path("group"), of: try call.path("tenant"), by: call.principal)
            return .json(EnforcementAnswer(report))
        }
    }
}

extension Call {
    fileprivate func policyNames(of tenant: Name) async throws(ControlError) -> [Policy.ID: String] {
        let policies = try await control.policies(of: tenant, by: principal)
        return Dictionary(policies.map { ($0.id, "\($0.name)") }) { first, _ in first }
    }

    fileprivate func answer(_ tenant: Tenant) async throws(ControlError) -> TenantAnswer {
        guard let policy = tenant.defaultPolicy else { return TenantAnswer(tenant, defaultPolicy: nil) }
        return TenantAnswer(tenant, defaultPolicy: try await policyNames(of: tenant.name)[policy])
    }
}

struct TenantAnswer: Encodable {
    let name: String
    let defaultPolicy: String?
    let createdAt: String

    init(_ tenant: Tenant, defaultPolicy: String?) {
        name = "\(tenant.name)"
        self.defaultPolicy = defaultPolicy
        createdAt = "\(tenant.createdAt)"
    }
}

struct BlockAnswer: Encodable {
    let prefix: String
}

struct GroupAnswer: Encodable {
    let name: String
    let policy: String?
}

/// What a change of policy did, with its times from the call on.
struct EnforcementAnswer: Encodable {
    let sessions: Int
    let inForceMs: Double
    let flowsCut: Int
    let totalMs: Double

    init(_ report: EnforcementReport) {
        sessions = report.sessions
        inForceMs = report.inForce.milliseconds
        flowsCut = report.flowsCut
        totalMs = report.total.milliseconds
    }
}
