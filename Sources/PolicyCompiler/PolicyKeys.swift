/// The keys of each kind of mapping in a document, in the order in which messages name them.
enum PolicyKeys {
    static let document = ["policy", "mode", "default", "lists", "dns", "rules"]
    static let list = ["name", "items"]
    static let dns = ["default", "allow", "deny", "blocklists", "answer"]
    static let rule = [
        "name", "direction", "via", "from", "to", "protocol", "ports", "services", "route", "action", "bandwidth",
        "schedule", "log", "usage",
    ]
    static let bandwidth = ["up", "down", "burst"]
    static let schedule = ["days", "from", "to", "zone"]
}

extension PolicyDocument {
    /// The path of every key that the reader knows, as `rules[].schedule.days`: what ``PolicySchema`` is held against.
    package static let knownPaths: Set<String> = Set(
        PolicyKeys.document + PolicyKeys.list.map { "lists[].\($0)" } + PolicyKeys.dns.map { "dns.\($0)" }
            + PolicyKeys.rule.map { "rules[].\($0)" } + PolicyKeys.schedule.map { "rules[].schedule.\($0)" }
            + PolicyKeys.bandwidth.map { "rules[].bandwidth.\($0)" })

    /// The path of every key that this document has.
    package var paths: Set<String> { root.paths(below: "") }
}

extension SourceNode {
    fileprivate func paths(below path: String) -> Set<String> {
        switch content {
        case .scalar: []
        case .sequence(let items): items.reduce(into: []) { $0.formUnion($1.paths(below: "\(path)[]")) }
        case .mapping(let pairs):
            pairs.reduce(into: []) { paths, pair in
                let own = path.path(to: pair.key)
                paths.insert(own)
                paths.formUnion(pair.value.paths(below: own))
            }
        }
    }
}
