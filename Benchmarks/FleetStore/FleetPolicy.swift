import Domain

/// A tenant's policy, as Cordon's document and as the same rules for the programs that it is compared with. No two
/// tenants' are the same, so that no two could share anything in the kernel; the servers of the measurement stand in the
/// middle of each.
struct FleetPolicy {
    struct Rule {
        let name: String
        let to: [String]
        let `protocol`: String
        /// Ports and ranges, as `443` and `5000-9000`.
        let ports: [String]
        let isAllowed: Bool
        /// Whether `to` holds host names, which only Cordon has a word for.
        var isByName = false
    }

    let tenant: Int
    private(set) var rules: [Rule] = []

    /// - Parameters:
    ///   - rules: 20 at least.
    ///   - names: host names, all in `rules` beyond the first 20, up to ten in each.
    init(tenant: Int, rules count: Int, names: Int) {
        self.tenant = tenant
        for number in 0..<3 { add("no-\(number)", number, "tcp", ["22", "23"], isAllowed: false) }
        for number in 0..<8 {
            let port = 1000 + (tenant * 7 + number * 131) % 50_000
            add("tls-\(number)", number, "tcp", ["443", "\(port)-\(port + 9)"])
        }
        for (name, number, ports) in [("telemetry", "udp", "5000-9000"), ("throughput", "tcp", "5201")] {
            rules.append(
                Rule(name: name, to: ["192.0.2.0/24"], protocol: number, ports: [ports], isAllowed: true))
        }
        for number in 0..<7 {
            let port = 2000 + (tenant * 11 + number * 17) % 50_000
            add("coap-\(number)", number + 10, "udp", ["5683", "\(port)"])
        }
        addMore(count - rules.count, names: names)
    }

    private mutating func add(
        _ name: String, _ network: Int, _ number: String, _ ports: [String], isAllowed: Bool = true
    ) {
        rules.append(
            Rule(
                name: name, to: ["10.\(tenant >> 8 & 0xff).\(tenant & 0xff).\(network * 8)/29"], protocol: number,
                ports: ports, isAllowed: isAllowed))
    }

    private mutating func addMore(_ count: Int, names: Int) {
        let byName = (0..<names).map { "host-\($0).tenant-\(tenant).example" }
        let holders = (names + Self.namesInARule - 1) / Self.namesInARule
        for number in 0..<max(0, count) {
            let port = 3000 + (tenant * 13 + number * 19) % 50_000
            guard number < holders else {
                let network = "10.\(128 + (tenant >> 8 & 0x7f)).\(tenant & 0xff).\(number % 64 * 4)/30"
                rules.append(
                    Rule(
                        name: "site-\(number)", to: [network], protocol: "tcp", ports: ["8883", "\(port)"],
                        isAllowed: true))
                continue
            }
            let first = number * Self.namesInARule
            rules.append(
                Rule(
                    name: "cloud-\(number)", to: Array(byName[first..<min(first + Self.namesInARule, names)]),
                    protocol: "tcp", ports: ["443", "\(port)"], isAllowed: true, isByName: true))
        }
    }

    private static let namesInARule = 10

    /// Rules that a policy must have to hold this many names.
    static func rules(forNames names: Int) -> Int { 20 + (names + namesInARule - 1) / namesInARule }

    // MARK: Written out

    var document: String {
        let lines = rules.map { rule in
            let outcome = rule.isAllowed ? "route: internet" : "action: block"
            return "  - {name: \(rule.name), to: [\(rule.to.joined(separator: ", "))], protocol: \(rule.protocol), "
                + "ports: [\(rule.ports.joined(separator: ", "))], \(outcome)}\n"
        }
        return "policy: fleet\ndefault: block\nrules:\n" + lines.joined()
    }

    /// The rules of a chain of nftables, one a line.
    var nft: String {
        rules.filter { !$0.isByName }.map { rule in
            "ip daddr \(rule.to.joined(separator: ", ")) \(rule.protocol) dport "
                + "{ \(rule.ports.joined(separator: ", ")) } \(rule.isAllowed ? "accept" : "drop")\n"
        }.joined()
    }

    /// Rules of a chain, as iptables-restore takes them.
    func iptables(chain: String) -> String {
        rules.filter { !$0.isByName }.map { rule in
            let ports = rule.ports.map { $0.replacing("-", with: ":") }
            let match =
                ports.count == 1 ? "--dport \(ports[0])" : "-m multiport --dports \(ports.joined(separator: ","))"
            return "-A \(chain) -d \(rule.to.joined(separator: ",")) -p \(rule.protocol) \(match) "
                + "-j \(rule.isAllowed ? "ACCEPT" : "DROP")\n"
        }.joined() + "-A \(chain) -j DROP\n"
    }
}
