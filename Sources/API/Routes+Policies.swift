import Control
import Domain
import HTTPTypes
import Hummingbird
import PolicyCompiler

extension RouteTable {
    /// A policy's path, and those for policies whose names are words of the API.
    private static let policyPaths = ["{policy}", "validate", "plan"].map { "/v1/tenants/{tenant}/policies/\($0)" }

    func addPolicies() {
        post("/v1/policies/validate") { call in try await Self.validate(call) }
        post("/v1/tenants/{tenant}/policies/validate") { call in
            try await Self.validate(call, for: try call.path("tenant"))
        }
        post("/v1/tenants/{tenant}/policies/plan") { call in
            let plan = try await call.control.planPolicy(
                try await call.policyDocument(), file: try call.query("file").text("file") ?? "policy",
                for: try call.path("tenant"), by: call.principal)
            return .json(PlanAnswer(plan))
        }
        post("/v1/tenants/{tenant}/policies") { call in
            let query = try call.query("comment", "file")
            let tenant = try call.path("tenant", as: Name.self)
            let applied = try await call.control.applyPolicy(
                try await call.policyDocument(), file: query.text("file") ?? "policy",
                comment: try Self.comment(query.text("comment")), to: tenant, expecting: try call.expectation(),
                by: call.principal)
            let answer = AppliedAnswer(applied)
            // Only a policy's first version makes something that was not there.
            guard applied.policy.version == 1 else { return .json(answer).tagged(applied.policy.version) }
            return .created(answer, at: ["tenants", "\(tenant)", "policies", "\(applied.policy.name)"])
                .tagged(applied.policy.version)
        }
        get("/v1/tenants/{tenant}/policies") { call in
            let policies = try await call.control.policies(of: try call.path("tenant"), by: call.principal)
            return .json(Page(items: policies.map { PolicyAnswer($0, withDocument: false) }))
        }
        for path in Self.policyPaths { addPolicy(path) }
    }

    private func addPolicy(_ path: String) {
        get(RouterPath(path)) { call in
            let tenant = try call.path("tenant", as: Name.self)
            let name = try call.policyName()
            guard try call.query("versions").flag("versions", default: false) else {
                let policy = try await call.control.policy(name, of: tenant, by: call.principal)
                return .json(PolicyAnswer(policy, withDocument: true)).tagged(policy.version)
            }
            let versions = try await call.control.policyVersions(name, of: tenant, by: call.principal)
            return .json(Page(items: versions.map { PolicyAnswer($0, withDocument: true) }))
        }
        delete(RouterPath(path)) { call in
            try await call.control.deletePolicy(
                try call.policyName(), of: try call.path("tenant"), by: call.principal)
            return .noContent
        }
        get(RouterPath(path + "/versions/{version}")) { call in
            let policy = try await call.control.policyVersion(
                try call.path("version", as: VersionNumber.self).value, of: try call.policyName(),
                of: try call.path("tenant"), by: call.principal)
            return .json(PolicyAnswer(policy, withDocument: true))
        }
        get(RouterPath(path + "/difference")) { call in
            let query = try call.query("from", "to")
            let difference = try await call.control.difference(
                of: try call.policyName(), of: try call.path("tenant"),
                from: try query.required("from", as: VersionNumber.self).value,
                to: try query.value("to", as: VersionNumber.self)?.value, by: call.principal)
            return .json(DifferenceAnswer(difference))
        }
        post(RouterPath(path + "/rollback")) { call in
            let body = try await call.json(RollbackBody.self)
            let expected = try call.expectation()
            let applied = try await call.control.rollBackPolicy(
                try call.policyName(), of: try call.path("tenant"), to: body.version?.value,
                comment: try Self.comment(body.comment), expecting: expected == .anything ? .present : expected,
                by: call.principal)
            return .json(AppliedAnswer(applied)).tagged(applied.policy.version)
        }
        get(RouterPath(path + "/hits")) { call in
            let (policy, rules) = try await call.control.policyUse(
                try call.policyName(), of: try call.path("tenant"), by: call.principal)
            return .json(UseAnswer(policy, rules))
        }
        get(RouterPath(path + "/report")) { call in
            let noted = try await call.control.notedPackets(
                try call.policyName(), of: try call.path("tenant"), limit: try call.query("limit").limit(),
                by: call.principal)
            return .json(Page(items: noted.map(NotedAnswer.init)))
        }
    }

    private static func comment(_ text: String?) throws(ControlError) -> String {
        let comment = text ?? ""
        guard comment.utf8.count <= 1000 else { throw .wrong("comment", "is longer than 1000 octets") }
        return comment
    }

    private static func validate(_ call: Call, for tenant: Name? = nil) async throws -> Response {
        let file = try call.query("file").text("file") ?? "policy"
        let (name, warnings) = try await call.control.validatePolicy(
            try await call.policyDocument(), file: file, for: tenant, by: call.principal)
        return .json(ValidatedAnswer(name: "\(name)", warnings: warnings.map(Problem.Place.init)))
    }
}

extension Call {
    fileprivate func policyDocument() async throws -> String {
        try await text(limit: Limits.policy, types: ["application/yaml", "application/json"])
    }

    /// The parameter, or the word that stands in its place: `/v1/tenants/TENANT/policies/validate`.
    fileprivate func policyName() throws(ControlError) -> Name {
        guard context.parameters.get("policy") == nil else { return try path("policy") }
        let parts = request.uri.path.split(separator: "/")
        guard parts.count > 4 else { throw .wrong("policy", "is missing") }
        return try Self.parse(String(parts[4]), "policy")
    }

    /// Which version the request is for (RFC 9110 §13.1): `If-Match: "3"`, `If-Match: *`, `If-None-Match: *`.
    func expectation() throws(ControlError) -> ControlPlane.Expectation {
        switch (request.headers[.ifMatch], request.headers[.ifNoneMatch]) {
        case (nil, nil): return .anything
        case ("*", nil): return .present
        case (nil, "*"): return .absent
        case (let tag?, nil):
            guard tag.count > 2, tag.hasPrefix("\""), tag.hasSuffix("\""),
                let version = Int64(tag.dropFirst().dropLast())
            else {
                throw .wrong(
                    "If-Match", "\(tag.shortened) is not a version: send the ETag of the policy, such as \"3\"")
            }
            return .version(version)
        case (_, let tag?):
            throw .wrong("If-None-Match", "\(tag.shortened) is not supported: send *, without If-Match")
        }
    }
}

extension Response {
    /// With a document's version as ETag.
    func tagged(_ version: Int64) -> Response {
        var response = self
        response.headers[.eTag] = "\"\(version)\""
        return response
    }
}

struct RollbackBody: RequestBody {
    let version: Whole<Int64>?
    let comment: String?

    enum CodingKeys: String, CodingKey, CaseIterable { case version, comment }
}

struct DifferenceAnswer: Encodable {
    let rules: [Rule]
    let settings: [Setting]

    struct Rule: Encodable {
        let rule: String
        let change: String
        let before: String?
        let after: String?
    }

    struct Setting: Encodable {
        let name: String
        let before: String
        let after: String
    }

    init(_ difference: PolicyDifference) {
        rules = difference.rules.map {
            Rule(rule: "\($0.rule)", change: $0.kind.rawValue, before: $0.before, after: $0.after)
        }
        settings = difference.settings.map { Setting(name: $0.name, before: $0.before, after: $0.after) }
    }
}

struct PlanAnswer: Encodable {
    let name: String
    let version: Int64?
    let difference: DifferenceAnswer
    let warnings: [Problem.Place]
    let sessions: Int
    let flowsCut: Int
    let flows: [CutFlow]

    struct CutFlow: Encodable {
        let device: String
        let destination: String
        let `protocol`: UInt8
        let port: UInt16
        let rule: String?
        let newRule: String?
    }

    init(_ plan: ControlPlane.PolicyPlan) {
        name = "\(plan.name)"
        version = plan.version
        difference = DifferenceAnswer(plan.difference)
        warnings = plan.warnings.map(Problem.Place.init)
        sessions = plan.sessions
        flowsCut = plan.flowsCut
        flows = plan.flows.map { cut in
            CutFlow(
                device: "\(cut.flow.source)", destination: "\(cut.flow.destination)", protocol: cut.flow.protocol,
                port: cut.flow.destinationPort, rule: cut.rule.map { "\($0)" }, newRule: cut.newRule.map { "\($0)" })
        }
    }
}

struct UseAnswer: Encodable {
    let name: String
    let version: Int64
    let rules: [Rule]

    struct Rule: Encodable {
        /// Absent for the default.
        let rule: String?
        let hits: UInt64
        let octets: UInt64
        let lastHit: String?
    }

    init(_ policy: Policy, _ rules: [ControlPlane.RuleUse]) {
        name = "\(policy.name)"
        version = policy.version
        self.rules = rules.map {
            Rule(
                rule: $0.rule.map { "\($0)" }, hits: $0.hits.packets, octets: $0.hits.octets,
                lastHit: $0.lastHit.map { "\($0)" })
        }
    }
}

struct NotedAnswer: Encodable {
    let device: String
    let imsi: String?
    let destination: String
    let `protocol`: UInt8
    let port: UInt16?
    let rule: String?
    let wouldBlock: Bool
    let packets: UInt64
    let octets: UInt64

    init(_ noted: ControlPlane.NotedPackets) {
        device = "\(noted.device)"
        imsi = noted.imsi.map { "\($0)" }
        destination = "\(noted.destination)"
        `protocol` = noted.protocol
        port = noted.port
        rule = noted.rule.map { "\($0)" }
        wouldBlock = noted.wouldBlock
        packets = noted.hits.packets
        octets = noted.hits.octets
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
