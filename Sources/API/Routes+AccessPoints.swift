import Control
import Domain
import Hummingbird

/// The operator's APNs.
extension RouteTable {
    func addAccessPoints() {
        post("/v1/apns") { call in
            let body = try await call.json(NewAccessPointBody.self)
            let point = try await call.control.createAccessPoint(
                body.name.value, owner: body.tenant?.value, by: call.principal)
            return .created(AccessPointAnswer(point), at: ["apns", "\(point.point.apn)"])
        }
        get("/v1/apns") { call in
            _ = try call.query()
            return .json(
                Page(items: try await call.control.accessPoints(by: call.principal).map(AccessPointAnswer.init)))
        }
        delete("/v1/apns/{apn}") { call in
            try await call.control.deleteAccessPoint(try call.path("apn"), by: call.principal)
            return .noContent
        }
    }
}

struct NewAccessPointBody: RequestBody {
    let name: Text<APN>
    /// Left out: shared.
    let tenant: Text<Name>?
    enum CodingKeys: String, CodingKey, CaseIterable { case name, tenant }
}

struct AccessPointAnswer: Encodable {
    let name: String
    let kind: String
    let tenant: String?
    let createdAt: String

    init(_ view: ControlPlane.AccessPointView) {
        name = "\(view.point.apn)"
        kind = view.point.kind.rawValue
        tenant = view.owner.map { "\($0)" }
        createdAt = "\(view.point.createdAt)"
    }
}

extension APN: TextParsable {}
