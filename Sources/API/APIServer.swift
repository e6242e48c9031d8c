public import Control
import Glibc
package import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import ServiceLifecycle

/// Cordon's REST API: the use cases of ``Control/ControlPlane`` over HTTP, on a Unix socket and, when configured, on
/// an address. Everything but health, metrics and the API's own description needs a token, on the socket too.
public struct APIServer: Sendable {
    /// Where the API listens.
    public struct Settings: Sendable {
        /// Path of the Unix socket, made with mode 0660. A socket left behind at this path is removed.
        public var socketPath: String
        /// Host and port for plain HTTP; `nil`: only the socket. Behind a TLS proxy, or on loopback.
        public var address: (host: String, port: UInt16)?
        /// Connections at the same time, per listener.
        public var maximumConnections: Int

        public init(socketPath: String, address: (host: String, port: UInt16)?, maximumConnections: Int = 512) {
            self.socketPath = socketPath
            self.address = address
            self.maximumConnections = maximumConnections
        }
    }

    private let settings: Settings
    private let logger: Logger
    package let responder: RouterResponder<APIContext>

    /// Build it after `MetricsSystem.bootstrap`: its own counters are made here.
    public init(control: ControlPlane, registry: PrometheusRegistry, settings: Settings, logger: Logger) {
        self.settings = settings
        self.logger = logger
        responder = Self.router(control: control, registry: registry).buildResponder()
    }

    /// One listener each; both have the same routes. Each ends, with the requests it has, on graceful shutdown.
    public var services: [any Service] {
        let path = settings.socketPath
        let logger = logger
        var services: [any Service] = [
            application(at: .unixDomainSocket(path: path)) { _ in
                // Until this call the mode is the process's umask's; a token is needed in any case.
                guard chmod(path, 0o660) != 0 else { return }
                logger.error(
                    "the API's socket could not be opened to its group",
                    metadata: ["path": "\(path)", "errno": "\(errno)"])
            }
        ]
        if let address = settings.address {
            services.append(application(at: .hostname(address.host, port: Int(address.port))) { _ in })
        }
        return services
    }

    private func application(
        at address: BindAddress, whenRunning: @escaping @Sendable (any Channel) async -> Void
    ) -> Application<RouterResponder<APIContext>> {
        Application(
            responder: responder,
            // Longer than the longest wait of a use case: a suspension waits for its NAS.
            server: .http1(configuration: .init(idleTimeout: .seconds(60))),
            configuration: ApplicationConfiguration(
                address: address,
                availableConnectionsDelegate: MaximumAvailableConnections(
                    settings.maximumConnections, logger: logger)),
            onServerRunning: whenRunning,
            logger: logger)
    }

    /// All routes. The order of the middlewares matters: what the first returns is what the client gets.
    package static func router(control: ControlPlane, registry: PrometheusRegistry) -> Router<APIContext> {
        let routes = routes(control: control, registry: registry)
        routes.refuseOtherMethods()
        return routes.router
    }

    /// What can be asked for, as `GET /v1/tenants`: what ``OpenAPI`` describes.
    package static func endpoints(control: ControlPlane, registry: PrometheusRegistry) -> Set<String> {
        let routes = routes(control: control, registry: registry).router.routes
        return Set(routes.filter { $0.method != .head }.map { "\($0.method) \($0.path)" })
    }

    private static func routes(control: ControlPlane, registry: PrometheusRegistry) -> RouteTable {
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: ProblemMiddleware())
        router.add(middleware: AuthenticationMiddleware(control: control))
        let routes = RouteTable(router: router, control: control)
        routes.addOpenRoutes(registry: registry)
        routes.addTenants()
        routes.addGroups()
        routes.addSIMs()
        routes.addBulk()
        routes.addTraces()
        routes.addPolicies()
        routes.addLists()
        routes.addSessionPolicies()
        routes.addSIMStanding()
        routes.addSIMLimits()
        routes.addBlocklists()
        routes.addDNSExceptions()
        routes.addVPNs()
        routes.addNames()
        routes.addServices()
        routes.addSessions()
        routes.addNAT()
        routes.addUsage()
        routes.addNetwork()
        routes.addAccessPoints()
        routes.addOnboarding()
        routes.addEvents()
        routes.addAdministration()
        return routes
    }
}
