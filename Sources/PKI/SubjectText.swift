import Domain
import SwiftASN1
import X509

/// Between a certificate's names and the text of ``Domain/DistinguishedName``.
enum SubjectText {
    private static let types: [(String, ASN1ObjectIdentifier)] = [
        ("C", .NameAttributes.countryName), ("ST", .NameAttributes.stateOrProvinceName),
        ("L", .NameAttributes.localityName), ("O", .NameAttributes.organizationName),
        ("OU", .NameAttributes.organizationalUnitName), ("CN", .NameAttributes.commonName),
        ("DC", .NameAttributes.domainComponent), ("E", .NameAttributes.emailAddress),
        ("serialNumber", .NameAttributes.serialNumber),
    ]

    /// RFC 4514's form, in the order of the certificate, as people and strongSwan write it.
    static func text(_ name: X509.DistinguishedName) -> String {
        name.map { attributes in
            attributes.map { "\(type($0.type))=\(value($0.value))" }.joined(separator: "+")
        }.joined(separator: ", ")
    }

    /// With the string types that charon encodes such a text with (PrintableString where it suffices), so that both are
    /// the same octets.
    static func name(_ name: Domain.DistinguishedName) throws(CertificateError) -> X509.DistinguishedName {
        var attributes: [X509.RelativeDistinguishedName.Attribute] = []
        for attribute in name.attributes {
            guard let type = types.first(where: { $0.0 == attribute.type.rawValue })?.1 else {
                throw CertificateError(.notMade)
            }
            attributes.append(try self.attribute(type, attribute.value))
        }
        return X509.DistinguishedName(attributes.map { X509.RelativeDistinguishedName($0) })
    }

    static func attribute(
        _ type: ASN1ObjectIdentifier, _ value: String
    ) throws(CertificateError) -> X509.RelativeDistinguishedName.Attribute {
        guard value.utf8.allSatisfy(isPrintable) else { return .init(type: type, utf8String: value) }
        do { return try .init(type: type, printableString: value) } catch { throw CertificateError(.notMade) }
    }

    /// As charon 5.9.8 compares: attribute for attribute in their order, those in PrintableString in either case,
    /// others octet for octet.
    static func isSame(_ name: X509.DistinguishedName, _ wanted: Domain.DistinguishedName) -> Bool {
        guard name.count == wanted.attributes.count else { return false }
        return zip(name, wanted.attributes).allSatisfy { own, wanted in
            guard let attribute = own.first, own.count == 1, let text = String(attribute.value) else { return false }
            guard type(attribute.type) == wanted.type.rawValue else { return false }
            return isPrintableString(attribute.value)
                ? ASCIICase.isSame(text, wanted.value) : text.utf8.elementsEqual(wanted.value.utf8)
        }
    }

    private static func type(_ oid: ASN1ObjectIdentifier) -> String {
        types.first { $0.1 == oid }?.0 ?? String("\(oid)".prefix(64))
    }

    /// Whatever would not stay on its line is escaped (RFC 4514 §2.4).
    private static func value(_ value: X509.RelativeDistinguishedName.Attribute.Value) -> String {
        guard let text = String(value) else { return "#\(value)" }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case ",", "+", "\"", "\\", "<", ">", ";", "=":
                result.append("\\")
                result.append(scalar)
            case _
            where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
                || (0x2028...0x202e).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value):
                result.append("?")
            default: result.append(scalar)
            }
        }
        return String(result)
    }

    private static func isPrintableString(_ value: X509.RelativeDistinguishedName.Attribute.Value) -> Bool {
        var serializer = DER.Serializer()
        // `try?`: what cannot be written is compared octet for octet.
        try? ASN1Any(value).serialize(into: &serializer)
        return serializer.serializedBytes.first == 0x13
    }

    /// PrintableString's characters (X.680 §41.4).
    private static func isPrintable(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
            || " '()+,-./:=?".utf8.contains(byte)
    }
}

enum ASCIICase {
    static func isSame(_ a: String, _ b: String) -> Bool {
        let lowered = { (byte: UInt8) in (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }
        return a.utf8.lazy.map(lowered).elementsEqual(b.utf8.lazy.map(lowered))
    }
}
