import Control
import Domain
import LinuxNet
import Logging
import Servers

/// `cordon.yaml`, read once. `docs/operator.md` lists every key.
struct Configuration {
    let stateDirectory: String
    let apiSocket: String
    /// Host and port, `nil` for the Unix socket alone.
    let apiListen: HostAndPort?
    let radiusAddress: IPv4Address
    let authenticationPort: UInt16
    let accountingPort: UInt16
    let dnsServers: [IPv4Address]
    /// For sessions that have IPv6.
    let dnsServers6: [IPv6Address]
    /// `nil`: devices are given others' resolvers only.
    let resolver: ResolverConfiguration?
    let layout: GatewayLayout
    /// `nil`: the gateway makes no tunnels.
    let tunnels: TunnelConfiguration?
    let control: ControlSettings
    let ipfix: IPFIXExporter.Settings
    let blocklists: Blocklists
    /// Made at first start.
    let pools: [Pool]
    let logLevel: Logger.Level

    enum Pool {
        case addresses(IPv4Prefix, blockLength: UInt8)
        case prefixes(IPv6Prefix, blockLength: UInt8, delegatedLength: UInt8?)
    }

    struct Blocklists {
        /// Certificates (PEM) that are trusted in place of the host's.
        let authorities: String?
        /// Whether tenants' lists may come from private addresses too.
        let allowsPrivateAddresses: Bool
    }

    struct HostAndPort {
        let host: String
        let port: UInt16

        init(parsing text: String) throws(ParseError) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, let port = UInt16(parts[1]), port > 0 else {
                throw ParseError(kind: "an address and port", text: text, expected: "write host:port")
            }
            host = String(parts[0])
            self.port = port
        }
    }

    init(parsing text: String, file: String) throws(ConfigurationError) {
        var root = try ConfigurationSection(parsing: text, file: file)
        stateDirectory = try root.string("state", or: "/var/lib/cordon")
        logLevel = try root.value("log-level", or: .info) { text in
            guard let level = Logger.Level(rawValue: text) else {
                throw ParseError(
                    kind: "a log level", text: text,
                    expected: "write one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            return level
        }

        var api = try root.section("api")
        apiSocket = try api.string("socket", or: "/run/cordon/api.sock")
        apiListen = try api.optional("listen") { try HostAndPort(parsing: $0) }
        try api.finish()

        var radius = try root.section("radius")
        radiusAddress = try radius.value("listen") { try IPv4Address(parsing: $0) }
        authenticationPort = try radius.number("authentication-port", or: UInt16(1812), in: 1...65_535)
        accountingPort = try radius.number("accounting-port", or: UInt16(1813), in: 1...65_535)
        let queueCapacity = try radius.number("queue-capacity", or: 8192, in: 1...1_000_000)
        try radius.finish()

        let usage = try Self.usage(&root)
        let nameLimits: NameLimits
        (dnsServers, dnsServers6, resolver, nameLimits) = try Self.dns(&root, radiusAddress: radiusAddress)

        var blocklists = try root.section("blocklists")
        self.blocklists = Blocklists(
            authorities: try blocklists.optional("ca-file") { $0 },
            allowsPrivateAddresses: try blocklists.flag("allow-private-addresses", or: false))
        try blocklists.finish()

        var gateway = try root.section("gateway")
        var sgi = try gateway.section("sgi")
        var wan = try gateway.section("wan")
        let bothProtected = try gateway.list("protected", or: []) { try IPPrefix(parsing: $0) }
        let (protected, protected6) = (bothProtected.compactMap(\.v4), bothProtected.compactMap(\.v6))
        let sgiInterface = try sgi.value("interface") { try InterfaceName(parsing: $0) }
        let sgiPeer = try sgi.value("peer") { try IPv4Address(parsing: $0) }
        let sgiPeer6 = try sgi.optional("peer6") { try IPv6Address(parsing: $0) }
        let wanInterface = try wan.value("interface") { try InterfaceName(parsing: $0) }
        let wanNextHop = try wan.value("next-hop") { try IPv4Address(parsing: $0) }
        let wanNextHop6 = try wan.optional("next-hop6") { try IPv6Address(parsing: $0) }
        guard (sgiPeer6 == nil) == (wanNextHop6 == nil) else {
            throw ConfigurationError(
                file: file, line: nil, key: "gateway",
                message: "sgi.peer6 and wan.next-hop6 are given together: with them the gateway forwards IPv6")
        }
        try sgi.finish()
        try wan.finish()
        try gateway.finish()
        var layout = GatewayLayout(
            sgiInterface: sgiInterface, sgiPeer: sgiPeer, wanInterface: wanInterface, wanNextHop: wanNextHop,
            protectedPrefixes: Set(protected))
        (layout.sgiPeer6, layout.wanNextHop6) = (sgiPeer6, wanNextHop6)
        layout.protectedPrefixes6 = Set(protected6)
        layout.radiusPorts = [authenticationPort, accountingPort]
        var limits = try root.section("limits")
        layout.limits.newConnectionsPerBlock = try limits.number(
            "new-connections-per-block", or: layout.limits.newConnectionsPerBlock, in: 1...10_000_000)
        layout.limits.newConnectionsBurst = try limits.number(
            "new-connections-burst", or: layout.limits.newConnectionsBurst, in: 1...10_000_000)
        layout.limits.radiusPacketsPerNAS = try limits.number(
            "radius-packets-per-nas", or: layout.limits.radiusPacketsPerNAS, in: 1...10_000_000)
        try limits.finish()

        let (retention, followers) = try Self.events(&root)

        var nat = try root.section("nat")
        let publicPrefixes = try nat.list("public", or: []) { try IPv4Prefix(parsing: $0) }
        layout.publicPrefixes = Set(publicPrefixes)
        layout.resolver = resolver?.place
        var time = try root.section("time")
        layout.timeServer = try time.optional("server") { try IPv4Address(parsing: $0) }
        layout.timeServer6 = try time.optional("server6") { try IPv6Address(parsing: $0) }
        try time.finish()
        tunnels = try Self.tunnels(&root)
        layout.hasTunnels = tunnels != nil
        layout.tunnelPath = tunnels?.path
        self.layout = layout
        let ports = try nat.number("ports-per-device", or: UInt16(512), in: 1...32_768)
        let firstPort = try nat.number("first-port", or: UInt16(1024), in: 1024...32_768)
        try nat.finish()
        do {
            var control = ControlSettings(
                natPlan: try NATPlan(publicPrefixes: publicPrefixes, portsPerDevice: ports, firstPort: firstPort),
                protectedPrefixes: Set(protected), gatewayInterfaces: [sgiInterface, wanInterface],
                queueCapacity: queueCapacity)
            control.protectedPrefixes6 = Set(protected6)
            control.hasIPv6 = layout.hasIPv6
            control.names = nameLimits
            control.eventRetention = retention
            control.eventFollowers = followers
            control.usage = usage
            control.isResolving = layout.resolver != nil
            control.hasTimeServer = layout.timeServer != nil
            self.control = control
        } catch let failure {
            throw ConfigurationError(file: file, line: nil, key: "nat", message: "\(failure)")
        }

        ipfix = try Self.ipfix(&root)

        var pools: [Pool] = []
        if let sections = try root.sections("pools") {
            for var section in sections {
                let prefix = try section.value("prefix") { try IPPrefix(parsing: $0) }
                switch prefix {
                case .v4(let prefix):
                    pools.append(
                        .addresses(prefix, blockLength: try section.number("block", or: UInt8(24), in: 1...30)))
                case .v6(let prefix):
                    let delegated = try section.number("delegated", or: UInt8(0), in: 0...64)
                    let block = try section.number("block", or: max(48, min(prefix.length, 59)), in: 1...64)
                    pools.append(
                        .prefixes(prefix, blockLength: block, delegatedLength: delegated == 0 ? nil : delegated))
                }
                try section.finish()
            }
        } else {
            // RFC 6598's shared space, with room for four million devices.
            let shared = IPv4Prefix(containing: IPv4Address(bits: 100 << 24 | 64 << 16), length: 10)
            pools = [.addresses(shared, blockLength: 24)]
        }
        self.pools = pools
        try root.finish()
    }

    private static func events(
        _ root: inout ConfigurationSection
    ) throws(ConfigurationError) -> (EventRetention, FollowerLimits) {
        var section = try root.section("events")
        var (retention, followers) = (EventRetention(), FollowerLimits())
        retention.days = try section.number("keep-days", or: retention.days, in: 1...3650)
        retention.perTenant = try section.number("per-tenant", or: retention.perTenant, in: 1000...1_000_000_000)
        retention.inAll = try section.number("in-all", or: retention.inAll, in: 1000...1_000_000_000)
        followers.perTenant = try section.number("followers-per-tenant", or: followers.perTenant, in: 1...10_000)
        followers.inAll = try section.number("followers", or: followers.inAll, in: 1...10_000)
        followers.keptForOperator = min(followers.keptForOperator, (followers.inAll + 1) / 2)
        try section.finish()
        return (retention, followers)
    }

    private static func ipfix(
        _ root: inout ConfigurationSection
    ) throws(ConfigurationError) -> IPFIXExporter.Settings {
        var section = try root.section("ipfix")
        var seen: Set<IPFIXCollector> = []
        let collectors = try section.list("collectors", or: []) { (text: String) throws -> IPFIXCollector in
            let collector = try IPFIXCollector(parsing: text)
            guard seen.insert(collector).inserted else {
                throw ParseError(kind: "another collector", text: text, expected: "name each once")
            }
            return collector
        }
        let settings = IPFIXExporter.Settings(
            collectors: collectors,
            observationDomain: try section.number("observation-domain", or: UInt32(1), in: 0...UInt32.max),
            messageLimit: try section.number(
                "message-octets", or: 1400, in: IPFIXExporter.Settings.messageLimits),
            templateSeconds: try section.number("template-seconds", or: Int64(60), in: 1...86_400))
        try section.finish()
        return settings
    }
}
