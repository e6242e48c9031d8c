import Glibc
public import Logging
import Metrics
import NIOPosix
public import ServiceLifecycle

/// Runs unbound: writes its configuration, starts it, starts it again when it dies, and ends it at shutdown. One that a
/// cordond which was killed has left behind is ended first.
public struct UnboundService: Service {
    private let settings: UnboundSettings
    private let logger: Logger
    private let restarts = Counter(label: "cordon_unbound_restarts_total")

    public init(settings: UnboundSettings, logger: Logger) {
        self.settings = settings
        self.logger = logger
    }

    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    public func run() async throws {
        try prepare()
        let thread = NIOThreadPool(numberOfThreads: 1)
        thread.start()
        await cancelWhenGracefulShutdown {
            await ChildProcess(thread: thread).keepRunning(command) { number in
                write("\(number)\n", to: settings.processFile)
            } onEnd: { end, wait in
                restarts.increment()
                logger.error(
                    "unbound has ended and is started again", metadata: ["end": "\(end)", "after": "\(wait)"])
            }
        }
        unlink(settings.processFile)
        try await thread.shutdownGracefully()
    }

    /// setpriv makes it another user's before it starts, and has the kernel end it when this process ends in whatever way.
    private var command: [String] {
        var command = ["setpriv", "--pdeathsig", "KILL", "--no-new-privs"]
        if let user = settings.user {
            command += [
                "--reuid", user, "--regid", user, "--init-groups", "--inh-caps", "-all", "--bounding-set", "-all",
            ]
        }
        return command + ["unbound", "-d", "-c", settings.configurationFile]
    }

    // MARK: Files

    private func prepare() throws {
        try makeDirectory()
        endPredecessor()
        guard write(settings.configuration, to: settings.configurationFile) else {
            throw Failure(description: "\(settings.configurationFile) cannot be written: \(Self.reason)")
        }
    }

    /// With all that is above it.
    private func makeDirectory() throws {
        var path = ""
        for part in settings.directory.split(separator: "/") {
            path += "/\(part)"
            guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
                throw Failure(description: "\(path) cannot be made: \(Self.reason)")
            }
        }
    }

    /// The kernel ends unbound with its parent; this is for when it did not.
    private func endPredecessor() {
        guard let text = Self.read(settings.processFile), let number = pid_t(text.prefix { $0.isNumber }), number > 1,
            let arguments = Self.read("/proc/\(number)/cmdline")?.split(separator: "\0"),
            arguments.first?.hasSuffix("unbound") == true, arguments.contains(Substring(settings.configurationFile))
        else { return }
        logger.warning("an unbound of an earlier start is ended", metadata: ["process": "\(number)"])
        kill(number, SIGTERM)
        for _ in 0..<60 where kill(number, 0) == 0 { usleep(50_000) }
        if kill(number, 0) == 0 { kill(number, SIGKILL) }
    }

    @discardableResult
    private func write(_ text: String, to path: String) -> Bool {
        // A name that somebody else put there as a link is not followed.
        unlink(path)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let octets = Array(text.utf8)
        return Glibc.write(descriptor, octets, octets.count) == octets.count
    }

    /// What is at the start of a small file.
    private static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var octets = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &octets, octets.count)
        return count >= 0 ? String(decoding: octets.prefix(count), as: UTF8.self) : nil
    }

    private static var reason: String { String(cString: strerror(errno)) }
}
