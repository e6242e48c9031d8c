import Domain

extension PolicyReader {
    /// What `to` or `from` says, with lists replaced by what they hold, each place once.
    struct Places {
        var written: [String] = []
        private(set) var ipv4: [IPv4Prefix] = []
        private(set) var ipv6: [IPv6Prefix] = []
        private(set) var hosts: [HostPattern] = []
        private(set) var groups: [Name] = []
        private var known: Set<ListItem> = []

        static let any: Places = {
            var places = Places(written: ["any"])
            places.add(.ipv4(.any))
            places.add(.ipv6(.any))
            return places
        }()

        init(written: [String] = []) { self.written = written }

        var count: Int { ipv4.count + ipv6.count + hosts.count + groups.count }

        mutating func add(_ item: ListItem) {
            guard known.insert(item).inserted else { return }
            switch item {
            case .ipv4(let prefix): ipv4.append(prefix)
            case .ipv6(let prefix): ipv6.append(prefix)
            case .host(let pattern): hosts.append(pattern)
            }
        }

        mutating func add(group: Name) {
            if !groups.contains(group) { groups.append(group) }
        }
    }

    private static let destinationsExample =
        "addresses such as 192.0.2.10, prefixes such as 198.51.100.0/24, names such as mqtt.acme.example, "
        + "list:NAME, group:NAME, or [any]"
    private static let sourcesExample = "addresses such as 10.0.0.5, prefixes such as 10.0.0.0/28, list:NAME, or [any]"

    /// `nil` after something was reported.
    /// - Parameter isToDevice: `nil` when that could not be read.
    mutating func destinations(
        isToDevice: Bool?, _ entries: MappingEntries, of rule: SourceNode, field: FieldPath
    ) -> Places? {
        if isToDevice != false, entries["to"] == nil { return .any }
        guard let node = required("to", in: entries, of: rule, field: field, example: "to: [198.51.100.0/24]") else {
            return nil
        }
        let before = diagnostics.count
        var places = Places()
        var firstOther: ListedText?
        for item in items(of: node, field: field["to"], example: Self.destinationsExample) {
            places.written.append(item.text)
            if item.text == "any" {
                places = .any
            } else if item.text.hasPrefix("group:") {
                let known = scope.groups
                let name = reference(
                    String(item.text.dropFirst(6)), kind: "group", among: known.keys,
                    isKnown: { known[$0] != nil }, item.node, field: item.field)
                if let name { places.add(group: name) }
            } else if isToDevice == true {
                report(
                    item.node.place, item.field,
                    "\(item.text.quoted): a rule for packets to devices may name groups only, "
                        + "and means all devices of the policy when it names none: write group:NAME, or leave to out")
            } else {
                firstOther = firstOther ?? item
                for found in resolved(item) { places.add(found) }
            }
        }
        if !places.groups.isEmpty, let other = firstOther {
            report(
                other.node.place, other.field,
                "\(other.text.quoted) and groups may not stand in one rule, for groups need action: allow: "
                    + "write two rules")
        }
        checkCount(places, "destinations", node, field: field["to"])
        return diagnostics.count == before ? places : nil
    }

    /// Everything, when the rule does not say. `nil` after something was reported.
    mutating func sources(_ node: SourceNode?, field: FieldPath) -> ValidatedPolicy.Sources? {
        let before = diagnostics.count
        var places = node == nil ? Places.any : Places()
        if let node {
            for item in items(of: node, field: field, example: Self.sourcesExample) {
                places.written.append(item.text)
                if item.text == "any" {
                    places = .any
                    continue
                }
                for found in resolved(item) { places.add(found) }
                if let host = places.hosts.first {
                    report(
                        item.node.place, item.field,
                        "\(host.description.quoted) is a name, and the source of a packet has none: "
                            + "write addresses or prefixes")
                    break
                }
            }
            checkCount(places, "sources", node, field: field)
        }
        guard diagnostics.count == before else { return nil }
        return ValidatedPolicy.Sources(written: places.written, ipv4: places.ipv4, ipv6: places.ipv6)
    }

    /// The texts of the list; `any` must stand alone.
    private mutating func items(of node: SourceNode, field: FieldPath, example: String) -> [ListedText] {
        guard let items = list(node, field: field, atMost: ValidatedPolicy.maximumDestinations, example: example)
        else { return [] }
        if let any = items.first(where: { $0.text == "any" }), items.count > 1 {
            report(any.node.place, any.field, "any takes in everything else of the list: write [any] alone")
        }
        return items
    }

    /// What an item stands for: one place, or those of a list.
    private mutating func resolved(_ item: ListedText) -> [ListItem] {
        let end = item.text.utf8.firstIndex(of: UInt8(ascii: ":")) ?? item.text.endIndex
        let word = item.text[..<end]
        if word == "list" { return items(ofList: String(item.text.unicodeScalars[end...].dropFirst()), item) ?? [] }
        if word == "group" {
            report(item.node.place, item.field, "\(item.text.quoted): a group cannot stand here: write addresses")
            return []
        }
        if word == "vpn" {
            report(
                item.node.place, item.field,
                "\(item.text.quoted): a VPN is a way, not a place: write route: \(item.text)")
            return []
        }
        let rest = item.text[end...]
        let hint = rest.isEmpty ? "" : Suggestion.text(for: item.text, among: ["list\(rest)", "group\(rest)"])
        if !hint.isEmpty {
            report(item.node.place, item.field, "\(item.text.quoted) is not a destination\(hint)")
            return []
        }
        return parsed(item.text, item.node, field: item.field, by: ListItem.init(parsing:)).map { [$0] } ?? []
    }

    private mutating func checkCount(_ places: Places, _ what: String, _ node: SourceNode, field: FieldPath) {
        guard places.count > ValidatedPolicy.maximumDestinations else { return }
        report(
            node.place, field,
            "\(places.count) \(what), with what the lists hold; "
                + "at most \(ValidatedPolicy.maximumDestinations) are allowed")
    }
}
