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
            var items: [SessionAnswer] = []
            for session in sessions { items.append(try await SessionAnswer(session, &names)) }
            return .json(
                Page(items: items, nextCursor: sessions.count < limit ? nil : sessions.last.map { "\($0.id)" }))
        }
        get("/v1/sessions/{session}") { call in
            let session = try await call.control.session(try call.path("session"), by: call.principal)
            var names = NameBook(call: call)
            return .json(try await SessionAnswer(session, &names))
        }
    }
}

struct SessionAnswer: Encodable {
    let id: Int64
    let imsi: String
    let tenant: String
    let apn: String
    let address: String
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
    let octetsUp: UInt64
    let octetsDown: UInt64
    let packetsUp: UInt64
    let packetsDown: UInt64
    let seconds: UInt64
    /// What it may not do beyond its policy, and why.
    let restriction: RestrictionAnswer?

    /// What the internet sees of the device, behind NAT 1.
    struct NAT: Encodable {
        let address: String
        let firstPort: UInt16
        let lastPort: UInt16
    }

    private enum CodingKeys: String, CodingKey {
        case id, imsi, tenant, apn, address, nas, nat, imei, rat, visitedNetwork, location
        case accountingSessionID = "accountingSessionId"
        case startedAt, updatedAt, endedAt, octetsUp, octetsDown, packetsUp, packetsDown, seconds, restriction
    }

    init(_ session: Session, _ names: inout NameBook) async throws(ControlError) {
        id = session.id.rawValue
        imsi = "\(session.imsi)"
        tenant = try await names.tenant(session.tenant)
        apn = "\(session.apn)"
        address = "\(session.address)"
        nas = try await names.nas(session.nas)
        nat = names.call.control.settings.natPlan.binding(index: session.natIndex).map {
            NAT(address: "\($0.publicAddress)", firstPort: $0.firstPort, lastPort: $0.lastPort)
        }
        imei = session.equipment.imei.map { "\($0)" }
        rat = session.equipment.rat.map { "\($0)" }
        visitedNetwork = session.equipment.visitedNetwork.map { "\($0)" }
        location = session.equipment.location.map { location in
            location.octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        accountingSessionID = session.accountingSessionID
        startedAt = "\(session.startedAt)"
        updatedAt = "\(session.updatedAt)"
        endedAt = session.endedAt.map { "\($0)" }
        octetsUp = session.usage.octetsUp
        octetsDown = session.usage.octetsDown
        packetsUp = session.usage.packetsUp
        packetsDown = session.usage.packetsDown
        seconds = session.usage.seconds
        let control = names.call.control
        restriction = try await control.restriction(of: session.id, by: names.call.principal).map(
            RestrictionAnswer.init)
    }
}
