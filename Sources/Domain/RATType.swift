/// Radio access technology, 3GPP-RAT-Type (3GPP TS 29.061 §16.4.7.2, VSA 21). Values without a name are kept.
public struct RATType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let utran = Self(rawValue: 1)
    public static let geran = Self(rawValue: 2)
    public static let wlan = Self(rawValue: 3)
    public static let gan = Self(rawValue: 4)
    public static let hspaEvolution = Self(rawValue: 5)
    public static let eutran = Self(rawValue: 6)
    public static let virtual = Self(rawValue: 7)
    public static let nbIoT = Self(rawValue: 8)
    public static let lteM = Self(rawValue: 9)
    public static let nr = Self(rawValue: 51)

    private static let names: [UInt8: String] = [
        1: "UTRAN", 2: "GERAN", 3: "WLAN", 4: "GAN", 5: "HSPA", 6: "EUTRAN", 7: "virtual", 8: "NB-IoT", 9: "LTE-M",
        51: "NR",
    ]
    public var description: String { Self.names[rawValue] ?? "RAT-\(rawValue)" }
}
