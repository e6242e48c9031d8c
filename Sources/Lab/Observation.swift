/// One thing that was looked at: what should be there and what was.
public struct Observation: Hashable, Sendable {
    public let title: String
    public let expected: String
    public let seen: String
    /// More of what was seen, one line each.
    public let notes: [String]
    /// How long it took to bring about and to look.
    public let time: Duration
    public let isAsExpected: Bool
}

/// What was seen, before it is put beside what was expected.
struct Sight {
    var seen: String
    var notes: [String] = []
    var isAsExpected: Bool
}
