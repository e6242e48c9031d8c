/// How a query went (RFC 1035 §4.1.1; RFC 6891 §6.1.3 for what is above 15).
public struct ResponseCode: RawRepresentable, Hashable, Sendable {
    /// Twelve bits; those above the lowest four stand in the OPT record.
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let noError = Self(rawValue: 0)
    public static let formatError = Self(rawValue: 1)
    public static let serverFailure = Self(rawValue: 2)
    public static let nameError = Self(rawValue: 3)
    public static let notImplemented = Self(rawValue: 4)
    public static let refused = Self(rawValue: 5)
    public static let badVersion = Self(rawValue: 16)
}
