import Domain
import PolicyCompiler

/// What leads to policies' chains, and from there to VPNs: elements of the table's own maps and sets.
struct Leads: Hashable {
    /// A map that leads to chains.
    enum ChainMap: Hashable, CaseIterable {
        case policy(Family)
        case access(Family)

        static let allCases: [Self] = Family.allCases.map { .policy($0) } + Family.allCases.map { .access($0) }

        var name: String {
            switch self {
            case .policy(let family): "policy_chain\(family.suffix)"
            case .access(let family): "access_chain\(family.suffix)"
            }
        }
    }

    struct ChainKey: Hashable {
        let map: ChainMap
        /// A policy's mark; with the name of an interface behind it, for packets from VPNs.
        let key: [UInt8]
    }

    var chains: [ChainKey: String] = [:]
    /// Where flows go that have the number of a way, by policy. They leave with their policy's version, and with that
    /// the numbers on flows lose their meaning.
    var decisions: [PolicyPair: UInt32] = [:]
    /// The mark of the VPN behind an interface, by policy: of those that its rules name.
    var vpns: [[UInt8]: UInt32] = [:]
    /// The interfaces of VPNs.
    var interfaces: Set<[UInt8]> = []
    /// The same, where what was refused is counted.
    var refusals: Set<[UInt8]> = []
    /// VPNs' marks with their interfaces.
    var marks: Set<[UInt8]> = []
    /// The chains of VPNs' limits, by interface.
    var limits: [[UInt8]: String] = [:]
    /// Numbers of flows that go to the time server.
    var toTimeServer: Set<[UInt8]> = []
    /// Numbers of flows of rules that have rates or counters; which ones is not the table's to know.
    var rates: [[UInt8]: Ruleset.RuleRate?] = [:]

    static let ratesName = "rated"
    static let timeServerName = "to_time_server"
    static let interfacesName = "vpn_interfaces"
    static let marksName = "vpn_marks"
    static let limitsName = "vpn_limits"
    static let refusalsName = "vpn_refused"
    static let vpnsName = "vpn_policies"
    static let decisionsName = "in_force"

    var isEmpty: Bool { self == Leads() }

    /// The rules of which flows may be counted.
    var countedRules: Set<CountedRule.ID> { Set(rates.values.compactMap { $0?.counted }) }

    /// Those that `other` has not, or has otherwise.
    func subtracting(_ other: Self) -> Self {
        var rest = Leads()
        rest.chains = chains.filter { other.chains[$0.key] != $0.value }
        rest.decisions = decisions.filter { other.decisions[$0.key] != $0.value }
        rest.vpns = vpns.filter { other.vpns[$0.key] != $0.value }
        rest.interfaces = interfaces.subtracting(other.interfaces)
        rest.refusals = refusals.subtracting(other.refusals)
        rest.marks = marks.subtracting(other.marks)
        rest.limits = limits.filter { other.limits[$0.key] != $0.value }
        rest.toTimeServer = toTimeServer.subtracting(other.toTimeServer)
        rest.rates = rates.filter { other.rates[$0.key] == nil }
        return rest
    }

    mutating func insert(_ other: Self) {
        chains.merge(other.chains) { $1 }
        decisions.merge(other.decisions) { $1 }
        vpns.merge(other.vpns) { $1 }
        interfaces.formUnion(other.interfaces)
        refusals.formUnion(other.refusals)
        marks.formUnion(other.marks)
        limits.merge(other.limits) { $1 }
        toTimeServer.formUnion(other.toTimeServer)
        rates.merge(other.rates) { $1 }
    }

    mutating func apply(_ change: PolicyChains.Change) {
        for key in change.removed.chains.keys { chains[key] = nil }
        for key in change.removed.decisions.keys { decisions[key] = nil }
        for key in change.removed.vpns.keys { vpns[key] = nil }
        interfaces.subtract(change.removed.interfaces)
        refusals.subtract(change.removed.refusals)
        marks.subtract(change.removed.marks)
        for key in change.removed.limits.keys { limits[key] = nil }
        toTimeServer.subtract(change.removed.toTimeServer)
        for key in change.removed.rates.keys { rates[key] = nil }
        insert(change.added)
    }
}

/// A policy and the number of a way that a flow of it may have been given.
struct PolicyPair: Hashable {
    let policy: UInt32
    let way: UInt32

    init(policy: UInt32, way: UInt32) { (self.policy, self.way) = (policy, way) }

    var key: [UInt8] { policy.nativeOctets + way.nativeOctets }
}

extension InterfaceName {
    /// As the kernel compares names: filled up with zeros.
    var octets: [UInt8] {
        let name = Array(description.utf8)
        return name + Array(repeating: 0, count: max(0, 16 - name.count))
    }
}
