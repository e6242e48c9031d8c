import Domain

/// The `dns` part of a document, with the places of what warnings speak of.
struct DNSPart {
    var policy = DNSPolicy.standard
    /// Where each item of ``DNSPolicy/allow`` stands.
    var allowPlaces: [(place: SourcePlace, field: FieldPath)] = []
}

extension PolicyReader {
    mutating func dnsPart(_ node: SourceNode) -> DNSPart {
        guard let entries = entries(of: node, field: "dns", known: PolicyKeys.dns) else { return DNSPart() }
        let standard = DNSPolicy.standard
        let fallback = entries["default"].map {
            choice($0, field: "dns.default", kind: "a default", of: DNSPolicy.Default.self)
        }
        let allow = entries["allow"].map { hostPatterns($0, field: "dns.allow") } ?? []
        let deny = entries["deny"].map { hostPatterns($0, field: "dns.deny") } ?? []
        let blocklists = entries["blocklists"].map { self.blocklists($0, field: "dns.blocklists") } ?? []
        let answer = entries["answer"].map { self.answer($0, field: "dns.answer") }
        let policy = DNSPolicy(
            default: (fallback ?? standard.default) ?? standard.default, allow: allow.map(\.pattern),
            deny: deny.map(\.pattern), blocklists: blocklists, answer: (answer ?? standard.answer) ?? standard.answer)
        return DNSPart(policy: policy, allowPlaces: allow.map { ($0.item.node.place, $0.item.field) })
    }

    private mutating func hostPatterns(
        _ node: SourceNode, field: FieldPath
    ) -> [(pattern: HostPattern, item: ListedText)] {
        let items = list(
            node, field: field, atMost: ValidatedPolicy.maximumListItems,
            example: "names such as pool.ntp.org or \"*.acme.example\"", empty: nil)
        var patterns: [(pattern: HostPattern, item: ListedText)] = []
        for item in items ?? [] {
            guard let pattern = parsed(item.text, item.node, field: item.field, by: HostPattern.init(parsing:)) else {
                continue
            }
            patterns.append((pattern, item))
        }
        return patterns
    }

    private mutating func blocklists(_ node: SourceNode, field: FieldPath) -> [Name] {
        let items = list(
            node, field: field, atMost: ValidatedPolicy.maximumLists, example: "names of blocklists",
            empty: nil)
        let known = scope.blocklists
        var names: [Name] = []
        for item in items ?? [] {
            let name = reference(
                item.text, kind: "blocklist", among: known, isKnown: known.contains, item.node, field: item.field)
            if let name, !names.contains(name) { names.append(name) }
        }
        return names
    }

    private mutating func answer(_ node: SourceNode, field: FieldPath) -> DNSPolicy.Answer? {
        let example = "nxdomain, nodata, refused or an address"
        guard let text = text(node, field: field, example: example) else { return nil }
        switch text {
        case "nxdomain": return .nxdomain
        case "nodata": return .nodata
        case "refused": return .refused
        default: break
        }
        guard text.utf8.contains(where: { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") }) else {
            let hint = Suggestion.text(for: text, among: ["nxdomain", "nodata", "refused"])
            report(node.place, field, "\(text.quoted) is not an answer\(hint): write \(example)")
            return nil
        }
        return parsed(text, node, field: field, by: IPAddress.init(parsing:)).map { .address($0) }
    }
}
