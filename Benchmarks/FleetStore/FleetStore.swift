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
    @Option(help: "Tenants, each with one policy.") var policies = 1000
    @Option(help: "Rules in each policy, 20 at least.") var rules = 20
    @Option(help: "Host names in each policy, all in rules beyond the first 20.") var hostnames = 0
    @Option(help: "A file whose text each policy's document ends with: more rules, then other parts.") var ending:
        String?
    @Option(help: "The name of a blocklist of the operator's, which has no text yet.") var blocklist: String?
    @Option(help: "SIMs with an active session.") var sessions = 100_000
    @Option(help: "SIMs without one.") var idle = 4000
    @Option(help: "The NAS's address.") var nas = "198.18.0.2"
    @Option(help: "The file that holds the NAS's shared secret.") var secretFile: String
    @Option(help: "A file to write the sessions' addresses to, one a line, in the order of their SIMs.")
    var addresses: String
    @Option(help: "A directory for the same rules as nft and iptables read them, one file for each tenant's prefix.")
    var peers: String?

    private static let batch = 10_000

    func run() async throws {
        guard policies > 0, sessions >= 0, idle >= 0 else { throw ValidationError("numbers must be positive") }
        guard rules >= FleetPolicy.rules(forNames: hostnames) else {
            throw ValidationError(
                "\(hostnames) host names need \(FleetPolicy.rules(forNames: hostnames)) rules at least")
        }
        let key = try SecretKeyFile.loadOrCreate(state + "/cordon.key")
        let store = try SQLiteStore.open(path: state + "/cordon.sqlite", key: key)
        let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        let secret = try String(contentsOfFile: secretFile, encoding: .utf8).trimmingCharacters(
            in: .whitespacesAndNewlines)
        let list = try blocklist.map { try Name(parsing: $0) }
        let (address, apn) = (try IPv4Address(parsing: nas), try APN(parsing: "iot"))
        let pgw = try await store.write { store in
            _ = try store.insertPool(
                prefix: IPv4Prefix(containing: IPv4Address(bits: 100 << 24 | 64 << 16), length: 10), blockLength: 24)
            if let list {
                _ = try store.putBlocklist(
                    name: list, of: nil, settings: Blocklist.Settings(format: .plain), author: "benchmark", at: now)
            }
            return try store.insertNAS(
                name: Name(parsing: "pgw"), address: address, secret: Secret(bytes: Array(secret.utf8)),
                requiresMessageAuthenticator: true, disconnectPort: 3799, disconnectKey: .imsiAndNSAPI)
        }

        let (count, length, names) = (policies, rules, hostnames)
        let ending = try ending.map { try String(contentsOfFile: $0, encoding: .utf8) } ?? ""
        let owners = try await store.write { store in
            try (0..<count).map { number in
                let tenant = try store.insertTenant(name: Name(parsing: "tenant-\(number)"), at: now)
                let policy = try store.putPolicy(
                    name: Name(parsing: "fleet"), of: tenant.id,
                    document: FleetPolicy(tenant: number, rules: length, names: names).document + ending,
                    author: "benchmark", comment: "", at: now)
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
        if let peers { try writePeers(to: peers, leases: lines) }
    }

    /// The rules of each tenant that has a session, under the first address of its block, and all for iptables. A tenant
    /// with more sessions than one block holds is not foreseen.
    private func writePeers(to directory: String, leases: [String]) throws {
        var iptables = ""
        for (number, lease) in leases.prefix(policies).enumerated() {
            let block = IPv4Prefix(containing: try IPv4Address(parsing: lease), length: 24)
            let policy = FleetPolicy(tenant: number, rules: rules, names: hostnames)
            try policy.nft.write(toFile: "\(directory)/\(block.first).nft", atomically: false, encoding: .utf8)
            iptables += ":TENANT_\(number) - [0:0]\n-A FORWARD -s \(block) -j TENANT_\(number)\n"
            iptables += policy.iptables(chain: "TENANT_\(number)")
        }
        try iptables.write(toFile: "\(directory)/iptables", atomically: false, encoding: .utf8)
    }

    private static func padded(_ number: Int, to width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}
