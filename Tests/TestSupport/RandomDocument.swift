/// A policy document in pieces, so that a test can write it in several ways or change one piece. What is empty or `nil`
/// is not written.
public struct RandomDocument: Sendable {
    public var name = "random"
    public var mode = ""
    public var lists: [(name: String, items: [String])] = []
    public var dns: DNS?
    public var rules: [Rule] = []

    public struct DNS: Sendable {
        public var `default` = ""
        public var allow: [String] = []
        public var deny: [String] = []
        public var blocklists: [String] = []
        public var answer = ""
    }

    public struct Rule: Sendable {
        public var name: String
        public var direction = ""
        public var via = ""
        public var from: [String] = []
        public var to: [String]
        public var `protocol` = ""
        public var ports: [String] = []
        public var services: [String] = []
        public var outcome: Outcome
        public var bandwidth: Bandwidth?
        public var schedule: Schedule?
        public var log = ""
        public var usage = ""

        /// The other outcome is the internet.
        public var isBlocking: Bool {
            get { outcome == .action("block") }
            set { outcome = newValue ? .action("block") : .route(["internet"]) }
        }
    }

    public enum Outcome: Hashable, Sendable {
        case action(String)
        case route([String])
    }

    public struct Bandwidth: Sendable {
        public var up = ""
        public var down = ""
        public var burst = ""
    }

    public struct Schedule: Sendable {
        public var days: [String] = []
        public var from = ""
        public var to = ""
        public var zone = ""
    }

    public init() {}

    /// In the layout of the documentation.
    public var yaml: String { DocumentValue.yamlLines(members).joined(separator: "\n") + "\n" }

    /// The same as JSON, with keys in random order, random white space and some letters escaped.
    public func json(using random: inout Generator) -> String { DocumentValue.json(members, using: &random) }

    private var members: [(key: String, value: DocumentValue)] {
        var members = Members()
        members.add("policy", name)
        members.add("mode", mode)
        members.add("default", "block")
        if !lists.isEmpty {
            members.all.append(
                ("lists", .mappings(lists.map { [("name", .text($0.name)), ("items", .texts($0.items))] })))
        }
        if let dns { members.all.append(("dns", .mapping(dns.members))) }
        members.all.append(("rules", .mappings(rules.map(\.members))))
        return members.all
    }
}

/// Keys and values, without those that say nothing.
private struct Members {
    var all: [(key: String, value: DocumentValue)] = []

    mutating func add(_ key: String, _ text: String) {
        if !text.isEmpty { all.append((key, .text(text))) }
    }

    mutating func add(_ key: String, _ texts: [String]) {
        if !texts.isEmpty { all.append((key, .texts(texts))) }
    }
}

extension RandomDocument.DNS {
    fileprivate var members: [(key: String, value: DocumentValue)] {
        var members = Members()
        members.add("default", `default`)
        members.add("allow", allow)
        members.add("deny", deny)
        members.add("blocklists", blocklists)
        members.add("answer", answer)
        return members.all
    }
}

extension RandomDocument.Rule {
    fileprivate var members: [(key: String, value: DocumentValue)] {
        var members = Members()
        members.add("name", name)
        members.add("direction", direction)
        members.add("via", via)
        members.add("from", from)
        members.add("to", to)
        members.add("protocol", `protocol`)
        members.add("ports", ports)
        members.add("services", services)
        switch outcome {
        case .action(let word): members.add("action", word)
        case .route(let routes) where routes.count == 1: members.add("route", routes[0])
        case .route(let routes): members.add("route", routes)
        }
        if let bandwidth { members.all.append(("bandwidth", .mapping(bandwidth.members))) }
        if let schedule { members.all.append(("schedule", .mapping(schedule.members))) }
        if !log.isEmpty { members.all.append(("log", .literal(log))) }
        if !usage.isEmpty { members.all.append(("usage", .literal(usage))) }
        return members.all
    }
}

extension RandomDocument.Bandwidth {
    fileprivate var members: [(key: String, value: DocumentValue)] {
        var members = Members()
        members.add("up", up)
        members.add("down", down)
        members.add("burst", burst)
        return members.all
    }
}

extension RandomDocument.Schedule {
    fileprivate var members: [(key: String, value: DocumentValue)] {
        var members = Members()
        members.add("days", days)
        members.add("from", from)
        members.add("to", to)
        members.add("zone", zone)
        return members.all
    }
}
