import Domain

/// A list that stands in the document.
struct DocumentList {
    let items: [ListItem]
    let place: SourcePlace
    let field: FieldPath
    /// Whether a rule names it.
    var isUsed = false
}

extension PolicyReader {
    private static let listsExample = "- {name: head-office, items: [10.0.0.0/24]}"

    mutating func readLists(_ node: SourceNode) {
        guard case .sequence(let nodes) = node.content else {
            report(node.place, "lists", "expected a list of lists, found \(node.kind): write \(Self.listsExample)")
            return
        }
        guard nodes.count <= ValidatedPolicy.maximumLists else {
            report(node.place, "lists", "\(nodes.count) lists; at most \(ValidatedPolicy.maximumLists) are allowed")
            return
        }
        for (index, node) in nodes.enumerated() { readList(node, field: FieldPath("lists")[index]) }
    }

    private mutating func readList(_ node: SourceNode, field: FieldPath) {
        guard let entries = entries(of: node, field: field, known: PolicyKeys.list) else { return }
        var items: [ListItem] = []
        let example =
            "addresses such as 192.0.2.10, prefixes such as 198.51.100.0/24, or names such as "
            + "mqtt.acme.example"
        if let list = required("items", in: entries, of: node, field: field, example: "items: [10.0.0.0/24]") {
            let texts = self.list(
                list, field: field["items"], atMost: ValidatedPolicy.maximumListItems, example: example,
                empty: "so a rule that names it could never match")
            for item in texts ?? [] {
                if let item = listItem(item) { items.append(item) }
            }
        }
        guard let nameNode = required("name", in: entries, of: node, field: field, example: "name: head-office"),
            let name = name(nameNode, field: field["name"])
        else { return }
        if let earlier = lists[name] {
            report(
                nameNode.place, field["name"],
                "\"\(name)\" is the name of \(earlier.field) already: give each list a name of its own")
            return
        }
        lists[name] = DocumentList(items: items, place: node.place, field: field)
    }

    private mutating func listItem(_ item: ListedText) -> ListItem? {
        for word in ["list", "group"] where item.text.hasPrefix("\(word):") {
            report(
                item.node.place, item.field,
                "\(item.text.quoted): a list holds addresses, prefixes and names only: "
                    + "write \(word):NAME in the rule, beside the list")
            return nil
        }
        if item.text == "any" {
            report(item.node.place, item.field, "any may not stand in a list: write to: [any] in the rule")
            return nil
        }
        return parsed(item.text, item.node, field: item.field, by: ListItem.init(parsing:))
    }

    /// What the list of this name holds: the document's own, else the one that the tenant's policies share.
    mutating func items(ofList text: String, _ item: ListedText) -> [ListItem]? {
        let (own, shared) = (lists, scope.lists)
        guard
            let name = reference(
                text, kind: "list", among: Set(own.keys).union(shared.keys),
                isKnown: { own[$0] != nil || shared[$0] != nil }, item.node, field: item.field)
        else { return nil }
        guard let list = own[name] else {
            sharedLists.insert(name)
            return shared[name]
        }
        lists[name]?.isUsed = true
        return list.items
    }
}
