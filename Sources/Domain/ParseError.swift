/// Why a text is not the value it was taken for: what it should be, what it was, and what would be right.
///
/// Thrown by every `init(parsing:)` of this module. The text is quoted as given, cut to 80 Unicode scalars, so that
/// a message stays short however long the input was. Never thrown for secrets.
public struct ParseError: Error, Hashable, CustomStringConvertible {
    /// The kind of value, with its article: "an IPv4 address".
    public let kind: String
    /// The text that was given, at most 80 Unicode scalars of it.
    public let text: String
    /// What would be right: "write four numbers from 0 to 255 with dots between them".
    public let expected: String

    public init(kind: String, text: some StringProtocol, expected: String) {
        self.kind = kind
        self.text = text.unicodeScalars.count > 80 ? Self.start(of: text) + "..." : String(text)
        self.expected = expected
    }

    private static func start(of text: some StringProtocol) -> String {
        var start = String.UnicodeScalarView()
        start.append(contentsOf: text.unicodeScalars.prefix(77))
        return String(start)
    }

    public var description: String { "\"\(text)\" is not \(kind): \(expected)" }
}
