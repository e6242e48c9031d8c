import ArgumentParser
import Domain
import Foundation
import LinuxNet
import PolicyCompiler
import Store

/// Measures the way of a policy from its text to what the kernel is sent, and that of all policies of a store.
@main
struct CompileLoad: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compile-load", abstract: "Measures how long policies take from their text to the kernel's batch.")

    @Option(help: "Rules of the large policy.") var rules = 256
    @Option(help: "Host names in it.") var hosts = 200
    @Option(help: "How often it is compiled; the median counts.") var rounds = 101
    @Option(help: "A file to write its chain to, for nft.") var chain: String
    @Option(help: "The directory of a store whose policies are compiled, as cordond's `state`.") var state: String

    func run() async throws {
        guard rules >= 1, rules <= ValidatedPolicy.maximumRules, hosts >= 0, rounds > 0 else {
            throw ValidationError("give at least one rule and one round, and at most 256 rules")
        }
        let text = Self.document(rules: rules, hosts: hosts)
        var times = Array(repeating: [Double](), count: 5)
        let clock = ContinuousClock()
        var octets = 0
        for _ in 0..<rounds {
            let begun = clock.now
            let document = try PolicyDocument(parsing: text, file: "large.yaml")
            let parsed = clock.now
            let policy = try document.validated()
            let validated = clock.now
            let ruleset = compile(policy)
            let compiled = clock.now
            octets = try ruleset.batchSize()
            let ended = clock.now
            let parts = [parsed - begun, validated - parsed, compiled - validated, ended - compiled, ended - begun]
            for (index, part) in parts.enumerated() { times[index].append(part / .milliseconds(1)) }
        }
        let ruleset = compile(try PolicyDocument(parsing: text, file: "large.yaml").validated())
        let set =
            "set observed { type ipv4_addr . ipv4_addr . inet_proto . inet_service . mark; flags dynamic,timeout; }"
        let maps = (0..<Ruleset.HostBit.words).map { word in
            "map named_\(word) { type mark . ipv4_addr : mark; }\nmap named6_\(word) { type mark . ipv6_addr : mark; }\n"
        }
        try "table inet cordon {\n\(set)\n\(maps.joined())\(ruleset.nft(chain: 1, marks: [.internet: 0x8000_0001]))}\n"
            .write(toFile: chain, atomically: true, encoding: .utf8)
        let names = ["parse", "validate", "compile", "batch", "all"]
        let line = zip(names, times).map { "\($0)_ms=\(Self.rounded(Self.median($1)))" }.joined(separator: " ")
        print(
            "policy octets=\(text.utf8.count) boxes=\(ruleset.layers.map(\.count).reduce(0, +)) batch_octets=\(octets) \(line)"
        )
        try await compileStore()
    }

    /// As cordond does at its start, on all processors.
    private func compileStore() async throws {
        let store = try SQLiteStore.open(
            path: state + "/cordon.sqlite", key: try SecretKeyFile.loadOrCreate(state + "/cordon.key"))
        let begun = ContinuousClock.now
        let policies = try await store.read { store in try store.allPolicies() }
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for start in stride(from: 0, to: policies.count, by: 250) {
                group.addTask {
                    try policies[start..<min(start + 250, policies.count)].reduce(0) { sum, policy in
                        let validated = try PolicyDocument(parsing: policy.document, file: "\(policy.name)").validated()
                        return sum + compile(validated).layers.count
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        let seconds = (ContinuousClock.now - begun) / .seconds(1)
        print("store policies=\(policies.count) layers=\(count) seconds=\(Self.rounded(seconds))")
        try await store.close()
    }

    /// Rules of every kind that a chain is made of; host names are spread over them.
    private static func document(rules: Int, hosts: Int) -> String {
        var text = "policy: large\nlists:\n  - {name: office, items: [198.51.100.0/28, 203.0.113.64/27]}\nrules:\n"
        for rule in 0..<rules {
            var to = ["10.\(rule / 8).\(rule % 8 * 32).0/\(24 + rule % 5)", "192.0.2.\(rule % 256)"]
            if rule < hosts { to.append("host-\(rule).fleet-\(rule % 7).example") }
            if rule % 16 == 0 { to.append("list:office") }
            let traffic =
                rule % 4 == 0
                ? "services: [mqtts, coaps]" : "protocol: tcp, ports: [443, \(1000 + rule)-\(1009 + rule)]"
            let outcome = rule % 9 == 8 ? "action: block" : "route: internet"
            text += "  - {name: rule-\(rule), to: [\(to.joined(separator: ", "))], \(traffic), \(outcome)}\n"
        }
        return text
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
    private static func rounded(_ value: Double) -> String { String(format: "%.2f", value) }
}
