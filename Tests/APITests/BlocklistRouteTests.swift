import Foundation
import HTTPTypes
import Testing

@Suite struct BlocklistRouteTests {
    @Test func `a list is made, brought, shown, named by a policy and deleted`() async throws {
        try await TestAPI.run { api async throws in
            _ = try await api.post("/v1/tenants", #"{"name": "acme"}"#)
            for path in ["/v1/blocklists", "/v1/tenants/acme/blocklists"] {
                let made = try await api.post(path, #"{"name": "ads", "format": "hosts"}"#)
                #expect(made.status == 201 && made.headers[.location] == path + "/ads")
                #expect(made.json["state"] as? String == "empty")
                #expect(try await api.post(path, #"{"name": "ads"}"#).status == 409)
                let text = "0.0.0.0 bad.example\nwhat\n0.0.0.0 bad.example\n"
                let brought = try await api.send(.put, path + "/ads/text", type: "text/plain", body: text)
                #expect(brought.status == 200 && brought.json["names"] as? Int == 1)
                #expect(brought.json["state"] as? String == "ready" && brought.json["repeated"] as? Int == 1)
                let junk = brought.json["junk"] as? [[String: Any]]
                #expect(junk?.first?["line"] as? Int == 2 && junk?.first?["text"] as? String == "what")
                #expect(
                    brought.json["text_sha256"] as? String != nil && brought.json["bytes"] as? Int == text.utf8.count)
                #expect(try await api.send(.get, path + "/ads").json["names"] as? Int == 1)
                #expect(try await api.send(.get, path).items.count == 1)
            }
            let document = "policy: p\ndns: {blocklists: [ads]}\nrules: []\n"
            #expect(try await api.apply(document, to: "acme").status == 201)
            let path = "/v1/tenants/acme/blocklists/ads"
            let refused = try await api.send(.delete, path)
            #expect(refused.status == 409 && (refused.json["detail"] as? String)?.contains("p") == true)
            #expect(try await api.send(.delete, "/v1/tenants/acme/policies/p").status == 204)
            #expect(try await api.send(.delete, path).status == 204)
            #expect(try await api.send(.get, path).status == 404)
        }
    }

    @Test func `what is wrong is told with its field`() async throws {
        try await TestAPI.run { api async throws in
            let path = "/v1/blocklists"
            let bodies = [
                (#"{"name": "ads", "url": "http://lists.example/"}"#, "url"),
                (#"{"name": "ads", "format": "csv"}"#, "format"), (#"{"name": "ads", "sha256": "abc"}"#, "sha256"),
                (#"{"name": "ads", "interval_seconds": 600}"#, "interval_seconds"), (#"{"format": "rpz"}"#, "name"),
            ]
            for (body, field) in bodies {
                let answer = try await api.send(
                    .post, path, type: "application/json", body: body, isDescribed: false)
                #expect(answer.status == 400 && answer.problemFields == [field], "\(body): \(answer.text)")
            }
            #expect(try await api.post(path, #"{"name": "ads", "maximum_bytes": 30}"#).status == 201)
            let text = { (type: String, body: String) in
                try await api.send(.put, path + "/ads/text", type: type, body: body, isDescribed: false)
            }
            #expect(try await text("application/json", "{}").status == 415)
            #expect(try await text("text/plain", String(repeating: "a.example\n", count: 4)).status == 413)
            #expect(try await text("text/plain", "# nothing\n").status == 400)
            #expect(try await text("text/plain", "a.example\n").status == 200)
            #expect(try await api.send(.post, path + "/ads/refresh").status == 409)
            #expect(try await api.send(.post, path + "/none/refresh").status == 404)
        }
    }

    @Test func `tenants see of the operator's lists what they need, and of others' nothing`() async throws {
        try await TestAPI.run { api async throws in
            for name in ["acme", "globex"] { _ = try await api.post("/v1/tenants", #"{"name": "\#(name)"}"#) }
            let member = try await api.tenantToken("acme")
            let url = "https://lists.example/our-secret-key"
            #expect(try await api.post("/v1/blocklists", #"{"name": "ads", "url": "\#(url)"}"#).status == 201)
            _ = try await api.post("/v1/tenants/globex/blocklists", #"{"name": "theirs"}"#)
            let shown = try await api.send(.get, "/v1/blocklists/ads", token: member)
            #expect(shown.status == 200 && !shown.text.contains("secret") && shown.json["author"] == nil)
            #expect(try await api.send(.get, "/v1/blocklists/ads").json["url"] as? String == url)
            #expect(try await api.send(.delete, "/v1/blocklists/ads", token: member).status == 403)
            #expect(try await api.post("/v1/blocklists", token: member, #"{"name": "x"}"#).status == 403)
            #expect(try await api.send(.get, "/v1/blocklists/ads/hits", token: member).status == 403)
            let hits = try await api.send(.get, "/v1/tenants/acme/blocklists/ads/hits", token: member)
            #expect(hits.status == 200 && hits.json["total"] as? Int == 0 && hits.json["tenants"] == nil)
            for path in ["/v1/tenants/globex/blocklists", "/v1/tenants/globex/blocklists/theirs"] {
                #expect(try await api.send(.get, path, token: member).status == 404)
            }
            #expect(try await api.send(.get, "/v1/tenants/acme/blocklists", token: member).items.isEmpty)
        }
    }

    @Test func `exceptions are made and ended`() async throws {
        try await TestAPI.run { api async throws in
            _ = try await api.post("/v1/tenants", #"{"name": "acme"}"#)
            let path = "/v1/tenants/acme/dns/exceptions"
            let made = try await api.send(.put, path + "/%2A.bad.example")
            #expect(made.status == 200 && made.json["pattern"] as? String == "*.bad.example")
            #expect(try await api.send(.put, path + "/Other.example").status == 200)
            #expect(
                try await api.send(.get, path).items.map { $0["pattern"] as? String } == [
                    "*.bad.example", "other.example",
                ])
            #expect(try await api.send(.put, path + "/a%20b", isDescribed: false).status == 400)
            #expect(try await api.send(.delete, path + "/*.bad.example").status == 204)
            #expect(try await api.send(.delete, path + "/*.bad.example").status == 404)
            #expect(try await api.send(.get, path).items.count == 1)
        }
    }
}
