/// 3GPP-User-Location-Info (3GPP TS 29.061 §16.4.7.2, VSA 22): where the device is, as the NAS sent it. The octets are
/// kept whatever they are; what they say is read from them.
public struct UserLocation: Hashable, Sendable {
    public let octets: [UInt8]

    public init(octets: [UInt8]) { self.octets = octets }

    /// The first octet: an enumeration, not GTPv2's bit mask. `nil` when there is none.
    public var kind: Kind? { octets.first.map(Kind.init) }

    public struct Kind: RawRepresentable, Hashable, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        public static let cgi = Self(rawValue: 0)
        public static let sai = Self(rawValue: 1)
        public static let rai = Self(rawValue: 2)
        public static let tai = Self(rawValue: 128)
        public static let ecgi = Self(rawValue: 129)
        public static let taiAndECGI = Self(rawValue: 130)
        public static let eNodeB = Self(rawValue: 131)
        public static let taiAndENodeB = Self(rawValue: 132)
        public static let extendedENodeB = Self(rawValue: 133)
        public static let taiAndExtendedENodeB = Self(rawValue: 134)
        public static let ncgi = Self(rawValue: 135)
        public static let tai5GS = Self(rawValue: 136)
        public static let tai5GSAndNCGI = Self(rawValue: 137)
        public static let ngRANNode = Self(rawValue: 138)
        public static let tai5GSAndNGRANNode = Self(rawValue: 139)
    }

    /// One identity of a place. Each begins with its network.
    public enum Element: Hashable, Sendable {
        /// GERAN: location area and cell.
        case cgi(PLMN, lac: UInt16, cell: UInt16)
        /// UTRAN: location area and service area.
        case sai(PLMN, lac: UInt16, sac: UInt16)
        /// Location area and routing area.
        case rai(PLMN, lac: UInt16, rac: UInt8)
        /// E-UTRAN tracking area.
        case tai(PLMN, tac: UInt16)
        /// E-UTRAN cell of 28 bits.
        case ecgi(PLMN, cell: UInt32)
        /// Macro eNodeB of 20 bits.
        case eNodeB(PLMN, id: UInt32)
        /// Extended macro eNodeB: 21 bits, or 18 when short.
        case extendedENodeB(PLMN, id: UInt32, isShort: Bool)
        /// NR cell of 36 bits.
        case ncgi(PLMN, cell: UInt64)
        /// 5GS tracking area of 24 bits.
        case tai5GS(PLMN, tac: UInt32)
        /// NG-RAN node: its identity's form and length vary, so its octets stay as sent.
        case ngRANNode(PLMN, octets: [UInt8])

        public var network: PLMN {
            switch self {
            case .cgi(let network, _, _), .sai(let network, _, _), .rai(let network, _, _), .tai(let network, _),
                .ecgi(let network, _), .eNodeB(let network, _), .extendedENodeB(let network, _, _),
                .ncgi(let network, _), .tai5GS(let network, _), .ngRANNode(let network, _):
                network
            }
        }
    }

    /// What the octets name, in their order; empty when the kind is unknown, or when they are too few or no PLMN
    /// stands where one must. Octets after the last identity are ignored (a RAI is seen with one too many).
    public var elements: [Element] {
        guard let kind else { return [] }
        var reader = Reader(octets: octets.dropFirst())
        let elements: [Element?] =
            switch kind {
            case .cgi: [reader.cgi()]
            case .sai: [reader.sai()]
            case .rai: [reader.rai()]
            case .tai: [reader.tai()]
            case .ecgi: [reader.ecgi()]
            case .taiAndECGI: [reader.tai(), reader.ecgi()]
            case .eNodeB: [reader.eNodeB()]
            case .taiAndENodeB: [reader.tai(), reader.eNodeB()]
            case .extendedENodeB: [reader.extendedENodeB()]
            case .taiAndExtendedENodeB: [reader.tai(), reader.extendedENodeB()]
            case .ncgi: [reader.ncgi()]
            case .tai5GS: [reader.tai5GS()]
            case .tai5GSAndNCGI: [reader.tai5GS(), reader.ncgi()]
            case .ngRANNode: [reader.ngRANNode()]
            case .tai5GSAndNGRANNode: [reader.tai5GS(), reader.ngRANNode()]
            default: []
            }
        let known = elements.compactMap { $0 }
        return known.count == elements.count ? known : []
    }

    /// The network of the place.
    public var network: PLMN? { elements.first?.network }

    /// Reads what is there; `nil` when too few octets are left or when a PLMN's nibbles are no digits.
    private struct Reader {
        var octets: ArraySlice<UInt8>

        mutating func number(_ count: Int) -> UInt64? {
            guard octets.count >= count else { return nil }
            defer { octets = octets.dropFirst(count) }
            return octets.prefix(count).reduce(0) { $0 << 8 | UInt64($1) }
        }

        mutating func plmn() -> PLMN? {
            number(3).flatMap {
                PLMN(
                    octets: UInt8(truncatingIfNeeded: $0 >> 16), UInt8(truncatingIfNeeded: $0 >> 8),
                    UInt8(truncatingIfNeeded: $0))
            }
        }

        mutating func cgi() -> Element? {
            guard let network = plmn(), let lac = number(2), let cell = number(2) else { return nil }
            return .cgi(network, lac: UInt16(lac), cell: UInt16(cell))
        }

        mutating func sai() -> Element? {
            guard let network = plmn(), let lac = number(2), let sac = number(2) else { return nil }
            return .sai(network, lac: UInt16(lac), sac: UInt16(sac))
        }

        mutating func rai() -> Element? {
            guard let network = plmn(), let lac = number(2), let rac = number(1) else { return nil }
            return .rai(network, lac: UInt16(lac), rac: UInt8(rac))
        }

        mutating func tai() -> Element? {
            guard let network = plmn(), let tac = number(2) else { return nil }
            return .tai(network, tac: UInt16(tac))
        }

        mutating func ecgi() -> Element? {
            guard let network = plmn(), let cell = number(4) else { return nil }
            return .ecgi(network, cell: UInt32(cell & 0x0fff_ffff))
        }

        /// 3GPP TS 29.274 §8.21.7.
        mutating func eNodeB() -> Element? {
            guard let network = plmn(), let id = number(3) else { return nil }
            return .eNodeB(network, id: UInt32(id & 0x0f_ffff))
        }

        /// 3GPP TS 29.274 §8.21.8: the top bit says that it is short.
        mutating func extendedENodeB() -> Element? {
            guard let network = plmn(), let id = number(3) else { return nil }
            let isShort = id & 0x80_0000 != 0
            return .extendedENodeB(network, id: UInt32(id & (isShort ? 0x03_ffff : 0x1f_ffff)), isShort: isShort)
        }

        mutating func ncgi() -> Element? {
            guard let network = plmn(), let cell = number(5) else { return nil }
            return .ncgi(network, cell: cell & 0xf_ffff_ffff)
        }

        mutating func tai5GS() -> Element? {
            guard let network = plmn(), let tac = number(3) else { return nil }
            return .tai5GS(network, tac: UInt32(tac))
        }

        mutating func ngRANNode() -> Element? {
            guard let network = plmn(), !octets.isEmpty else { return nil }
            return .ngRANNode(network, octets: Array(octets))
        }
    }
}
