public import Domain
import SwiftASN1
import X509

/// A name in a certificate's subjectAltName (RFC 5280 §4.2.1.6).
public enum AlternativeName: Hashable, Sendable, CustomStringConvertible {
    /// As it is written there; may have a `*`, which stands for itself only.
    case name(String)
    case address(IPAddress)
    case mailbox(String)
    case subject(String)
    case uri(String)
    /// A kind that IKE has no use for.
    case other

    init(_ name: GeneralName) {
        switch name {
        case .dnsName(let name): self = .name(name)
        case .rfc822Name(let name): self = .mailbox(name)
        case .directoryName(let name): self = .subject(SubjectText.text(name))
        case .uniformResourceIdentifier(let uri): self = .uri(uri)
        case .ipAddress(let octets):
            switch octets.bytes.count {
            case 4: self = .address(.v4(IPv4Address(bits: octets.bytes.reduce(0) { $0 << 8 | UInt32($1) })))
            case 16: self = .address(.v6(IPv6Address(bits: octets.bytes.reduce(0) { $0 << 8 | UInt128($1) })))
            default: self = .other
            }
        case .otherName, .x400Address, .ediPartyName, .registeredID: self = .other
        }
    }

    public var description: String {
        switch self {
        case .name(let text), .mailbox(let text), .subject(let text), .uri(let text): String(text.prefix(255))
        case .address(let address): "\(address)"
        case .other: "another kind of name"
        }
    }
}

extension Certificate {
    /// Whether it proves that its holder is this, as charon judges: by a name of its subjectAltName, or for a subject
    /// by the whole subject. A common name proves nothing, and neither does a `*`.
    public func covers(_ identity: IKEIdentity) -> Bool {
        switch identity {
        case .address(let address): alternativeNames.contains(.address(address))
        case .name(let name):
            alternativeNames.contains {
                if case .name(let own) = $0 { ASCIICase.isSame(own, name.description) } else { false }
            }
        case .mailbox(let user, let domain):
            alternativeNames.contains {
                if case .mailbox(let own) = $0 { ASCIICase.isSame(own, "\(user)@\(domain)") } else { false }
            }
        case .subject(let wanted): SubjectText.isSame(parsed.subject, wanted) || hasAlternative(subject: wanted)
        }
    }

    /// What of it a peer may say that it is: for whoever has to choose an identity.
    public var names: [String] { [subject] + alternativeNames.filter { $0 != .other }.map(\.description) }

    private func hasAlternative(subject wanted: Domain.DistinguishedName) -> Bool {
        // `try?`: it was read when the certificate was.
        guard let names = try? parsed.extensions.subjectAlternativeNames else { return false }
        return names.contains {
            if case .directoryName(let own) = $0 { SubjectText.isSame(own, wanted) } else { false }
        }
    }
}
