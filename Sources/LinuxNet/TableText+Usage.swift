import Domain

/// What leads to the chains that count and limit (``UsageChain``).
extension TableText {
    /// The policy of the device that a packet goes to, as its mark. A rule ends where there is none.
    static func policyOfDestination(_ family: Family) -> String {
        "meta mark set \(device(family, "daddr")) map @device_policy\(family.suffix)"
    }

    var usageRules: [(name: String, rules: [String])] {
        // Flows of rules that have rates.
        let towards = { (rated: UsageChain, others: UsageChain) in
            ["ct mark @\(Leads.ratesName) goto \(rated.rawValue)", "goto \(others.rawValue)"]
        }
        let families = Family.allCases.filter { $0 == .ipv4 || layout.hasIPv6 }
        return [
            (UsageChain.refusal, ["counter name \(UsageChain.refusal) drop"]),
            (
                "to_device",
                [
                    // Counted by the VPN that it came through.
                    "iif != \"\(layout.wanInterface)\" meta mark set meta mark . iifname map @\(Leads.vpnsName)"
                ] + towards(.ratedDown, .down)
            ),
            ("from_device", towards(.ratedUp, .up)),
            // What the gateway itself sends devices: answers of its resolver by TCP, errors.
            (
                "filter_output",
                families.map {
                    "oif \"\(layout.sgiInterface)\" meta l4proto != udp \(Self.policyOfDestination($0)) "
                        + "goto \(UsageChain.output.rawValue)"
                }
            ),
        ]
    }
}
