import Control
import Domain
import Hummingbird

extension RouteTable {
    func addPolicies() {
        post("/v1/policies/validate") { call in try await Self.validate(call) }
        post("/v1/tenants/{tenant}/policies/validate") { call in
            _ = try await call.control.tenant(try call.path("tenant", as: Name.self), by: call.principal)
            return try await Self.validate(call)
        }
        post("/v1/tenants/{tenant}/policies") { call in
            let query = try call.query("comment", "file")
            let comment = query.text("comment") ?? ""
            guard comment.utf8.count <= 1000 else {
                throw ControlError.wrong("comment", "is longer than 1000 octets")
            }
            let tenant = try call.path("tenant", as: Name.self)
            let applied = try await call.control.applyPolicy(
                try await call.policyDocument(), file: query.text("file") ?? "policy", comment: comment, to: tenant,
                by: call.principal)
            let answer = AppliedAnswer(applied)
            // Only a policy's first version makes something that was not there.
            guard applied.policy.version == 1 else { return .json(answer) }
            return .created(answer, at: ["tenants", "\(tenant)", "policies", "\(applied.policy.name)"])
        }
        get("/v1/tenants/{tenant}/policies") { call in
            let policies = try await call.control.policies(of: try call.path("tenant"), by: call.principal)
            return .json(Page(items: policies.map { PolicyAnswer($0, withDocument: false) }))
        }
        // The second path is for a policy that has the name "validate".
        for path: RouterPath in ["/v1/tenants/{tenant}/policies/{policy}", "/v1/tenants/{tenant}/policies/validate"] {
            get(path) { call in
                let tenant = try call.path("tenant", as: Name.self)
                let name = try call.policyName()
                guard try call.query("versions").flag("versions", default: false) else {
                    let policy = try await call.control.policy(name, of: tenant, by: call.principal)
                    return .json(PolicyAnswer(policy, withDocument: true))
                }
                let versions = try await call.control.policyVersions(name, of: tenant, by: call.principal)
                return .json(Page(items: versions.map { PolicyAnswer($0, withDocument: true) }))
            }
            delete(path) { call in
                try await call.control.deletePolicy(
                    try call.policyName(), of: try call.path("tenant"), by: call.principal)
                return .noContent
            }
        }
    }

    private static func validate(_ call: Call) async throws -> Response {
        let file = try call.query("file").text("file") ?? "policy"
        let (name, warnings) = try call.control.validatePolicy(try await call.policyDocument(), file: file)
        return .json(ValidatedAnswer(name: "\(name)", warnings: warnings.map(Problem.Place.init)))
    }
}

extension Call {
    fileprivate func policyDocument() async throws -> String {
        try await text(limit: Limits.policy, types: ["application/yaml", "application/json"])
    }

    fileprivate func policyName() throws(ControlError) -> Name {
        guard context.parameters.get("policy") == nil else { return try path("policy") }
        return try Self.parse("validate", "policy")
    }
}

struct PolicyAnswer: Encodable {
    let name: String
    let version: Int64
    let author: String
    let comment: String
    let appliedAt: String
    let document: String?

    init(_ policy: Policy, withDocument: Bool) {
        name = "\(policy.name)"
        version = policy.version
        author = policy.author
        comment = policy.comment
        appliedAt = "\(policy.appliedAt)"
        document = withDocument ? policy.document : nil
    }
}

struct ValidatedAnswer: Encodable {
    let name: String
    let warnings: [Problem.Place]
}

struct AppliedAnswer: Encodable {
    let name: String
    let version: Int64
    let sessions: Int
    let inForceMs: Double
    let flowsCut: Int
    let totalMs: Double
    let warnings: [Problem.Place]

    init(_ applied: ControlPlane.AppliedPolicy) {
        name = "\(applied.policy.name)"
        version = applied.policy.version
        sessions = applied.report.sessions
        inForceMs = applied.report.inForce.milliseconds
        flowsCut = applied.report.flowsCut
        totalMs = applied.report.total.milliseconds
        warnings = applied.warnings.map(Problem.Place.init)
    }
}
