import Domain
public import Store

/// Who asks: the token's name, and what it may see. Every use case takes one; there is no anonymous use.
public struct Principal: Hashable, Sendable {
    public let name: String
    public let role: APIToken.Role

    public init(name: String, role: APIToken.Role) {
        self.name = name
        self.role = role
    }

    /// Cordon itself, at start.
    public static let system = Principal(name: "cordond", role: .operator)

    func maySee(_ tenant: Tenant.ID) -> Bool {
        switch role {
        case .operator: true
        case .tenant(let own): own == tenant
        }
    }

    func requireOperator() throws(ControlError) {
        guard role == .operator else {
            throw ControlError(.forbidden, "only the operator may do this; use an operator token")
        }
    }
}
