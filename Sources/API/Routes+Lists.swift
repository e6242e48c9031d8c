import Control
import Domain
import Hummingbird
import PolicyCompiler
import Store

extension RouteTable {
    func addLists() {
        get("/v1/tenants/{tenant}/lists") { call in
            _ = try call.query()
            let lists = try await call.control.lists(of: try call.path("tenant"), by: call.principal)
            return .json(Page(items: lists.map { ListAnswer($0, withItems: false) }))
        }
        get("/v1/tenants/{tenant}/lists/{list}") { call in
            let list = try await call.control.list(
                try call.path("list"), of: try call.path("tenant"), by: call.principal)
            return .json(ListAnswer(list, withItems: true))
        }
        put("/v1/tenants/{tenant}/lists/{list}") { call in
            let name = try call.path("list", as: Name.self)
            let change = try await call.control.putList(
                name, try await call.listItems(), of: try call.path("tenant"), by: call.principal)
            return .json(SharedChangeAnswer(change) { "\($0.policy)" })
        }
        delete("/v1/tenants/{tenant}/lists/{list}") { call in
            try await call.control.deleteList(
                try call.path("list"), of: try call.path("tenant"), by: call.principal)
            return .noContent
        }
    }

    func addServices() {
        get("/v1/services") { call in
            _ = try call.query()
            let services = try await call.control.services(by: call.principal)
            return .json(Page(items: services.map { ServiceAnswer($0, by: call.principal) }))
        }
        put("/v1/services/{service}") { call in
            let name = try call.path("service", as: Name.self)
            let body = try await call.json(ServiceBody.self)
            let change = try await call.control.putService(name, body.definition.value, by: call.principal)
            return .json(SharedChangeAnswer(change) { "\($0)" })
        }
        delete("/v1/services/{service}") { call in
            _ = try await call.control.deleteService(try call.path("service"), by: call.principal)
            return .noContent
        }
    }
}

extension Call {
    /// As text, one item a line, or as JSON.
    fileprivate func listItems() async throws -> SharedListItems {
        guard contentType == "application/json" else {
            return try SharedListItems(
                lines: try await text(limit: Limits.list, types: ["text/plain", "application/json"]))
        }
        return try SharedListItems(try await json(ListBody.self).items)
    }
}

struct ListBody: RequestBody {
    let items: [String]
    enum CodingKeys: String, CodingKey, CaseIterable { case items }
}

struct ServiceBody: RequestBody {
    let definition: Text<ServiceDefinition>
    enum CodingKeys: String, CodingKey, CaseIterable { case definition }
}

struct ListAnswer: Encodable {
    let name: String
    let count: Int
    let author: String
    let updatedAt: String
    let items: [String]?

    init(_ list: SharedList, withItems: Bool) {
        name = "\(list.name)"
        count = list.items.count
        author = list.author
        updatedAt = "\(list.updatedAt)"
        items = withItems ? list.items.map(\.description) : nil
    }
}

struct ServiceAnswer: Encodable {
    let name: String
    let definition: String
    /// Whether Cordon brought it along and nobody changed it.
    let builtIn: Bool
    /// For the operator only: it names one of the operator's people.
    let author: String?
    let updatedAt: String?

    init(_ service: ControlPlane.NamedService, by principal: Principal) {
        name = "\(service.name)"
        definition = "\(service.definition)"
        builtIn = service.author == nil
        author = principal.role == .operator ? service.author : nil
        updatedAt = service.updatedAt.map { "\($0)" }
    }
}

/// What a change of a list or a service did, with its times from the call on.
struct SharedChangeAnswer: Encodable {
    /// The policies in force that name it.
    let policies: [String]
    let sessions: Int
    let inForceMs: Double
    let flowsCut: Int
    let totalMs: Double

    init(_ change: ControlPlane.SharedChange, _ name: (ControlPlane.PolicyPlace) -> String) {
        policies = change.policies.map(name)
        sessions = change.report.sessions
        inForceMs = change.report.inForce.milliseconds
        flowsCut = change.report.flowsCut
        totalMs = change.report.total.milliseconds
    }
}
