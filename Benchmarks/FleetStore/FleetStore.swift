import ArgumentParser
import Domain
import Foundation
import Store

/// Fills a store with many tenants, each with a policy of its own, and active sessions: what a gateway with a history
/// finds when it starts. Everything goes through the store's own transactions.
@main
struct FleetStore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet-store", abstract: "Fills a store with tenants, policies, SIMs and active sessions.",
        discussion: """
            SIM number N is IMSI 00101 and N in ten digits, and belongs to tenant N modulo --policies. The first \
            --sessions of them have an active session; --idle more have none.
            """)

    @Option(help: "The directory for the store and its key, as cordond's `state`.") var state: String
    @Option(help: "Tenants, each with one policy of 20 rules.") var policies = 1000
    @Option(help: "SIMs with an active session.") var sessions = 100_000
    @Option(help: "SIMs without one.") var idle = 4000
    @Option(help: "The NAS's address.") var nas = "198.18.0.2"
    @Option(help: "The file that holds the NAS's shared secret.") var secretFile: String
    @Option(help: "A file to write the sessions' addresses to, one a line, in the order of their SIMs.")
    var addresses: String

    private static let batch = 10_000

    func run() async throws {
        guard policies > 0, sessions >= 0, idle >= 0 else { throw ValidationError("numbers must be positive") }
        let key = try SecretKeyFile.loadOrCreate(state + "/cordon.key")
        let store = try SQLiteStore.open(path: state + "/cordon.sqlite", key: key)
        let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        let secret = try String(contentsOfFile: secretFile, encoding: .utf8).trimmingCharacters(
            in: .whitespacesAndNewlines)
        let (address, apn) = (try IPv4Address(parsing: nas), try APN(parsing: "iot"))
        let pgw = try await store.write { store in
            _ = try store.insertPool(
                prefix: IPv4Prefix(containing: IPv4Address(bits: 100 << 24 | 64 << 16), length: 10), blockLength: 24)
            return try store.insertNAS(
                name: Name(parsing: "pgw"), address: address, secret: Secret(bytes: Array(secret.utf8)),
                requiresMessageAuthenticator: true, disconnectPort: 3799, disconnectKey: .imsiAndNSAPI)
        }

        let count = policies
        let owners = try await store.write { store in
            try (0..<count).map { number in
                let tenant = try store.insertTenant(name: Name(parsing: "tenant-\(number)"), at: now)
                let policy = try store.putPolicy(
                    name: Name(parsing: "fleet"), of: tenant.id, document: Self.policy(number), author: "benchmark",
                    comment: "", at: now)
                let group = try store.insertGroup(name: Name(parsing: "all"), of: tenant.id, policy: policy.id)
                return (tenant: tenant.id, policy: policy.id, group: group.id)
            }
        }

        var lines: [String] = []
        for first in stride(from: 0, to: sessions + idle, by: Self.batch) {
            let numbers = first..<min(first + Self.batch, sessions + idle)
            let active = sessions
            lines += try await store.write { store in
                var lines: [String] = []
                for number in numbers {
                    let owner = owners[number % owners.count]
                    let digits = Self.padded(number, to: 10)
                    let imsi = try IMSI(parsing: "00101" + digits)
                    let sim = try store.insertSIM(
                        NewSIM(
                            imsi: imsi, iccid: ICCID(parsing: "898800000" + digits), msisdn: nil, group: owner.group,
                            label: ""),
                        of: owner.tenant, at: now)
                    guard number < active else { continue }
                    let lease = try store.takeLease(sim: sim.id, tenant: owner.tenant, apn: apn)
                    _ = try store.insertSession(
                        token: .random(at: now),
                        sim: Subscriber(
                            id: sim.id, imsi: imsi, tenant: owner.tenant, state: .active, policy: owner.policy),
                        nas: pgw.id, lease: lease, equipment: Equipment(nsapi: 5), accountingSessionID: nil, at: now)
                    lines.append("\(lease.address)")
                }
                return lines
            }
        }
        try await store.close()
        try (lines.joined(separator: "\n") + "\n").write(toFile: addresses, atomically: true, encoding: .utf8)
    }

    /// 20 rules. No two tenants' are the same, so that no two share a chain in the kernel; the servers of the
    /// measurement stand in the middle of each.
    static func policy(_ tenant: Int) -> String {
        var rules: [String] = []
        let network = { (rule: Int) in "10.\(tenant >> 8 & 0xff).\(tenant & 0xff).\(rule * 8)/29" }
        for rule in 0..<3 {
            rules.append("{name: no-\(rule), to: [\(network(rule))], protocol: tcp, ports: [22, 23], action: block}")
        }
        for rule in 0..<8 {
            let port = 1000 + (tenant * 7 + rule * 131) % 50_000
            rules.append(
                "{name: tls-\(rule), to: [\(network(rule))], protocol: tcp, ports: [443, \(port)-\(port + 9)], route: internet}"
            )
        }
        rules.append("{name: telemetry, to: [192.0.2.0/24], protocol: udp, ports: [5000-9000], route: internet}")
        rules.append("{name: throughput, to: [192.0.2.0/24], protocol: tcp, ports: [5201], route: internet}")
        for rule in 0..<7 {
            let port = 2000 + (tenant * 11 + rule * 17) % 50_000
            rules.append(
                "{name: coap-\(rule), to: [\(network(rule + 10))], protocol: udp, ports: [5683, \(port)], route: internet}"
            )
        }
        return "policy: fleet\ndefault: block\nrules:\n" + rules.map { "  - \($0)\n" }.joined()
    }

    private static func padded(_ number: Int, to width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}
