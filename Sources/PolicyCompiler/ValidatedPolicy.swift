public import Domain

/// A policy that is known to be right: what ``compile(_:)`` turns into a ruleset, and what judges packets in plain
/// Swift. Only ``PolicyDocument/validated()`` makes one.
public struct ValidatedPolicy: Hashable, Sendable {
    public let name: Name
    /// In the document's order: the first that matches decides. A packet that none matches is blocked.
    public let rules: [Rule]
    /// What is allowed but looks like a mistake: rules that can never match.
    public let warnings: [Diagnostic]

    /// Which packets, and what happens to them.
    public struct Rule: Hashable, Sendable {
        public let name: Name
        /// As written; never empty.
        public let destinations: [IPv4Prefix]
        /// IP protocol number; `nil` is any.
        public let `protocol`: UInt8?
        /// As written; empty is any. Only for TCP and UDP.
        public let ports: [ClosedRange<UInt16>]
        public let verdict: Verdict
    }

    public static let maximumRules = 256
    /// Per rule.
    public static let maximumDestinations = 1024
    /// Per rule.
    public static let maximumPortRanges = 64
    /// Combinations of destinations and port ranges, over all rules: what the kernel's sets must hold.
    public static let maximumBoxes = 65_536

    init(name: Name, rules: [Rule], warnings: [Diagnostic]) {
        self.name = name
        self.rules = rules
        self.warnings = warnings
    }
}
