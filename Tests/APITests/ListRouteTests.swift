import Foundation
import HTTPTypes
import Testing

@Suite struct ListRouteTests {
    private static let document = "policy: meters\nrules:\n  - {name: a, to: [list:office], route: internet}\n"

    @Test func `a list is put as text or as JSON, shown, named by a policy, and deleted`() async throws {
        try await TestAPI.run { api async throws in
            _ = try await api.post("/v1/tenants", #"{"name": "acme"}"#)
            let path = "/v1/tenants/acme/lists/office"
            let text = "# ours\n192.0.2.1 # here\n\n*.acme.example\n"
            let put = try await api.send(.put, path, type: "text/plain; charset=utf-8", body: text)
            #expect(put.status == 200 && (put.json["policies"] as? [String])?.isEmpty == true)
            let shown = try await api.send(.get, path)
            #expect(shown.status == 200 && shown.json["items"] as? [String] == ["192.0.2.1", "*.acme.example"])
            #expect(try await api.apply(Self.document, to: "acme").status == 201)
            let again = try await api.put(path, #"{"items": ["192.0.2.2", "192.0.2.3", "2001:db8::/32"]}"#)
            #expect(again.status == 200 && again.json["policies"] as? [String] == ["meters"])
            #expect(again.json["flows_cut"] as? Int == 0 && again.json["sessions"] as? Int == 0)
            let all = try await api.send(.get, "/v1/tenants/acme/lists")
            #expect(all.items.count == 1 && all.items.first?["count"] as? Int == 3)
            #expect(all.items.first?["author"] as? String == "first" && all.items.first?["items"] == nil)
            let refused = try await api.send(.delete, path)
            #expect(refused.status == 409 && (refused.json["detail"] as? String)?.contains("meters") == true)
            #expect(try await api.send(.delete, "/v1/tenants/acme/policies/meters").status == 204)
            #expect(try await api.send(.delete, path).status == 204)
            #expect(try await api.send(.get, path).status == 404)
        }
    }

    @Test func `what is wrong in a list is told with its place, and changes nothing`() async throws {
        try await TestAPI.run { api async throws in
            _ = try await api.post("/v1/tenants", #"{"name": "acme"}"#)
            let path = "/v1/tenants/acme/lists/office"
            let text = try await api.send(.put, path, type: "text/plain", body: "192.0.2.1\n192.0.2.300\n")
            #expect(text.status == 400 && text.text.contains(#""line":2"#) && text.text.contains("192.0.2.300"))
            let json = try await api.put(path, #"{"items": ["192.0.2.1", "a b"]}"#)
            #expect(json.status == 400 && json.problemFields == ["items[1]"])
            #expect(try await api.put(path, #"{"items": [3]}"#).status == 400)
            #expect(try await api.put(path, #"{"itmes": []}"#).status == 400)
            #expect(try await api.send(.put, path, type: "application/yaml", body: "a").status == 415)
            let large = String(repeating: "#", count: (2 << 20) + 1)
            #expect(try await api.send(.put, path, type: "text/plain", body: large).status == 413)
            #expect(try await api.put("/v1/tenants/acme/lists/Office", #"{"items": []}"#).status == 400)
            #expect(try await api.send(.get, path).status == 404)
        }
    }

    @Test func `another tenant's lists are not there`() async throws {
        try await TestAPI.run { api async throws in
            for name in ["acme", "globex"] { _ = try await api.post("/v1/tenants", #"{"name": "\#(name)"}"#) }
            let path = "/v1/tenants/acme/lists/office"
            _ = try await api.put(path, #"{"items": ["192.0.2.1"]}"#)
            let stranger = try await api.tenantToken("globex")
            #expect(try await api.send(.get, path, token: stranger).status == 404)
            #expect(try await api.send(.get, "/v1/tenants/acme/lists", token: stranger).status == 404)
            #expect(try await api.put(path, token: stranger, #"{"items": []}"#).status == 404)
            #expect(try await api.send(.delete, path, token: stranger).status == 404)
            #expect(try await api.send(.get, path).json["count"] as? Int == 1)
            let ownList = try await api.put("/v1/tenants/globex/lists/office", token: stranger, #"{"items": []}"#)
            #expect(ownList.status == 200)
            let validate = { (tenant: String) async throws in
                try await api.send(
                    .post, "/v1/tenants/\(tenant)/policies/validate", token: stranger, type: "application/yaml",
                    body: Self.document
                ).status
            }
            #expect(try await validate("globex") == 200)
            #expect(try await validate("acme") == 404)
        }
    }

    @Test func `services are the operator's to change and everyone's to read`() async throws {
        try await TestAPI.run { api async throws in
            _ = try await api.post("/v1/tenants", #"{"name": "acme"}"#)
            let member = try await api.tenantToken("acme")
            let path = "/v1/services/telemetry"
            let put = try await api.put(path, #"{"definition": "tcp 8883, udp 5684"}"#)
            #expect(put.status == 200)
            let document = "policy: p\nrules:\n  - {name: a, to: [any], services: [telemetry], route: internet}\n"
            #expect(try await api.apply(document, to: "acme").status == 201)
            let changed = try await api.put(path, #"{"definition": "udp 5684 "}"#)
            #expect(changed.json["policies"] as? [String] == ["acme/p"])
            let seen = try await api.send(.get, "/v1/services", token: member).items
            let ours = seen.first { $0["name"] as? String == "telemetry" }
            #expect(ours?["definition"] as? String == "udp 5684" && ours?["built_in"] as? Bool == false)
            #expect(ours?["author"] == nil)
            let https = seen.first { $0["name"] as? String == "https" }
            #expect(https?["definition"] as? String == "tcp 443, udp 443" && https?["built_in"] as? Bool == true)
            #expect(try await api.put(path, token: member, #"{"definition": "icmp"}"#).status == 403)
            #expect(try await api.send(.delete, path, token: member).status == 403)
            let wrong = try await api.put(path, #"{"definition": "tcp"}"#)
            #expect(wrong.status == 400 && wrong.problemFields == ["definition"])
            #expect(try await api.send(.delete, path).status == 409)
            #expect(try await api.send(.delete, "/v1/tenants/acme/policies/p").status == 204)
            #expect(try await api.send(.delete, path).status == 204)
            #expect(try await api.send(.delete, path).status == 404)
        }
    }
}
