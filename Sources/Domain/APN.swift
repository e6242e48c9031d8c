/// An Access Point Name's network identifier: labels of letters, digits and hyphens, 63 octets at most, compared
/// without regard to case (3GPP TS 23.003 §9.1.1). An operator identifier at the end
/// (`.mncNNN.mccNNN.gprs`) is cut off, since a NAS may or may not send it.
public struct APN: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let description: String

    public init(parsing text: some StringProtocol) throws(ParseError) {
        guard let apn = Self(utf8: Array(text.utf8)) else {
            throw ParseError(
                kind: "an APN", text: text,
                expected: "write labels of letters, digits and hyphens with dots between them, 63 characters at most")
        }
        self = apn
    }

    public init?(utf8 bytes: [UInt8]) {
        guard !bytes.isEmpty, bytes.count <= 100 else { return nil }
        var labels = bytes.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
            .split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let isCode = { (label: ArraySlice<UInt8>, kind: String) in
            label.count == 6 && label.starts(with: kind.utf8)
                && label.dropFirst(3).allSatisfy { (0x30...0x39).contains($0) }
        }
        if labels.count > 3, labels[labels.count - 1].elementsEqual("gprs".utf8),
            isCode(labels[labels.count - 2], "mcc"), isCode(labels[labels.count - 3], "mnc")
        {
            labels.removeLast(3)
        }
        let isLabel = { (label: ArraySlice<UInt8>) in
            let hyphen = UInt8(ascii: "-")
            return (1...63).contains(label.count) && label.first != hyphen && label.last != hyphen
                && label.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) || $0 == hyphen }
        }
        guard labels.allSatisfy(isLabel) else { return nil }
        let joined = Array(labels.joined(separator: [UInt8(ascii: ".")]))
        guard joined.count <= 63 else { return nil }
        description = String(decoding: joined, as: UTF8.self)
    }

    public static func < (a: Self, b: Self) -> Bool { a.description < b.description }
}
