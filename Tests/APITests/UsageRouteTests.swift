import Control
import Domain
import Foundation
import HTTPTypes
import PolicyCompiler
import Testing

import API

@Suite struct UsageRouteTests {
    /// Two devices of acme have sent, and one of globex; what was counted is stored.
    private func withUsage(_ body: @escaping @Sendable (TestAPI) async throws -> Void) async throws {
        let counted = try (1...3).map { number in
            UsageReading(
                counter: UInt64(number), way: number == 2 ? .gateway : .internet,
                device: .v4(try IPv4Address(parsing: "100.64.0.\(number)")), session: Session.ID(Int64(number)),
                counts: UsageCounts(octetsUp: UInt64(number) * 1000, packetsUp: 2, octetsDown: 17, packetsDown: 1))
        }
        try await TestAPI.run(kernel: WillingKernel(counted: counted)) { api async throws in
            #expect(try await api.post("/v1/pools", #"{"prefix": "100.64.0.0/16"}"#).status == 201)
            let nas = try await api.control.createNAS(
                Name(parsing: "pgw"), address: IPv4Address(parsing: "198.18.0.2"),
                secret: Secret(bytes: Array("a secret of some length".utf8)), by: .system)
            for tenant in ["acme", "globex"] {
                #expect(try await api.post("/v1/tenants", #"{"name": "\#(tenant)"}"#).status == 201)
                #expect(try await api.post("/v1/tenants/\(tenant)/groups", #"{"name": "meters"}"#).status == 201)
            }
            for number in 1...3 {
                let sim = #"""
                    {"imsi": "26201000000000\#(number)", "iccid": "894900000000000000\#(number)", "group": "meters"}
                    """#
                let tenant = number == 3 ? "globex" : "acme"
                #expect(try await api.post("/v1/tenants/\(tenant)/sims", sim).status == 201)
                let request = AttachRequest(
                    nas: nas.id, imsi: try IMSI(parsing: "26201000000000\(number)"),
                    apn: try APN(parsing: "iot.example"), accountingSessionID: nil, equipment: Equipment())
                let verdict = await withCheckedContinuation { continuation in
                    _ = api.control.attach(request) { continuation.resume(returning: $0) }
                }
                guard case .accept = verdict else {
                    Issue.record("\(verdict)")
                    return
                }
            }
            var rounds = UsageRounds()
            _ = try await api.control.readUsage(&rounds)
            try await body(api)
        }
    }

    @Test func `a SIM, a group and a tenant have what was counted`() async throws {
        try await withUsage { api async throws in
            for (path, up) in [
                ("/v1/sims/262010000000001/usage", 1000), ("/v1/tenants/acme/usage", 3000),
                ("/v1/tenants/acme/groups/meters/usage?step=total", 3000),
                ("/v1/tenants/globex/usage?step=month", 3000),
                ("/v1/tenants/acme/usage?step=5m&from=2027-01-15T07:55:00Z", 3000),
            ] {
                let answer = try await api.send(.get, path)
                #expect(answer.status == 200 && answer.items.count == 1, "\(path)")
                #expect((answer.json["total"] as? [String: Any])?["octets_up"] as? Int == up, "\(path)")
                #expect(answer.items.first?["octets_up"] as? Int == up && answer.items.first?["way"] == nil)
                #expect(answer.json["is_complete"] as? Bool == true)
                #expect(answer.json["read_at"] as? String == "2027-01-15T08:00:00.000Z")
            }
            let ways = try await api.send(.get, "/v1/tenants/acme/usage?by_way=true&step=hour")
            #expect(ways.items.compactMap { $0["way"] as? String } == ["internet", "gateway"])
            let session = try await api.send(.get, "/v1/sessions/2")
            #expect((session.json["counted"] as? [String: Any])?["octets_up"] as? Int == 2000)
        }
    }

    @Test func `usage is exported as CSV, by parameter or by Accept, page by page`() async throws {
        try await withUsage { api async throws in
            let link = try #require(HTTPField.Name("Link"))
            let ways = try await api.send(.get, "/v1/tenants/acme/usage?by_way=true&format=csv")
            #expect(ways.headers[.contentType] == "text/csv; charset=utf-8")
            #expect(
                ways.text.split(separator: "\r\n") == [
                    "from,to,way,octets_up,octets_down,packets_up,packets_down",
                    "2027-01-15T00:00:00.000Z,2027-01-16T00:00:00.000Z,internet,1000,17,2,1",
                    "2027-01-15T00:00:00.000Z,2027-01-16T00:00:00.000Z,gateway,2000,17,2,1",
                ])
            let whole = try await api.send(.get, "/v1/tenants/acme/usage/sims", headers: [.accept: "text/csv"])
            let lines = whole.text.split(separator: "\r\n")
            #expect(lines.count == 3 && lines[0] == "imsi,group,from,to,octets_up,octets_down,packets_up,packets_down")
            #expect(
                lines[1] == "262010000000001,meters,2027-01-01T00:00:00.000Z,2027-01-16T00:00:00.000Z,1000,17,2,1")
            let records = try await api.send(.get, "/v1/usage/records?tenant=acme&format=csv")
            for (start, expected) in [
                ("/v1/tenants/acme/usage/sims?format=csv&limit=1", Array(lines.dropFirst())),
                (
                    "/v1/usage/records?tenant=acme&format=csv&limit=1",
                    Array(records.text.split(separator: "\r\n").dropFirst())
                ),
            ] {
                var (pages, next): ([Substring], String?) = ([], start)
                while let path = next {
                    let page = try await api.send(.get, path)
                    pages += page.text.split(separator: "\r\n").dropFirst()
                    next = page.headers[link]?.split(separator: ">").first.map { String($0.dropFirst()) }
                }
                #expect(pages == expected && pages.count == 2)
            }
        }
    }

    private func withRules(_ body: @escaping @Sendable (TestAPI) async throws -> Void) async throws {
        try await TestAPI.run { api async throws in
            for tenant in ["acme", "globex"] {
                #expect(try await api.post("/v1/tenants", #"{"name": "\#(tenant)"}"#).status == 201)
                let document = """
                    policy: meters
                    rules:
                      - {name: telemetry, to: [192.0.2.1], route: internet, usage: true}
                      - {name: firmware, to: [192.0.2.2], route: internet, usage: true}
                      - {name: web, to: [192.0.2.3], route: internet}
                    """
                let answer = try await api.apply(document, to: tenant)
                #expect(answer.status == 200 || answer.status == 201, "\(answer.text)")
            }
            var rounds = UsageRounds()
            _ = try await api.control.readUsage(&rounds)
            try await body(api)
        }
    }

    @Test func `rules that are counted have what they let pass, as JSON and as CSV`() async throws {
        try await withRules { api async throws in
            let path = "/v1/tenants/acme/usage/rules"
            let days = try await api.send(.get, path)
            #expect(days.status == 200 && days.items.compactMap { $0["rule"] as? String } == ["firmware", "telemetry"])
            #expect(days.items.compactMap { $0["octets_up"] as? Int } == [2000, 1000])
            #expect((days.json["total"] as? [String: Any])?["octets_down"] as? Int == 34)
            #expect(days.json["is_complete"] as? Bool == true)
            for query in [
                "?policy=meters&step=total", "?step=month", "?step=hour", "?step=5m&from=2027-01-15T07:55:00Z",
            ] {
                #expect(try await api.send(.get, path + query).items.count == 2, "\(query)")
            }
            let csv = try await api.send(.get, "\(path)?format=csv")
            #expect(csv.headers[.contentType] == "text/csv; charset=utf-8")
            #expect(
                csv.text.split(separator: "\r\n") == [
                    "from,to,policy,rule,octets_up,octets_down,packets_up,packets_down",
                    "2027-01-15T00:00:00.000Z,2027-01-16T00:00:00.000Z,meters,firmware,2000,17,2,1",
                    "2027-01-15T00:00:00.000Z,2027-01-16T00:00:00.000Z,meters,telemetry,1000,17,2,1",
                ])
            #expect(try await api.send(.get, "\(path)?policy=cameras").status == 404)
            #expect(try await api.send(.get, "\(path)?by_way=true").status == 400)
            // What was counted stays when the policy goes.
            #expect(try await api.send(.delete, "/v1/tenants/acme/policies/meters").status == 204)
            #expect(try await api.send(.get, "\(path)?policy=meters").items.count == 2)
        }
    }

    @Test func `a tenant sees the usage of its own rules only`() async throws {
        try await withRules { api async throws in
            let token = try await api.tenantToken("globex")
            for query in ["", "?policy=meters", "?format=csv"] {
                let path = "/v1/tenants/acme/usage/rules\(query)"
                #expect(try await api.send(.get, path, token: token).status == 404)
            }
            let own = try await api.send(.get, "/v1/tenants/globex/usage/rules?step=total", token: token)
            #expect(own.items.count == 2 && (own.json["total"] as? [String: Any])?["octets_up"] as? Int == 3000)
        }
    }

    @Test func `records are read from where a reader was`() async throws {
        try await withUsage { api async throws in
            let first = try await api.send(.get, "/v1/usage/records?limit=2")
            #expect(
                first.items.compactMap { $0["number"] as? Int } == [1, 2] && first.json["has_more"] as? Bool == true)
            #expect(
                first.items.first?["group"] as? String == "meters" && first.items.first?["tenant"] as? String == "acme")
            let position = try #require(first.json["position"] as? Int)
            let rest = try await api.send(.get, "/v1/usage/records?after=\(position)")
            #expect(rest.items.compactMap { $0["imsi"] as? String } == ["262010000000003"])
            #expect(rest.json["position"] as? Int == 3 && rest.json["has_more"] as? Bool == false)
            #expect(try await api.send(.get, "/v1/usage/records?after=3").items.isEmpty)
        }
    }

    @Test func `a tenant sees its own and nothing of others`() async throws {
        try await withUsage { api async throws in
            let token = try await api.tenantToken("globex")
            for path in [
                "/v1/sims/262010000000001/usage", "/v1/tenants/acme/usage", "/v1/tenants/acme/groups/meters/usage",
                "/v1/tenants/acme/usage/sims", "/v1/usage/records?tenant=acme", "/v1/sims/999999999999999/usage",
            ] { #expect(try await api.send(.get, path, token: token).status == 404, "\(path)") }
            let records = try await api.send(.get, "/v1/usage/records", token: token)
            #expect(records.items.compactMap { $0["tenant"] as? String } == ["globex"])
            let own = try await api.send(.get, "/v1/tenants/globex/groups/meters/usage", token: token)
            #expect((own.json["total"] as? [String: Any])?["octets_up"] as? Int == 3000)
        }
    }

    @Test(arguments: [
        "/v1/tenants/acme/usage?step=week", "/v1/tenants/acme/usage?from=noon", "/v1/usage/records?after=-1",
        "/v1/usage/records?after=x", "/v1/tenants/acme/usage/sims?limit=0", "/v1/tenants/acme/usage?by_way=maybe",
        "/v1/tenants/acme/usage?from=2027-02-01T00:00:00Z", "/v1/tenants/acme/usage?step=5m&from=2020-01-01T00:00:00Z",
        "/v1/tenants/acme/usage?format=xml", "/v1/sims/262010000000001/usage?group=meters",
    ])
    func `a question without sense is refused`(_ path: String) async throws {
        try await withUsage { api async throws in #expect(try await api.send(.get, path).status == 400) }
    }
}
