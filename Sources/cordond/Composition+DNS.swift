import Control
import DNS
import Domain
import Foundation
import LinuxNet
import NIOPosix
import Servers
import ServiceLifecycle

extension Composition {
    /// What serves names: unbound, unless others' resolvers are configured, and the resolver that devices see. Nothing
    /// when the configuration has no `dns.listen`.
    /// - Parameters:
    ///   - names: who has which address, and what answers teach.
    ///   - pools: the prefixes that devices have addresses of.
    func resolver(names: any NameService, pools: [IPPrefix]) -> (unbound: UnboundService?, server: DNSServer)? {
        guard let resolver = configuration.resolver else { return nil }
        // At the first start those of the configuration are not made yet.
        let pools = Set(pools + configuration.pools.map(\.prefix)).sorted()
        let layout = configuration.layout
        let protected =
            layout.protectedPrefixes.union(layout.publicPrefixes).map(IPPrefix.v4)
            + layout.protectedPrefixes6.map(IPPrefix.v6)
        let server = DNSServer(
            names: names, settings: resolver.settings(pools: pools, protected: protected), group: namesLoops,
            logger: logger)
        guard resolver.upstreams == nil else { return (nil, server) }
        var unbound = resolver.unbound
        unbound.privatePrefixes = AddressGuard.special + (pools + protected).compactMap(\.v4)
        unbound.privatePrefixesIPv6 = AddressGuard.specialIPv6 + (pools + protected).compactMap(\.v6)
        return (UnboundService(settings: unbound, logger: logger), server)
    }

    /// An event loop for each core that this process may use, for names alone.
    private var namesLoops: MultiThreadedEventLoopGroup {
        // Who started it may have given it fewer than there are (taskset, CPUAffinity= of systemd): a mask, in hexadecimal.
        // What cannot be read limits nothing.
        let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let mask = status?.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") }
        let usable = mask?.dropFirst("Cpus_allowed:".count).reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
        return MultiThreadedEventLoopGroup(
            numberOfThreads: max(1, min(ProcessInfo.processInfo.activeProcessorCount, usable ?? .max)))
    }
}

extension Configuration.Pool {
    var prefix: IPPrefix {
        switch self {
        case .addresses(let prefix, _): .v4(prefix)
        case .prefixes(let prefix, _, _): .v6(prefix)
        }
    }
}
