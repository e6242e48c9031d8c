import HTTPTypes

extension OpenAPI {
    private static let policy = "/v1/tenants/{tenant}/policies/{policy}"

    static let policies: [Operation] = [
        Operation(
            method: .post, path: "/v1/policies/validate", id: "validatePolicy",
            summary: "Says what is wrong with a document.", tag: "policies", parameters: [.file], body: Content.policy,
            answers: [.ok("Validated")]),
        Operation(
            method: .post, path: "/v1/tenants/{tenant}/policies/validate", id: "validatePolicyForTenant",
            summary: "The same, with the tenant's lists and groups.", tag: "policies", parameters: [.file],
            body: Content.policy, answers: [.ok("Validated")]),
        Operation(
            method: .post, path: "/v1/tenants/{tenant}/policies/plan", id: "planPolicy",
            summary: "What applying a document would do; changes nothing.", tag: "policies", parameters: [.file],
            body: Content.policy, answers: [.ok("Plan")]),
        Operation(
            method: .post, path: "/v1/tenants/{tenant}/policies", id: "applyPolicy",
            summary: "Makes a document the policy's version in force, and cuts flows that it does not allow.",
            tag: "policies", parameters: [.comment, .file, .ifMatch, .ifNoneMatch], body: Content.policy,
            answers: [.ok("Applied", headers: ["ETag"]), .created("Applied", headers: ["ETag"])]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/policies", id: "listPolicies",
            summary: "The tenant's policies, without their documents.", tag: "policies", answers: [.page("Policy")]),
        Operation(
            method: .get, path: policy, id: "showPolicy",
            summary: "The version in force, with its document; or a page of all versions.", tag: "policies",
            parameters: [.query("versions", "All versions.", ["type": "boolean", "default": false])],
            answers: [
                Answer(
                    status: 200, description: "The version, with ETag; or the page, without.",
                    content: [
                        Content(
                            type: "application/json",
                            schema: ["oneOf": [.reference("Policy"), Content.page("Policy").schema]])
                    ], headers: ["ETag"])
            ]),
        Operation(
            method: .delete, path: policy, id: "deletePolicy", summary: "Deletes a policy that nobody has.",
            tag: "policies", answers: [.noContent]),
        Operation(
            method: .get, path: policy + "/versions/{version}", id: "showPolicyVersion",
            summary: "One version, with its document.", tag: "policies", answers: [.ok("Policy")]),
        Operation(
            method: .get, path: policy + "/difference", id: "policyDifference",
            summary: "How a version differs from another, rule by rule.", tag: "policies",
            parameters: [
                .query("from", "The earlier version.", .reference("Number"), isRequired: true),
                .query("to", "The later; that in force unless given.", .reference("Number")),
            ], answers: [.ok("Difference")]),
        Operation(
            method: .post, path: policy + "/rollback", id: "rollBackPolicy",
            summary: "Makes an earlier version's document a new version, in force.", tag: "policies",
            parameters: [.ifMatch], body: [.object("Rollback")], answers: [.ok("Applied", headers: ["ETag"])]),
        Operation(
            method: .get, path: policy + "/hits", id: "policyHits",
            summary: "How often each rule has decided, since the version is in force, and when last.", tag: "policies",
            answers: [.ok("PolicyUse")]),
        Operation(
            method: .get, path: policy + "/report", id: "policyReport",
            summary: "Which devices sent where, by rules that log, or would be blocked but for monitor mode.",
            tag: "policies", parameters: [.limit], answers: [.page("Noted")]),
    ]
}
