import Foundation
import Lab
import TestSupport

/// Three tenants with policies, lists, groups, SIMs and sessions, and changes to them.
struct SoakFleet {
    let lab: Laboratory
    let layout: LabLayout
    var random: Generator

    private static let tenants = 3
    private static let simsEach = 20
    private static let sims = tenants * simsEach

    init(lab: Laboratory, layout: LabLayout, random: Generator) {
        self.lab = lab
        self.layout = layout
        self.random = random
    }

    /// What RADIUSLoad writes of each session.
    var addresses: String { "\(layout.runDirectory)/soak.addresses" }

    // MARK: From nothing and back

    mutating func make() async throws {
        try await lab.cli.run(["service", "put", "soak", "udp 7000"])
        for tenant in Self.names {
            try await lab.cli.run(["tenant", "create", tenant])
            try await lab.cli.run(["list", "put", "office", "-", "--tenant", tenant], input: items())
            for policy in Self.policies {
                try await lab.cli.run(["policy", "apply", "-", "--tenant", tenant], input: document(policy))
            }
            try await lab.cli.run(["group", "create", "meters", "--tenant", tenant, "--policy", "first"])
            try await lab.cli.run(["tenant", "set-default-policy", tenant, "--policy", "second"])
        }
        for (number, tenant) in Self.names.enumerated() {
            let rows = (0..<Self.simsEach).map { place in
                let digits = Self.digits(number * Self.simsEach + place)
                return "898800000\(digits),00101\(digits),,\(place % 2 == 0 ? "meters" : ""),"
            }
            let csv = (["iccid,imsi,msisdn,group,name"] + rows).joined(separator: "\n") + "\n"
            try await lab.cli.run(["sim", "import", "-", "--tenant", tenant, "--atomic"], input: csv)
        }
        try output(of: load("auth,start --write \(addresses).told"))
        try output(of: "awk '{ print $2 }' \(addresses).told >\(addresses)")
    }

    func takeBack() async throws {
        try request("POST", (0..<Self.sims).map { "sims/\(Self.imsi($0))/resume" })
        // Whoever has no session any more gets one, so that all end in the same way.
        try output(of: load("auth,stop"))
        try request("DELETE", (0..<Self.sims).map { "sims/\(Self.imsi($0))" })
        for tenant in Self.names {
            try await lab.cli.run(["tenant", "set-default-policy", tenant, "--none"])
            try await lab.cli.run(["group", "delete", "meters", "--tenant", tenant])
            for policy in Self.policies { try await lab.cli.run(["policy", "delete", policy, "--tenant", tenant]) }
            try await lab.cli.run(["list", "delete", "office", "--tenant", tenant])
            try await lab.cli.run(["tenant", "delete", tenant])
        }
        try await lab.cli.run(["service", "delete", "soak"])
    }

    /// Many requests by one program: the command line takes longer to start than the daemon to answer.
    private func request(_ method: String, _ paths: [String]) throws {
        let urls = paths.map { "http://localhost/v1/\($0)" }.joined(separator: " ")
        try output(
            of: "curl -s -f --fail-early --unix-socket \(layout.apiSocket) "
                + "-H \"Authorization: Bearer $(cat \(layout.tokenFile))\" -X \(method) \(urls) >/dev/null")
    }

    private static let names = (0..<tenants).map { "soak-\($0)" }
    private static let policies = ["first", "second"]

    private static func digits(_ number: Int) -> String {
        String(repeating: "0", count: 10 - String(number).count) + String(number)
    }
    private static func imsi(_ number: Int) -> String { "00101" + digits(number) }

    private func load(_ phases: String, first: Int = 0, count: Int = Self.sims) -> String {
        "nsenter --net=/run/netns/\(layout.name(of: .ran)) \(layout.programs)/RADIUSLoad --server "
            + "\(LabLayout.gatewaySGi) --secret-file \(layout.runDirectory)/radius.secret --in-flight 32 "
            + "--first \(first) --count \(count) --phases \(phases)"
    }

    // MARK: Changes

    /// One change at random. What fails is counted under its first words.
    mutating func change(_ tally: inout SoakTally) async {
        let tenant = Self.names[Int.random(in: 0..<Self.tenants, using: &random)]
        let policy = random.pick("first", "second")
        let number = Int.random(in: 0..<Self.sims, using: &random)
        var arguments: [String] = []
        var input = ""
        switch Int.random(in: 0..<14, using: &random) {
        case 0...3: (arguments, input) = (["policy", "apply", "-", "--tenant", tenant], document(policy))
        case 4: arguments = ["policy", "rollback", policy, "--tenant", tenant]
        case 5, 6: (arguments, input) = (["list", "put", "office", "-", "--tenant", tenant], items())
        case 7:
            let port = Int.random(in: 7001...7100, using: &random)
            arguments = ["service", "put", "soak", "udp 7000 \(port)"]
        case 8: arguments = ["sim", "suspend", Self.imsi(number)]
        case 9: arguments = ["sim", "resume", Self.imsi(number)]
        case 10: arguments = ["group", "set-policy", "meters", "--tenant", tenant, "--policy", policy]
        case 11: arguments = ["sim", "set-group", Self.imsi(number)] + random.pick(["--none"], ["--group", "meters"])
        case 12: arguments = ["tenant", "set-default-policy", tenant] + random.pick(["--none"], ["--policy", policy])
        default:
            // Suspended SIMs are rejected, which the generator's exit code tells.
            let count = min(10, Self.sims - number)
            shell(load(random.pick("auth", "auth,start,interim", "auth,stop"), first: number, count: count) + " 2>&1")
            tally.done += 1
            return
        }
        do {
            try await lab.cli.run(arguments, input: input)
            tally.done += 1
        } catch {
            tally.refused.append(arguments.prefix(2).joined(separator: " "))
        }
    }

    /// Few boxes or many, open always or for minutes, watched or not; the traffic's servers are mostly in it.
    private mutating func document(_ name: String) -> String {
        var rules: [String] = []
        if random.oneIn(4) { rules.append("{name: no, to: [192.0.2.\(10 + randomByte(16))], action: block}") }
        if !random.oneIn(5) { rules.append("{name: servers, to: [192.0.2.0/26], services: [soak], route: internet}") }
        if !random.oneIn(3) {
            let names = random.pick("\"*.many.example.com\"", "telemetry.example.com, n7.many.example.com")
            rules.append("{name: names, to: [\(names)], services: [soak], route: internet}")
        }
        if random.oneIn(2) { rules.append("{name: office, to: [\"list:office\"], route: internet, log: true}") }
        if random.oneIn(3) {
            let minute = Int(Date().timeIntervalSince1970) / 60 % 1440
            let span = [minute, minute + 1 + randomByte(2)].map { $0 % 1440 }.map(Self.time)
            let when = "{from: \"\(span[0])\", to: \"\(span[1])\"}"
            rules.append("{name: now, to: [192.0.2.0/24], route: internet, schedule: \(when)}")
        }
        for number in 0..<(random.oneIn(3) ? 40 : randomByte(6)) {
            let to = "10.\(number).\(randomByte(256)).0/24"
            rules.append(
                "{name: more-\(number), to: [\(to)], protocol: tcp, ports: [\(1 + randomByte(256))], route: internet}")
        }
        let mode = random.oneIn(4) ? "monitor" : "enforce"
        let dns = random.pick("", "dns: {default: allow, deny: [\"*.tracker.example\"]}\n")
        return "policy: \(name)\nmode: \(mode)\n\(dns)rules:\n  - {name: always, to: [198.51.100.9], action: block}\n"
            + rules.map { "  - \($0)\n" }.joined()
    }

    private mutating func items() -> String {
        (0...randomByte(40)).map { "192.0.2.\($0 * 4 % 256)/30\n" }.joined() + "198.51.100.\(randomByte(256))\n"
    }

    private mutating func randomByte(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }

    private static func time(_ minute: Int) -> String {
        [minute / 60, minute % 60].map { ($0 < 10 ? "0" : "") + "\($0)" }.joined(separator: ":")
    }
}
