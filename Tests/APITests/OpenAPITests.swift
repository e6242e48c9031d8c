import Control
import Domain
import Foundation
import HTTPTypes
import PKI
import PolicyCompiler
import TestSupport
import Testing

import API

/// The API's description and the API are one.
@Suite struct OpenAPITests {
    private let described = DescribedAPI.shared

    @Test func `what is described can be asked for, and the other way round`() async throws {
        try await TestAPI.run { api async throws in
            let endpoints = APIServer.endpoints(control: api.control, registry: api.registry)
            // Policies whose names are words of paths have paths of their own in the router; to a client they are names.
            let folded = endpoints.map { endpoint in
                ["validate", "plan"].reduce(endpoint) { text, word in
                    text == "POST /v1/tenants/{tenant}/policies/\(word)"
                        ? text : text.replacing("/v1/tenants/{tenant}/policies/\(word)", with: Self.policy)
                }
            }
            #expect(described.endpoints.subtracting(folded) == [], "described, and not there")
            #expect(Set(folded).subtracting(described.endpoints) == [], "there, and not described")
            #expect(folded.count > 50)
        }
    }

    private static let policy = "/v1/tenants/{tenant}/policies/{policy}"

    @Test func `the document is served, and every reference in it leads somewhere`() async throws {
        try await TestAPI.run { api async throws in
            let answer = try await api.send(.get, "/v1/openapi.json", token: .some(nil))
            #expect(answer.status == 200 && answer.headers[.contentType] == "application/json")
            #expect(answer.json["openapi"] as? String == "3.1.1")
            let schema = try await api.send(.get, "/v1/schemas/policy.json", token: .some(nil))
            #expect(schema.text == PolicySchema.json)
            #expect(schema.headers[.contentType] == "application/schema+json")
        }
        let references = Self.references(in: described.document)
        #expect(references.count > 50 && references.contains("/v1/schemas/policy.json"))
        for reference in references where reference.hasPrefix("#") {
            #expect(described.checker.definition(reference) != nil, "\(reference)")
        }
        let schemas = (described.checker.definition("#/components/schemas") ?? [:]).keys.sorted()
        for name in schemas { #expect(references.contains("#/components/schemas/\(name)"), "\(name) is used nowhere") }
        let ids = described.operations.map(\.id)
        #expect(Set(ids).count == ids.count && !ids.contains(""))
        for operation in described.operations {
            let named = operation.path.split(separator: "/").filter { $0.hasPrefix("{") }
                .map { String($0.dropFirst().dropLast()) }
            #expect(operation.parameters(in: "path") == Set(named), "\(operation.endpoint)")
        }
    }

    private static func references(in value: Any) -> Set<String> {
        switch value {
        case let object as [String: Any]:
            object.reduce(into: []) { found, pair in
                if pair.key == "$ref", let reference = pair.value as? String { found.insert(reference) }
                found.formUnion(references(in: pair.value))
            }
        case let list as [Any]: list.reduce(into: []) { $0.formUnion(references(in: $1)) }
        default: []
        }
    }

    /// The API names the fields and parameters that it knows when it is given one that it does not.
    @Test func `fields and parameters are those that the API knows`() async throws {
        try await TestAPI.run { api async throws in
            var (bodies, queries) = (0, 0)
            for operation in described.operations {
                let path = operation.path.replacing(/\{(imsi|session|version|prefix|pattern|[a-z]+)\}/) { match in
                    [
                        "imsi": "262010000000001", "session": "1", "version": "1", "prefix": "100.64.0.0%2F10",
                        "pattern": "a.example",
                    ][
                        String(match.1)] ?? "some"
                }
                let method = HTTPRequest.Method(String(operation.endpoint.prefix { $0 != " " })) ?? .get
                let schema = operation.body?["application/json"]?["schema"] as? [String: Any]
                if let schema, schema["$ref"] as? String != "/v1/schemas/policy.json" {
                    let answer = try await api.send(
                        method, path, type: "application/json", body: #"{"no such field": 1}"#)
                    let known = try #require(Self.known(answer), "\(operation.endpoint): \(answer.text)")
                    #expect(known == described.checker.keys(of: schema), "\(operation.endpoint)")
                    bodies += 1
                }
                let answer = try await api.send(
                    method, path + "?nosuch=1", type: operation.body?.keys.sorted().last,
                    body: "policy: p\nrules: []\n", isDescribed: false)
                guard let known = Self.known(answer) else {
                    #expect(operation.parameters(in: "query").isEmpty, "\(operation.endpoint): \(answer.text)")
                    continue
                }
                #expect(known == operation.parameters(in: "query"), "\(operation.endpoint)")
                queries += 1
            }
            #expect(bodies >= 12 && queries >= 12)
        }
    }

    /// What follows "known are", as a set; `nil` when the answer is about something else.
    private static func known(_ answer: TestAPI.Answer) -> Set<String>? {
        let messages = (answer.json["problems"] as? [[String: Any]] ?? []).compactMap { $0["message"] as? String }
        guard let message = messages.first(where: { $0.hasPrefix("unknown") }) else { return nil }
        guard
            let list = message.replacing("known here are", with: "known are").split(
                separator: "known are ", maxSplits: 1
            ).dropFirst().first
        else { return [] }
        return Set(list.split(separator: ", ").map(String.init))
    }

    // MARK: Answers

    private static let meters = """
        policy: meters
        mode: monitor
        rules:
          - {name: telemetry, to: [192.0.2.10], protocol: tcp, ports: [443], route: internet}
          - {name: names, to: [mqtt.acme.example, "list:office"], services: [mqtts], route: internet, log: true}

        """

    /// Every operation is asked for what it is there for; ``TestAPI/send(_:_:token:type:headers:body:)`` holds each
    /// answer against the description.
    @Test func `every operation answers as described`() async throws {
        var kernel = WillingKernel()
        let mark = try #require(PolicyMark(policy: Policy.ID(1)))
        let device = try IPv4Address(parsing: "100.64.0.1")
        let server = try IPv4Address(parsing: "192.0.2.10")
        kernel.flows = [
            Flow(source: device, destination: server, protocol: 6, sourcePort: 4000, destinationPort: 443)
        ]
        kernel.noted = (0...2).map { rule in
            Observation(
                device: .v4(device), destination: .v4(server), protocol: rule == 1 ? 1 : 6, port: rule == 1 ? nil : 80,
                policy: mark, rule: rule, hits: RuleHits(packets: 3, octets: 180))
        }
        try await TestAPI.run(kernel: kernel) { api async throws in
            var tour = Tour(api: api)
            try await Self.makeEverything(&tour)
            try await Self.askForEverything(&tour)
            try await Self.judgeEverything(&tour)
            try await Self.deleteEverything(&tour)
            // It has no end; EventRouteTests holds it to its description.
            tour.note("followEvents")
            #expect(Set(DescribedAPI.shared.operations.map(\.id)).subtracting(tour.answered) == [], "never answered")
        }
    }

    /// Requests, and which operations have answered one.
    private struct Tour {
        let api: TestAPI
        private(set) var answered: Set<String> = []

        /// An operation that has answered in another way.
        mutating func note(_ id: String) { answered.insert(id) }

        @discardableResult
        mutating func ask(
            _ method: HTTPRequest.Method, _ path: String, type: String? = nil, headers: HTTPFields = [:],
            _ body: String = ""
        ) async throws -> TestAPI.Answer {
            let isJSON = type == nil && !body.isEmpty
            let answer = try await api.send(
                method, path, type: isJSON ? "application/json" : type, headers: headers, body: body)
            #expect((200..<300).contains(answer.status), "\(method) \(path): \(answer.text)")
            if let operation = DescribedAPI.shared.operation(method, path) { answered.insert(operation.id) }
            return answer
        }
    }

    private static func makeTunnels(_ tour: inout Tour) async throws {
        let vpns = "/v1/tenants/acme/vpns"
        let office =
            #"{"name": "office", "peer": "203.0.113.10", "remote_networks": ["10.1.0.0/24=192.168.9.0/24"], "#
            + #""probe": "192.168.9.1", "partner": {"name": "service", "ports": ["tcp/443"], "#
            + #""destinations": ["192.168.9.0/28"], "valid_until": "2099-01-01T00:00:00Z"}}"#
        try await tour.ask(.post, vpns + "?dry_run=true", office)
        try await tour.ask(.post, vpns, office)
        try await tour.ask(.patch, vpns + "/office", #"{"profile": "compatible", "auth": "certificate"}"#)
        try await tour.ask(.post, vpns + "/office/rotate-key", #"{"overlap_seconds": 60}"#)
        try await tour.ask(.post, vpns + "/office/restart")
        try await tour.ask(.get, vpns + "/office/diagnosis")
        try await tour.ask(.get, vpns + "/office/peer-config?for=strongswan")
        try await tour.ask(.post, "/v1/tenants/acme/vpn-authorities/rotate", #"{"overlap_seconds": 60}"#)
        try await tour.ask(.get, "/v1/tenants/acme/vpn-authorities")
        let authority = try CertificateAuthority(
            for: try Name(parsing: "acme"), at: Timestamp(milliseconds: 1_790_000_000_000)
        ).certificate.pem
        try await tour.ask(
            .put, "/v1/tenants/acme/vpn-authorities", type: "application/pem-certificate-chain", authority)
        try await tour.ask(.put, "/v1/tenants/acme/vpn-limit", #"{"vpns": 5}"#)
    }

    private static func makeEverything(_ tour: inout Tour) async throws {
        try await tour.ask(.post, "/v1/tenants", #"{"name": "acme"}"#)
        try await tour.ask(.post, "/v1/pools", #"{"prefix": "100.64.0.0/16", "block_length": 26}"#)
        let nas = #"{"name": "pgw", "address": "198.18.0.2", "secret": "a secret of some length", "#
        try await tour.ask(
            .post, "/v1/nas", nas + #""requires_message_authenticator": true, "disconnect_key": "imsi-nsapi"}"#)
        try await tour.ask(.put, "/v1/services/telemetry", #"{"definition": "tcp 8883, udp 5684-5685"}"#)
        try await tour.ask(.put, "/v1/tenants/acme/lists/office", type: "text/plain", "192.0.2.64/28 # head office\n")
        try await tour.ask(.put, "/v1/tenants/acme/lists/spare", #"{"items": ["mqtt.acme.example"]}"#)
        try await tour.ask(
            .post, "/v1/tenants/acme/vpns",
            #"{"name": "hq", "interface": "line1", "networks": ["10.0.0.0/24"], "next_hop": "10.255.0.2", "#
                + #""next_hop6": "2001:db8::2"}"#)
        try await makeTunnels(&tour)
        try await tour.ask(.post, "/v1/apns", #"{"name": "iot.example"}"#)
        try await tour.ask(.get, "/v1/apns")
        try await tour.ask(.post, "/v1/onboardings?dry_run=true", #"{"tenant": "initech", "apn": "iot.example"}"#)
        try await tour.ask(
            .post, "/v1/onboardings", type: "application/yaml", "tenant: initech\nusers: [{name: root}]\n")
        try await tour.ask(
            .put, "/v1/tenants/acme/dns", #"{"log": "all", "sampling": 2, "upstreams": ["10.0.0.53@53 vpn:hq"]}"#)
        for lists in ["/v1/blocklists", "/v1/tenants/acme/blocklists"] {
            try await tour.ask(.post, lists, #"{"name": "ads"}"#)
            try await tour.ask(.put, lists + "/ads", #"{"format": "auto", "maximum_bytes": 1000}"#)
            try await tour.ask(.put, lists + "/ads/text", type: "text/plain", "||bad.example^\nwhat is this\n")
            try await tour.ask(
                .post, lists, #"{"name": "far", "url": "https://lists.example/", "interval_seconds": 300}"#)
            try await tour.ask(.post, lists + "/far/refresh")
        }
        try await tour.ask(.put, "/v1/tenants/acme/dns/exceptions/fine.bad.example")
        let policies = "/v1/tenants/acme/policies"
        try await tour.ask(
            .post, "/v1/policies/validate?file=a", type: "application/json", #"{"policy":"a","rules":[]}"#)
        try await tour.ask(.post, policies + "/validate", type: "application/yaml", meters)
        try await tour.ask(.post, policies + "/plan", type: "application/yaml", meters)
        try await tour.ask(
            .post, policies + "?comment=first", type: "application/yaml", headers: [.ifNoneMatch: "*"], meters)
        try await tour.ask(.post, policies, type: "application/yaml", meters.replacing("443", with: "8443"))
        try await tour.ask(.post, policies + "/meters/rollback", #"{"version": 1, "comment": "back"}"#)
        try await tour.ask(.post, policies, #"{"policy": "spare", "rules": []}"#)
        try await tour.ask(.post, "/v1/tenants/acme/groups", #"{"name": "meters", "policy": "meters"}"#)
        try await tour.ask(.post, "/v1/tenants/acme/groups", #"{"name": "spare"}"#)
        try await tour.ask(.put, "/v1/tenants/acme/groups/spare/policy", #"{"policy": null}"#)
        try await tour.ask(.put, "/v1/tenants/acme/default-policy", #"{"policy": "meters"}"#)
        try await tour.ask(
            .post, "/v1/tenants/acme/sims",
            #"{"imsi": "262010000000001", "iccid": "8949000000000000001", "msisdn": "+491700000001", "group": "meters"}"#
        )
        let table = "iccid,imsi,msisdn,group,name\n8949000000000000002,262010000000002,,,pump\n1,2,,,\n"
        try await tour.ask(.post, "/v1/tenants/acme/sims/import?atomic=false", type: "text/csv", table)
        try await tour.ask(.post, "/v1/tokens", #"{"name": "of-acme", "tenant": "acme"}"#)
        let attach = AttachRequest(
            nas: NAS.ID(1), imsi: try IMSI(parsing: "262010000000001"), apn: try APN(parsing: "iot.example"),
            accountingSessionID: "a1",
            equipment: Equipment(imei: try IMEI(parsing: "35693803564380"), nsapi: 5))
        let control = tour.api.control
        let verdict = await withCheckedContinuation { continuation in
            _ = control.attach(attach) { continuation.resume(returning: $0) }
        }
        guard case .accept = verdict else {
            Issue.record("\(verdict)")
            return
        }
        try await makeBulk(&tour)
    }

    private static func makeBulk(_ tour: inout Tour) async throws {
        let bulk = "/v1/sims/bulk"
        let body = #"{"action": "set-label", "tenant": "acme", "sims": ["262010000000002", "1"], "new_label": "pump"}"#
        try await tour.ask(.post, bulk + "?dry_run=true", body)
        let begun = try await tour.ask(.post, bulk, body)
        #expect(begun.status == 202 && begun.headers[.location] == bulk + "/1")
        try await tour.ask(
            .post, bulk, #"{"action": "set-group", "state": "active", "label": "p*", "new_group": null}"#)
        try await tour.ask(.get, bulk + "?limit=1")
        try await tour.ask(.get, bulk + "/1")
        let items = try await tour.ask(.get, bulk + "/1/items?state=failed&limit=5")
        #expect(items.items.map { $0["sim"] as? String } == ["1"])
        // Whether it is over by now is chance.
        let cancelled = try await tour.api.send(.post, bulk + "/2/cancel")
        #expect([200, 409].contains(cancelled.status))
        let many = try await tour.ask(.post, bulk, #"{"action": "suspend", "sims": ["1"]}"#)
        #expect(many.json["total"] as? Int == 1)
        tour.note("cancelBulk")
        let sim = "/v1/sims/262010000000002"
        try await tour.ask(.post, sim + "/test", #"{"days": 3, "octets": 1000}"#)
        let shown = try await tour.ask(.get, sim)
        #expect(shown.json["state"] as? String == "test" && shown.json["test"] != nil)
        try await tour.ask(.post, sim + "/activate")
        try await tour.ask(.get, "/v1/nas/pgw")
        let nas = try await tour.ask(
            .patch, "/v1/nas/pgw", #"{"coa": true, "attributes": ["imsi", "event-timestamp"], "attempts": 1}"#)
        #expect(nas.json["coa_port"] as? Int == 3799)
    }

    private static func askForEverything(_ tour: inout Tour) async throws {
        for path in [
            "/healthz", "/readyz", "/metrics", "/v1/openapi.json", "/v1/schemas/policy.json", "/v1/tenants",
            "/v1/tenants/acme", "/v1/tenants/acme/blocks", "/v1/tenants/acme/groups", "/v1/tenants/acme/lists",
            "/v1/tenants/acme/lists/office", "/v1/tenants/acme/vpns", "/v1/tenants/acme/vpns/hq", "/v1/services",
            "/v1/sims/262010000000001/explain?to=22/tcp&from=10.0.0.1&via=hq",
            "/v1/sims/262010000000001/trace?seconds=1&limit=1&per_second=1&verdict=block",
            "/v1/sims?tenant=acme&group=meters", "/v1/sims?limit=1",
            "/v1/sims/262010000000001", "/v1/sims/262010000000001/explain?to=192.0.2.10:443/tcp",
            "/v1/sims/262010000000001/explain?to=192.0.2.9/icmp&at=2027-01-15T09:00:00%2B01:00",
            "/v1/sessions?active=false&limit=1", "/v1/sessions/1", "/v1/nat/blocks",
            "/v1/nat/blocks?format=csv&limit=1", "/v1/sims/262010000000001/usage?step=5m&by_way=true",
            "/v1/tenants/acme/usage?format=csv", "/v1/tenants/acme/groups/meters/usage?step=month",
            "/v1/tenants/acme/usage/sims?limit=5", "/v1/tenants/acme/usage/rules?step=hour",
            "/v1/usage/records?after=0&limit=5",
            "/v1/nas", "/v1/pools", "/v1/tokens", "/v1/audit?limit=3", "/v1/events?limit=3", "/v1/status",
            "/v1/tenants/acme/policies",
            "/v1/tenants/acme/policies/meters", "/v1/tenants/acme/policies/meters?versions=true",
            "/v1/tenants/acme/policies/meters/versions/2", "/v1/tenants/acme/policies/meters/difference?from=2",
            "/v1/blocklists", "/v1/blocklists/ads", "/v1/blocklists/ads/hits", "/v1/tenants/acme/blocklists",
            "/v1/tenants/acme/blocklists/ads", "/v1/tenants/acme/blocklists/ads/hits",
            "/v1/tenants/acme/dns/exceptions",
            "/v1/tenants/acme/policies/meters/names", "/v1/tenants/acme/dns", "/v1/tenants/acme/dns/refused?limit=5",
            "/v1/tenants/acme/dns/queries?after=0&limit=5", "/v1/tenants/acme/policies/meters/hits",
            "/v1/tenants/acme/policies/meters/report",
        ] { try await tour.ask(.get, path) }
        let noted = try await tour.ask(.get, "/v1/tenants/acme/policies/meters/report")
        #expect(noted.items.count == 3)
        let plan = try await tour.ask(
            .post, "/v1/tenants/acme/policies/plan", type: "application/yaml", meters.replacing("443", with: "80"))
        #expect((plan.json["flows"] as? [Any])?.count == 1)
        #expect(try await tour.ask(.get, "/v1/nat/blocks").items.count == 1)
    }

    private static func judgeEverything(_ tour: inout Tour) async throws {
        let sim = "/v1/sims/262010000000001"
        for (path, lists) in [
            ("/v1/session-policies/ceiling", "/v1/imei-lists"),
            ("/v1/tenants/acme/session-policy", "/v1/tenants/acme/imei-lists"),
            ("/v1/tenants/acme/session-policy/ceiling", "/v1/imei-lists"),
            ("/v1/tenants/acme/groups/meters/session-policy", "/v1/tenants/acme/imei-lists"),
            (sim + "/session-policy", "/v1/tenants/acme/imei-lists"),
        ] {
            try await tour.ask(.put, lists + "/fleet", type: "text/plain", "35999999\n35693803564380\n")
            try await tour.ask(.get, lists)
            let list = try await tour.ask(.get, lists + "/fleet?limit=1")
            #expect(list.json["next_cursor"] as? String != nil)
            let document = #"{"imei-lock": {"mode": "list", "tacs": ["35999999"], "on-violation": "block"}}"#
            let plan = try await tour.ask(.put, path + "?dry_run=true", document)
            #expect((plan.json["changes"] as? [[String: Any]])?.first?["action"] as? String == "block")
            let set = try await tour.ask(.put, path + "?file=s.json", headers: [.ifNoneMatch: "*"], document)
            let tag = try #require(set.headers[.eTag])
            #expect(try await tour.ask(.get, path).headers[.eTag] == tag)
            let view = try await tour.ask(.get, sim + "/effective")
            #expect((view.json["violations"] as? [[String: Any]])?.first?["reason"] as? String == "imei-not-listed")
            #expect(try await tour.ask(.get, "/v1/sessions").text.contains("imei-not-listed"))
            try await tour.ask(.delete, path + "?dry_run=true")
            try await tour.ask(.delete, path, headers: [.ifMatch: tag])
            try await tour.ask(.delete, lists + "/fleet")
        }
        let refused = try await tour.api.send(
            .put, "/v1/tenants/acme/session-policy", type: "application/yaml", body: "imei-lock: {mode: lokced}")
        #expect(refused.status == 400 && refused.problemFields == ["imei-lock.mode"])
        try await tour.ask(
            .put, "/v1/tenants/acme/session-policy", type: "application/yaml", "imei-lock: {mode: locked}")
        for path in ["/imei", "/fence"] {
            try await tour.ask(.get, sim + path)
            try await tour.ask(.post, sim + path + "/reset")
        }
        try await limitEverything(&tour)
        try await tour.ask(.post, sim + "/quarantine", #"{"reason": "odd", "for": "24h"}"#)
        #expect(try await tour.ask(.get, sim + "/effective").json["quarantine"] as? [String: Any] != nil)
        try await tour.ask(.post, sim + "/release", #"{"for": "1h"}"#)
        try await tour.ask(.put, sim + "/approval", #"{"approved": true}"#)
        try await tour.ask(.post, "/v1/tenants/acme/sims/approve?group=meters")
        try await tour.ask(
            .put, "/v1/approval-hook",
            #"{"url": "https://billing.example/", "secret": "a secret of some length", "timeout": "2s", "cache": "1h"}"#
        )
        try await tour.ask(.get, "/v1/approval-hook")
        try await tour.ask(.delete, "/v1/approval-hook")
        try await tour.ask(.delete, "/v1/tenants/acme/session-policy")
    }

    private static func limitEverything(_ tour: inout Tour) async throws {
        let sim = "/v1/sims/262010000000001"
        try await tour.ask(
            .put, sim + "/session-policy", type: "application/yaml",
            """
            data-limit: {volume: 1MB, per: month, warn-at: [80], on-reached: slow, slow-rate: 64kbit/s}
            bandwidth: {up: 1Mbit/s, burst: 64KB}
            """)
        let limit = try await tour.ask(.get, sim + "/limit")
        #expect((limit.json["rates"] as? [String: Any])?["up"] as? String == "1Mbit/s")
        let more = try await tour.ask(.post, sim + "/limit/top-up", #"{"volume": "500KB", "level": "sim"}"#)
        let volume = more.json["volume"] as? [String: Any]
        #expect(volume?["limit"] as? Int == 1_500_000 && volume?["period_end"] as? String != nil)
        let anew = try await tour.ask(.post, sim + "/limit/reset", "{}")
        #expect((anew.json["volume"] as? [String: Any])?["added"] as? Int == 0)
        let effective = try await tour.ask(.get, sim + "/effective")
        #expect((effective.json["volumes"] as? [[String: Any]])?.first?["slow_rate"] as? String == "64kbit/s")
        for wrong in [#"{"volume": "5"}"#, #"{"volume": "5MB", "level": "mine"}"#] {
            let refused = try await tour.api.send(
                .post, sim + "/limit/top-up", type: "application/json", body: wrong)
            #expect(refused.status == 400, "\(wrong)")
        }
        try await tour.ask(.delete, sim + "/session-policy")
    }

    private static func deleteEverything(_ tour: inout Tour) async throws {
        let sim = "/v1/sims/262010000000001"
        try await tour.ask(.put, sim + "/group", #"{"group": "spare"}"#)
        try await tour.ask(.put, sim + "/group", #"{"group": null}"#)
        try await tour.ask(.post, "/v1/sessions/1/change", #"{"interim_seconds": 60, "or_disconnect": false}"#)
        let ordered = try await tour.ask(.post, "/v1/sessions/1/disconnect")
        #expect(ordered.json["is_complete"] as? Bool == false)
        let suspended = try await tour.ask(.post, sim + "/suspend")
        #expect((suspended.json["steps"] as? [Any])?.isEmpty == false)
        try await tour.ask(.post, sim + "/resume")
        let other = "/v1/sims/262010000000002"
        try await tour.ask(.post, other + "/terminate")
        try await tour.ask(.post, other + "/release-addresses")
        try await tour.ask(.delete, other)
        try await tour.ask(.delete, "/v1/tenants/acme/groups/spare")
        try await tour.ask(.delete, "/v1/tenants/acme/policies/spare")
        try await tour.ask(.delete, "/v1/tenants/acme/lists/spare")
        try await tour.ask(.delete, "/v1/blocklists/ads")
        try await tour.ask(.delete, "/v1/tenants/acme/blocklists/ads")
        try await tour.ask(.delete, "/v1/tenants/acme/dns/exceptions/fine.bad.example")
        try await tour.ask(.delete, "/v1/services/telemetry")
        try await tour.ask(.put, "/v1/tenants/acme/dns", "{}")
        try await tour.ask(.delete, "/v1/apns/iot.example")
        try await tour.ask(.delete, "/v1/tenants/acme/vpns/hq")
        try await tour.ask(.delete, "/v1/tenants/acme/vpns/office")
        try await tour.ask(.delete, "/v1/tenants/acme/vpn-authorities")
        try await tour.ask(.delete, "/v1/tokens/of-acme")
        try await tour.ask(.post, "/v1/tenants", #"{"name": "globex"}"#)
        try await tour.ask(.delete, "/v1/tenants/globex")
        try await tour.ask(.post, "/v1/pools", #"{"prefix": "10.0.0.0/16"}"#)
        try await tour.ask(.delete, "/v1/pools/10.0.0.0%2F16")
        try await tour.ask(.post, "/v1/pools", #"{"prefix": "fd00:1::/40", "delegated_length": 62}"#)
        try await tour.ask(.get, "/v1/pools")
        try await tour.ask(.delete, "/v1/pools/fd00:1::%2F40")
        try await tour.ask(
            .post, "/v1/nas", #"{"name": "spare", "address": "198.18.0.6", "secret": "a secret of some length"}"#)
        try await tour.ask(.delete, "/v1/nas/spare")
    }
}
