import Control
import Domain

/// The names behind row numbers, each read once per request: clients see names only.
struct NameBook {
    let call: Call
    private var tenants: [Tenant.ID: Name] = [:]
    private var groups: [Tenant.ID: [SIMGroup.ID: String]] = [:]
    private var nas: [NAS.ID: String]?

    init(call: Call) { self.call = call }

    mutating func tenant(_ id: Tenant.ID) async throws(ControlError) -> String { "\(try await tenantName(id))" }

    mutating func group(of sim: SIM) async throws(ControlError) -> String? {
        guard let id = sim.group else { return nil }
        if groups[sim.tenant] == nil {
            let all = try await call.control.groups(of: try await tenantName(sim.tenant), by: call.principal)
            groups[sim.tenant] = Dictionary(all.map { ($0.id, "\($0.name)") }) { first, _ in first }
        }
        return groups[sim.tenant]?[id]
    }

    /// `nil` for a tenant: which nodes the operator has is not its tenants' business.
    mutating func nas(_ id: NAS.ID) async throws(ControlError) -> String? {
        guard call.isOperator else { return nil }
        if nas == nil {
            let all = try await call.control.allNAS(by: call.principal)
            nas = Dictionary(all.map { ($0.id, "\($0.name)") }) { first, _ in first }
        }
        return nas?[id]
    }

    private mutating func tenantName(_ id: Tenant.ID) async throws(ControlError) -> Name {
        if let known = tenants[id] { return known }
        let name = try await call.control.tenant(id, by: call.principal).name
        tenants[id] = name
        return name
    }
}
