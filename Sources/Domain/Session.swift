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
    /// The SIM's on the APN. A session without IPv4 keeps it and is not given it: see ``ipv4``.
    public let address: IPv4Address
    public let natIndex: Int64
    /// Whether it carries IPv4.
    public let hasIPv4: Bool
    /// What it has of IPv6; `nil`: none.
    public let prefixes: SessionPrefixes?
    public var equipment: Equipment
    /// Acct-Session-Id as the NAS last sent it.
    public var accountingSessionID: String?
    public let startedAt: Timestamp
    /// The time of the last RADIUS message of this session.
    public var updatedAt: Timestamp
    public var endedAt: Timestamp?
    /// Why it ended; `nil` while it lasts, and of sessions that ended before this was recorded.
    public var endCause: EndCause?
    /// Of all its bearers together.
    public var usage: SessionUsage
    /// Whether it has had more than one, which are remembered one by one then.
    public var hasBearers: Bool

    public init(
        id: ID, token: SessionToken, sim: SIM.ID, imsi: IMSI, tenant: Tenant.ID, nas: NAS.ID, apn: APN,
        address: IPv4Address, natIndex: Int64, equipment: Equipment, accountingSessionID: String?,
        startedAt: Timestamp, updatedAt: Timestamp, endedAt: Timestamp?, usage: SessionUsage,
        endCause: EndCause? = nil, hasBearers: Bool = false, hasIPv4: Bool = true, prefixes: SessionPrefixes? = nil
    ) {
        self.hasIPv4 = hasIPv4
        self.prefixes = prefixes
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
        self.endCause = endCause
        self.hasBearers = hasBearers
    }

    /// What its device has of IPv4; `nil`: nothing.
    public var ipv4: IPv4Address? { hasIPv4 ? address : nil }

    /// How the kernel knows its device: by its IPv4 address, and by the first address of each /64 that it has.
    public var devices: [IPAddress] {
        guard let prefixes else { return hasIPv4 ? [.v4(address)] : [] }
        return (hasIPv4 ? [.v4(address)] : []) + prefixes.networks.map { .v6($0.address) }
    }

    /// Ends the session, unless it has ended.
    public mutating func end(_ cause: EndCause, at time: Timestamp) {
        guard endedAt == nil else { return }
        endedAt = time
        endCause = cause
        updatedAt = time
    }

    /// Why a session ended.
    public enum EndCause: String, Hashable, Sendable, CaseIterable {
        /// The NAS reported the end of its last bearer (Accounting-Stop).
        case stopped
        /// The SIM attached again on the same APN.
        case replaced
        /// The NAS has started anew and lost its sessions (Accounting-On, RFC 2866 §5.1).
        case nasStarted = "nas-started"
        /// The NAS is about to drop its sessions (Accounting-Off).
        case nasStopped = "nas-stopped"
        /// Neither a report nor a packet for as long as the NAS's profile allows.
        case stale
        /// The NAS said that it does not have it (Error-Cause 503 or 201, RFC 5176 §3.5).
        case unknownToNAS = "unknown-to-nas"
        /// The SIM's manufacturing test is over.
        case testOver = "test-over"

        /// Whether a later report of the NAS shows that the session was there all the time: nobody had said that it
        /// ended, it was concluded.
        public var isConcluded: Bool {
            switch self {
            case .nasStarted, .nasStopped, .stale: true
            case .stopped, .replaced, .unknownToNAS, .testOver: false
            }
        }
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
        // One draw of the kernel's, which is a system call.
        var random = SystemRandomNumberGenerator()
        let bits: UInt128 = random.next() >> 48
        return Self(bits: milliseconds << 80 | max(1, bits))
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

/// Counters as the NAS reports them. Up is from the device (RADIUS "input"), down is to it.
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

extension SessionUsage {
    /// The counters of a later report. They only grow; a report that arrives out of order lowers none.
    public func merging(_ later: SessionUsage) -> SessionUsage {
        SessionUsage(
            octetsUp: max(octetsUp, later.octetsUp), octetsDown: max(octetsDown, later.octetsDown),
            packetsUp: max(packetsUp, later.packetsUp), packetsDown: max(packetsDown, later.packetsDown),
            seconds: max(seconds, later.seconds))
    }

    /// With what one of several bearers has carried since it last reported. Octets and packets add up; the time is that
    /// of the bearer that has been there longest.
    public func adding(from before: SessionUsage, to after: SessionUsage) -> SessionUsage {
        SessionUsage(
            octetsUp: octetsUp &+ (after.octetsUp &- before.octetsUp),
            octetsDown: octetsDown &+ (after.octetsDown &- before.octetsDown),
            packetsUp: packetsUp &+ (after.packetsUp &- before.packetsUp),
            packetsDown: packetsDown &+ (after.packetsDown &- before.packetsDown),
            seconds: max(seconds, after.seconds))
    }

    /// Octets in both directions.
    public var octets: UInt64 {
        let (sum, isTooLarge) = octetsUp.addingReportingOverflow(octetsDown)
        return isTooLarge ? .max : sum
    }
}
