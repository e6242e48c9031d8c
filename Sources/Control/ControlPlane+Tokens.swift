import Crypto
public import Domain
public import Store

extension ControlPlane {
    /// A new token and its secret, which is shown this once and not kept.
    public struct NewToken: Sendable {
        public let token: APIToken
        public let secret: String
    }

    /// A token for the operator, or for one tenant when `tenant` is given.
    public func createToken(
        _ name: Name, tenant: Name?, by principal: Principal
    ) async throws(ControlError) -> NewToken {
        try principal.requireOperator()
        let secret = Self.randomSecret()
        let digest = Self.digest(of: secret)
        let token = try await write("token.create", "\(name)", by: principal) { store, now in
            if try store.tokens().contains(where: { $0.name == name }) {
                throw ControlError(.conflict, "there is a token \(name) already; choose another name")
            }
            let role: APIToken.Role =
                try tenant.map { .tenant(try store.visibleTenant($0, to: principal).id) } ?? .operator
            let token = APIToken(name: name, role: role, createdAt: now)
            try store.insertToken(token, digest: digest)
            return token
        }
        return NewToken(token: token, secret: secret)
    }

    public func tokens(by principal: Principal) async throws(ControlError) -> [APIToken] {
        try principal.requireOperator()
        return try await read { store in try store.tokens() }
    }

    public func deleteToken(_ name: Name, by principal: Principal) async throws(ControlError) {
        try principal.requireOperator()
        try await write("token.delete", "\(name)", by: principal) { store, _ in
            guard try store.tokens().contains(where: { $0.name == name }) else {
                throw ControlError.notFound("token", name)
            }
            try store.deleteToken(named: name)
        }
    }

    /// Whose secret this is, `nil` when nobody's. The digest is looked up, so the time it takes tells nothing about
    /// how much of a guess was right.
    public func principal(secret: String) async throws(ControlError) -> Principal? {
        let digest = Self.digest(of: secret)
        return try await read { store in try store.token(digest: digest) }
            .map { Principal(name: "\($0.name)", role: $0.role) }
    }

    public func auditRecords(
        before: Int64?, limit: Int, by principal: Principal
    ) async throws(ControlError) -> [AuditRecord] {
        try principal.requireOperator()
        return try await read { store in try store.audit(before: before, limit: min(max(limit, 1), 1000)) }
    }

    /// 256 random bits in hexadecimal, with a prefix that secret scanners can look for.
    static func randomSecret() -> String {
        let key = SymmetricKey(size: .bits256)
        return key.withUnsafeBytes { bytes in
            bytes.reduce(into: "cordon_") { text, byte in
                text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
    }

    static func digest(of secret: String) -> [UInt8] { Array(SHA256.hash(data: Array(secret.utf8))) }
}
