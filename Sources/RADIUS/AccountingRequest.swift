public import Domain

/// An Accounting-Request (RFC 2866 §4.1).
///
/// Holds no octets of the packet; ``echo(in:)`` is what an answer needs when they are gone.
public struct AccountingRequest: Sendable {
    public let header: Header
    public let bearer: Bearer
    public let kind: AccountingReport.Kind
    public let usage: SessionUsage
    public let terminateCause: UInt32?
    /// Seconds since 1970 (RFC 2869 §5.3).
    public let eventTimestamp: UInt32?
    /// Acct-Delay-Time (RFC 2866 §5.2); 0 when absent.
    public let delaySeconds: UInt32

    /// Decodes and checks the packet's form, not its authenticator: see ``verify(_:secret:)``. Allocates nothing, whatever
    /// the packet.
    /// - Throws: ``PacketError`` for the first thing that is wrong with it.
    public init(decoding bytes: Span<UInt8>) throws(PacketError) {
        header = try Header(decoding: bytes)
        guard header.code == .accountingRequest else { throw .unexpectedCode(header.code.rawValue) }
        var bearer = Bearer()
        var counters = Counters()
        var scan = AttributeScan(header)
        while let attribute = try scan.next(in: bytes) {
            if try !bearer.take(attribute, in: bytes) { try counters.take(attribute, in: bytes) }
        }
        guard let kind = counters.statusType.flatMap(AccountingReport.Kind.init) else {
            throw .statusType(counters.statusType)
        }
        self.bearer = bearer
        self.kind = kind
        usage = counters.usage
        terminateCause = counters.terminateCause
        eventTimestamp = counters.eventTimestamp
        delaySeconds = counters.delaySeconds
    }

    /// Checks the Request Authenticator (RFC 2866 §3): MD5 over the packet with 16 zero octets in its place, and the
    /// secret.
    public func verify(_ bytes: Span<UInt8>, secret: Secret) throws(PacketError) {
        let packet = bytes.extracting(0..<header.length)
        guard Authenticator.digest(of: packet, authenticator: 0, secret: secret) == header.authenticator else {
            throw .authenticatorWrong
        }
    }

    /// What is recorded.
    /// - Parameter bytes: the octets that were decoded.
    public func report(from nas: NAS.ID, received: Timestamp, in bytes: Span<UInt8>) -> AccountingReport {
        AccountingReport(
            nas: nas, kind: kind, token: bearer.token, imsi: bearer.threeGPP.imsi, apn: bearer.apn(in: bytes),
            address: bearer.framedAddress, accountingSessionID: bearer.accountingSessionID(in: bytes),
            equipment: bearer.equipment(in: bytes), usage: usage, terminateCause: terminateCause,
            isLastBearer: bearer.threeGPP.isSessionStop,
            time: eventTimestamp.map { Timestamp(milliseconds: Int64($0) * 1000) } ?? received,
            delaySeconds: delaySeconds, prefix: bearer.framedIPv6Prefix?.network)
    }

    /// The attributes that only accounting has. Input is from the device. Acct-Delay-Time is not subtracted from the time:
    /// it changes with each retransmission, and Event-Timestamp says the same better, unless the clocks differ.
    private struct Counters {
        var statusType: UInt32?
        var terminateCause: UInt32?
        var eventTimestamp: UInt32?
        var delaySeconds: UInt32 = 0
        private var octetsUp: (low: UInt32, gigawords: UInt32) = (0, 0)
        private var octetsDown: (low: UInt32, gigawords: UInt32) = (0, 0)
        private var packetsUp: UInt32 = 0
        private var packetsDown: UInt32 = 0
        private var seconds: UInt32 = 0

        mutating func take(_ attribute: Attribute, in bytes: Span<UInt8>) throws(PacketError) {
            switch attribute.type {
            case 40: statusType = try attribute.uint32(in: bytes)
            case 41: delaySeconds = try attribute.uint32(in: bytes)
            case 42: octetsUp.low = try attribute.uint32(in: bytes)
            case 43: octetsDown.low = try attribute.uint32(in: bytes)
            case 46: seconds = try attribute.uint32(in: bytes)
            case 47: packetsUp = try attribute.uint32(in: bytes)
            case 48: packetsDown = try attribute.uint32(in: bytes)
            case 49: terminateCause = try attribute.uint32(in: bytes)
            case 52: octetsUp.gigawords = try attribute.uint32(in: bytes)
            case 53: octetsDown.gigawords = try attribute.uint32(in: bytes)
            case 55: eventTimestamp = try attribute.uint32(in: bytes)
            default: break
            }
        }

        var usage: SessionUsage {
            SessionUsage(
                octetsUp: UInt64(octetsUp.gigawords) << 32 | UInt64(octetsUp.low),
                octetsDown: UInt64(octetsDown.gigawords) << 32 | UInt64(octetsDown.low),
                packetsUp: UInt64(packetsUp), packetsDown: UInt64(packetsDown), seconds: UInt64(seconds))
        }
    }
}
