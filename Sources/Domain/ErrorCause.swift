/// Error-Cause (101): why a NAS did not do what a Disconnect- or CoA-Request asks, or what it did besides (RFC 5176 §3.5,
/// RFC 5580 §4.4.8).
public struct ErrorCause: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let residualContextRemoved = Self(rawValue: 201)
    public static let invalidEAPPacket = Self(rawValue: 202)
    public static let unsupportedAttribute = Self(rawValue: 401)
    public static let missingAttribute = Self(rawValue: 402)
    public static let nasIdentificationMismatch = Self(rawValue: 403)
    public static let invalidRequest = Self(rawValue: 404)
    public static let unsupportedService = Self(rawValue: 405)
    public static let unsupportedExtension = Self(rawValue: 406)
    public static let invalidAttributeValue = Self(rawValue: 407)
    public static let administrativelyProhibited = Self(rawValue: 501)
    public static let requestNotRoutable = Self(rawValue: 502)
    public static let sessionContextNotFound = Self(rawValue: 503)
    public static let sessionContextNotRemovable = Self(rawValue: 504)
    public static let otherProxyProcessingError = Self(rawValue: 505)
    public static let resourcesUnavailable = Self(rawValue: 506)
    public static let requestInitiated = Self(rawValue: 507)
    public static let multipleSessionSelectionUnsupported = Self(rawValue: 508)
    public static let locationInfoRequired = Self(rawValue: 509)

    /// The session is not at the NAS any more, and no Accounting-Stop will come for it.
    public var meansNoSession: Bool { self == .sessionContextNotFound || self == .residualContextRemoved }

    /// The same request may succeed a little later.
    public var mayPass: Bool { self == .resourcesUnavailable }

    /// The name in the RFC, and what to do about it where there is something to do.
    public var words: (name: String, cure: String?) {
        switch self {
        case .residualContextRemoved: ("Residual-Session-Context-Removed", nil)
        case .invalidEAPPacket: ("Invalid-EAP-Packet", nil)
        case .unsupportedAttribute:
            (
                "Unsupported-Attribute",
                "leave what the NAS does not take out of its profile: cordon nas set --attributes"
            )
        case .missingAttribute:
            ("Missing-Attribute", "add what the NAS wants to its profile: cordon nas set --attributes")
        case .nasIdentificationMismatch:
            ("NAS-Identification-Mismatch", "leave nas-ip-address out of the NAS's profile, or correct its address")
        case .invalidRequest: ("Invalid-Request", "compare the NAS's profile with what its manual says")
        case .unsupportedService: ("Unsupported-Service", nil)
        case .unsupportedExtension:
            (
                "Unsupported-Extension",
                "the NAS does not take this kind of request there: cordon nas set --no-coa, or another port"
            )
        case .invalidAttributeValue: ("Invalid-Attribute-Value", nil)
        case .administrativelyProhibited:
            ("Administratively-Prohibited", "permit this server's address for dynamic authorization at the NAS")
        case .requestNotRoutable: ("Request-Not-Routable", "the proxy between has no route to the NAS")
        case .sessionContextNotFound: ("Session-Context-Not-Found", nil)
        case .sessionContextNotRemovable: ("Session-Context-Not-Removable", nil)
        case .otherProxyProcessingError: ("Other-Proxy-Processing-Error", nil)
        case .resourcesUnavailable: ("Resources-Unavailable", nil)
        case .requestInitiated: ("Request-Initiated", nil)
        case .multipleSessionSelectionUnsupported:
            ("Multiple-Session-Selection-Unsupported", "name sessions in one way only: cordon nas set --attributes")
        case .locationInfoRequired: ("Location-Info-Required", nil)
        default: ("Error-Cause \(rawValue)", nil)
        }
    }
}
