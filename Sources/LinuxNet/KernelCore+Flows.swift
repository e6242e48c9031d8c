import CNetfilter
import Domain
import PolicyCompiler

/// Tracked flows: whose they are, and what becomes of them.
extension KernelCore {
    /// More numbers than these are looked for among all flows, rather than one after the other.
    private static let numbersApart = 8

    /// What a sweep is to read, and since when what it finds may have changed.
    struct Sweep {
        let question: FlowSweep.Question
        let selection: FlowSelection
        fileprivate let since: FlowNumbers.Time
    }

    /// A flow that was read, what is known of its device, and whether it is one of those selected.
    struct SweptFlow {
        let entry: Conntrack.Entry
        let tracked: TrackedFlow
        let isSelected: Bool
    }

    func sweep(_ selection: FlowSelection) -> Sweep {
        let (since, isKnown) = flowNumbers.beginReading()
        let question: FlowSweep.Question
        switch selection {
        case .all: question = .all
        case .ofDevices(let devices): question = .ofDevices(devices)
        case .ofPolicies(let policies):
            let numbers = Set(policies.flatMap(numbers))
            question = isKnown && numbers.count <= Self.numbersApart ? .numbers(numbers.sorted()) : .all
        }
        return Sweep(question: question, selection: selection, since: since)
    }

    func owned(_ entries: [Conntrack.Entry], _ sweep: Sweep) -> [SweptFlow] {
        entries.map { entry in
            let tracked = tracked(entry)
            guard case .ofPolicies(let wanted) = sweep.selection else {
                return SweptFlow(entry: entry, tracked: tracked, isSelected: true)
            }
            return SweptFlow(
                entry: entry, tracked: tracked, isSelected: tracked.policy.map(wanted.contains) ?? false)
        }
    }

    private func tracked(_ entry: Conntrack.Entry) -> TrackedFlow {
        let source = device(entry.flow.source)
        let destination = source == nil || !groups.isEmpty ? device(entry.flow.destination) : nil
        let group = destination?.group.flatMap { groups.contains($0) ? $0 : nil }
        let index = Int(entry.mark & ~PolicyChains.numberMask)
        let policy = (source ?? destination)?.policy
        var ways = earlierWays[entry.number]
        if let policy, entry.number == chains.number(of: policy) { ways = chains.rulesets[policy]?.ways }
        return TrackedFlow(
            flow: entry.flow, policy: policy, isToDevice: source == nil && destination != nil, group: group,
            way: ways.flatMap { $0.indices.contains(index) ? $0[index] : nil })
    }

    func device(_ address: IPAddress) -> (policy: PolicyMark, group: GroupNumber?)? {
        switch address {
        case .v4(let address): devices[address].map { ($0.policy, $0.group) }
        case .v6(let address):
            devices6.isEmpty
                ? nil : devices6[IPv6Prefix(containing: address, length: 64)].map { ($0.policy, $0.group) }
        }
    }

    /// What is to come of a flow that goes this way now.
    enum Fate {
        case cut, kept
        /// It is the present version's from now on.
        case marked(UInt32)
    }

    func fate(of flow: SweptFlow, _ judgement: FlowJudgement) -> Fate {
        let way: Ruleset.Way
        switch judgement {
        case .notOurs: return .kept
        case .denied: return .cut
        case .way(let given): way = given
        }
        guard let policy = flow.tracked.policy else { return .cut }
        let isIPv4 = if case .v4 = flow.entry.flow.source { true } else { false }
        let earlier = flow.tracked.way?.route
        switch way.route {
        // NAT 1 knows a flow from its first packet on, or never.
        case .internet:
            if isIPv4 && !flow.entry.isTranslated || earlier == .timeServer { return .cut }
        case .timeServer: if earlier != .timeServer { return .cut }
        case .vpns, .limited: if flow.entry.isTranslated { return .cut }
        case .group, .access:
            guard !flow.entry.isTranslated else { return .cut }
            guard let earlier else { return .kept }
            return earlier == way.route ? renumbered(flow, policy, way) : .cut
        }
        // Answers are counted and limited by the number; for others, what the device sends next gives it.
        return way.rate == nil ? .kept : renumbered(flow, policy, way)
    }

    /// With the present version's number, when it has another.
    private func renumbered(_ flow: SweptFlow, _ policy: PolicyMark, _ way: Ruleset.Way) -> Fate {
        guard let index = chains.rulesets[policy]?.ways.firstIndex(of: way),
            let number = chains.number(of: policy), flow.entry.number != number
        else { return .kept }
        return .marked(number &+ UInt32(index))
    }

    /// After a sweep, with the flows that it has left.
    func note(_ left: [SweptFlow], _ sweep: Sweep) throws(DataPlaneError) {
        let policies: Set<PolicyMark>?
        switch (sweep.question, sweep.selection) {
        case (.all, _): policies = nil
        case (.numbers, .ofPolicies(let wanted)): policies = wanted
        case (.numbers, _), (.ofDevices, _): return
        }
        var found: [PolicyMark: Set<UInt32>] = [:]
        for flow in left {
            let number = flow.entry.number
            guard
                let policy = flow.tracked.policy ?? departed(flow.entry.flow.source)
                    ?? departed(flow.entry.flow.destination), number != 0,
                number != chains.number(of: policy)
            else { continue }
            found[policy, default: []].insert(number)
        }
        flowNumbers.note(found, of: policies, since: sweep.since)
        let known = flowNumbers.all
        earlierWays = earlierWays.filter { known.contains($0.key) }
    }

    /// After a sweep of what the policies' devices do: flows have the present versions' numbers, as far as answers to
    /// them depend on it.
    func forgetRetired(of policies: Set<PolicyMark>) throws(DataPlaneError) {
        let retired = chains.retired
        guard policies.contains(where: { retired[$0] != nil }) else { return }
        var chains = chains
        let change = chains.forgetRetired(of: policies)
        try linked { link throws(DataPlaneError) in
            try committing(link) { () throws(DataPlaneError) in try swap(change, link) }
        }
        self.chains = chains
    }

    private func departed(_ address: IPAddress) -> PolicyMark? {
        switch address {
        case .v4(let address): departed[address]
        case .v6(let address): departed6[IPv6Prefix(containing: address, length: 64)]
        }
    }

    /// What flows of the policy's devices may have.
    func numbers(of policy: PolicyMark) -> [UInt32] {
        (chains.number(of: policy).map { [$0] } ?? []) + flowNumbers.numbers(of: policy)
    }
}
