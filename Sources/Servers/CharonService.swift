public import Logging
import Metrics
public import ServiceLifecycle

/// Runs charon: writes its configuration, starts it, starts it again when it dies, and ends it at shutdown. It knows
/// nothing when it starts; whoever is connected to it tells it everything.
public struct CharonService: Service {
    private let settings: CharonSettings
    private let logger: Logger

    public init(settings: CharonSettings, logger: Logger) {
        self.settings = settings
        self.logger = logger
    }

    public func run() async throws {
        try await SupervisedProgram(
            name: "charon-systemd", directory: settings.directory,
            files: [
                SupervisedProgram.File(path: settings.configurationFile, text: settings.configuration, mode: 0o600)
            ],
            command: [
                "setpriv", "--pdeathsig", "KILL", "env", "STRONGSWAN_CONF=\(settings.configurationFile)",
                settings.program,
            ],
            marker: settings.configurationFile, restarts: Counter(label: "cordon_charon_restarts_total"), logger: logger
        ).run()
    }
}
