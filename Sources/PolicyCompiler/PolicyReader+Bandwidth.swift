import Domain

extension PolicyReader {
    /// What a rule's flows may have.
    /// - Parameter action: `nil` when that could not be read.
    mutating func bandwidth(_ node: SourceNode, of action: RuleAction?, field: FieldPath) -> Bandwidth?? {
        let before = diagnostics.count
        guard let entries = entries(of: node, field: field, known: PolicyKeys.bandwidth) else { return nil }
        switch action {
        case .route([.timeServer]), .allow, .block:
            report(
                node.place, field,
                "bandwidth is of rules with a route to the internet or to VPNs: leave it out, or limit the SIM "
                    + "(cordon session-policy set)")
        case .route, nil: break
        }
        if !scope.isLimiting {
            report(
                node.place, field,
                "this gateway's data plane does not limit rates, as its log says at its start: leave bandwidth out")
        }
        let rate = { (reader: inout Self, key: String) in
            entries[key].flatMap {
                reader.value($0, field: field[key], example: "64kbit/s", by: BitRate.init(parsing:))
            }
        }
        let (up, down) = (rate(&self, "up"), rate(&self, "down"))
        if entries["up"] == nil, entries["down"] == nil {
            report(node.place, field, "no rate is said: write up:, down: or both, such as down: 64kbit/s")
        }
        let burst = entries["burst"].flatMap {
            value($0, field: field["burst"], example: "16KB", by: DataVolume.init(parsing:))
        }
        guard diagnostics.count == before else { return nil }
        return .some(Bandwidth(up: up, down: down, burst: burst?.octets))
    }

    /// Whether the rule's flows are counted.
    /// - Parameters:
    ///   - action: `nil` when that could not be read.
    ///   - kind: the same.
    mutating func usage(_ node: SourceNode, of action: RuleAction?, _ kind: RuleKind?, field: FieldPath) -> Bool? {
        guard let word = choice(node, field: field, kind: "a choice", of: Switch.self) else { return nil }
        guard word == .on else { return false }
        let before = diagnostics.count
        if action == .block {
            report(
                node.place, field, "what a rule blocks is not counted as usage: leave usage out (cordon policy hits)")
        } else if kind == .betweenDevices {
            report(
                node.place, field,
                "usage is of rules with a route, or with direction: to-device: leave it out; what goes between devices "
                    + "is in the usage of each of the two, as group")
        }
        if !scope.isLimiting {
            report(
                node.place, field,
                "this gateway's data plane does not count usage, as its log says at its start: leave usage out")
        }
        return diagnostics.count == before ? true : nil
    }
}
