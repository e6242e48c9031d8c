extension Fleet {
    /// To a partner's maintenance desk.
    static let diagnostics =
        "{name: diagnostics, to: [\(LabLayout.Enterprise.acmePartner.host)], protocol: udp, ports: [\(reportPort)], "
        + "route: vpn:repairs}"
    /// From the head office's host to what devices listen on.
    static let maintenance =
        "{name: maintenance, direction: to-device, via: vpn:hq, from: [\(LabLayout.Enterprise.acme.host)], "
        + "protocol: tcp, ports: [\(devicePort)], action: allow}"

    /// Meters also reach their head office's broker and CoAP server by this route.
    static func meters(office route: String, _ more: [String] = []) -> String {
        policy(meters, with: [office(by: route)] + more)
    }
    static func trackers(office route: String) -> String { policy(trackers, with: [office(by: route)]) }

    private static func office(by route: String) -> String {
        "{name: office, to: [\(LabLayout.Enterprise.acme.host)], services: [mqtt, mqtts, coap], route: \(route)}"
    }

    /// The policy with these rules before its own.
    static func policy(_ text: String, with rules: [String]) -> String {
        text.replacing("rules:\n", with: "rules:\n" + rules.map { "  - \($0)\n" }.joined(), maxReplacements: 1)
    }
}
