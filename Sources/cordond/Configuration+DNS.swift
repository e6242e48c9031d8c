import Control
import DNS
import Domain
import LinuxNet
import Servers

/// The resolver that devices see, and the unbound behind it.
struct ResolverConfiguration {
    let listen: [IPAddress]
    let port: UInt16
    /// Others' resolvers; `nil` stands for unbound.
    let upstreams: [Upstream]?
    let unbound: UnboundSettings
    let limits: DNSSettings.Limits
    let cacheOctets: Int
    let blockSeconds: UInt32

    /// - Parameters:
    ///   - pools: the prefixes that devices have addresses of.
    ///   - protected: the operator's own.
    func settings(pools: [IPPrefix], protected: [IPPrefix]) -> DNSSettings {
        let own = Upstream(address: .v4(IPv4Address(bits: 127 << 24 | 1)), port: unbound.port)
        var settings = DNSSettings(
            listen: listen, port: port, upstreams: upstreams ?? [own],
            guarding: AddressGuard(
                devices: pools.compactMap(\.v4), devicesIPv6: pools.compactMap(\.v6),
                protected: protected.compactMap(\.v4), protectedIPv6: protected.compactMap(\.v6)))
        settings.redirectedPort = place?.redirectedPort
        settings.limits = limits
        settings.cacheOctets = cacheOctets
        settings.blockSeconds = blockSeconds
        return settings
    }
}

extension ResolverConfiguration {
    /// Where the kernel lets devices' queries in, and sends those that are for other resolvers. Every gateway has sessions
    /// of IPv4, so an address of that family is needed.
    var place: GatewayLayout.Resolver? {
        var (address, address6): (IPv4Address?, IPv6Address?)
        for one in listen.reversed() {
            switch one {
            case .v4(let one): address = one
            case .v6(let one): address6 = one
            }
        }
        return address.map { GatewayLayout.Resolver(address: $0, address6: address6) }
    }
}

extension Configuration {
    /// - Returns: the resolvers that devices are given, and ours; `nil`: there is none.
    static func dns(
        _ root: inout ConfigurationSection, radiusAddress: IPv4Address
    ) throws(ConfigurationError)
        -> (servers: [IPv4Address], servers6: [IPv6Address], resolver: ResolverConfiguration?, names: NameLimits)
    {
        var section = try root.section("dns")
        let names = try names(&section)
        let listen = try section.list("listen", or: []) { try IPAddress(parsing: $0) }
        let own = listen.compactMap { address -> IPv4Address? in
            if case .v4(let address) = address { address } else { nil }
        }
        let own6 = listen.compactMap { address -> IPv6Address? in
            if case .v6(let address) = address { address } else { nil }
        }
        let servers = try section.list("servers", or: own.isEmpty ? [radiusAddress] : own) {
            try IPv4Address(parsing: $0)
        }
        let servers6 = try section.list("servers6", or: own6) { try IPv6Address(parsing: $0) }
        let port = try section.number("port", or: UInt16(53), in: 1...65_535)
        let upstreams = try section.list("upstreams", or: []) { (text: String) throws -> Upstream in
            let server = try UnboundSettings.Server(parsing: text)
            return Upstream(address: server.address, port: server.port)
        }
        let cacheMegabytes = try section.number("cache-megabytes", or: 64, in: 0...65_536)
        let blockSeconds = try section.number("block-seconds", or: UInt32(30), in: 0...86_400)
        let limits = try limits(&section)
        let unbound = try unbound(&section)
        try section.finish()
        guard !listen.isEmpty else { return (servers, servers6, nil, names) }
        return (
            servers, servers6,
            ResolverConfiguration(
                listen: listen, port: port, upstreams: upstreams.isEmpty ? nil : upstreams, unbound: unbound,
                limits: limits, cacheOctets: cacheMegabytes << 20, blockSeconds: blockSeconds),
            names
        )
    }

    private static func names(_ dns: inout ConfigurationSection) throws(ConfigurationError) -> NameLimits {
        var section = try dns.section("names")
        var names = NameLimits()
        names.leastSeconds = try section.number("least-seconds", or: names.leastSeconds, in: 1...86_400)
        names.mostSeconds = try section.number("most-seconds", or: names.mostSeconds, in: 1...31_536_000)
        names.addressesPerName = try section.number("addresses-per-name", or: names.addressesPerName, in: 10...65_536)
        names.factsPerPolicy = try section.number("addresses-per-policy", or: names.factsPerPolicy, in: 10...1_000_000)
        try section.finish()
        return names
    }

    private static func limits(
        _ dns: inout ConfigurationSection
    ) throws(ConfigurationError) -> DNSSettings.Limits {
        var section = try dns.section("limits")
        var limits = DNSSettings.Limits()
        limits.queriesPerDevice = try section.number(
            "queries-per-device", or: limits.queriesPerDevice, in: 1...1_000_000)
        limits.burstPerDevice = try section.number("burst-per-device", or: limits.burstPerDevice, in: 1...1_000_000)
        limits.queriesPerTenant = try section.number(
            "queries-per-tenant", or: limits.queriesPerTenant, in: 1...10_000_000)
        limits.burstPerTenant = try section.number("burst-per-tenant", or: limits.burstPerTenant, in: 1...10_000_000)
        limits.waiting = try section.number("waiting", or: limits.waiting, in: 1...1_000_000)
        limits.waitingPerTenant = try section.number(
            "waiting-per-tenant", or: limits.waitingPerTenant, in: 1...1_000_000)
        limits.streams = try section.number("connections", or: limits.streams, in: 1...100_000)
        limits.streamsPerDevice = try section.number(
            "connections-per-device", or: limits.streamsPerDevice, in: 1...10_000)
        try section.finish()
        return limits
    }

    private static func unbound(
        _ dns: inout ConfigurationSection
    ) throws(ConfigurationError) -> UnboundSettings {
        var section = try dns.section("unbound")
        var unbound = UnboundSettings(
            directory: try section.value("directory", or: "/run/cordon/unbound") { text in
                guard text.hasPrefix("/"), !text.contains("\"") else {
                    throw ParseError(kind: "a directory", text: text, expected: "write its whole path")
                }
                return text
            },
            port: try section.number("port", or: UInt16(5335), in: 1...65_535),
            user: try section.string("user", or: "unbound"))
        unbound.threads = try section.number("threads", or: unbound.threads, in: 1...256)
        unbound.cacheMegabytes = try section.number("cache-megabytes", or: unbound.cacheMegabytes, in: 3...1_000_000)
        let isValidating = try section.value("dnssec", or: true) { text in
            guard let value = ["true": true, "false": false][text] else {
                throw ParseError(kind: "yes or no", text: text, expected: "write true or false")
            }
            return value
        }
        let trustAnchor = try section.string("trust-anchor", or: unbound.trustAnchorFile)
        unbound.trustAnchorFile = isValidating ? trustAnchor : nil
        unbound.rootHintsFile = try section.string("root-hints", or: unbound.rootHintsFile)
        unbound.forward = try section.list("forward", or: []) { try UnboundSettings.Server(parsing: $0) }
        for var stub in try section.sections("stubs") ?? [] {
            unbound.stubs.append(
                UnboundSettings.Stub(
                    zone: try stub.value("zone") { $0 == "." ? nil : try DomainName(parsing: $0) },
                    servers: try stub.list("servers", or: []) { try UnboundSettings.Server(parsing: $0) }))
            try stub.finish()
        }
        // unbound would take one of them and leave the other.
        if unbound.stubs.contains(where: { $0.zone == nil }) { unbound.rootHintsFile = nil }
        try section.finish()
        return unbound
    }
}
