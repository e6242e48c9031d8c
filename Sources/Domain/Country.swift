/// A country by its two letters (ISO 3166-1 alpha-2), as mobile networks have them by their country codes.
public struct Country: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Two capital letters.
    public let code: String

    /// Parses two letters, in either case, of a country that has a mobile country code.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let code = text.uppercased()
        guard Self.codes[code] != nil else {
            throw ParseError(
                kind: "a country", text: text, expected: "write its two letters of ISO 3166-1, such as CH or DE")
        }
        self.code = code
    }

    private init(known code: String) { self.code = code }

    /// The countries that a mobile country code stands for: several share one in the Caribbean and the Indian Ocean, and
    /// none has 901 (international) or 999 (private).
    public static func countries(ofMCC mcc: String) -> Set<Country> { byMCC[mcc] ?? [] }

    /// Country to its mobile country codes.
    static let codes: [String: [String]] = {
        var codes: [String: [String]] = [:]
        for entry in table.split(whereSeparator: { $0 == "\n" || $0 == ";" }) {
            let words = entry.split(separator: " ").map(String.init)
            if let country = words.first { codes[country] = Array(words.dropFirst()) }
        }
        return codes
    }()

    private static let byMCC: [String: Set<Country>] = codes.reduce(into: [:]) { result, entry in
        for mcc in entry.value { result[mcc, default: []].insert(Country(known: entry.key)) }
    }

    public static func < (a: Self, b: Self) -> Bool { a.code < b.code }
    public var description: String { code }
}
