/// A RADIUS client: a P-GW, GGSN or SMF/UPF. It is known by the source address of its packets and its secret.
public struct NAS: Hashable, Sendable {
    public typealias ID = Identifier<NAS>
    public let id: ID
    public let name: Name
    public let address: IPv4Address
    /// Require Message-Authenticator in Access-Request (CVE-2024-3596). Off only for a NAS that cannot send one.
    public var requiresMessageAuthenticator: Bool
    /// Where Disconnect-Request goes, at ``address`` (RFC 5176: 3799).
    public var disconnectPort: UInt16
    /// What names the session in a Disconnect-Request to this NAS.
    public var disconnectKey: DisconnectKey
    /// How it is spoken to about its sessions, and when they count as lost.
    public var profile: Profile

    /// One key combination per NAS: many reject a request that carries more than they need.
    public enum DisconnectKey: String, Hashable, Sendable, CaseIterable {
        case imsiAndNSAPI = "imsi-nsapi"
        case accountingSessionID = "acct-session-id"
        case apnAndAddress = "apn-address"
    }

    public init(
        id: ID, name: Name, address: IPv4Address, requiresMessageAuthenticator: Bool, disconnectPort: UInt16,
        disconnectKey: DisconnectKey, profile: Profile = Profile()
    ) {
        self.id = id
        self.name = name
        self.address = address
        self.requiresMessageAuthenticator = requiresMessageAuthenticator
        self.disconnectPort = disconnectPort
        self.disconnectKey = disconnectKey
        self.profile = profile
    }

    /// What a Disconnect- or CoA-Request to this NAS carries: the profile's own choice, else what its key says.
    public var sessionAttributes: [SessionAttribute] {
        guard profile.attributes.isEmpty else { return profile.attributes }
        let names: [SessionAttribute] =
            switch disconnectKey {
            case .imsiAndNSAPI: [.imsi, .nsapi]
            case .accountingSessionID: [.accountingSessionID]
            case .apnAndAddress: [.apn, .address]
            }
        return [.messageAuthenticator] + names + [.eventTimestamp]
    }
}

/// A secret that is never printed: not by a log, not by an error, not by the debugger's description.
public struct Secret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    public let bytes: [UInt8]
    public init(bytes: [UInt8]) { self.bytes = bytes }
    public var description: String { "<secret>" }
    public var debugDescription: String { "<secret>" }
}

extension Secret: CustomReflectable {
    public var customMirror: Mirror { Mirror(self, children: []) }
}
