package import Domain

extension IKEIdentity {
    /// The identity as charon reads it back without a guess. Its parser looks at the text where there is no type in
    /// front: a name with `=` in it becomes a subject, `#` begins hexadecimal digits, and a subject's `/` splits it. So
    /// names carry their type and subjects are given encoded; addresses have no form but their own (after `ipv4:` it
    /// takes the text itself for the four octets).
    package var vici: String {
        switch self {
        case .address(let address): "\(address)"
        case .name(let name): "fqdn:\(name)"
        case .mailbox(let user, let domain): "email:\(user)@\(domain)"
        case .subject(let subject): "asn1dn:#\(subject.encoded.hexadecimal)"
        }
    }

    /// Equal for identities that charon does not tell apart: it compares names, mailboxes and most attributes of
    /// subjects without regard to case.
    package var comparable: String {
        switch self {
        case .address, .name, .mailbox: vici.lowercased()
        case .subject(let subject): "asn1dn:\(subject)".lowercased()
        }
    }
}

extension DistinguishedName {
    /// The Name of X.501 in DER, one attribute to a set. PrintableString where the characters allow it, as charon and
    /// most that make certificates choose; charon compares values whatever their string types.
    package var encoded: [UInt8] {
        Self.element(
            0x30,
            attributes.flatMap { attribute in
                // 2.5.4.n, the attribute types of X.520.
                let type: [UInt8] = [0x06, 0x03, 0x55, 0x04, attribute.type.arc]
                let isPrintable = attribute.value.utf8.allSatisfy(Self.isPrintable)
                let value = Self.element(isPrintable ? 0x13 : 0x0c, Array(attribute.value.utf8))
                return Self.element(0x31, Self.element(0x30, type + value))
            })
    }

    private static func element(_ tag: UInt8, _ contents: [UInt8]) -> [UInt8] {
        let count = contents.count
        // 16 attributes of 64 octets are less than 2^16.
        let length: [UInt8] =
            switch count {
            case ..<0x80: [UInt8(truncatingIfNeeded: count)]
            case ..<0x100: [0x81, UInt8(truncatingIfNeeded: count)]
            default: [0x82, UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)]
            }
        return [tag] + length + contents
    }

    /// X.680 §41.4, of what ``Attribute/value`` may hold.
    private static func isPrintable(_ byte: UInt8) -> Bool { byte != UInt8(ascii: "@") && byte != UInt8(ascii: "_") }
}

extension DistinguishedName.Kind {
    fileprivate var arc: UInt8 {
        switch self {
        case .commonName: 3
        case .country: 6
        case .locality: 7
        case .state: 8
        case .organization: 10
        case .unit: 11
        }
    }
}

extension [UInt8] {
    fileprivate var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
