import Domain

/// Reads the parts of an onboarding document, noting what is wrong as it goes on.
struct OnboardingReader: PieceReader {
    let file: String
    var diagnostics: [Diagnostic] = []

    init(file: String) { self.file = file }

    /// `nil` only after something was reported.
    mutating func document(_ root: SourceNode) -> OnboardingDocument? {
        guard let entries = entries(of: root, field: .document, known: OnboardingKeys.document) else { return nil }
        var tenant: Placed<Name>?
        if let node = required("tenant", in: entries, of: root, field: .document, example: "tenant: acme") {
            tenant = name(node, field: "tenant").map { Placed(value: $0, place: place(node, "tenant")) }
        }
        // So that the rest is read too, whatever is wrong with the name.
        var document = tenant.map { OnboardingDocument(file: file, tenant: $0) }
        let accessPoint = entries["apn"].flatMap { self.accessPoint($0) }
        let space = self.space(entries)
        let limit = entries["limits"].flatMap { limits($0) }
        let lists = self.items(entries, "lists", "{name: head-office, items: [10.0.0.0/24]}") { $0.list($1, $2) }
        let groups = self.items(entries, "groups", "{name: meters, policy: telemetry}") { $0.group($1, $2) }
        let policies = self.items(entries, "policies", "{policy: telemetry, rules: []}") { $0.policy($1, $2) }
        let vpns = self.items(
            entries, "vpns", "{name: hq, peer: vpn.acme.example, remote-networks: [10.0.0.0/24]}"
        ) { $0.site($1, $2) }
        let users = self.items(entries, "users", "{name: acme-admin}") { $0.user($1, $2) }
        let (sims, files) = entries["sims"].map { self.sims($0) } ?? ([], [])
        if let node = entries["default-policy"] {
            document?.defaultPolicy = name(node, field: "default-policy").map {
                Placed(value: $0, place: place(node, "default-policy"))
            }
        }
        refuseRepeated(groups, "groups", \.name)
        refuseRepeated(lists, "lists", \.name)
        refuseRepeated(vpns, "vpns", \.name)
        refuseRepeated(users, "users", \.self)
        refuseRepeated(
            policies.map { Placed(value: $0.value.name, place: $0.place) }, "policies", key: "policy", \.self)
        document?.accessPoint = accessPoint
        document?.space = space
        document?.vpnLimit = limit
        document?.lists = lists
        document?.groups = groups
        document?.policies = policies.map(\.value)
        document?.vpns = vpns
        document?.users = users
        document?.sims = sims
        document?.simFiles = files
        return document
    }

    func place(_ node: SourceNode, _ field: FieldPath) -> DocumentPlace {
        DocumentPlace(file: file, node: node, field: field)
    }

    // MARK: Lists of things

    /// What `read` makes of each item; what it makes nothing of, it has reported.
    private mutating func items<Value>(
        _ entries: MappingEntries, _ key: String, _ example: String,
        _ read: (inout Self, SourceNode, FieldPath) -> Value?
    ) -> [Placed<Value>] {
        guard let node = entries[key] else { return [] }
        let field = FieldPath.document[key]
        guard case .sequence(let nodes) = node.content else {
            report(node.place, field, "expected a list, found \(node.kind): write - \(example)")
            return []
        }
        guard nodes.count <= OnboardingDocument.maximumItems else {
            report(node.place, field, "\(nodes.count) items; at most \(OnboardingDocument.maximumItems) are allowed")
            return []
        }
        var items: [Placed<Value>] = []
        for (index, node) in nodes.enumerated() {
            if let value = read(&self, node, field[index]) {
                items.append(Placed(value: value, place: place(node, field[index])))
            }
        }
        return items
    }

    private mutating func refuseRepeated<Value>(
        _ items: [Placed<Value>], _ list: String, key: String = "name", _ name: (Value) -> Name
    ) {
        var known: [Name: FieldPath] = [:]
        for item in items {
            let name = name(item.value)
            if let earlier = known[name] {
                diagnostics.append(
                    item.place[key].diagnostic(
                        "\"\(name)\" is the name of \(earlier) already: write each of the \(list) once"))
            } else {
                known[name] = item.place.field
            }
        }
    }

    // MARK: Small parts

    private mutating func accessPoint(_ node: SourceNode) -> Placed<OnboardingDocument.AccessPointChoice>? {
        let apn: APN?
        var kind: AccessPoint.Kind?
        if case .scalar = node.content {
            apn = text(node, field: "apn", example: "iot.example").flatMap {
                parsed($0, node, field: "apn", by: APN.init(parsing:))
            }
        } else {
            guard let entries = entries(of: node, field: "apn", known: OnboardingKeys.accessPoint) else { return nil }
            apn = required("name", in: entries, of: node, field: "apn", example: "name: acme.iot").flatMap {
                value($0, field: FieldPath("apn")["name"], example: "acme.iot", by: APN.init(parsing:))
            }
            kind = entries["kind"].flatMap {
                choice($0, field: FieldPath("apn")["kind"], kind: "a kind of APN", of: AccessPoint.Kind.self)
            }
        }
        return apn.map {
            Placed(value: OnboardingDocument.AccessPointChoice(apn: $0, kind: kind), place: place(node, "apn"))
        }
    }

    private mutating func space(_ entries: MappingEntries) -> Placed<OnboardingDocument.AddressSpace>? {
        let addresses = entries["addresses"].flatMap { node in
            number(node, field: "addresses", of: OnboardingDocument.addressCounts).map {
                Placed(value: OnboardingDocument.AddressSpace.addresses($0), place: place(node, "addresses"))
            }
        }
        guard let node = entries["blocks"] else { return addresses }
        guard entries["addresses"] == nil else {
            report(node.place, "blocks", "addresses and blocks say the same: write one of the two")
            return nil
        }
        return number(node, field: "blocks", of: OnboardingDocument.blockCounts).map {
            Placed(value: .blocks($0), place: place(node, "blocks"))
        }
    }

    private mutating func limits(_ node: SourceNode) -> Placed<UInt32>? {
        guard let entries = entries(of: node, field: "limits", known: OnboardingKeys.limits), let node = entries["vpns"]
        else { return nil }
        let field = FieldPath("limits")["vpns"]
        return number(node, field: field, of: 0...4096).map { Placed(value: $0, place: place(node, field)) }
    }

    private mutating func group(_ node: SourceNode, _ field: FieldPath) -> OnboardingDocument.Group? {
        guard let entries = entries(of: node, field: field, known: OnboardingKeys.group) else { return nil }
        let policy = entries["policy"].flatMap { name($0, field: field["policy"]) }
        return named(entries, node, field).map { OnboardingDocument.Group(name: $0, policy: policy) }
    }

    private mutating func user(_ node: SourceNode, _ field: FieldPath) -> Name? {
        guard let entries = entries(of: node, field: field, known: OnboardingKeys.user) else { return nil }
        return named(entries, node, field)
    }

    private mutating func list(_ node: SourceNode, _ field: FieldPath) -> OnboardingDocument.List? {
        guard let entries = entries(of: node, field: field, known: PolicyKeys.list) else { return nil }
        var items: [ListItem] = []
        var known: Set<ListItem> = []
        let example = "items: [10.0.0.0/24, mqtt.acme.example]"
        if let node = required("items", in: entries, of: node, field: field, example: example) {
            let texts = list(
                node, field: field["items"], atMost: SharedList.maximumItems, example: "10.0.0.0/24", empty: nil)
            for text in texts ?? [] {
                let item = parsed(text.text, text.node, field: text.field, by: ListItem.init(parsing:))
                if let item, known.insert(item).inserted { items.append(item) }
            }
        }
        return named(entries, node, field).map { OnboardingDocument.List(name: $0, items: items) }
    }

    // MARK: Pieces

    mutating func named(_ entries: MappingEntries, _ node: SourceNode, _ field: FieldPath) -> Name? {
        required("name", in: entries, of: node, field: field, example: "name: meters").flatMap {
            name($0, field: field["name"])
        }
    }
}
