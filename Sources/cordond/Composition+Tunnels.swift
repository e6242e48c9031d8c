import Control
import Domain
import LinuxNet
import NIOPosix
import PolicyCompiler
import Servers
import ServiceLifecycle

extension Composition {
    /// What makes tunnels: charon, and the connection to it. Nothing when the configuration has no `vpn.listen`.
    func tunnelParts(
        kernel: Kernel, group: MultiThreadedEventLoopGroup
    ) throws -> (support: TunnelSupport, services: [any Service])? {
        guard let configured = configuration.tunnels else { return nil }
        let isInUserSpace = try kernel.tunnelPath() == .userSpace
        var settings = CharonSettings(directory: configured.directory, isInUserSpace: isInUserSpace)
        settings.threads = configured.threads
        settings.retransmitSeconds = configured.retransmitSeconds
        let client = CharonClient(socketPath: settings.socketPath, group: group, logger: logger)
        var tunnels = configured.settings
        if isInUserSpace { tunnels.daemonInterface = try InterfaceName(parsing: CharonSettings.interface) }
        let support = TunnelSupport(
            daemon: client, probing: try EchoProber(), lookUp: HostLookUp.addresses(of:), settings: tunnels)
        return (support, [CharonService(settings: settings, logger: logger), client])
    }
}
