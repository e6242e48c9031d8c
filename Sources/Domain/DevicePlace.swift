/// A tracking area (E-UTRAN, 5GS) or a location area (GERAN, UTRAN): a network and a number in it.
public struct TrackingArea: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let network: PLMN
    /// 16 bits, in 5GS 24.
    public let code: UInt32

    public init(network: PLMN, code: UInt32) {
        self.network = network
        self.code = code
    }

    /// Parses `26201-4660`: MCC and MNC, then the area's number, decimal or hexadecimal behind `0x`.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let network = PLMN(utf8: parts[0].utf8),
            let code = PlaceNumber.value(parts[1], atMost: 0xff_ffff)
        else {
            throw ParseError(
                kind: "a tracking area", text: text,
                expected: "write MCC and MNC, a dash and the area's number, such as 26201-4660 or 26201-0x1234")
        }
        self.init(network: network, code: UInt32(code))
    }

    public static func < (a: Self, b: Self) -> Bool { (a.network, a.code) < (b.network, b.code) }
    public var description: String { "\(network)-\(code)" }
}

/// A cell: of E-UTRAN and NR by its number in the network, of GERAN (cell) and UTRAN (service area) by its location area and
/// its number in that.
public struct Cell: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let network: PLMN
    public let area: UInt16?
    /// 28 bits in E-UTRAN, 36 in NR, 16 within a location area.
    public let number: UInt64

    public init(network: PLMN, area: UInt16?, number: UInt64) {
        self.network = network
        self.area = area
        self.number = number
    }

    /// Parses `26201-19088743` (E-UTRAN, NR) or `26201-4660-77` (location area and cell). Numbers are decimal, or hexadecimal
    /// behind `0x`.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        if let network = parts.first.flatMap({ PLMN(utf8: $0.utf8) }) {
            if parts.count == 2, let number = PlaceNumber.value(parts[1], atMost: 0xf_ffff_ffff) {
                self.init(network: network, area: nil, number: number)
                return
            }
            if parts.count == 3, let area = PlaceNumber.value(parts[1], atMost: 0xffff),
                let number = PlaceNumber.value(parts[2], atMost: 0xffff)
            {
                self.init(network: network, area: UInt16(area), number: number)
                return
            }
        }
        throw ParseError(
            kind: "a cell", text: text,
            expected:
                "write MCC and MNC, a dash and the cell's number, such as 26201-19088743; of 2G and 3G the location "
                + "area between them, such as 26201-4660-77")
    }

    public static func < (a: Self, b: Self) -> Bool {
        (a.network, a.area ?? 0, a.number) < (b.network, b.area ?? 0, b.number)
    }
    public var description: String { area.map { "\(network)-\($0)-\(number)" } ?? "\(network)-\(number)" }
}

private enum PlaceNumber {
    /// Decimal digits, or hexadecimal ones behind `0x`.
    static func value(_ text: some StringProtocol, atMost limit: UInt64) -> UInt64? {
        let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text[...]
        guard !digits.utf8.contains(where: "+-".utf8.contains),
            let value = UInt64(digits, radix: text.hasPrefix("0x") ? 16 : 10), value <= limit
        else { return nil }
        return value
    }
}

/// Where a device is, as policies ask: each `nil` when the NAS did not say.
public struct DevicePlace: Hashable, Sendable, CustomStringConvertible {
    public let network: PLMN?
    public let area: TrackingArea?
    public let cell: Cell?

    /// - Parameter visitedNetwork: 3GPP-SGSN-MCC-MNC; the location's own network goes before it.
    public init(_ location: UserLocation?, visitedNetwork: PLMN?) {
        var area: TrackingArea?
        var cell: Cell?
        for element in location?.elements ?? [] {
            switch element {
            case .cgi(let network, let lac, let number), .sai(let network, let lac, let number):
                area = TrackingArea(network: network, code: UInt32(lac))
                cell = Cell(network: network, area: lac, number: UInt64(number))
            case .rai(let network, let lac, _): area = TrackingArea(network: network, code: UInt32(lac))
            case .tai(let network, let tac): area = TrackingArea(network: network, code: UInt32(tac))
            case .tai5GS(let network, let tac): area = TrackingArea(network: network, code: tac)
            case .ecgi(let network, let number): cell = Cell(network: network, area: nil, number: UInt64(number))
            case .ncgi(let network, let number): cell = Cell(network: network, area: nil, number: number)
            case .eNodeB, .extendedENodeB, .ngRANNode: break
            }
        }
        network = location?.network ?? visitedNetwork
        self.area = area
        self.cell = cell
    }

    public var countries: Set<Country> { network.map { Country.countries(ofMCC: $0.mcc) } ?? [] }

    public var description: String {
        cell.map { "cell \($0)" } ?? area.map { "tracking area \($0)" } ?? network.map { "network \($0)" } ?? "unknown"
    }
}
