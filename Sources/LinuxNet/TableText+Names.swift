import Domain

/// What the gateway has for devices beside the way out: its resolver, and the operator's time server.
extension TableText {
    /// Flows with the number of a way to the time server. They go as those to the internet do.
    private var timeRules: [String] {
        let flows = "meta mark \(Self.number(RouteMark.internet)) ct mark @\(Leads.timeServerName)"
        let servers = [layout.timeServer.map { "ip to \($0)" }, layout.timeServer6.map { "ip6 to \($0)" }]
        return zip(["ipv4", "ipv6"], servers).map { family, server in
            "meta nfproto \(family) \(flows) \(server.map { "dnat \($0)" } ?? "counter name blocked drop")"
        }
    }

    /// The operator's own, which may be among what is protected.
    var toTimeServer: [String] {
        let internet = "meta mark \(Self.number(RouteMark.internet))"
        return [layout.timeServer.map { "ip daddr \($0)" }, layout.timeServer6.map { "ip6 daddr \($0)" }].compactMap {
            $0.map {
                "\(internet) ct status & dnat == dnat \($0) udp dport 123 oif \"\(layout.wanInterface)\" "
                    + "goto from_device"
            }
        }
    }

    /// The resolver's address of a family, as nft writes it.
    func resolverAddress(_ family: Family) -> String? {
        switch family {
        case .ipv4: layout.resolver?.address.description
        case .ipv6: layout.hasIPv6 ? layout.resolver?.address6?.description : nil
        }
    }

    /// Where a flow of NAT 1's may have the port that a socket of the gateway has.
    private func notPublic(_ end: String) -> String {
        let prefixes = layout.publicPrefixes.sorted().map { "\($0.address)/\($0.length)" }
        return prefixes.isEmpty ? "" : "ip \(end) != { \(prefixes.joined(separator: ", ")) } "
    }

    /// Ports that unbound asks from.
    static let askingPorts = "16384-65535"

    /// Answers to connected sockets, whose other end the kernel compares: connection tracking would do no more. A socket
    /// that is bound to all addresses, as servers' are, is none of these; those of one address of this interface have lower
    /// ports.
    var answersToResolver: [String] {
        guard layout.resolver != nil else { return [] }
        return [
            "ct state untracked udp sport 53 udp dport \(Self.askingPorts) fib daddr . iif type local socket wildcard 0 accept"
        ]
    }

    /// Questions to the resolver itself are not tracked, those to others are redirected. What it and unbound ask, of each
    /// other and of the internet, is not tracked either: each question is a flow of its own.
    var resolverRules: [(name: String, rules: [String])] {
        let time = [("nat_prerouting", timeRules)]
        guard let resolver = layout.resolver else { return time }
        let mark = Self.number(RouteMark.resolver)
        let sgi = "iif \"\(layout.sgiInterface)\""
        let families = Family.allCases.compactMap { family in
            resolverAddress(family).map { (word: family == .ipv4 ? "ip" : "ip6", address: $0) }
        }
        return time + [
            (
                "raw_prerouting",
                families.map { "\(sgi) \($0.word) daddr \($0.address) udp dport 53 notrack accept" }
                    + [
                        "iif lo notrack accept",
                        "iif \"\(layout.wanInterface)\" udp sport 53 \(notPublic("daddr"))socket wildcard 0 notrack",
                    ]
            ),
            (
                "raw_output",
                families.map { "\($0.word) saddr \($0.address) udp sport 53 notrack accept" }
                    + [
                        "oif lo notrack accept",
                        "oif \"\(layout.wanInterface)\" udp dport 53 \(notPublic("saddr"))socket wildcard 0 notrack",
                    ]
            ),
            (
                "nat_prerouting",
                families.flatMap { word, address in
                    let redirected =
                        "\(word == "ip" ? address : "[\(address)]"):\(resolver.redirectedPort)"
                    return ["udp", "tcp"].map {
                        "meta mark \(mark) \(word) daddr != \(address) \($0) dport 53 dnat \(word) to \(redirected)"
                    }
                }
            ),
        ]
    }
}
