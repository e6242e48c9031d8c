import Control
import Domain
import Hummingbird

extension RouteTable {
    func addSessions() {
        get("/v1/sessions") { call in
            let query = try call.query("tenant", "active", "limit", "cursor")
            let limit = try query.limit()
            let sessions = try await call.control.sessions(
                of: try query.value("tenant"), activeOnly: try query.flag("active", default: true),
                after: try query.value("cursor"), limit: limit, by: call.principal)
            var names = NameBook(call: call)
            let packets = try await call.control.lastPackets(of: sessions)
            var items: [SessionAnswer] = []
            for session in sessions {
                items.append(try await SessionAnswer(session, lastPacket: packets[session.id], &names))
            }
            return .json(
                Page(items: items, nextCursor: sessions.count < limit ? nil : sessions.last.map { "\($0.id)" }))
        }
        get("/v1/sessions/{session}") { call in
            let session = try await call.control.session(try call.path("session"), by: call.principal)
            let parts = try await call.control.sessionParts(session.id, by: call.principal)
            let packets = try await call.control.lastPackets(of: [session])
            var names = NameBook(call: call)
            return .json(
                try await SessionAnswer(
                    session, lastPacket: packets[session.id], parts: parts,
                    counted: try await call.control.countedUsage(of: session.id, by: call.principal), &names))
        }
        post("/v1/sessions/{session}/disconnect") { call in
            .json(
                SessionOrderAnswer(
                    try await call.control.disconnectSession(try call.path("session"), by: call.principal)))
        }
        post("/v1/sessions/{session}/change") { call in
            let body = try await call.json(SessionChangeBody.self)
            var changes: [SessionChange] = []
            if let seconds = body.interimSeconds?.value {
                guard (60...86_400).contains(seconds) else {
                    throw ControlError.wrong("interim_seconds", "must be from 60 (RFC 2869 §5.16) to 86400")
                }
                changes.append(.interimInterval(seconds: seconds))
            }
            if let seconds = body.sessionTimeoutSeconds?.value { changes.append(.sessionTimeout(seconds: seconds)) }
            if let seconds = body.idleTimeoutSeconds?.value { changes.append(.idleTimeout(seconds: seconds)) }
            return .json(
                SessionOrderAnswer(
                    try await call.control.changeSession(
                        try call.path("session"), to: changes, endingOtherwise: body.orDisconnect ?? false,
                        by: call.principal)))
        }
    }
}

struct SessionChangeBody: RequestBody {
    let interimSeconds: Whole<UInt32>?
    let sessionTimeoutSeconds: Whole<UInt32>?
    let idleTimeoutSeconds: Whole<UInt32>?
    /// End the session where the NAS takes no change.
    let orDisconnect: Bool?
    enum CodingKeys: String, CodingKey, CaseIterable {
        case interimSeconds = "interim_seconds"
        case sessionTimeoutSeconds = "session_timeout_seconds"
        case idleTimeoutSeconds = "idle_timeout_seconds"
        case orDisconnect = "or_disconnect"
    }
}

struct SessionOrderAnswer: Encodable {
    let session: Int64
    let isComplete: Bool
    let steps: [StateChangeAnswer.Step]

    init(_ order: ControlPlane.SessionOrder) {
        session = order.session.rawValue
        isComplete = order.isComplete
        steps = order.steps.map(StateChangeAnswer.Step.init)
    }
}

struct SessionAnswer: Encodable {
    let id: Int64
    let imsi: String
    let tenant: String
    let apn: String
    /// Absent of a session without IPv4.
    let address: String?
    /// Of the link, a /64; absent of a session without IPv6.
    let prefix: String?
    let delegatedPrefix: String?
    /// Only for the operator.
    let nas: String?
    let nat: NAT?
    let imei: String?
    let rat: String?
    let visitedNetwork: String?
    /// The octets of 3GPP-User-Location-Info, in hexadecimal.
    let location: String?
    let accountingSessionID: String?
    let startedAt: String
    let updatedAt: String
    let endedAt: String?
    let endCause: String?
    let online: Bool
    /// The later of the last report and the last packet.
    let lastSeenAt: String
    let lastPacketAt: String?
    /// Only of one session, and where it has had several.
    let bearers: [Bearer]?
    let places: [Place]?
    let octetsUp: UInt64
    let octetsDown: UInt64
    let packetsUp: UInt64
    let packetsDown: UInt64
    let seconds: UInt64
    /// What passed here, where the other counts are what the NAS reports. Only of one session.
    let counted: UsageCountsAnswer?
    /// What it may not do beyond its policy, and why.
    let restriction: RestrictionAnswer?

    /// What the internet sees of the device, behind NAT 1.
    struct NAT: Encodable {
        let address: String
        let firstPort: UInt16
        let lastPort: UInt16
    }

    struct Bearer: Encodable {
        let nsapi: UInt8?
        let accountingSessionID: String?
        let startedAt: String
        let updatedAt: String
        let endedAt: String?
        let octetsUp: UInt64
        let octetsDown: UInt64

        private enum CodingKeys: String, CodingKey {
            case nsapi
            case accountingSessionID = "accountingSessionId"
            case startedAt, updatedAt, endedAt, octetsUp, octetsDown
        }

        init(_ bearer: SessionBearer) {
            nsapi = bearer.key.nsapi
            accountingSessionID = bearer.key.accountingSessionID
            startedAt = "\(bearer.startedAt)"
            updatedAt = "\(bearer.updatedAt)"
            endedAt = bearer.endedAt.map { "\($0)" }
            octetsUp = bearer.usage.octetsUp
            octetsDown = bearer.usage.octetsDown
        }
    }

    struct Place: Encodable {
        let since: String
        let imei: String?
        let rat: String?
        let visitedNetwork: String?
        let location: String?

        init(_ place: SessionPlace) {
            since = "\(place.since)"
            imei = place.imei.map { "\($0)" }
            rat = place.rat.map { "\($0)" }
            visitedNetwork = place.visitedNetwork.map { "\($0)" }
            location = place.location.map(SessionAnswer.hexadecimal)
        }
    }

    private static func hexadecimal(_ location: UserLocation) -> String {
        location.octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private enum CodingKeys: String, CodingKey {
        case id, imsi, tenant, apn, address, prefix, delegatedPrefix, nas, nat, imei, rat, visitedNetwork, location
        case accountingSessionID = "accountingSessionId"
        case startedAt, updatedAt, endedAt, endCause, online, lastSeenAt, lastPacketAt, bearers, places
        case octetsUp, octetsDown, packetsUp, packetsDown, seconds, counted, restriction
    }

    init(
        _ session: Session, lastPacket: Timestamp?, parts: ControlPlane.SessionParts? = nil,
        counted: UsageCounts? = nil, _ names: inout NameBook
    ) async throws(ControlError) {
        id = session.id.rawValue
        imsi = "\(session.imsi)"
        tenant = try await names.tenant(session.tenant)
        apn = "\(session.apn)"
        address = session.ipv4.map { "\($0)" }
        prefix = session.prefixes.map { "\($0.link)" }
        delegatedPrefix = session.prefixes?.delegated.map { "\($0)" }
        nas = try await names.nas(session.nas)
        let binding =
            session.hasIPv4 ? names.call.control.settings.natPlan.binding(index: session.natIndex) : nil
        nat = binding.map {
            NAT(address: "\($0.publicAddress)", firstPort: $0.firstPort, lastPort: $0.lastPort)
        }
        imei = session.equipment.imei.map { "\($0)" }
        rat = session.equipment.rat.map { "\($0)" }
        visitedNetwork = session.equipment.visitedNetwork.map { "\($0)" }
        location = session.equipment.location.map(Self.hexadecimal)
        accountingSessionID = session.accountingSessionID
        startedAt = "\(session.startedAt)"
        updatedAt = "\(session.updatedAt)"
        endedAt = session.endedAt.map { "\($0)" }
        endCause = session.endCause?.rawValue
        online = session.endedAt == nil
        lastSeenAt = "\(max(session.updatedAt, lastPacket ?? session.updatedAt))"
        lastPacketAt = lastPacket.map { "\($0)" }
        bearers = parts.flatMap { $0.bearers.isEmpty ? nil : $0.bearers.map(Bearer.init) }
        places = parts.flatMap { $0.places.isEmpty ? nil : $0.places.map(Place.init) }
        octetsUp = session.usage.octetsUp
        octetsDown = session.usage.octetsDown
        packetsUp = session.usage.packetsUp
        packetsDown = session.usage.packetsDown
        seconds = session.usage.seconds
        self.counted = counted.map(UsageCountsAnswer.init)
        let control = names.call.control
        restriction = try await control.restriction(of: session.id, by: names.call.principal).map(
            RestrictionAnswer.init)
    }
}
