import Domain

/// Reads the parts of a policy from a document, noting what is wrong as it goes on.
struct PolicyReader: PieceReader {
    let file: String
    let scope: PolicyScope
    var diagnostics: [Diagnostic] = []
    /// The document's own lists, right or not, so that rules may name them.
    var lists: [Name: DocumentList] = [:]
    /// Those of the tenant that rules name.
    var sharedLists: Set<Name> = []

    init(file: String, scope: PolicyScope) {
        self.file = file
        self.scope = scope
    }

    /// `nil` only after something was reported.
    mutating func policy(_ root: SourceNode) -> ValidatedPolicy? {
        guard let entries = entries(of: root, field: .document, known: PolicyKeys.document) else { return nil }
        var name: Name?
        if let node = required("policy", in: entries, of: root, field: .document, example: "policy: meters") {
            name = self.name(node, field: "policy")
        }
        let mode = entries["mode"].map { choice($0, field: "mode", kind: "a mode", of: ValidatedPolicy.Mode.self) }
        if let node = entries["default"], let text = text(node, field: "default", example: "default: block"),
            text != "block"
        {
            report(node.place, "default", "\(text.quoted) is not supported: the only default is block")
        }
        if let node = entries["lists"] { readLists(node) }
        let dns = entries["dns"].map { dnsPart($0) } ?? DNSPart()
        guard
            let list = required(
                "rules", in: entries, of: root, field: .document, example: "rules: [] to block everything"),
            let rules = self.rules(list), let name, diagnostics.isEmpty
        else { return nil }
        guard checkBoxes(rules, list) else { return nil }
        let doubts = PolicyDoubts(file: file, rules: rules, dns: dns, lists: lists)
        return ValidatedPolicy(
            name: name, mode: (mode ?? .enforce) ?? .enforce, dns: dns.policy,
            rules: scope.resolverGuard?.added(to: rules.map(\.rule)) ?? rules.map(\.rule),
            sharedLists: sharedLists, in: scope, warnings: doubts.warnings)
    }

    /// Whether the rules are few enough for the kernel.
    private mutating func checkBoxes(_ rules: [PlacedRule], _ list: SourceNode) -> Bool {
        let count = { (rules: [PlacedRule]) in rules.reduce(0) { $0 + $1.rule.boxCount } }
        let isToDevice = { (rule: PlacedRule) in rule.rule.direction != .fromDevice }
        let toDevices = rules.filter(isToDevice)
        let inward = count(toDevices)
        let outward = count(rules.filter { !isToDevice($0) })
        let boxes = outward + inward
        guard boxes <= ValidatedPolicy.maximumBoxes else {
            report(
                list.place, "rules",
                "the rules make \(boxes) combinations of destinations and port ranges; "
                    + "at most \(ValidatedPolicy.maximumBoxes) are allowed")
            return false
        }
        if let first = toDevices.first, inward > ValidatedPolicy.maximumAccessBoxes {
            report(
                first.place, first.field,
                "the rules for packets to devices make \(inward) combinations of sources, groups and port "
                    + "ranges; at most \(ValidatedPolicy.maximumAccessBoxes) are allowed")
            return false
        }
        let named = rules.filter { !$0.rule.hosts.isEmpty }
        let hostBoxes = named.reduce(0) { $0 + $1.rule.shapes.count }
        if let first = named.first, hostBoxes > ValidatedPolicy.maximumHostBoxes {
            report(
                first.place, first.field,
                "the rules to host names make \(hostBoxes) combinations with port ranges; "
                    + "at most \(ValidatedPolicy.maximumHostBoxes) are allowed")
            return false
        }
        guard let first = rules.first(where: { !$0.rule.groups.isEmpty && !isToDevice($0) }),
            outward > ValidatedPolicy.maximumBoxesBesideGroups
        else { return true }
        report(
            first.place, first.field,
            "the rules make \(outward) combinations of destinations and port ranges; of a policy with a rule to groups "
                + "at most \(ValidatedPolicy.maximumBoxesBesideGroups) are allowed: use shorter lists")
        return false
    }

    private mutating func rules(_ list: SourceNode) -> [PlacedRule]? {
        guard case .sequence(let items) = list.content else {
            report(list.place, "rules", "expected a list of rules, found \(list.kind): write [] for no rules")
            return nil
        }
        guard items.count <= ValidatedPolicy.maximumRules else {
            report(
                list.place, "rules", "\(items.count) rules; at most \(ValidatedPolicy.maximumRules) are allowed")
            return nil
        }
        var rules: [PlacedRule] = []
        var indexes: [Name: Int] = [:]
        for (index, item) in items.enumerated() {
            let field = FieldPath("rules")[index]
            let named = self.rule(item, field: field)
            if let (name, place) = named.name {
                if let earlier = indexes[name] {
                    report(
                        place, field["name"],
                        "\"\(name)\" is the name of rules[\(earlier)] already: give each rule a name of its own")
                } else {
                    indexes[name] = index
                }
            }
            if let rule = named.rule { rules.append(PlacedRule(rule: rule, place: item.place, field: field)) }
        }
        return rules
    }
}

/// A rule and where it stands.
struct PlacedRule {
    let rule: ValidatedPolicy.Rule
    let place: SourcePlace
    let field: FieldPath
}

extension ValidatedPolicy.Rule {
    /// Combinations of destinations (or sources, for a rule to devices) and port ranges.
    fileprivate var boxCount: Int {
        let places =
            switch direction {
            case .fromDevice: ipv4.merged().count + ipv6.merged().count + hosts.count + groups.count
            case .toDevice(_, let sources):
                (sources.ipv4.merged().count + sources.ipv6.merged().count) * max(1, groups.count)
            }
        return places * matches.reduce(0) { $0 + max(1, $1.ports.merged().count) }
    }
}
