public import Domain
public import PolicyCompiler

extension Ruleset {
    /// One way for each rule, of those that need no number.
    public init(layers: [[Entry]], verdicts: [RuleAction]) {
        self.init(layers: layers, ways: verdicts.map { $0 == .internet ? .internet : nil })
    }

    /// What the kernel does with a packet.
    /// - Parameters:
    ///   - group: of the device that has the destination.
    ///   - vpns: the numbers of those that packets to devices come through.
    public func way(
        for packet: PacketQuery, group: GroupNumber? = nil, vpns: [Name: VPNNumber] = [:]
    ) -> Way? {
        switch packet.direction {
        case .fromDevice:
            way(to: packet.destination, protocol: packet.protocol, port: packet.port, group: group)
        case .toDevice(let source, let via):
            vpns[via].flatMap {
                way(from: source, through: $0, protocol: packet.protocol, port: packet.port, group: group)
            }
        }
    }
}

extension ValidatedPolicy {
    /// The way that the reference evaluator gives a packet, in the compiler's words.
    public func way(
        for packet: PacketQuery, in situation: PolicySituation = .unknown
    ) -> Ruleset.Way? {
        let decision = verdict(for: packet, in: situation)
        switch decision.verdict {
        case .block: return nil
        case .route([.internet]): return .internet
        case .route(let routes):
            return .vpns(routes.compactMap { if case .vpn(let name) = $0 { vpns[name] } else { nil } })
        case .allow:
            switch packet.direction {
            case .toDevice(_, let via): return vpns[via].map { .access($0) }
            case .fromDevice:
                let named = Set(decision.index.map { rules[$0].groups } ?? [])
                return situation.groups(packet.destination).intersection(named).sorted().first
                    .flatMap { groups[$0] }.map { .group($0) }
            }
        }
    }
}

extension PolicyScope {
    /// Numbers for names, by their order.
    public static func groups(_ names: [Name]) -> [Name: GroupNumber] {
        numbered(names) { GroupNumber(UInt32($0 + 1)) }
    }

    public static func vpns(_ names: [Name]) -> [Name: VPNNumber] { numbered(names) { VPNNumber(UInt32($0)) } }

    private static func numbered<Number>(_ names: [Name], _ number: (Int) -> Number?) -> [Name: Number] {
        var all: [Name: Number] = [:]
        for (index, name) in names.enumerated() { all[name] = number(index) }
        return all
    }
}
