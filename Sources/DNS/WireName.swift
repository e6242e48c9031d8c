public import Domain

/// A name as it stands in a message (RFC 1035 §3.1), without compression: labels of any octets, each with its length in
/// front, and the root's zero at the end. ASCII letters are lower case (RFC 4343), so that names compare as octets.
public struct WireName: Hashable, Sendable {
    /// At most ``maximumOctets``, and never empty: the root is one zero.
    public let octets: [UInt8]

    public static let maximumOctets = 255
    public static let maximumLabelOctets = 63
    public static let root = WireName(known: [0])

    /// `nil` when the octets are not one whole name.
    public init?(_ octets: some Collection<UInt8>) {
        guard (1...Self.maximumOctets).contains(octets.count) else { return nil }
        let octets = Array(octets)
        var index = 0
        while index < octets.count, octets[index] != 0 {
            guard octets[index] <= Self.maximumLabelOctets else { return nil }
            index += 1 + Int(octets[index])
        }
        guard index == octets.count - 1 else { return nil }
        // Lengths are below the letters.
        self.init(known: octets.map(Self.lowered))
    }

    public init(_ name: DomainName) {
        var octets: [UInt8] = [0]
        var start = 0
        for byte in name.description.utf8 {
            if byte == UInt8(ascii: ".") {
                start = octets.count
                octets.append(0)
            } else {
                octets.append(byte)
                octets[start] += 1
            }
        }
        self.init(known: octets + [0])
    }

    /// - Precondition: the octets are one whole name in lower case.
    package init(known octets: [UInt8]) { self.octets = octets }

    /// All octets at once: a hasher takes one after the other much slower.
    public func hash(into hasher: inout Hasher) { octets.withUnsafeBytes { hasher.combine(bytes: $0) } }

    /// As a host name; `nil` for the root and for labels that a host name cannot have.
    public var domainName: DomainName? {
        guard octets.count > 1 else { return nil }
        var text: [UInt8] = []
        text.reserveCapacity(octets.count)
        var index = 0
        while octets[index] != 0 {
            let end = index + 1 + Int(octets[index])
            if !text.isEmpty { text.append(UInt8(ascii: ".")) }
            // A dot inside a label would look like one between labels.
            guard !octets[index + 1..<end].contains(UInt8(ascii: ".")) else { return nil }
            text += octets[index + 1..<end]
            index = end
        }
        return DomainName(utf8: text)
    }

    package static func lowered(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }
}

extension WireName: CustomStringConvertible {
    /// As in a zone file (RFC 1035 §5.1), with `\DDD` and `\.` where needed; `.` for the root.
    public var description: String {
        guard octets.count > 1 else { return "." }
        var text = ""
        var index = 0
        while octets[index] != 0 {
            let end = index + 1 + Int(octets[index])
            if !text.isEmpty { text += "." }
            for byte in octets[index + 1..<end] {
                switch byte {
                case UInt8(ascii: "."), UInt8(ascii: "\\"): text += "\\" + String(UnicodeScalar(byte))
                case 0x21...0x7e: text += String(UnicodeScalar(byte))
                default: text += "\\" + String(repeating: "0", count: byte < 10 ? 2 : byte < 100 ? 1 : 0) + "\(byte)"
                }
            }
            index = end
        }
        return text
    }
}
