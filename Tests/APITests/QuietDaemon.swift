import Control
import Domain
import VICI

/// An IKE daemon that takes everything, and of which nothing comes.
struct QuietDaemon: IKEDaemon {
    func statistics() async throws(IKEDaemonError) -> DaemonStatistics { throw Self.away }
    func load(_ plan: TunnelPlan, _ secrets: TunnelSecrets) async throws(IKEDaemonError) {}
    func unload(_ identifier: String, secrets: [String], authorities: [String]) async throws(IKEDaemonError) {}
    func unload(secret: String) async throws(IKEDaemonError) {}
    func loaded() async throws(IKEDaemonError) -> [String] { [] }
    func initiate(_ child: String, of identifier: String) async throws(IKEDaemonError) {}
    func terminate(_ identifier: String, force: Bool) async throws(IKEDaemonError) -> Int { 0 }
    func associations(of identifier: String?) async throws(IKEDaemonError) -> [IKEAssociation] { [] }
    func events() -> AsyncStream<IKEDaemonEvent> { AsyncStream { $0.finish() } }

    private static let away = IKEDaemonError(code: .unreachable, sentence: "it is quiet")

    static func support() throws -> TunnelSupport {
        TunnelSupport(
            daemon: QuietDaemon(), probing: nil, lookUp: { _ in [] },
            settings: TunnelSettings(
                addresses: [try IPAddress(parsing: "203.0.113.1")], identitySuffix: .vpnIdentities))
    }
}
