public import Domain

/// Rules that a policy gets where the gateway's resolver answers devices: names that are looked up elsewhere are judged by
/// nobody. They stand before the first rule to everywhere: a rule that names the address or the port, and stands before
/// that, allows what they would block. A rule of the same name in the document takes the place of one.
public struct ResolverGuard: Sendable {
    /// Public resolvers, whatever they speak.
    public var ipv4: [IPv4Prefix]
    public var ipv6: [IPv6Prefix]
    /// Names of resolvers that speak DNS over HTTPS (RFC 8484), which no policy looks up unless it says so.
    public var names: [HostPattern]

    /// DNS over TLS (RFC 7858) and over QUIC (RFC 9250).
    static let encryptedPort: UInt16 = 853
    private static let (encryptedName, publicName) = ("dns-over-tls", "public-resolvers")

    public init(ipv4: [IPv4Prefix], ipv6: [IPv6Prefix], names: [HostPattern]) {
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.names = names
    }

    /// Those that the resolvers' operators publish, as of November 2026. What is missing is blocked where a policy says what
    /// it allows; only for policies with a rule to everywhere does this list count.
    public static let standard = ResolverGuard(
        ipv4: [
            // Cloudflare, Google, Quad9, Cisco OpenDNS, AdGuard, Control D, NextDNS, CleanBrowsing, DNS.SB, Mullvad.
            "1.1.1.1", "1.1.1.2", "1.1.1.3", "1.0.0.1", "1.0.0.2", "1.0.0.3", "8.8.8.8", "8.8.4.4", "9.9.9.9",
            "9.9.9.10",
            "9.9.9.11", "149.112.112.0/24", "208.67.220.0/24", "208.67.222.0/24", "94.140.14.0/24", "94.140.15.0/24",
            "76.76.2.0/24", "76.76.10.0/24", "45.90.28.0/24", "45.90.30.0/24", "185.228.168.0/24", "185.228.169.0/24",
            "185.222.222.222", "45.11.45.11", "194.242.2.0/24",
        ].compactMap { try? IPv4Prefix(parsing: $0) },
        ipv6: [
            "2606:4700:4700::/48", "2001:4860:4860::8888", "2001:4860:4860::8844", "2001:4860:4860::64",
            "2001:4860:4860::6464", "2620:fe::/48", "2620:119:35::35", "2620:119:53::53", "2a10:50c0::/48",
            "2606:1a40::/48", "2a07:a8c0::/48", "2a07:a8c1::/48", "2a0d:2a00:1::/48", "2a0d:2a00:2::/48",
            "2a07:e340::/48",
        ].compactMap { try? IPv6Prefix(parsing: $0) },
        names: [
            "cloudflare-dns.com", "*.cloudflare-dns.com", "one.one.one.one", "dns.google", "dns.google.com",
            "*.quad9.net", "*.opendns.com", "*.umbrella.com", "*.adguard-dns.com", "*.controld.com", "*.nextdns.io",
            "*.cleanbrowsing.org", "doh.dns.sb", "*.mullvad.net", "use-application-dns.net",
        ].compactMap { try? HostPattern(parsing: $0) })

    /// The document's rules with these in their place.
    func added(to rules: [ValidatedPolicy.Rule]) -> [ValidatedPolicy.Rule] {
        let isToEverywhere = { (rule: ValidatedPolicy.Rule) in
            rule.direction == .fromDevice && rule.action != .block
                && (rule.ipv4.contains { $0.length == 0 } || rule.ipv6.contains { $0.length == 0 })
        }
        guard let place = rules.firstIndex(where: isToEverywhere) else { return rules }
        let own = Set(rules.map(\.name.description))
        let ports = [Self.encryptedPort...Self.encryptedPort]
        let ours = [
            Self.rule(
                Self.encryptedName, [.any], [.any], to: ["any"],
                [
                    ProtocolPorts(protocol: IPProtocol.tcp, ports: ports),
                    ProtocolPorts(protocol: IPProtocol.udp, ports: ports),
                ]),
            Self.rule(Self.publicName, ipv4, ipv6, to: ["public resolvers"], [.any]),
        ].compactMap { $0 }.filter { !own.contains($0.name.description) }
        return Array(rules[..<place]) + ours + rules[place...]
    }

    private static func rule(
        _ name: String, _ ipv4: [IPv4Prefix], _ ipv6: [IPv6Prefix], to written: [String], _ matches: [ProtocolPorts]
    ) -> ValidatedPolicy.Rule? {
        guard let name = try? Name(parsing: name), !ipv4.isEmpty || !ipv6.isEmpty else { return nil }
        return ValidatedPolicy.Rule(
            name: name, direction: .fromDevice, to: written, ipv4: ipv4, ipv6: ipv6, hosts: [], groups: [],
            matches: matches, services: [], action: .block, bandwidth: nil, schedule: nil, log: false,
            isUsageCounted: false)
    }
}
