import Domain

/// What is allowed in a policy but looks like a mistake, or does less than it seems to.
struct PolicyDoubts {
    private let file: String
    private let rules: [PlacedRule]
    private let dns: DNSPart
    private let lists: [Name: DocumentList]

    init(file: String, rules: [PlacedRule], dns: DNSPart, lists: [Name: DocumentList]) {
        self.file = file
        self.rules = rules
        self.dns = dns
        self.lists = lists
    }

    /// In the order of the document.
    var warnings: [Diagnostic] {
        let all = aboutRules + deniedAllowances + unusedLists
        return all.sorted { ($0.line, $0.column, $0.field, $0.message) < ($1.line, $1.column, $1.field, $1.message) }
    }

    /// Of a rule that never matches, nothing else is worth saying.
    private var aboutRules: [Diagnostic] {
        var coverage = Coverage()
        return rules.flatMap { placed in
            guard !placed.rule.isEmpty else { return [warning(placed, "never matches: its lists are empty")] }
            return coverage.add(placed.rule)
                ? [warning(placed, "never matches: earlier rules take all its packets")] : doubts(about: placed)
        }
    }

    private func doubts(about placed: PlacedRule) -> [Diagnostic] {
        let rule = placed.rule
        var doubts: [String] = []
        if !rule.hosts.isEmpty, rule.ipv4.isEmpty, rule.ipv6.isEmpty {
            doubts.append(
                "matches nothing until the gateway's resolver has given a device an address for "
                    + rule.hosts.map(\.description).inShort)
        }
        if rule.action != .block {
            let refused = rule.hosts.filter { host in dns.policy.deny.contains { $0.covers(host) } }
            if !refused.isEmpty {
                doubts.append(
                    "cannot reach \(refused.map(\.description).inShort): dns.deny refuses the name, "
                        + "so no device learns an address for it")
            }
        }
        if let schedule = rule.schedule, schedule.edges.isEmpty {
            doubts.append("has a schedule that is always open: leave it out")
        }
        if rule.hosts.isEmpty, rule.groups.isEmpty, rule.direction == .fromDevice {
            let numbers = Set(rule.matches.map(\.protocol))
            if rule.ipv4.isEmpty, numbers == [IPProtocol.icmp] {
                doubts.append("never matches: icmp is IPv4's, and its destinations are IPv6: write icmpv6")
            }
            if rule.ipv6.isEmpty, numbers == [IPProtocol.icmpv6] {
                doubts.append("never matches: icmpv6 is IPv6's, and its destinations are IPv4: write icmp")
            }
        }
        return doubts.map { warning(placed, $0) }
    }

    private var deniedAllowances: [Diagnostic] {
        zip(dns.policy.allow, dns.allowPlaces).compactMap { allowed, at in
            guard let denial = dns.policy.deny.first(where: { $0.covers(allowed) }) else { return nil }
            return Diagnostic(
                file: file, place: at.place, field: at.field,
                message: "\(allowed) is refused all the same: dns.deny has \(denial), and deny wins over allow")
        }
    }

    private var unusedLists: [Diagnostic] {
        lists.filter { !$0.value.isUsed }.map { name, list in
            Diagnostic(file: file, place: list.place, field: list.field, message: "no rule uses list \"\(name)\"")
        }
    }

    private func warning(_ placed: PlacedRule, _ message: String) -> Diagnostic {
        Diagnostic(
            file: file, place: placed.place, field: placed.field, message: "rule \"\(placed.rule.name)\" \(message)")
    }
}

extension ValidatedPolicy.Rule {
    /// Whether it names nothing but shared lists that hold nothing.
    fileprivate var isEmpty: Bool {
        let isFromNowhere =
            switch direction {
            case .fromDevice: false
            case .toDevice(_, let sources): sources.ipv4.isEmpty && sources.ipv6.isEmpty
            }
        return isFromNowhere || ipv4.isEmpty && ipv6.isEmpty && hosts.isEmpty && groups.isEmpty
    }
}
