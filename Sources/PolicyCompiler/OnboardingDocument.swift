public import Domain

/// Everything that a tenant is to have, as its author wrote it: names are names still, which nobody has looked up.
public struct OnboardingDocument: Sendable {
    public let file: String
    public let tenant: Placed<Name>
    public var accessPoint: Placed<AccessPointChoice>?
    public var space: Placed<AddressSpace>?
    /// How many VPNs the tenant may have.
    public var vpnLimit: Placed<UInt32>?
    public var lists: [Placed<List>] = []
    public var groups: [Placed<Group>] = []
    public var policies: [PolicyPart] = []
    public var defaultPolicy: Placed<Name>?
    public var vpns: [Placed<Site>] = []
    public var sims: [Placed<Card>] = []
    public var simFiles: [Placed<IncludedFile>] = []
    public var users: [Placed<Name>] = []

    /// 4 MiB.
    public static let maximumOctets = 4 << 20
    public static let maximumSIMs = 50_000
    /// Of groups, of policies, of VPNs, and of users.
    public static let maximumItems = 256
    public static let addressCounts: ClosedRange<UInt32> = 1...1_000_000
    public static let blockCounts: ClosedRange<UInt32> = 1...4096

    public struct AccessPointChoice: Hashable, Sendable {
        public let apn: APN
        /// `nil`: whatever it is.
        public let kind: AccessPoint.Kind?
    }

    public enum AddressSpace: Hashable, Sendable {
        /// Blocks for so many devices.
        case addresses(UInt32)
        case blocks(UInt32)
    }

    public struct List: Hashable, Sendable {
        public let name: Name
        /// Each once.
        public let items: [ListItem]
    }

    public struct Group: Hashable, Sendable {
        public let name: Name
        /// `nil`: nothing is said.
        public let policy: Name?
    }

    /// A SIM.
    public struct Card: Hashable, Sendable {
        public let imsi: IMSI
        public let iccid: ICCID
        public let msisdn: MSISDN?
        /// `nil`: nothing is said, here and below.
        public let group: Name?
        public let label: String?

        public init(imsi: IMSI, iccid: ICCID, msisdn: MSISDN?, group: Name?, label: String?) {
            self.imsi = imsi
            self.iccid = iccid
            self.msisdn = msisdn
            self.group = group
            self.label = label
        }
    }

    /// A file whose text the sender has put in.
    public struct IncludedFile: Hashable, Sendable {
        public let name: String
        public let text: String
    }

    /// A policy's document: written here, or the text of a file.
    public struct PolicyPart: Sendable {
        public let name: Name
        /// As it is stored. Of a policy that is written here it is written anew.
        public let text: String
        public let place: DocumentPlace
        let document: PolicyDocument
        /// Of a file, diagnostics have the places of that file.
        let isIncluded: Bool

        /// - Throws: ``PolicyError`` with places in this document, or in the file.
        public func validated(in scope: PolicyScope) throws(PolicyError) -> ValidatedPolicy {
            do throws(PolicyError) {
                return try document.validated(in: scope)
            } catch {
                throw PolicyError(error.diagnostics.map(placed))
            }
        }

        public func placed(_ diagnostic: Diagnostic) -> Diagnostic {
            isIncluded ? diagnostic : diagnostic.inside(place.field)
        }
    }

    /// A VPN, as far as something is said of it.
    public struct Site: Hashable, Sendable {
        public let name: Name
        public let peer: Tunnel.Peer
        public let networks: [Tunnel.RemoteNetwork]
        var devices: Tunnel.Devices?
        var profile: Tunnel.Profile?
        var authentication: Tunnel.Authentication?
        var peerIdentity: IKEIdentity??
        var gatewayIdentity: Tunnel.GatewayIdentity?
        var initiation: Tunnel.Initiation?
        var forcesEncapsulation: Bool?
        var pairsSelectors: Bool?
        var probe: IPv4Address??
        var partner: Tunnel.Partner?
        /// PKCS #10 in PEM.
        public var certificateRequest: String?

        /// What it is to be: what is not said stays as it is, and is as usual where there is nothing yet.
        public func tunnel(changing before: Tunnel?) -> Tunnel {
            let usual: Tunnel.Initiation = peer == .anywhere ? .never : .always
            return Tunnel(
                peer: peer, networks: networks, devices: devices ?? before?.devices ?? .all,
                profile: profile ?? before?.profile ?? .standard,
                authentication: authentication ?? before?.authentication ?? .sharedKey,
                peerIdentity: peerIdentity ?? before?.peerIdentity,
                gatewayIdentity: gatewayIdentity ?? before?.gatewayIdentity ?? .name,
                initiation: initiation ?? before?.initiation ?? usual,
                forcesEncapsulation: forcesEncapsulation ?? before?.forcesEncapsulation ?? false,
                pairsSelectors: pairsSelectors ?? before?.pairsSelectors ?? false,
                probe: probe ?? before?.probe, partner: partner ?? before?.partner)
        }
    }

    /// Reads one YAML or JSON document.
    /// - Parameter file: the name for diagnostics.
    /// - Throws: ``PolicyError`` with everything that is wrong with it as such. What policies say, and what names stand
    ///   for, depends on what there is.
    public init(parsing text: String, file: String) throws(PolicyError) {
        let root = try SourceNode.root(
            of: text, file: file, atMost: Self.maximumOctets, empty: "write at least tenant: and the tenant's name")
        var reader = OnboardingReader(file: file)
        let document = reader.document(root)
        guard let document, reader.diagnostics.isEmpty else { throw PolicyError(reader.diagnostics) }
        self = document
    }

    init(file: String, tenant: Placed<Name>) {
        self.file = file
        self.tenant = tenant
    }
}
