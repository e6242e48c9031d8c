// IPv6 of the laboratory, beside the IPv4 of design.md section 11. Documentation addresses (RFC 3849) throughout.
extension LabLayout {
    public static let gatewaySGi6 = "2001:db8:12::1"
    public static let packetGateway6 = "2001:db8:12::2"
    public static let gatewayWAN6 = "2001:db8:13::1"
    public static let edgeInside6 = "2001:db8:13::2"
    public static let edgeOutside6 = "2001:db8:113::1"
    public static let internetRouter6 = "2001:db8:113::2"
    /// Devices' prefixes are of this.
    public static let pool6 = "2001:db8:6400::/40"
    /// A web server, and one that no policy of the tests allows.
    public static let web6 = "2001:db8:192::10"
    public static let forbiddenWeb6 = "2001:db8:192::66"
    static let internetAddresses6 = [web6, forbiddenWeb6]
}

extension LabNetwork {
    /// There is no NAT, and the edge lets everything through in both directions: what does not reach a device is stopped
    /// by the gateway.
    func createIPv6() async throws(LabError) {
        try await ip(
            [
                "-6 addr add \(LabLayout.packetGateway6)/64 dev sgi nodad",
                "-6 route add default via \(LabLayout.gatewaySGi6)",
                "-6 route add default via \(LabLayout.gatewaySGi6) table 100",
                "-6 rule add pref 10 iif lo from \(LabLayout.pool6) to \(LabLayout.pool6) lookup 100",
                "-6 rule add pref 20 lookup local",
                "-6 rule del pref 0",
            ], each: .ran)
        try await ip(
            [
                "-6 addr add \(LabLayout.gatewaySGi6)/64 dev sgi nodad",
                "-6 addr add \(LabLayout.gatewayWAN6)/64 dev wan nodad",
                "-6 route add default via \(LabLayout.edgeInside6)",
            ], each: .gw)
        try await ip(
            [
                "-6 addr add \(LabLayout.edgeInside6)/64 dev inside nodad",
                "-6 addr add \(LabLayout.edgeOutside6)/64 dev outside nodad",
                "-6 route add default via \(LabLayout.internetRouter6)",
                "-6 route add \(LabLayout.pool6) via \(LabLayout.gatewayWAN6)",
            ], each: .edge)
        try await sysctl(["net.ipv6.conf.all.forwarding=1"], in: .edge)
        try await ip(
            [
                "-6 addr add \(LabLayout.internetRouter6)/64 dev internet nodad",
                "-6 route add \(LabLayout.pool6) via \(LabLayout.edgeOutside6)",
            ] + LabLayout.internetAddresses6.map { "-6 addr add \($0)/128 dev lo nodad" }, each: .inet)
    }

    /// A batch of `ip` is of one family.
    private func ip(_ lines: [String], each namespace: LabLayout.Namespace) async throws(LabError) {
        let name = layout.name(of: namespace)
        for line in lines { try await Command(["ip", "-n", name] + line.split(separator: " ").map(String.init)).run() }
    }
}
