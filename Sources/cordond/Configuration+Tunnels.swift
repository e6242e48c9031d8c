import Control
import Domain
import PolicyCompiler

/// What makes tenants' tunnels, and how peers find it.
struct TunnelConfiguration {
    let settings: TunnelSettings
    /// `nil`: the kernel's where it can.
    let path: TunnelPath?
    /// Of charon's files.
    let directory: String
    let threads: Int
    /// Before a request without an answer is sent again.
    let retransmitSeconds: Double
}

extension Configuration {
    /// - Returns: `nil` without `vpn.listen`.
    static func tunnels(_ root: inout ConfigurationSection) throws(ConfigurationError) -> TunnelConfiguration? {
        var section = try root.section("vpn")
        let listen = try section.list("listen", or: []) { try IPAddress(parsing: $0) }
        let addresses = try section.list("addresses", or: listen) { try IPAddress(parsing: $0) }
        let suffix = try section.value("identity-suffix", or: .vpnIdentities) { try DomainName(parsing: $0) }
        let perTenant = try section.number("per-tenant", or: UInt32(32), in: 0...VPNNumber.limit)
        let deadPeerSeconds = try section.number("dead-peer-seconds", or: UInt32(10), in: 1...3600)
        let retransmitMilliseconds = try section.number("retransmit-milliseconds", or: 2000, in: 100...60_000)
        let path = try section.optional("path") { (text: String) throws -> TunnelPath in
            guard let path = TunnelPath(rawValue: text) else {
                throw ParseError(
                    kind: "who encrypts", text: text,
                    expected: "write \(TunnelPath.allCases.map(\.rawValue).joined(separator: " or "))")
            }
            return path
        }
        let directory = try section.value("directory", or: "/run/cordon/charon") { text in
            guard text.hasPrefix("/"), !text.contains(where: { $0.isWhitespace || "\"#{}".contains($0) }) else {
                throw ParseError(kind: "a directory", text: text, expected: "write its whole path")
            }
            return text
        }
        let threads = try section.number("threads", or: 32, in: 8...1024)
        try section.finish()
        guard !listen.isEmpty else { return nil }
        return TunnelConfiguration(
            settings: TunnelSettings(
                addresses: addresses, localAddresses: listen,
                identitySuffix: suffix, perTenant: perTenant,
                deadPeerSeconds: deadPeerSeconds),
            path: path, directory: directory, threads: threads,
            retransmitSeconds: Double(retransmitMilliseconds) / 1000)
    }
}
