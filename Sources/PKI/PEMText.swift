// Base64 is Foundation's.
import FoundationEssentials

/// The textual encoding of keys and certificates (RFC 7468), read as leniently as people paste it: text around the
/// blocks, lines of any length, either line ending, blanks at their ends.
public struct PEMText: Sendable {
    public enum Label: String, Hashable, Sendable, CustomStringConvertible {
        case certificate = "CERTIFICATE"
        case request = "CERTIFICATE REQUEST"
        case privateKey = "PRIVATE KEY"

        public var description: String {
            switch self {
            case .certificate: "certificate"
            case .request: "certificate request"
            case .privateKey: "private key"
            }
        }
    }

    /// The DER of what was asked for, in the order of the text.
    package let blocks: [[UInt8]]

    /// Reads DER when the first octet is a SEQUENCE's, text otherwise.
    /// - Throws: for no block of this label, for more than `maximum`, and for a private key where none was asked for.
    package init(_ octets: [UInt8], label: Label, maximumOctets: Int, maximum: Int) throws(CertificateError) {
        guard octets.count <= maximumOctets else {
            throw CertificateError(.tooLong(octets: octets.count, limit: maximumOctets))
        }
        if octets.first == 0x30 {
            blocks = [octets]
            return
        }
        var blocks: [[UInt8]] = []
        var found: String?
        var base64: [UInt8] = []
        for line in octets.split(whereSeparator: { $0 == 0x0a || $0 == 0x0d }) {
            let text = Self.trimmed(line)
            if let begun = Self.label(text, after: "-----BEGIN ") {
                guard label == .privateKey || !begun.hasSuffix("PRIVATE KEY") else {
                    throw CertificateError(.privateKeyInside)
                }
                (found, base64) = (begun, [])
            } else if let ended = Self.label(text, after: "-----END ") {
                guard ended == found else { throw CertificateError(.notBase64) }
                if Self.names(ended, label) {
                    guard blocks.count < maximum else {
                        throw CertificateError(maximum == 1 ? .severalCertificates : .tooMany(limit: maximum))
                    }
                    blocks.append(try Self.decoded(base64))
                }
                found = nil
            } else if found != nil {
                base64 += text
            }
        }
        guard found == nil else { throw CertificateError(.notBase64) }
        guard !blocks.isEmpty else { throw CertificateError(.nothingInside(expected: label)) }
        self.blocks = blocks
    }

    static func text(_ der: [UInt8], label: Label) -> String {
        let base64 = Array(Data(der).base64EncodedData())
        let lines = stride(from: 0, to: base64.count, by: 64).map {
            String(decoding: base64[$0..<min($0 + 64, base64.count)], as: UTF8.self)
        }
        return (["-----BEGIN \(label.rawValue)-----"] + lines + ["-----END \(label.rawValue)-----", ""])
            .joined(separator: "\n")
    }

    /// OpenSSL's older names are read too.
    private static func names(_ text: String, _ label: Label) -> Bool {
        switch label {
        case .certificate: text == label.rawValue || text == "X509 CERTIFICATE"
        case .request: text == label.rawValue || text == "NEW CERTIFICATE REQUEST"
        case .privateKey: text == label.rawValue
        }
    }

    private static func label(_ line: ArraySlice<UInt8>, after mark: String) -> String? {
        let (mark, end) = (Array(mark.utf8), Array("-----".utf8))
        guard line.starts(with: mark), line.count >= mark.count + end.count, line.suffix(end.count).elementsEqual(end)
        else { return nil }
        return String(decoding: line.dropFirst(mark.count).dropLast(end.count), as: UTF8.self)
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let isBlank = { (octet: UInt8) in octet == 0x20 || octet == 0x09 }
        let start = line.drop(while: isBlank)
        return start.dropLast(start.reversed().prefix(while: isBlank).count)
    }

    private static func decoded(_ base64: [UInt8]) throws(CertificateError) -> [UInt8] {
        guard let data = Data(base64Encoded: Data(base64)), !data.isEmpty else { throw CertificateError(.notBase64) }
        return Array(data)
    }
}
