import Control
import Domain
import Foundation
import HTTPTypes
import Testing

import API

@Suite struct PortBlockRouteTests {
    private static let path = "/v1/nat/blocks"

    /// Two devices of acme are attached.
    private func withSessions(_ body: @escaping @Sendable (TestAPI) async throws -> Void) async throws {
        try await TestAPI.run { api async throws in
            #expect(try await api.post("/v1/tenants", #"{"name": "acme"}"#).status == 201)
            #expect(try await api.post("/v1/pools", #"{"prefix": "100.64.0.0/16"}"#).status == 201)
            let nas = try await api.control.createNAS(
                Name(parsing: "pgw"), address: IPv4Address(parsing: "198.18.0.2"),
                secret: Secret(bytes: Array("a secret of some length".utf8)), by: .system)
            for number in 1...2 {
                let sim = #"{"imsi": "26201000000000\#(number)", "iccid": "894900000000000000\#(number)"}"#
                #expect(try await api.post("/v1/tenants/acme/sims", sim).status == 201)
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
            try await body(api)
        }
    }

    @Test func `who used a port is answered as JSON`() async throws {
        try await withSessions { api async throws in
            let answer = try await api.send(
                .get, Self.path + "?public_address=198.18.1.64&port=1600&at=2027-01-15T09:00:00%2B01:00")
            #expect(answer.status == 200 && answer.items.count == 1)
            let block = try #require(answer.items.first)
            #expect(block["public_address"] as? String == "198.18.1.64")
            #expect(block["first_port"] as? Int == 1536 && block["last_port"] as? Int == 2047)
            #expect(block["imsi"] as? String == "262010000000002")
            #expect(block["tenant"] as? String == "acme")
            #expect((block["address"] as? String)?.hasPrefix("100.64.0.") == true)
            #expect(block["valid_from"] as? String == "2027-01-15T08:00:00.000Z")
            #expect(block["valid_to"] == nil)
            let before = "?public_address=198.18.1.64&port=1600&at=2027-01-15T07:59:59Z"
            #expect(try await api.send(.get, Self.path + before).items.isEmpty)
        }
    }

    @Test func `the table is exported as CSV, page by page`() async throws {
        try await withSessions { api async throws in
            let link = try #require(HTTPField.Name("Link"))
            let whole = try await api.send(.get, Self.path, headers: [.accept: "text/csv"])
            #expect(whole.headers[.contentType] == "text/csv; charset=utf-8")
            #expect(whole.headers[link] == nil)
            let lines = whole.text.split(separator: "\r\n")
            #expect(lines.count == 3)
            #expect(lines[0] == "public_address,first_port,last_port,address,imsi,tenant,valid_from,valid_to")
            #expect(lines[1].hasPrefix("198.18.1.64,1024,1535,100.64.0."))
            #expect(lines[1].hasSuffix(",262010000000001,acme,2027-01-15T08:00:00.000Z,"))

            var pages: [Substring] = []
            var next: String? = Self.path + "?format=csv&limit=1"
            while let path = next {
                let page = try await api.send(.get, path)
                pages += page.text.split(separator: "\r\n").dropFirst()
                next = page.headers[link]?.split(separator: ">").first.map { String($0.dropFirst()) }
            }
            #expect(pages == Array(lines.dropFirst()))
            let json = try await api.send(.get, Self.path + "?format=json", headers: [.accept: "text/csv"])
            #expect(json.items.count == 2)
        }
    }

    @Test(arguments: [
        ("?port=1024", 400), ("?public_address=8.8.8.8", 400), ("?port=65536&public_address=198.18.1.64", 400),
        ("?at=noon", 400), ("?at=2027-01-15T08:00:00Z&to=2027-01-15T08:00:00Z", 400), ("?format=xml", 400),
        ("?cursor=77", 404), ("?adress=198.18.1.64", 400),
    ])
    func `a question without sense is refused`(_ query: String, _ status: Int) async throws {
        try await withSessions { api async throws in
            #expect(try await api.send(.get, Self.path + query).status == status)
        }
    }

    @Test func `a tenant does not see the table`() async throws {
        try await withSessions { api async throws in
            let token = try await api.tenantToken("acme")
            #expect(try await api.send(.get, Self.path, token: token).status == 403)
        }
    }
}
