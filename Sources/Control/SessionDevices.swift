import Domain
import PolicyCompiler
import Store

// What the kernel is told of sessions. One with IPv4 alone is one device there; each /64 of a session is one more.
extension EnforcedSession {
    /// - Parameter limit: what limits the SIM.
    func entry(_ plan: NATPlan, _ limit: LimitNumber?) -> DeviceEntry? {
        address.map {
            DeviceEntry(
                address: $0, policy: mark, nat: plan.binding(index: natIndex), group: groupNumber, session: session,
                limit: limit)
        }
    }

    func entries6(_ limit: LimitNumber?) -> [DeviceEntry6] {
        (prefixes?.networks ?? []).map {
            DeviceEntry6(prefix: $0, policy: mark, group: groupNumber, session: session, limit: limit)
        }
    }

    func changes(_ plan: NATPlan, _ limit: LimitNumber?) -> [DeviceChange] {
        let change = entry(plan, limit).map(DeviceChange.set)
        guard prefixes != nil else { return change.map { [$0] } ?? [] }
        return (change.map { [$0] } ?? []) + entries6(limit).map(DeviceChange.set6)
    }

    /// With what limits the SIM already.
    func changes(_ plan: NATPlan, _ limits: LimitBook) -> [DeviceChange] {
        changes(plan, limits.limit(of: sim) == nil ? nil : LimitNumber(sim: sim))
    }

    /// As ``Session/devices``.
    var devices: [IPAddress] {
        let address = address.map { [IPAddress.v4($0)] } ?? []
        guard let prefixes else { return address }
        return address + prefixes.networks.map { .v6($0.address) }
    }

    private var mark: PolicyMark { policy.flatMap(PolicyMark.init(policy:)) ?? .blockAll }
    private var groupNumber: GroupNumber? { group.flatMap(GroupNumber.init(group:)) }
}

extension Session {
    /// What makes the kernel forget its devices.
    var removals: [DeviceChange] { devices.map(DeviceChange.init(removing:)) }

    /// As it is enforced for its SIM.
    /// - Parameter policy: what judges it; `nil`: all is blocked.
    func enforced(for sim: Subscriber, judgedBy policy: Policy.ID?) -> EnforcedSession {
        EnforcedSession(
            session: id, sim: sim.id, tenant: sim.tenant, address: ipv4, natIndex: natIndex, policy: policy,
            group: sim.group, prefixes: prefixes)
    }
}

extension DeviceChange {
    /// - Parameter device: an address, which in IPv6 is the first of a /64.
    init(removing device: IPAddress) {
        switch device {
        case .v4(let address): self = .remove(address)
        case .v6(let address): self = .remove6(IPv6Prefix(containing: address, length: 64))
        }
    }

    /// What the kernel knows the device by.
    var address: IPAddress {
        switch self {
        case .set(let entry): .v4(entry.address)
        case .remove(let address): .v4(address)
        case .set6(let entry): .v6(entry.prefix.address)
        case .remove6(let prefix): .v6(prefix.address)
        }
    }

    var isRemoval: Bool {
        switch self {
        case .set, .set6: false
        case .remove, .remove6: true
        }
    }

    /// Whose device it is from now on.
    var session: Session.ID? {
        switch self {
        case .set(let entry): entry.session
        case .set6(let entry): entry.session
        case .remove, .remove6: nil
        }
    }
}
