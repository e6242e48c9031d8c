import HTTPTypes

extension OpenAPI {
    /// In the order of the routes. A policy may have the name of a path's last word, such as `validate`: the router knows
    /// those paths beside the template, which stands for them here.
    static let operations: [Operation] = [
        open, tenants, sims, bulk, policies, lists, blocklists, vpns, names, sessions, usage, network, onboarding,
        sessionPolicies, events, administration,
    ]
    .flatMap { $0 }

    private static let open: [Operation] = [
        Operation(
            method: .get, path: "/healthz", id: "health", summary: "Whether the process answers.", tag: "open",
            answers: [Answer(status: 200, description: "It does.", content: [.text("text/plain")])], isOpen: true),
        Operation(
            method: .get, path: "/readyz", id: "readiness", summary: "Whether everything is enforced.", tag: "open",
            answers: [
                Answer(status: 200, description: "It is.", content: [.text("text/plain")]),
                Answer(status: 503, description: "Not yet.", content: [.text("text/plain")]),
            ], isOpen: true),
        Operation(
            method: .get, path: "/metrics", id: "metrics", summary: "What is counted, for Prometheus.", tag: "open",
            answers: [
                Answer(status: 200, description: "Text exposition format 0.0.4.", content: [.text("text/plain")])
            ], isOpen: true),
        Operation(
            method: .get, path: path, id: "openapi", summary: "This document.", tag: "open",
            answers: [
                Answer(
                    status: 200, description: "OpenAPI 3.1.",
                    content: [Content(type: "application/json", schema: ["type": "object"])])
            ], isOpen: true),
        Operation(
            method: .get, path: policySchemaPath, id: "policySchema", summary: "The schema of policy documents.",
            tag: "open",
            answers: [
                Answer(
                    status: 200, description: "JSON Schema draft 2020-12.",
                    content: [Content(type: "application/schema+json", schema: ["type": "object"])])
            ], isOpen: true),
    ]

    private static let tenants: [Operation] = [
        Operation(
            method: .post, path: "/v1/tenants", id: "createTenant", summary: "Makes a tenant.", tag: "tenants",
            body: [.object("NewTenant")], answers: [.created("Tenant")]),
        Operation(
            method: .get, path: "/v1/tenants", id: "listTenants",
            summary: "All tenants; for a tenant's token, its own.",
            tag: "tenants", answers: [.page("Tenant")]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}", id: "showTenant", summary: "One tenant.", tag: "tenants",
            answers: [.ok("Tenant")]),
        Operation(
            method: .delete, path: "/v1/tenants/{tenant}", id: "deleteTenant",
            summary: "Deletes a tenant that has no SIMs.", tag: "tenants", answers: [.noContent]),
        Operation(
            method: .put, path: "/v1/tenants/{tenant}/default-policy", id: "setDefaultPolicy",
            summary: "Which policy SIMs have whose group has none.", tag: "tenants", body: [.object("PolicyChoice")],
            answers: [.ok("Enforcement")]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/blocks", id: "listBlocks",
            summary: "The address blocks that the tenant's devices are in.", tag: "tenants", answers: [.page("Block")]),
        Operation(
            method: .post, path: "/v1/tenants/{tenant}/groups", id: "createGroup", summary: "Makes a group of SIMs.",
            tag: "groups", body: [.object("NewGroup")], answers: [.created("Group")]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/groups", id: "listGroups", summary: "The tenant's groups.",
            tag: "groups", answers: [.page("Group")]),
        Operation(
            method: .delete, path: "/v1/tenants/{tenant}/groups/{group}", id: "deleteGroup",
            summary: "Deletes a group that has no SIMs.", tag: "groups", answers: [.noContent]),
        Operation(
            method: .put, path: "/v1/tenants/{tenant}/groups/{group}/policy", id: "setGroupPolicy",
            summary: "Which policy the group's SIMs have.", tag: "groups", body: [.object("PolicyChoice")],
            answers: [.ok("Enforcement")]),
    ]

    private static let sims: [Operation] = [
        Operation(
            method: .post, path: "/v1/tenants/{tenant}/sims", id: "createSIM", summary: "Makes a SIM.", tag: "sims",
            body: [.object("NewSIM")], answers: [.created("SIM")]),
        Operation(
            method: .post, path: "/v1/tenants/{tenant}/sims/import", id: "importSIMs",
            summary: "Makes the SIMs of a table with the header iccid,imsi,msisdn,group,name.", tag: "sims",
            parameters: [
                .query("atomic", "All rows, or none.", ["type": "boolean", "default": false])
            ], body: [.text("text/csv")], answers: [.ok("Import")]),
        Operation(
            method: .get, path: "/v1/sims", id: "listSIMs", summary: "SIMs, by IMSI.", tag: "sims",
            parameters: [
                .query("tenant", "Only this tenant's.", .reference("Name")),
                .query("group", "Only this group's, of a tenant.", .reference("Name")),
            ] + Parameter.pages, answers: [.page("SIM")]),
        Operation(
            method: .get, path: "/v1/sims/{imsi}", id: "showSIM", summary: "A SIM with its addresses and sessions.",
            tag: "sims", answers: [.ok("SIMDetail")]),
        Operation(
            method: .delete, path: "/v1/sims/{imsi}", id: "deleteSIM", summary: "Deletes a SIM without a session.",
            tag: "sims", answers: [.noContent]),
        Operation(
            method: .post, path: "/v1/sims/{imsi}/suspend", id: "suspendSIM",
            summary: "Stops a SIM's traffic, then its sessions.", tag: "sims", answers: [.ok("StateChange")]),
        Operation(
            method: .post, path: "/v1/sims/{imsi}/resume", id: "resumeSIM", summary: "Undoes a suspension.",
            tag: "sims", answers: [.ok("StateChange")]),
        Operation(
            method: .put, path: "/v1/sims/{imsi}/group", id: "setSIMGroup", summary: "Which group the SIM is in.",
            tag: "sims", body: [.object("GroupChoice")], answers: [.ok("Enforcement")]),
        Operation(
            method: .post, path: "/v1/sims/{imsi}/release-addresses", id: "releaseAddresses",
            summary: "Gives up the addresses that a SIM without a session holds.", tag: "sims", answers: [.noContent]),
        Operation(
            method: .get, path: "/v1/sims/{imsi}/explain", id: "explainPacket",
            summary: "Whether a packet of the SIM's device would pass, by which rule, and why not by those before.",
            tag: "sims",
            parameters: [
                .query(
                    "to",
                    "DESTINATION:PORT/tcp, DESTINATION:PORT/udp, DESTINATION/icmp or DESTINATION/NUMBER, an address or a "
                        + "name; with `from` without destination: PORT/tcp, icmp.", ["type": "string"],
                    isRequired: true),
                .query("from", "Of a packet to the device: where it comes from.", ["type": "string"]),
                .query("via", "Of a packet to the device: the VPN that it comes through.", .reference("Name")),
                .query("at", "When; now unless given.", .reference("TimeGiven")),
            ], answers: [.ok("Explanation")]),
        Operation(
            method: .get, path: "/v1/sims/{imsi}/trace", id: "tracePackets",
            summary: "What becomes of the device's packets, as they come: one JSON object a line, each with its `type` "
                + "(status, packet, end).",
            tag: "sims",
            parameters: [
                .query("seconds", "For how long; 60 unless given.", ["type": "integer", "minimum": 1, "maximum": 600]),
                .query("limit", "Packets in all.", ["type": "integer", "minimum": 1, "maximum": 1_000_000]),
                .query(
                    "per_second", "Packets a second; 100 unless given.",
                    ["type": "integer", "minimum": 1, "maximum": 200]),
                .query("verdict", "Only these.", ["enum": ["allow", "block"]]),
            ],
            answers: [
                Answer(
                    status: 200, description: "The stream.",
                    content: [
                        Content(type: "application/x-ndjson", schema: ["description": "A JSON object a line."])
                    ])
            ]),
    ]

    private static let names: [Operation] = [
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/policies/{policy}/names", id: "listLearnedAddresses",
            summary: "The addresses that names have for the policy's devices, who was told first, and until when.",
            tag: "dns", answers: [.page("LearnedAddress")]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/dns", id: "showDNS",
            summary:
                "How the tenant's questions are answered and noted, and how many there were since the daemon started.",
            tag: "dns", answers: [.ok("TenantDNS")]),
        Operation(
            method: .put, path: "/v1/tenants/{tenant}/dns", id: "setDNS",
            summary: "Sets what is logged, and whose resolvers are asked.", tag: "dns", body: [.object("NewTenantDNS")],
            answers: [.ok("TenantDNS")]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/dns/refused", id: "listRefusedNames",
            summary: "Names that devices asked for and may not look up, most asked first.", tag: "dns",
            parameters: [.limit], answers: [.page("RefusedName")]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/dns/queries", id: "listQueries",
            summary: "Questions from the tenant's log, oldest first.", tag: "dns",
            parameters: [
                .query("after", "The number of the last entry that is known.", ["type": "integer", "minimum": 0]),
                .limit,
            ], answers: [.page("LoggedQuery")]),
    ]

    private static let lists: [Operation] = [
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/lists", id: "listLists",
            summary: "The tenant's lists, without their items.", tag: "lists", answers: [.page("List")]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/lists/{list}", id: "showList", summary: "A list with its items.",
            tag: "lists", answers: [.ok("List")]),
        Operation(
            method: .put, path: "/v1/tenants/{tenant}/lists/{list}", id: "putList",
            summary: "Makes a list hold these items, and puts the policies that name it in force anew.", tag: "lists",
            body: [.text("text/plain"), .object("ListItems")], answers: [.ok("SharedChange")]),
        Operation(
            method: .delete, path: "/v1/tenants/{tenant}/lists/{list}", id: "deleteList",
            summary: "Deletes a list that no policy in force names.", tag: "lists", answers: [.noContent]),
        Operation(
            method: .get, path: "/v1/services", id: "listServices", summary: "What rules can name as services.",
            tag: "services", answers: [.page("Service")]),
        Operation(
            method: .put, path: "/v1/services/{service}", id: "putService",
            summary: "Says what a service is, for all tenants; only for the operator.", tag: "services",
            body: [.object("ServiceDefinition")], answers: [.ok("SharedChange")]),
        Operation(
            method: .delete, path: "/v1/services/{service}", id: "deleteService",
            summary: "Deletes a service, or gives one of Cordon's its meaning back; only for the operator.",
            tag: "services", answers: [.noContent]),
    ]

    private static let sessions: [Operation] = [
        Operation(
            method: .get, path: "/v1/sessions", id: "listSessions", summary: "Sessions, by number.", tag: "sessions",
            parameters: [
                .query("tenant", "Only this tenant's.", .reference("Name")),
                .query("active", "false: those that have ended too.", ["type": "boolean", "default": true]),
            ] + Parameter.pages, answers: [.page("Session")]),
        Operation(
            method: .get, path: "/v1/sessions/{session}", id: "showSession",
            summary: "One session, with its bearers and where it was.", tag: "sessions", answers: [.ok("Session")]),
        Operation(
            method: .post, path: "/v1/sessions/{session}/disconnect", id: "disconnectSession",
            summary: "Has the NAS end an active session.", tag: "sessions", answers: [.ok("SessionOrder")]),
        Operation(
            method: .post, path: "/v1/sessions/{session}/change", id: "changeSession",
            summary: "Changes an active session at its NAS without ending it (RADIUS CoA); only for the operator.",
            tag: "sessions", body: [.object("SessionChange")], answers: [.ok("SessionOrder")]),
        Operation(
            method: .get, path: "/v1/nat/blocks", id: "listPortBlocks",
            summary: "Which session had which public ports, and when; only for the operator.", tag: "sessions",
            parameters: [
                .query("public_address", "Only this address.", .reference("IPv4Address")),
                .query("port", "Only blocks with this port.", .reference("Port")),
                .query("at", "Only those of this time; neither from nor to then.", .reference("TimeGiven")),
                .query("from", "Only those that lasted until then at least.", .reference("TimeGiven")),
                .query("to", "Only those that had begun by then.", .reference("TimeGiven")),
                .query("format", "Instead of what Accept asks for.", ["enum": ["json", "csv"]]),
            ] + Parameter.pages,
            answers: [
                Answer(
                    status: 200, description: "One page.", content: [.page("PortBlock"), .text("text/csv")],
                    headers: ["Link"])
            ]),
    ]

    private static let network: [Operation] = [
        Operation(
            method: .post, path: "/v1/nas", id: "createNAS", summary: "Makes a RADIUS client.", tag: "network",
            body: [.object("NewNAS")], answers: [.created("NAS")]),
        Operation(
            method: .get, path: "/v1/nas", id: "listNAS", summary: "The RADIUS clients, without their secrets.",
            tag: "network", answers: [.page("NAS")]),
        Operation(
            method: .get, path: "/v1/nas/{nas}", id: "showNAS", summary: "One RADIUS client, without its secret.",
            tag: "network", answers: [.ok("NAS")]),
        Operation(
            method: .patch, path: "/v1/nas/{nas}", id: "changeNAS",
            summary: "How a RADIUS client is spoken to; what is left out stays.", tag: "network",
            body: [.object("NASChange")], answers: [.ok("NAS")]),
        Operation(
            method: .delete, path: "/v1/nas/{nas}", id: "deleteNAS", summary: "Deletes a RADIUS client.",
            tag: "network", answers: [.noContent]),
        Operation(
            method: .post, path: "/v1/pools", id: "createPool", summary: "Makes an address pool.", tag: "network",
            body: [.object("NewPool")], answers: [.created("Pool")]),
        Operation(
            method: .get, path: "/v1/pools", id: "listPools", summary: "The address pools and their use.",
            tag: "network", answers: [.page("Pool")]),
        Operation(
            method: .delete, path: "/v1/pools/{prefix}", id: "deletePool", summary: "Deletes a pool without leases.",
            tag: "network", answers: [.noContent]),
    ]

    private static let administration: [Operation] = [
        Operation(
            method: .post, path: "/v1/tokens", id: "createToken",
            summary: "Makes a token; its secret is shown this once.", tag: "administration",
            body: [.object("NewToken")],
            answers: [.created("TokenWithSecret")]),
        Operation(
            method: .get, path: "/v1/tokens", id: "listTokens", summary: "The tokens, without their secrets.",
            tag: "administration", answers: [.page("Token")]),
        Operation(
            method: .delete, path: "/v1/tokens/{token}", id: "deleteToken", summary: "Deletes a token.",
            tag: "administration", answers: [.noContent]),
        Operation(
            method: .get, path: "/v1/audit", id: "listAudit", summary: "Who changed what, the latest first.",
            tag: "administration", parameters: Parameter.pages, answers: [.page("AuditRecord")]),
        Operation(
            method: .get, path: "/v1/status", id: "status", summary: "How much there is, and what the kernel counts.",
            tag: "administration", answers: [.ok("Status")]),
    ]
}
