import Foundation
import HTTPTypes
import Testing

import API

@Suite struct RouteTests {
    static let meters = """
        policy: meters
        default: block
        rules:
          - name: telemetry
            to: [198.51.100.0/24, 192.0.2.10]
            protocol: tcp
            ports: [443]
            route: internet
        """

    @Test func `things are made, listed and deleted`() async throws {
        try await TestAPI.run { api async throws in
            let made = try await api.post("/v1/tenants", #"{"name": "acme"}"#)
            #expect(made.status == 201)
            #expect(made.headers[.location] == "/v1/tenants/acme")
            #expect(made.json["created_at"] as? String == "2027-01-15T08:00:00.000Z")
            #expect(try await api.post("/v1/tenants", #"{"name": "acme"}"#).status == 409)

            #expect(try await api.apply(Self.meters, to: "acme").status == 201)
            #expect(try await api.apply(Self.meters, to: "acme").status == 200)
            let group = #"{"name": "sensors", "policy": "meters"}"#
            #expect(try await api.post("/v1/tenants/acme/groups", group).status == 201)
            let groups = try await api.send(.get, "/v1/tenants/acme/groups")
            #expect(groups.items.first?["policy"] as? String == "meters")
            let changed = try await api.put("/v1/tenants/acme/default-policy", #"{"policy": "meters"}"#)
            #expect(changed.json["sessions"] as? Int == 0)
            let tenant = try await api.send(.get, "/v1/tenants/acme")
            #expect(tenant.json["default_policy"] as? String == "meters")
            #expect(try await api.send(.delete, "/v1/tenants/acme/policies/meters").status == 409)

            let pool = try await api.post("/v1/pools", #"{"prefix": "100.64.0.0/10"}"#)
            #expect(pool.status == 201)
            #expect(pool.headers[.location] == "/v1/pools/100.64.0.0%2F10")
            #expect(pool.json["block_length"] as? Int == 24)
            #expect(try await api.send(.delete, "/v1/pools/100.64.0.0%2F10").status == 204)
            #expect(try await api.send(.delete, "/v1/pools/100.64.0.0%2F10").status == 404)

            let pool6 = try await api.post(
                "/v1/pools", #"{"prefix": "2001:db8:6400::/40", "delegated_length": 60}"#)
            #expect(pool6.status == 201 && pool6.headers[.location] == "/v1/pools/2001%3Adb8%3A6400%3A%3A%2F40")
            #expect(pool6.json["block_length"] as? Int == 48 && pool6.json["delegated_length"] as? Int == 60)
            #expect(pool6.json["blocks"] as? Int == 256)
            let listed = try await api.send(.get, "/v1/pools").items
            #expect(listed.map { $0["prefix"] as? String } == ["2001:db8:6400::/40"])
            #expect(try await api.post("/v1/pools", #"{"prefix": "2001:db8:6401::/48"}"#).status == 409)
            #expect(try await api.post("/v1/pools", #"{"prefix": "fe80::/40"}"#).status == 400)
            #expect(try await api.post("/v1/pools", #"{"prefix": "10.0.0.0/8", "delegated_length": 60}"#).status == 400)
            #expect(try await api.send(.delete, "/v1/pools/2001%3Adb8%3A6400%3A%3A%2F40").status == 204)

            #expect(try await api.send(.delete, "/v1/tenants/acme").status == 204)
            #expect(try await api.send(.get, "/v1/tenants/acme").status == 404)
        }
    }

    @Test func `a NAS secret never comes out`() async throws {
        try await TestAPI.run { api async throws in
            let secret = "correct-horse-battery"
            let body = #"{"name": "pgw", "address": "10.0.0.1", "secret": "\#(secret)"}"#
            let made = try await api.post("/v1/nas", body)
            #expect(made.status == 201)
            let short = try await api.post("/v1/nas", #"{"name": "b", "address": "10.0.0.2", "secret": "tooshort"}"#)
            #expect(short.status == 400)
            for answer in [
                made, short, try await api.post("/v1/nas", body), try await api.send(.get, "/v1/nas"),
                try await api.send(.get, "/v1/audit"), try await api.send(.get, "/metrics"),
            ] {
                #expect(!answer.text.contains(secret) && !answer.text.contains("tooshort"))
            }
        }
    }

    @Test func `a wrong policy is refused with lines and fields`() async throws {
        try await TestAPI.run { api async throws in
            #expect(try await api.post("/v1/tenants", #"{"name": "acme"}"#).status == 201)
            let wrong = Self.meters.replacing("443", with: "99999")
            for path in ["/v1/policies/validate", "/v1/tenants/acme/policies/validate", "/v1/tenants/acme/policies"] {
                let answer = try await api.send(.post, path, type: "application/yaml", body: wrong)
                #expect(answer.status == 400)
                let problem = try #require((answer.json["problems"] as? [[String: Any]])?.first)
                #expect(problem["line"] as? Int == 7)
                #expect((problem["field"] as? String)?.hasPrefix("rules[0].ports") == true)
            }
            #expect(try await api.send(.get, "/v1/tenants/acme/policies").items.isEmpty)
            let right = try await api.send(
                .post, "/v1/policies/validate?file=meters.yaml", type: "application/yaml", body: Self.meters)
            #expect(right.json["name"] as? String == "meters")
        }
    }

    @Test func `a policy that has the name of a path is reached`() async throws {
        try await TestAPI.run { api async throws in
            #expect(try await api.post("/v1/tenants", #"{"name": "acme"}"#).status == 201)
            let document = Self.meters.replacing("policy: meters", with: "policy: validate")
            #expect(try await api.apply(document, to: "acme").status == 201)
            let shown = try await api.send(.get, "/v1/tenants/acme/policies/validate")
            #expect(shown.json["document"] as? String == document)
            #expect(try await api.send(.get, "/v1/tenants/acme/policies/validate?versions=true").items.count == 1)
            #expect(try await api.send(.delete, "/v1/tenants/acme/policies/validate").status == 204)
        }
    }

    @Test func `a packet is explained`() async throws {
        try await TestAPI.run { api async throws in
            #expect(try await api.post("/v1/tenants", #"{"name": "acme"}"#).status == 201)
            let sim = #"{"imsi": "262010000000001", "iccid": "8949000000000000001"}"#
            #expect(try await api.post("/v1/tenants/acme/sims", sim).status == 201)
            let explain = "/v1/sims/262010000000001/explain?to="
            let without = try await api.send(.get, explain + "192.0.2.10:443/tcp")
            #expect(without.json["verdict"] as? String == "block")
            #expect(without.json["policy"] == nil)
            #expect(try await api.apply(Self.meters, to: "acme").status == 201)
            #expect(try await api.put("/v1/tenants/acme/default-policy", #"{"policy": "meters"}"#).status == 200)
            let allowed = try await api.send(.get, explain + "192.0.2.10:443/tcp")
            #expect(allowed.json["route"] as? String == "internet")
            #expect(allowed.json["rule"] as? String == "telemetry")
            let blocked = try await api.send(.get, explain + "192.0.2.10:80/tcp")
            #expect(blocked.json["verdict"] as? String == "block")
            #expect((blocked.json["passed"] as? [Any])?.count == 1)
            #expect(try await api.send(.get, "/v1/sims/262010000000001/explain").problemFields == ["to"])
        }
    }

    @Test func `pages of SIMs hold each SIM once`() async throws {
        try await TestAPI.run { api async throws in
            #expect(try await api.post("/v1/tenants", #"{"name": "acme"}"#).status == 201)
            let rows = (0..<25).map { "89490000000000000\(100 + $0),262010000000\(100 + $0)" }
            let csv = (["iccid,imsi"] + rows + ["1,2"]).joined(separator: "\n")
            let atomic = try await api.send(
                .post, "/v1/tenants/acme/sims/import?atomic=true", type: "text/csv", body: csv)
            #expect(atomic.status == 400)
            let report = try await api.send(.post, "/v1/tenants/acme/sims/import", type: "text/csv", body: csv)
            #expect(report.json["imported"] as? Int == 25)
            #expect((report.json["problems"] as? [[String: Any]])?.first?["line"] as? Int == 27)

            var seen: [String] = []
            var query = "?limit=10"
            for _ in 0..<4 {
                let page = try await api.send(.get, "/v1/sims" + query)
                seen += page.items.compactMap { $0["imsi"] as? String }
                guard let cursor = page.json["next_cursor"] as? String else { break }
                query = "?limit=10&cursor=\(cursor)"
            }
            #expect(seen == (0..<25).map { "262010000000\(100 + $0)" })
        }
    }

    @Test func `suspending says each step with its time`() async throws {
        try await TestAPI.run { api async throws in
            #expect(try await api.post("/v1/tenants", #"{"name": "acme"}"#).status == 201)
            let sim = #"{"imsi": "262010000000001", "iccid": "8949000000000000001", "name": "pump 7"}"#
            #expect(try await api.post("/v1/tenants/acme/sims", sim).status == 201)
            let suspended = try await api.send(.post, "/v1/sims/262010000000001/suspend")
            #expect(suspended.json["state"] as? String == "suspended")
            let step = try #require((suspended.json["steps"] as? [[String: Any]])?.first)
            #expect(step["name"] as? String == "kernel")
            #expect((step["after_ms"] as? Double ?? -1) >= 0)
            let shown = try await api.send(.get, "/v1/sims/262010000000001")
            #expect(shown.json["state"] as? String == "suspended")
            #expect(shown.json["name"] as? String == "pump 7")
            #expect(shown.json["addresses"] as? [String] == [])
            let resumed = try await api.send(.post, "/v1/sims/262010000000001/resume")
            #expect(resumed.json["state"] as? String == "active")
        }
    }

    @Test func `the overview counts`() async throws {
        try await TestAPI.run { api async throws in
            #expect(try await api.post("/v1/tenants", #"{"name": "acme"}"#).status == 201)
            let status = try await api.send(.get, "/v1/status")
            #expect(status.json["is_ready"] as? Bool == true)
            #expect(status.json["tenants"] as? Int == 1)
            let metrics = try await api.send(.get, "/metrics").text
            #expect(metrics.contains("cordon_dataplane_packets_total{counter=\"spoofed\"} 3\n"))
            #expect(metrics.contains("# TYPE cordon_tenants gauge\ncordon_tenants 1\n"))
            #expect(!metrics.contains("acme"))
        }
    }
}
