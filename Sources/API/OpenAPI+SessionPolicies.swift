import HTTPTypes

extension OpenAPI {
    static let sessionPolicies: [Operation] = {
        var operations = placed(
            "/v1/session-policies/ceiling", "Ceiling", "the operator's ceiling for all tenants")
        operations += placed("/v1/tenants/{tenant}/session-policy", "TenantPolicy", "a tenant's session policy")
        operations += placed(
            "/v1/tenants/{tenant}/session-policy/ceiling", "TenantCeiling",
            "the operator's ceiling for a tenant, which it sees and cannot change")
        operations += placed(
            "/v1/tenants/{tenant}/groups/{group}/session-policy", "GroupPolicy", "a group's session policy")
        operations += placed("/v1/sims/{imsi}/session-policy", "SIMPolicy", "a SIM's own session policy")
        operations += imeiLists("/v1/imei-lists", "Operator", "the operator's lists of IMEIs, for ceilings")
        operations += imeiLists("/v1/tenants/{tenant}/imei-lists", "Tenant", "a tenant's lists of IMEIs")
        return operations + simStanding + simLimits + hook
    }()

    private static let document = ["application/yaml", "application/json"].map {
        Content(type: $0, schema: .reference("SessionPolicyDocument"))
    }
    private static let dryRun = Parameter.query(
        "dry_run", "Only what it would do; nothing is changed.", ["type": "boolean", "default": false])

    private static func planned(_ name: String, _ headers: [String] = []) -> Answer {
        Answer(
            status: 200, description: "Done; or, of a dry run, the plan.",
            content: [
                Content(
                    type: "application/json",
                    schema: ["oneOf": [.reference(name), .reference("SessionPolicyPlan")]])
            ], headers: headers)
    }

    private static func placed(_ path: String, _ name: String, _ what: String) -> [Operation] {
        [
            Operation(
                method: .get, path: path, id: "showSession\(name)", summary: "Shows \(what).", tag: "session policies",
                answers: [.ok("SessionPolicy", headers: ["ETag"])]),
            Operation(
                method: .put, path: path, id: "setSession\(name)",
                summary: "Sets \(what), and judges the sessions that are on by it.", tag: "session policies",
                parameters: [
                    .query(
                        "file", "The document's name, for messages.", ["type": "string", "default": "session policy"]),
                    dryRun, .ifMatch, .ifNoneMatch,
                ], body: document, answers: [planned("AppliedSessionPolicy", ["ETag"])]),
            Operation(
                method: .delete, path: path, id: "clearSession\(name)",
                summary: "Clears \(what), and judges the sessions that are on without it.", tag: "session policies",
                parameters: [dryRun, .ifMatch, .ifNoneMatch], answers: [planned("Enforcement")]),
        ]
    }

    private static func imeiLists(_ path: String, _ name: String, _ what: String) -> [Operation] {
        [
            Operation(
                method: .get, path: path, id: "list\(name)IMEILists", summary: "Lists \(what).", tag: "lists",
                answers: [.page("IMEIList")]),
            Operation(
                method: .get, path: path + "/{list}", id: "show\(name)IMEIList",
                summary: "One of \(what), with a page of its items.", tag: "lists", parameters: Parameter.pages,
                answers: [.ok("IMEIList")]),
            Operation(
                method: .put, path: path + "/{list}", id: "put\(name)IMEIList",
                summary:
                    "Makes a list hold what a text says, an IMEI or a TAC a line, and judges the sessions that are on by it.",
                tag: "lists", body: [.text("text/plain"), .text("text/csv")], answers: [.ok("IMEIListChange")]),
            Operation(
                method: .delete, path: path + "/{list}", id: "delete\(name)IMEIList",
                summary: "Deletes a list that no session policy names.", tag: "lists", answers: [.noContent]),
        ]
    }

    private static let simStanding: [Operation] = [
        Operation(
            method: .get, path: "/v1/sims/{imsi}/effective", id: "effectiveSIM",
            summary: "What holds for a SIM, from where, and what is found of it now.", tag: "sims",
            answers: [.ok("Effective")]),
        Operation(
            method: .get, path: "/v1/sims/{imsi}/imei", id: "showSIMEquipment",
            summary: "The first and the last equipment that a SIM was seen in.", tag: "sims",
            answers: [.ok("IMEIStanding")]),
        Operation(
            method: .post, path: "/v1/sims/{imsi}/imei/reset", id: "resetSIMEquipment",
            summary: "Forgets the first equipment: the next is the first.", tag: "sims", answers: [.ok("Enforcement")]),
        Operation(
            method: .get, path: "/v1/sims/{imsi}/fence", id: "showSIMFence", summary: "The places of a SIM's fence.",
            tag: "sims", answers: [.ok("Fence")]),
        Operation(
            method: .post, path: "/v1/sims/{imsi}/fence/reset", id: "resetSIMFence",
            summary: "Forgets a SIM's fence: its first days begin anew.", tag: "sims", answers: [.ok("Enforcement")]),
        Operation(
            method: .post, path: "/v1/sims/{imsi}/quarantine", id: "quarantineSIM",
            summary: "Puts a SIM into quarantine; its sessions stay up.", tag: "sims", body: [.object("NewQuarantine")],
            answers: [.ok("Enforcement")]),
        Operation(
            method: .post, path: "/v1/sims/{imsi}/release", id: "releaseSIM",
            summary: "Ends a quarantine by hand, and lets violations pass for a time.", tag: "sims",
            body: [.object("Release")], answers: [.ok("Enforcement")]),
        Operation(
            method: .put, path: "/v1/sims/{imsi}/approval", id: "approveSIM",
            summary: "Says whether a SIM is approved for service.", tag: "sims", body: [.object("Approval")],
            answers: [.ok("Enforcement")]),
        Operation(
            method: .post, path: "/v1/tenants/{tenant}/sims/approve", id: "approveSIMs",
            summary: "Approves every SIM of a tenant or of a group.", tag: "sims",
            parameters: [.query("group", "Only this group's.", .reference("Name"))], answers: [.ok("Approved")]),
    ]

    private static let hook: [Operation] = [
        Operation(
            method: .get, path: "/v1/approval-hook", id: "showApprovalHook",
            summary: "The operator's approval hook, without its secret.", tag: "network", answers: [.ok("ApprovalHook")]
        ),
        Operation(
            method: .put, path: "/v1/approval-hook", id: "setApprovalHook",
            summary: "Sets the approval hook. Only for the operator.", tag: "network",
            body: [.object("NewApprovalHook")],
            answers: [.ok("ApprovalHook")]),
        Operation(
            method: .delete, path: "/v1/approval-hook", id: "deleteApprovalHook",
            summary: "Deletes the approval hook, when no session policy is by it.", tag: "network",
            answers: [.noContent]),
    ]
}
