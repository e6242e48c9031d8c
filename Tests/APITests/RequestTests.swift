import Domain
import PolicyCompiler
import HTTPTypes
import Testing

import API

@Suite struct RequestTests {
    struct WrongBody: CustomTestStringConvertible {
        let path: String
        let body: String
        let field: String?
        var testDescription: String { body }
    }

    @Test(arguments: [
        WrongBody(path: "/v1/tenants", body: #"{"name": "acme", "nmae": 1}"#, field: "nmae"),
        WrongBody(path: "/v1/tenants", body: "{}", field: "name"),
        WrongBody(path: "/v1/tenants", body: #"{"name": null}"#, field: "name"),
        WrongBody(path: "/v1/tenants", body: #"{"name": 7}"#, field: "name"),
        WrongBody(path: "/v1/tenants", body: #"{"name": "Acme!"}"#, field: "name"),
        WrongBody(path: "/v1/tenants", body: "[]", field: nil),
        WrongBody(path: "/v1/tenants", body: "{", field: nil),
        WrongBody(path: "/v1/tenants", body: "", field: nil),
        WrongBody(path: "/v1/pools", body: #"{"prefix": "100.64.0.1/10"}"#, field: "prefix"),
        WrongBody(path: "/v1/pools", body: #"{"prefix": "100.64.0.0/10", "block_length": 300}"#, field: "block_length"),
        WrongBody(
            path: "/v1/nas", body: #"{"name": "a", "address": "x", "secret": "0123456789abcdef"}"#, field: "address"),
        WrongBody(
            path: "/v1/nas",
            body: #"{"name": "a", "address": "10.0.0.1", "secret": "0123456789abcdef", "disconnect_key": "no"}"#,
            field: "disconnect_key"),
    ])
    func `a wrong body is refused with the field named`(wrong: WrongBody) async throws {
        try await TestAPI.run { api async throws in
            let answer = try await api.post(wrong.path, wrong.body)
            #expect(answer.status == 400)
            #expect(answer.json["code"] as? String == "invalid")
            #expect(answer.problemFields.first == wrong.field)
        }
    }

    @Test func `a choice of policy must be made, not left out`() async throws {
        try await TestAPI.run { api async throws in
            #expect(try await api.post("/v1/tenants", #"{"name": "acme"}"#).status == 201)
            #expect(try await api.put("/v1/tenants/acme/default-policy", "{}").problemFields == ["policy"])
            #expect(try await api.put("/v1/tenants/acme/default-policy", #"{"policy": null}"#).status == 200)
            #expect(try await api.put("/v1/tenants/acme/default-policy", #"{"policy": "none"}"#).status == 404)
        }
    }

    @Test(arguments: [
        "/v1/sims?limit=0", "/v1/sims?limit=1001", "/v1/sims?limit=x", "/v1/sims?tennant=acme",
        "/v1/sims?limit=5&limit=6", "/v1/sims?cursor=abc", "/v1/sessions?active=yes", "/v1/sessions?cursor=-1",
        "/v1/sims/12ab", "/v1/sims/%ff", "/v1/sims/%2", "/v1/tenants/A", "/v1/sessions/0", "/v1/tenants?x=1",
    ])
    func `a wrong path or query is refused`(path: String) async throws {
        try await TestAPI.run { api async throws in
            let answer = try await api.send(.get, path)
            #expect(answer.status == 400)
            #expect(answer.headers[.contentType] == "application/problem+json")
        }
    }

    @Test func `bodies of the wrong type or size are refused`() async throws {
        try await TestAPI.run { api async throws in
            let form = try await api.send(
                .post, "/v1/tenants", type: "application/x-www-form-urlencoded", body: #"{"name": "acme"}"#)
            #expect(form.status == 415)
            #expect(try await api.send(.post, "/v1/tenants", body: #"{"name": "acme"}"#).status == 415)
            let long = String(repeating: " ", count: Limits.json + 1)
            #expect(try await api.post("/v1/tenants", long).status == 413)
            #expect(try await api.post("/v1/tenants", #"{"name": "acme"}"#).status == 201)
            let document = "# " + String(repeating: "x", count: Limits.policy)
            #expect(try await api.apply(document, to: "acme").status == 413)
        }
    }

    @Test func `what is not there and what a path does not take are problems too`() async throws {
        try await TestAPI.run { api async throws in
            let missing = try await api.send(.get, "/v1/nothing")
            #expect(missing.status == 404)
            #expect(missing.headers[.contentType] == "application/problem+json")
            #expect(missing.json["status"] as? Int == 404)
            let method = try await api.send(.put, "/v1/tenants")
            #expect(method.status == 405)
            #expect(method.headers[.allow] == "GET, HEAD, POST")
            #expect(method.json["code"] as? String == "method-not-allowed")
            let head = try await api.send(.head, "/v1/nothing")
            #expect(head.status == 404)
            #expect(head.text.isEmpty)
        }
    }

    @Test(
        arguments: [
            ("192.0.2.10:443/tcp", 6, 443), ("192.0.2.10:53/udp", 17, 53), ("192.0.2.10:53/17", 17, 53),
            ("192.0.2.10/icmp", 1, nil), ("192.0.2.10/47", 47, nil),
        ] as [(String, UInt8, UInt16?)])
    func `packets are read as people write them`(text: String, number: UInt8, port: UInt16?) throws {
        let packet = try PacketQuery(parsing: text)
        #expect(
            packet == PacketQuery(destination: try IPv4Address(parsing: "192.0.2.10"), protocol: number, port: port))
    }

    @Test(arguments: [
        "", "/", "192.0.2.10", "192.0.2.10/tcp", "192.0.2.10:0/tcp", "192.0.2.10:65536/udp", "192.0.2.10:443/icmp",
        "192.0.2.10:443/256", "192.0.2:443/tcp", "192.0.2.10:4:4/tcp", "192.0.2.10:443/tcp/udp", "192.0.2.10:/tcp",
    ])
    func `what is no packet is refused`(text: String) {
        #expect(throws: ParseError.self) { try PacketQuery(parsing: text) }
    }

    @Test(arguments: [("100.64.0.0%2F10", "100.64.0.0/10"), ("a%20b", "a b"), ("%C3%a4", "ä"), ("", "")])
    func `percent-encoding is undone`(text: String, plain: String) {
        #expect(text.percentDecoded == plain)
        #expect(plain.pathComponent.percentDecoded == plain)
    }

    @Test(arguments: ["%", "%2", "%2x", "%ff", "a%"])
    func `broken percent-encoding is no text`(text: String) {
        #expect(text.percentDecoded == nil)
    }
}
