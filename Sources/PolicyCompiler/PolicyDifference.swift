public import Domain

/// How one version of a policy differs from another, rule by rule. Rules are known by their names.
public struct PolicyDifference: Hashable, Sendable {
    /// In the order of the new version, then the removed ones in the order of the old.
    public let rules: [RuleChange]
    /// What differs beside the rules: `mode`, `dns`.
    public let settings: [SettingChange]

    public struct RuleChange: Hashable, Sendable {
        public let rule: Name
        public let kind: Kind
        /// What the rule says, in one line; `nil` where it was not.
        public let before: String?
        public let after: String?

        public enum Kind: String, Hashable, Sendable {
            case added, removed, changed
            /// The same as before, at another place among the rules that stayed.
            case moved
        }
    }

    public struct SettingChange: Hashable, Sendable {
        public let name: String
        public let before: String
        public let after: String
    }

    public var isEmpty: Bool { rules.isEmpty && settings.isEmpty }

    /// - Parameter old: `nil` for a policy that was not there.
    public init(from old: ValidatedPolicy?, to new: ValidatedPolicy) {
        let before = old?.rules ?? []
        let known = Dictionary(before.map { ($0.name, $0) }) { first, _ in first }
        let kept = Set(new.rules.map(\.name))
        let inPlace = Self.inPlace(
            before.map(\.name).filter(kept.contains), new.rules.map(\.name).filter { known[$0] != nil })
        var changes: [RuleChange] = []
        for rule in new.rules {
            let earlier = known[rule.name]
            let kind: RuleChange.Kind? =
                earlier == nil
                ? .added : earlier != rule ? .changed : inPlace.contains(rule.name) ? nil : .moved
            guard let kind else { continue }
            changes.append(
                RuleChange(rule: rule.name, kind: kind, before: earlier?.summary, after: rule.summary))
        }
        for rule in before where !kept.contains(rule.name) {
            changes.append(RuleChange(rule: rule.name, kind: .removed, before: rule.summary, after: nil))
        }
        rules = changes
        var settings: [SettingChange] = []
        if let old, old.mode != new.mode {
            settings.append(SettingChange(name: "mode", before: old.mode.rawValue, after: new.mode.rawValue))
        }
        if let old, old.dns != new.dns {
            settings.append(SettingChange(name: "dns", before: old.dns.summary, after: new.dns.summary))
        }
        self.settings = settings
    }

    /// The names of a longest sequence that stands in both in the same order: what is in it has not moved.
    private static func inPlace(_ old: [Name], _ new: [Name]) -> Set<Name> {
        var lengths = Array(repeating: Array(repeating: 0, count: new.count + 1), count: old.count + 1)
        for i in old.indices.reversed() {
            for j in new.indices.reversed() {
                lengths[i][j] =
                    old[i] == new[j] ? lengths[i + 1][j + 1] + 1 : max(lengths[i + 1][j], lengths[i][j + 1])
            }
        }
        var (i, j) = (0, 0)
        var common: Set<Name> = []
        while i < old.count, j < new.count {
            if old[i] == new[j] {
                common.insert(old[i])
                (i, j) = (i + 1, j + 1)
            } else if lengths[i + 1][j] >= lengths[i][j + 1] {
                i += 1
            } else {
                j += 1
            }
        }
        return common
    }
}

extension ValidatedPolicy.Rule {
    /// What the rule says in one line: `to 192.0.2.0/24, tcp 443: internet`.
    public var summary: String {
        var text = ""
        if case .toDevice(let via, let sources) = direction {
            text += "from \(Self.list(sources.written)) through vpn:\(via) "
        }
        text += "to \(Self.list(to))"
        let what =
            services.isEmpty
            ? matches.filter { $0 != .any }.map(\.summary) : services.map(\.description)
        if !what.isEmpty { text += ", \(Self.list(what))" }
        let route: String =
            switch action {
            case .block: "block"
            case .allow: "allow"
            case .route(let routes): routes.map(\.description).joined(separator: ", else ")
            }
        text += ": \(route)"
        if let up = bandwidth?.up { text += ", up \(up)" }
        if let down = bandwidth?.down { text += ", down \(down)" }
        if let burst = bandwidth?.burst { text += ", burst \(DataVolume(octets: burst))" }
        if let schedule { text += ", \(schedule)" }
        if log { text += ", logged" }
        if isUsageCounted { text += ", counted" }
        return text
    }

    private static func list(_ items: [String]) -> String {
        items.count <= 6
            ? items.joined(separator: ", ")
            : items.prefix(5).joined(separator: ", ") + " and \(items.count - 5) more"
    }
}

extension ProtocolPorts {
    /// `tcp 443, 8000-8100`, `icmp`.
    fileprivate var summary: String {
        let name = `protocol`.map(IPProtocol.name) ?? "any protocol"
        guard !ports.isEmpty else { return name }
        return name + " "
            + ports.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: " ")
    }
}

extension DNSPolicy {
    /// `default block, 2 allowed, 1 denied, blocklists malware, answer nxdomain`.
    fileprivate var summary: String {
        var parts = ["default \(`default`)"]
        if !allow.isEmpty { parts.append("allow \(allow.map(\.description).joined(separator: " "))") }
        if !deny.isEmpty { parts.append("deny \(deny.map(\.description).joined(separator: " "))") }
        if !blocklists.isEmpty { parts.append("blocklists \(blocklists.map(\.description).joined(separator: " "))") }
        let said: String =
            switch answer {
            case .nxdomain: "nxdomain"
            case .nodata: "nodata"
            case .refused: "refused"
            case .address(let address): "\(address)"
            }
        return (parts + ["answer \(said)"]).joined(separator: ", ")
    }
}
