/// A length of time as documents and commands write it: `90s`, `15m`, `24h`, `7d`.
public struct TimeSpan: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let milliseconds: Int64

    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    private static let units: [(mark: UInt8, milliseconds: Int64)] = [
        (UInt8(ascii: "d"), 86_400_000), (UInt8(ascii: "h"), 3_600_000), (UInt8(ascii: "m"), 60_000),
        (UInt8(ascii: "s"), 1000),
    ]

    /// Parses a whole number with its unit: s, m, h or d; ten years at most.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let octets = Array(text.utf8)
        guard let mark = octets.last, let unit = Self.units.first(where: { $0.mark == mark }),
            let digits = Digits(octets.dropLast(), count: 1...9),
            Int64(digits.value) <= 3653 * 86_400_000 / unit.milliseconds
        else {
            throw ParseError(
                kind: "a length of time", text: text,
                expected: "write a number with its unit, such as 90s, 15m, 24h or 7d")
        }
        milliseconds = Int64(digits.value) * unit.milliseconds
    }

    public static let zero = TimeSpan(milliseconds: 0)
    public static func < (a: Self, b: Self) -> Bool { a.milliseconds < b.milliseconds }

    public var description: String {
        let unit =
            Self.units.first { milliseconds != 0 && milliseconds % $0.milliseconds == 0 } ?? (UInt8(ascii: "s"), 1000)
        return "\(milliseconds / unit.milliseconds)\(Character(Unicode.Scalar(unit.mark)))"
    }
}

extension Timestamp {
    public static func + (time: Self, span: TimeSpan) -> Self {
        Self(milliseconds: time.milliseconds + span.milliseconds)
    }
}
