/// One PDN connection: a SIM on an APN, with an address, an equipment and a place.
public struct Session: Hashable, Sendable {
    public typealias ID = Identifier<Session>
    public let id: ID
    /// What Class carries: names the session to us in accounting, tells nobody else anything.
    public let token: SessionToken
    public let sim: SIM.ID
    public let imsi: IMSI
    public let tenant: Tenant.ID
    public let nas: NAS.ID
    public let apn: APN
    public let address: IPv4Address
    public let natIndex: Int64
    public var equipment: Equipment
    /// Acct-Session-Id as the NAS last sent it.
    public var accountingSessionID: String?
    public let startedAt: Timestamp
    /// The time of the last RADIUS message of this session.
    public var updatedAt: Timestamp
    public var endedAt: Timestamp?
    public var usage: SessionUsage

    public init(
        id: ID, token: SessionToken, sim: SIM.ID, imsi: IMSI, tenant: Tenant.ID, nas: NAS.ID, apn: APN,
        address: IPv4Address, natIndex: Int64, equipment: Equipment, accountingSessionID: String?,
        startedAt: Timestamp, updatedAt: Timestamp, endedAt: Timestamp?, usage: SessionUsage
    ) {
        self.id = id
        self.token = token
        self.sim = sim
        self.imsi = imsi
        self.tenant = tenant
        self.nas = nas
        self.apn = apn
        self.address = address
        self.natIndex = natIndex
        self.equipment = equipment
        self.accountingSessionID = accountingSessionID
        self.startedAt = startedAt
        self.updatedAt = updatedAt
        self.endedAt = endedAt
        self.usage = usage
    }
}

/// 128 bits that name a session in RADIUS Class (RFC 2865 §5.25): the time of its start in milliseconds, 48 bits, then
/// 80 random bits, as a UUID of version 7 begins (RFC 9562 §5.7). The time first keeps the store's index of tokens
/// growing at its end; random ones throughout dirtied a page of it for each session.
public struct SessionToken: Hashable, Sendable, CustomStringConvertible {
    public let bits: UInt128
    public init(bits: UInt128) { self.bits = bits }
    public static func random(at time: Timestamp) -> Self {
        let milliseconds = UInt128(UInt64(bitPattern: time.milliseconds)) & 0xffff_ffff_ffff
        return Self(bits: milliseconds << 80 | UInt128.random(in: 1..<1 << 80))
    }
    /// 32 lower-case hexadecimal digits.
    public var description: String {
        let digits = String(bits, radix: 16)
        return String(repeating: "0", count: 32 - digits.utf8.count) + digits
    }
    /// Reads ``description``, in either case; `nil` for anything else.
    public init?(hex: some StringProtocol) {
        // The standard library's reader takes a sign as well.
        guard hex.utf8.count == 32, !hex.utf8.contains(where: "+-".utf8.contains), let bits = UInt128(hex, radix: 16)
        else { return nil }
        self.bits = bits
    }
}

/// What the NAS says about the equipment and its place; each absent when not sent or not readable.
public struct Equipment: Hashable, Sendable {
    public var imei: IMEI?
    public var rat: RATType?
    public var visitedNetwork: PLMN?
    public var location: UserLocation?
    public var chargingID: UInt32?
    public var nsapi: UInt8?

    public init(
        imei: IMEI? = nil, rat: RATType? = nil, visitedNetwork: PLMN? = nil, location: UserLocation? = nil,
        chargingID: UInt32? = nil, nsapi: UInt8? = nil
    ) {
        self.imei = imei
        self.rat = rat
        self.visitedNetwork = visitedNetwork
        self.location = location
        self.chargingID = chargingID
        self.nsapi = nsapi
    }
}

/// Counters as the NAS last reported them. Up is from the device (RADIUS "input"), down is to it.
public struct SessionUsage: Hashable, Sendable {
    public var octetsUp: UInt64
    public var octetsDown: UInt64
    public var packetsUp: UInt64
    public var packetsDown: UInt64
    public var seconds: UInt64

    public init(
        octetsUp: UInt64 = 0, octetsDown: UInt64 = 0, packetsUp: UInt64 = 0, packetsDown: UInt64 = 0,
        seconds: UInt64 = 0
    ) {
        self.octetsUp = octetsUp
        self.octetsDown = octetsDown
        self.packetsUp = packetsUp
        self.packetsDown = packetsDown
        self.seconds = seconds
    }
}
