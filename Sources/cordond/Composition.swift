import API
import Control
import Domain
import Foundation
import LinuxNet
import Logging
import Metrics
import NIOPosix
import Servers
import ServiceLifecycle
import Store
import UnixSignals

/// Puts the parts together, in the order in which they need each other, and runs them.
struct Composition {
    let configuration: Configuration
    let logger: Logger

    func run() async throws {
        let registry = PrometheusRegistry()
        MetricsSystem.bootstrap(registry)

        let key = try SecretKeyFile.loadOrCreate(configuration.stateDirectory + "/cordon.key")
        let store = try SQLiteStore.open(path: configuration.stateDirectory + "/cordon.sqlite", key: key)
        let kernel = try Kernel(layout: configuration.layout, namespace: nil)
        for warning in try kernel.prepareHost() {
            logger.warning("the host is not as it should be", metadata: ["finding": "\(warning)"])
        }

        let group = MultiThreadedEventLoopGroup.singleton
        let now: @Sendable () -> Timestamp = {
            Timestamp(milliseconds: Int64((Date().timeIntervalSince1970 * 1000).rounded(.down)))
        }
        let disconnecting = try await DisconnectClient.bind(
            address: configuration.radiusAddress, group: group, now: now, logger: logger)
        let tunnels = try tunnelParts(kernel: kernel, group: group)
        let approval = ApprovalClient(authorities: configuration.blocklists.authorities)
        let control = ControlPlane(
            store: store, dataPlane: kernel, disconnecting: disconnecting, changing: disconnecting, packets: kernel,
            tracing: kernel,
            blocklists: BlocklistSupport(
                texts: try TextDirectory(path: configuration.stateDirectory + "/blocklists"),
                fetching: BlocklistFetcher(
                    BlocklistFetcher.Settings(authorities: configuration.blocklists.authorities)),
                allowsPrivateAddresses: configuration.blocklists.allowsPrivateAddresses),
            tunnels: tunnels?.support, approval: approval, settings: configuration.control, logger: logger,
            wallClock: .system, now: now)
        try await control.start()
        let exporter = try await IPFIXExporter.register(
            configuration.ipfix, with: control, group: group, logger: logger)

        let radius = RADIUSServer(
            control: control, address: configuration.radiusAddress,
            authenticationPort: configuration.authenticationPort, accountingPort: configuration.accountingPort,
            dnsServers: configuration.dnsServers, dnsServers6: configuration.dnsServers6, group: group, logger: logger)
        let api = APIServer(
            control: control, registry: registry,
            settings: APIServer.Settings(
                socketPath: configuration.apiSocket, address: configuration.apiListen.map { ($0.host, $0.port) }),
            logger: logger)
        let pools =
            try await control.pools(by: .system).map { IPPrefix.v4($0.pool.prefix) }
            + control.prefixPools(by: .system).map { IPPrefix.v6($0.pool.prefix) }
        let dns = resolver(names: control.nameService, pools: pools)
        let (names, unbound): ([any Service], [any Service]) = (
            dns.map { [$0.server] } ?? [], dns?.unbound.map { [$0] } ?? []
        )
        let surfaces = Surfaces(
            firstStart: FirstStart(control: control, configuration: configuration, logger: logger),
            services: [radius] + names + api.services, logger: logger)

        // Shut down from the end: first nothing new comes in, then what is under way ends.
        try await ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: control.services + (exporter.hasCollectors ? [exporter] : [])
                    + [disconnecting] + unbound + (tunnels?.services ?? []) + [surfaces],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        ).run()
        try await approval.close()
        try await store.close()
    }
}

/// What listens. It opens when there is something to serve: pools, and a token to come in with.
struct Surfaces: Service {
    let firstStart: FirstStart
    let services: [any Service]
    let logger: Logger

    func run() async throws {
        try await firstStart.run()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for service in services { tasks.addTask { try await service.run() } }
            logger.notice("cordond is up")
            try await tasks.waitForAll()
        }
    }
}
