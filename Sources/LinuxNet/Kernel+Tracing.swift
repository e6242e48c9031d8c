import CNetfilter
public import Domain
public import PolicyCompiler
import Synchronization

extension Kernel: PacketTracing {
    public func trace(_ devices: Set<IPAddress>) throws(DataPlaneError) {
        try tracer.withLock { tracer throws(DataPlaneError) in
            try tracer.trace(devices) { change throws(DataPlaneError) in
                try core.withLock { core throws(DataPlaneError) in try core.commit(change) }
            }
        }
    }

    public func tracedPackets() throws(DataPlaneError) -> [TracedPacket] {
        let trails = try tracer.withLock { tracer throws(DataPlaneError) in try tracer.read() }
        guard !trails.isEmpty else { return [] }
        return core.withLock { $0.told(trails) }
    }

    public func tracedCounts() throws(DataPlaneError) -> [IPAddress: UInt64] {
        try tracer.withLock { tracer throws(DataPlaneError) in try tracer.counts() }
    }
}

extension KernelCore {
    /// To another table than `inet cordon`, and by us: nothing that the next check has to look into.
    func commit(_ change: TraceTable.Change) throws(DataPlaneError) {
        try linked { link throws(DataPlaneError) in
            try committing(link) { () throws(DataPlaneError) in
                try TraceTable(sgiInterface: layout.sgiInterface, socket: link.nftables).commit(change)
            }
        }
    }

    /// What became of packets, with names in place of the kernel's numbers.
    func told(_ trails: [PacketTrail]) -> [TracedPacket] {
        var rules = ChainRules()
        return trails.flatMap { trail in
            var told: [TracedPacket] = []
            if let isReply = trail.isReplyFrom {
                told.append(packet(trail, .fromDevice, isReply, device: trail.header.source, &rules))
            }
            if let isReply = trail.isReplyTo {
                told.append(packet(trail, .toDevice, isReply, device: trail.header.destination, &rules))
            }
            return told
        }
    }

    private func packet(
        _ trail: PacketTrail, _ direction: TracedPacket.Direction, _ isReply: Bool, device address: IPAddress,
        _ rules: inout ChainRules
    ) -> TracedPacket {
        let header = trail.header
        let isOut = direction == .fromDevice
        let policy = device(address)?.policy
        let fate = fate(trail, direction, &rules)
        var judge = TracedPacket.Judge.nobody
        if isOut {
            if let met = trail.policy {
                judge = .policy(rule: policy.flatMap { number(of: met, policy: $0, &rules) })
            } else if case .passed = fate {
                judge = .flow
            }
        }
        return TracedPacket(
            address: address, remote: isOut ? header.destination : header.source, direction: direction,
            isReply: isReply,
            protocol: header.protocol, devicePort: isOut ? header.sourcePort : header.destinationPort,
            remotePort: isOut ? header.destinationPort : header.sourcePort, isError: header.isError,
            octets: header.octets, fate: fate, judgedBy: judge, policy: policy)
    }

    private func fate(
        _ trail: PacketTrail, _ direction: TracedPacket.Direction, _ rules: inout ChainRules
    ) -> TracedPacket.Fate {
        if let drop = trail.drop {
            guard drop.table == "cordon" else { return .droppedByHost }
            let rule = drop.handle.flatMap { found(drop.chain, &rules)[$0] }
            return .dropped(by: rule?.counterName ?? drop.chain)
        }
        guard trail.isForwarded else { return .notForwarded }
        return .passed(direction == .fromDevice && trail.mark == RouteMark.internet ? .internet : nil)
    }

    /// The number of a rule of the policy in force. A policy that looks packets up in maps does not tell it.
    private func number(of met: PacketTrail.Rule, policy: PolicyMark, _ rules: inout ChainRules) -> Int? {
        guard let handle = met.handle, let serial = chains.serial(of: policy), let ruleset = chains.rulesets[policy],
            let place = found(met.chain, &rules)[handle]?.place
        else { return nil }
        // As with what rules have counted: one rule with a counter for each box, the default's behind them.
        let numbers: [Int]
        switch met.chain {
        case ChainPlace.outward(.ipv4).name(serial: serial): numbers = ruleset.form.boxRules
        case ChainPlace.outward(.ipv6).name(serial: serial): numbers = ruleset.form6?.boxRules ?? []
        default: return nil
        }
        return place < numbers.count ? numbers[place] : ruleset.default
    }

    private func found(_ chain: String, _ rules: inout ChainRules) -> [UInt64: ChainRules.Rule] {
        if let found = rules.found[chain] { return found }
        // A chain that is gone has no rules; what they were called is not known any more.
        let found = (try? linked { link throws(DataPlaneError) in try link.reader.rulesByHandle(of: chain) }) ?? [:]
        rules.found[chain] = found
        return found
    }
}

/// Rules that have been looked up, by chain and handle.
private struct ChainRules {
    var found: [String: [UInt64: Rule]] = [:]

    struct Rule {
        /// Its place among the chain's rules with a counter of their own.
        var place: Int?
        /// The name of a counter that it shares with others.
        var counterName: String?
    }
}

extension TableReader {
    fileprivate func rulesByHandle(of chain: String) throws(DataPlaneError) -> [UInt64: ChainRules.Rule] {
        var found: [UInt64: ChainRules.Rule] = [:]
        var counted = 0
        let reset = {
            found = [:]
            counted = 0
        }
        try eachRule(of: chain, reset: reset) { attributes in
            guard let handle = attributes.first(NFTA_RULE_HANDLE.rawValue)?.uint64 else { return }
            var rule = ChainRules.Rule()
            for expression in attributes.first(NFTA_RULE_EXPRESSIONS.rawValue)?.nested ?? Attributes.none {
                let data = expression.nested.first(NFTA_EXPR_DATA.rawValue)?.nested
                switch expression.nested.first(NFTA_EXPR_NAME.rawValue)?.text {
                case "counter":
                    rule.place = counted
                    counted += 1
                case "objref": rule.counterName = data?.first(NFTA_OBJREF_IMM_NAME.rawValue)?.text
                default: break
                }
            }
            found[handle] = rule
        }
        return found
    }
}

extension Attributes {
    fileprivate static var none: Attributes { Attributes(bytes: UnsafeRawBufferPointer(start: nil, count: 0)) }
}

extension Ruleset.Form {
    fileprivate var boxRules: [Int] { steps.compactMap { if case .box(let box) = $0 { box.rule } else { nil } } }
}
