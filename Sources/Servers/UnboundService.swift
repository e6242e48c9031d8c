public import Logging
import Metrics
public import ServiceLifecycle

/// Runs unbound: writes its configuration, starts it, starts it again when it dies, and ends it at shutdown.
public struct UnboundService: Service {
    private let settings: UnboundSettings
    private let logger: Logger

    public init(settings: UnboundSettings, logger: Logger) {
        self.settings = settings
        self.logger = logger
    }

    public func run() async throws {
        try await SupervisedProgram(
            name: "unbound", directory: settings.directory,
            files: [SupervisedProgram.File(path: settings.configurationFile, text: settings.configuration)],
            command: command, marker: settings.configurationFile,
            restarts: Counter(label: "cordon_unbound_restarts_total"), logger: logger
        ).run()
    }

    /// chrt has it run as the resolver's own threads do: neither interrupts the other where they share a core. setpriv
    /// makes it another user's before it starts, and has the kernel end it when this process ends in whatever way.
    private var command: [String] {
        var command = [
            // Its heap does not go back to the kernel, page by page, to be asked for again.
            "env", "MALLOC_TOP_PAD_=16777216", "MALLOC_TRIM_THRESHOLD_=268435456", "MALLOC_MMAP_THRESHOLD_=33554432",
            "chrt", "--batch", "0", "setpriv", "--pdeathsig", "KILL", "--no-new-privs",
        ]
        if let user = settings.user {
            command += [
                "--reuid", user, "--regid", user, "--init-groups", "--inh-caps", "-all", "--bounding-set", "-all",
            ]
        }
        return command + ["unbound", "-d", "-c", settings.configurationFile]
    }
}
