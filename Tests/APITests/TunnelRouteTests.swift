import Domain
import Foundation
import HTTPTypes
import PKI
import PeerGuides
import Testing

/// Tunnels over REST, with an IKE daemon that takes everything.
@Suite struct TunnelRouteTests {
    private static let vpns = "/v1/tenants/acme/vpns"
    private static let office = #"{"name": "hq", "peer": "198.51.100.7", "remote_networks": ["10.0.0.0/24"]"#

    private static func run(_ body: @escaping @Sendable (TestAPI) async throws -> Void) async throws {
        try await TestAPI.run { api async throws in
            for name in ["acme", "globex"] { _ = try await api.post("/v1/tenants", #"{"name": "\#(name)"}"#) }
            _ = try await api.post("/v1/pools", #"{"prefix": "100.64.0.0/16", "block_length": 24}"#)
            try await body(api)
        }
    }

    private static func tunnel(_ answer: [String: Any]) -> [String: Any] { answer["tunnel"] as? [String: Any] ?? [:] }

    @Test func `a check makes nothing, and says what would be`() async throws {
        try await Self.run { api async throws in
            let checked = try await api.post(Self.vpns + "?dry_run=true", Self.office + "}")
            #expect(checked.status == 200 && checked.json["possible"] as? Bool == true)
            #expect(checked.json["gateway_id"] as? String == "hq.acme.vpn.cordon.internal")
            #expect(checked.json["peer_id"] as? String == "198.51.100.7")
            #expect(try await api.send(.get, Self.vpns).items.isEmpty)
            let bad = try await api.post(
                Self.vpns + "?dry_run=true", #"{"name": "hq", "peer": "any", "remote_networks": ["100.64.1.0/24"]}"#)
            let findings = (bad.json["findings"] as? [[String: Any]] ?? []).filter {
                $0["weight"] as? String == "error"
            }
            #expect(bad.status == 200 && bad.json["possible"] as? Bool == false)
            #expect(findings.map { $0["field"] as? String } == ["remote_networks", "peer_id"])
            let line = #"{"name": "hq", "interface": "line1", "networks": ["10.0.0.0/24"]}"#
            #expect(try await api.post(Self.vpns + "?dry_run=true", line).status == 400)
        }
    }

    @Test func `a tenant makes, changes and deletes its own`() async throws {
        try await Self.run { api async throws in
            let token = try await api.tenantToken("acme")
            let made = try await api.post(Self.vpns, token: token, Self.office + #", "profile": "compatible"}"#)
            #expect(made.status == 201 && (made.json["key"] as? String)?.count == 52)
            #expect(made.headers[.location] == Self.vpns + "/hq")
            let shown = try await api.send(.get, Self.vpns + "/hq", token: token)
            #expect(Self.tunnel(shown.json)["peer"] as? String == "198.51.100.7")
            #expect(Self.tunnel(shown.json)["profile"] as? String == "compatible")
            #expect((Self.tunnel(shown.json)["local_blocks"] as? [String])?.count == 1)
            let patch = { (body: String) in
                try await api.send(.patch, Self.vpns + "/hq", token: token, type: "application/json", body: body)
            }
            let changed = try await patch(#"{"remote_networks": ["10.0.0.0/24", "10.1.0.0/24"], "probe": "10.1.0.9"}"#)
            #expect(changed.status == 200 && changed.json["key"] == nil)
            let after = Self.tunnel(try await api.send(.get, Self.vpns + "/hq", token: token).json)
            #expect(after["remote_networks"] as? [String] == ["10.0.0.0/24", "10.1.0.0/24"])
            #expect(after["probe"] as? String == "10.1.0.9" && after["profile"] as? String == "compatible")
            // Empty text takes away.
            _ = try await patch(#"{"probe": "", "peer_id": "fw.acme.example"}"#)
            let emptied = Self.tunnel(try await api.send(.get, Self.vpns + "/hq", token: token).json)
            #expect(emptied["probe"] == nil && emptied["peer_id"] as? String == "fw.acme.example")
            let rotated = try await api.post(Self.vpns + "/hq/rotate-key", token: token, #"{"overlap_seconds": 60}"#)
            #expect(rotated.status == 200 && rotated.json["key"] as? String != made.json["key"] as? String)
            #expect(try await api.send(.delete, Self.vpns + "/hq", token: token).status == 204)
            #expect(try await api.send(.get, Self.vpns + "/hq", token: token).status == 404)
        }
    }

    @Test(arguments: [
        (#"{"name": "hq", "peer": "198.51.100.7"}"#, "remote_networks"),
        (#"{"name": "hq", "remote_networks": ["10.0.0.0/24"]}"#, "peer"),
        (office + #", "interface": "line1"}"#, "interface"), (office + #", "networks": ["10.0.0.0/24"]}"#, "networks"),
        (office + #", "psk": "x"}"#, "psk"), (office + #", "auth": "password"}"#, "auth"),
        (office + #", "partner": {"name": "p", "port": ["tcp/443"]}}"#, "partner.port"),
        (office + #", "partner": {"destinations": []}}"#, "partner.name"),
        (office + #", "partner": {"name": "p", "ports": ["tcp/0"]}}"#, "partner.ports"),
        (office + #", "probe": "192.0.2.1"}"#, "probe"),
        (office + #", "local_network": "group:none"}"#, "local_network"),
        (office + #", "certificate_request": "x"}"#, "certificate_request"),
        (office + #", "auth": "certificate", "certificate_request": "x"}"#, "certificate_request"),
        (office + #", "key": "short"}"#, "key"), (office + #", "key": "with blank and \" quote"}"#, "key"),
        (office + #", "auth": "certificate", "key": "0123456789abcdef"}"#, "key"),
        (#"{"name": "hq", "interface": "line1", "networks": ["10.0.0.0/24"], "key": "0123456789abcdef"}"#, "key"),
    ])
    func `what is wrong is told by its field, and nothing is made`(body: String, field: String) async throws {
        try await Self.run { api async throws in
            let answer = try await api.post(Self.vpns, body)
            #expect(answer.status == 400)
            #expect(answer.problemFields.first?.hasPrefix(field) == true, "\(answer.text)")
            #expect(try await api.send(.get, Self.vpns).items.isEmpty)
        }
    }

    @Test(arguments: [
        #"{"name": "other"}"#, #"{"psk": "x"}"#, #"{"partner": {"name": "p", "limit": 1}}"#,
        #"{"certificate_request": "x"}"#,
        #"{"peer": "198.51.100.7", "remote_networks": ["100.64.0.0/24"]}"#, #"{"gateway_id": "anything"}"#,
    ])
    func `a change that cannot be changes nothing`(body: String) async throws {
        try await Self.run { api async throws in
            _ = try await api.post(Self.vpns, Self.office + "}")
            let before = try await api.send(.get, Self.vpns + "/hq").text
            let answer = try await api.send(.patch, Self.vpns + "/hq", type: "application/json", body: body)
            #expect(answer.status == 400, "\(answer.text)")
            #expect(try await api.send(.get, Self.vpns + "/hq").text == before)
        }
    }

    /// As what every vendor's devices can do.
    @Test func `the other end's configuration is there for each vendor, without the key`() async throws {
        try await Self.run { api async throws in
            let made = try await api.post(
                Self.vpns,
                Self.office + #", "profile": "compatible", "gateway_id": "address", "pair_selectors": true}"#)
            let key = try #require(made.json["key"] as? String)
            #expect(PeerVendor.allCases.count == 9)
            for vendor in PeerVendor.allCases {
                let answer = try await api.send(.get, Self.vpns + "/hq/peer-config?for=\(vendor.rawValue)")
                #expect(answer.status == 200, "\(vendor): \(answer.text)")
                let text = answer.json["text"] as? String ?? ""
                #expect(text.contains("VPN hq of tenant acme") && text.contains("100.64.0.0"), "\(vendor)")
                #expect((answer.json["documentation"] as? String)?.isEmpty == false && !answer.text.contains(key))
                #expect((answer.json["files"] as? [Any])?.isEmpty == false)
                #expect((answer.json["steps"] as? [String])?.isEmpty == false)
            }
            #expect(try await api.send(.get, Self.vpns + "/hq/peer-config?for=nobody").status == 400)
            #expect(try await api.send(.get, Self.vpns + "/hq/peer-config").status == 400)
            // What a vendor's devices cannot do is said, with what to change.
            _ = try await api.post(
                Self.vpns, #"{"name": "far", "peer": "198.51.100.8", "remote_networks": ["10.1.0.0/24"]}"#)
            let cannot = try await api.send(.get, Self.vpns + "/far/peer-config?for=aws")
            #expect(cannot.status == 409 && cannot.text.contains("--gateway-id address"))
        }
    }

    @Test func `who brings the key is not told it`() async throws {
        try await Self.run { api async throws in
            let key = "Bt+7/k=the._peers-own"
            let made = try await api.post(Self.vpns, Self.office + #", "key": "\#(key)"}"#)
            #expect(made.status == 201 && made.json["key"] == nil && !made.text.contains(key))
            for path in [Self.vpns + "/hq", Self.vpns + "/hq/peer-config?for=strongswan", "/v1/audit?limit=50"] {
                #expect(try await !api.send(.get, path).text.contains(key), "\(path)")
            }
            let refused = try await api.post(
                Self.vpns,
                #"{"name": "b", "peer": "198.51.100.8", "remote_networks": ["10.1.0.0/24"], "key": "s3cret!"}"#)
            #expect(refused.status == 400 && !refused.text.contains("s3cret"))
        }
    }

    @Test func `nothing tells a key after it was made`() async throws {
        try await Self.run { api async throws in
            let made = try await api.post(Self.vpns, Self.office + "}")
            let rotated = try await api.post(Self.vpns + "/hq/rotate-key", "{}")
            let certified = try await api.send(
                .patch, Self.vpns + "/hq", type: "application/json", body: #"{"auth": "certificate"}"#)
            let pem = try #require(certified.json["private_key"] as? String)
            #expect(pem.hasPrefix("-----BEGIN PRIVATE KEY-----"))
            let secrets = [
                try #require(made.json["key"] as? String), try #require(rotated.json["key"] as? String),
                try #require(pem.split(separator: "\n").dropFirst().first.map(String.init)),
            ]
            _ = try await api.post(Self.vpns, Self.office + "}")
            for path in [
                Self.vpns, Self.vpns + "/hq", Self.vpns + "/hq/diagnosis", Self.vpns + "/hq/peer-config?for=strongswan",
                "/v1/tenants/acme/vpn-authorities", "/v1/audit?limit=50", "/metrics", "/v1/status",
            ] {
                let answer = try await api.send(.get, path)
                #expect(answer.status == 200, "\(path)")
                for secret in secrets { #expect(!answer.text.contains(secret), "\(path)") }
            }
        }
    }

    @Test func `the tenant's own authorities are taken in PEM, and what is none is refused`() async throws {
        try await Self.run { api async throws in
            let path = "/v1/tenants/acme/vpn-authorities"
            let token = try await api.tenantToken("acme")
            let own = try CertificateAuthority(
                for: try Name(parsing: "acme-it"), at: Timestamp(milliseconds: 1_799_000_000_000))
            let put = { (body: String, type: String) in
                try await api.send(.put, path, token: token, type: type, body: body)
            }
            #expect(try await put(own.certificate.pem, "application/pem-certificate-chain").status == 204)
            let listed = try await api.send(.get, path, token: token)
            #expect(listed.items.count == 1 && listed.items.first?["made_by_cordon"] as? Bool == false)
            #expect(try await put("hello", "application/pem-certificate-chain").status == 400)
            #expect(try await put("{}", "application/json").status == 415)
            #expect(try await api.send(.get, path, token: token).text == listed.text)
            #expect(try await api.send(.delete, path, token: token).status == 204)
            #expect(try await api.send(.get, path, token: token).items.isEmpty)
            #expect(try await api.send(.get, path, token: try await api.tenantToken("globex")).status == 404)
        }
    }

    @Test func `the operator says how many a tenant may have`() async throws {
        try await Self.run { api async throws in
            let (limit, token) = ("/v1/tenants/acme/vpn-limit", try await api.tenantToken("acme"))
            #expect(try await api.put(limit, #"{"vpns": 1}"#).status == 204)
            #expect(try await api.put(limit, token: token, #"{"vpns": 9}"#).status == 403)
            #expect(try await api.put(limit, #"{"vpns": -1}"#).status == 400)
            #expect(try await api.post(Self.vpns, token: token, Self.office + "}").status == 201)
            let second = #"{"name": "lab", "peer": "198.51.100.8", "remote_networks": ["10.1.0.0/24"]}"#
            let full = try await api.post(Self.vpns, token: token, second)
            #expect(full.status >= 400 && full.text.contains("may have 1 VPNs"))
            #expect(try await api.put(limit, "{}").status == 204)
            #expect(try await api.post(Self.vpns, token: token, second).status == 201)
        }
    }

    @Test func `a diagnosis says what is wrong, and another tenant gets none`() async throws {
        try await Self.run { api async throws in
            _ = try await api.post(Self.vpns, Self.office + "}")
            let answer = try await api.send(.get, Self.vpns + "/hq/diagnosis")
            let faults = answer.json["faults"] as? [[String: Any]] ?? []
            #expect(answer.status == 200 && faults.first?["code"] as? String == "daemon")
            let stranger = try await api.tenantToken("globex")
            for path in ["", "/diagnosis", "/peer-config?for=strongswan"] {
                #expect(try await api.send(.get, Self.vpns + "/hq" + path, token: stranger).status == 404)
            }
            #expect(try await api.post(Self.vpns + "/hq/rotate-key", token: stranger, "{}").status == 404)
            #expect(try await api.send(.post, Self.vpns + "/hq/restart", token: stranger).status == 404)
            #expect(try await api.send(.delete, Self.vpns + "/hq", token: stranger).status == 404)
            #expect(try await api.send(.get, Self.vpns).items.count == 1)
        }
    }
}
