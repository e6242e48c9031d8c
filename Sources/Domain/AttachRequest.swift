/// What an Access-Request asks, without its wire form.
public struct AttachRequest: Hashable, Sendable {
    public let nas: NAS.ID
    /// 3GPP-IMSI. A request without it cannot be admitted.
    public let imsi: IMSI?
    /// Called-Station-Id.
    public let apn: APN?
    public let accountingSessionID: String?
    public let equipment: Equipment
    public let pdnType: PDNType

    public init(
        nas: NAS.ID, imsi: IMSI?, apn: APN?, accountingSessionID: String?, equipment: Equipment,
        pdnType: PDNType = .ipv4
    ) {
        self.pdnType = pdnType
        self.nas = nas
        self.imsi = imsi
        self.apn = apn
        self.accountingSessionID = accountingSessionID
        self.equipment = equipment
    }
}

/// The answer to an ``AttachRequest``.
public enum AttachVerdict: Hashable, Sendable {
    /// IPv4 alone.
    case accept(address: IPv4Address, token: SessionToken)
    /// IPv6, with IPv4 beside it or without.
    case acceptIPv6(SessionPrefixes, address: IPv4Address?, token: SessionToken)
    case reject(AttachRejection)
    /// Nothing is sent; the NAS will ask again. For our own faults only (store or kernel out of order).
    case noAnswer
}

/// Why an attach is rejected. The raw value is the reason code of events, metrics and the Reply-Message.
public enum AttachRejection: String, Hashable, Sendable, CaseIterable {
    case imsiMissing = "imsi-missing"
    case apnMissing = "apn-missing"
    /// The APN is another tenant's.
    case apnNotAllowed = "apn-not-allowed"
    case simUnknown = "sim-unknown"
    case simSuspended = "sim-suspended"
    case simTerminated = "sim-terminated"
    /// The SIM's manufacturing test is over: it waits to be activated.
    case simTestOver = "sim-test-over"
    /// The operator's pools have no block left for this tenant, of addresses or, for IPv6 alone, of prefixes.
    case addressPoolExhausted = "address-pool-exhausted"
    /// IPv6 alone is asked for where it is not forwarded, or neither IPv4 nor IPv6.
    case pdnTypeNotServed = "pdn-type-not-served"
    /// The SIM's session policy does not allow the equipment.
    case imeiNotAllowed = "imei-not-allowed"
    /// Nor where it is, or the operator does not allow it there.
    case locationNotAllowed = "attach-location-not-allowed"
    case outsideHours = "attach-outside-hours"
    case notApproved = "attach-not-approved"
    case dataLimitReached = "attach-data-limit-reached"
}

/// What an Accounting-Request reports, without its wire form.
public struct AccountingReport: Hashable, Sendable {
    public let nas: NAS.ID
    public let kind: Kind
    /// Class, when it is one of ours.
    public let token: SessionToken?
    public let imsi: IMSI?
    public let apn: APN?
    public let address: IPv4Address?
    /// Framed-IPv6-Prefix, when it is a /64.
    public let prefix: IPv6Prefix?
    public let accountingSessionID: String?
    public let equipment: Equipment
    public let usage: SessionUsage
    /// Acct-Terminate-Cause of a stop.
    public let terminateCause: UInt32?
    /// 3GPP-Session-Stop-Indicator was there: the last bearer has stopped.
    public let isLastBearer: Bool
    /// Event-Timestamp, or the time of receipt.
    public let time: Timestamp
    /// Acct-Delay-Time (RFC 2866 §5.2): for how long the NAS has been trying to say it. Not stored.
    public let delaySeconds: UInt32

    /// Acct-Status-Type (RFC 2866 §5.1).
    public enum Kind: UInt32, Hashable, Sendable, CaseIterable {
        case start = 1
        case stop = 2
        case interim = 3
        case on = 7
        case off = 8
    }

    public init(
        nas: NAS.ID, kind: Kind, token: SessionToken?, imsi: IMSI?, apn: APN?, address: IPv4Address?,
        accountingSessionID: String?, equipment: Equipment, usage: SessionUsage, terminateCause: UInt32?,
        isLastBearer: Bool, time: Timestamp, delaySeconds: UInt32 = 0, prefix: IPv6Prefix? = nil
    ) {
        self.prefix = prefix
        self.delaySeconds = delaySeconds
        self.nas = nas
        self.kind = kind
        self.token = token
        self.imsi = imsi
        self.apn = apn
        self.address = address
        self.accountingSessionID = accountingSessionID
        self.equipment = equipment
        self.usage = usage
        self.terminateCause = terminateCause
        self.isLastBearer = isLastBearer
        self.time = time
    }
}
