package import Glibc
package import Logging
package import Metrics
import NIOPosix
import ServiceLifecycle

/// A program of others that this process runs: its files are written, it is started, started again when it dies, and ended
/// at shutdown. One that a process which was killed has left behind is ended first.
package struct SupervisedProgram: Sendable {
    /// As its process is called.
    let name: String
    /// Made when it is not there; what is in it is ours.
    let directory: String
    /// In the directory; written before the first start.
    let files: [File]
    /// With ``marker`` in its arguments or its environment.
    let command: [String]
    /// What makes a process ours: the path of its configuration.
    let marker: String
    let restarts: Counter
    let logger: Logger

    package init(
        name: String, directory: String, files: [File], command: [String], marker: String, restarts: Counter,
        logger: Logger
    ) {
        self.name = name
        self.directory = directory
        self.files = files
        self.command = command
        self.marker = marker
        self.restarts = restarts
        self.logger = logger
    }

    package struct File: Sendable {
        let path: String
        let text: String
        let mode: mode_t

        package init(path: String, text: String, mode: mode_t = 0o644) {
            self.path = path
            self.text = text
            self.mode = mode
        }
    }

    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    private var processFile: String { "\(directory)/\(name).pid" }

    /// - Parameter onEnd: called when it has ended by itself, before it is started again.
    package func run(onEnd: @escaping @Sendable () -> Void = {}) async throws {
        try prepare()
        let thread = NIOThreadPool(numberOfThreads: 1)
        thread.start()
        await cancelWhenGracefulShutdown {
            await ChildProcess(thread: thread).keepRunning(command) { number in
                write(File(path: processFile, text: "\(number)\n"))
            } onEnd: { end, wait in
                restarts.increment()
                logger.error(
                    "a program has ended and is started again",
                    metadata: ["program": "\(name)", "end": "\(end)", "after": "\(wait)"])
                onEnd()
            }
        }
        unlink(processFile)
        try await thread.shutdownGracefully()
    }

    private func prepare() throws {
        try makeDirectory()
        endPredecessor()
        for file in files {
            guard write(file) else { throw Failure(description: "\(file.path) cannot be written: \(Self.reason)") }
        }
    }

    /// With all that is above it.
    private func makeDirectory() throws {
        var path = ""
        for part in directory.split(separator: "/") {
            path += "/\(part)"
            guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
                throw Failure(description: "\(path) cannot be made: \(Self.reason)")
            }
        }
    }

    /// The kernel ends it with its parent; this is for when it did not.
    private func endPredecessor() {
        guard let text = Self.read(processFile), let number = pid_t(text.prefix { $0.isNumber }), number > 1,
            Self.strings("/proc/\(number)/cmdline").first?.hasSuffix(name) == true,
            (Self.strings("/proc/\(number)/cmdline") + Self.strings("/proc/\(number)/environ")).contains(where: {
                $0 == marker || $0.hasSuffix("=\(marker)")
            })
        else { return }
        logger.warning(
            "a program of an earlier start is ended", metadata: ["program": "\(name)", "process": "\(number)"])
        kill(number, SIGTERM)
        for _ in 0..<60 where kill(number, 0) == 0 { usleep(50_000) }
        if kill(number, 0) == 0 { kill(number, SIGKILL) }
    }

    @discardableResult
    private func write(_ file: File) -> Bool {
        // A name that somebody else put there as a link is not followed.
        unlink(file.path)
        let descriptor = open(file.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, file.mode)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let octets = Array(file.text.utf8)
        return Glibc.write(descriptor, octets, octets.count) == octets.count
    }

    private static func strings(_ path: String) -> [Substring] { read(path)?.split(separator: "\0") ?? [] }

    /// What is at the start of a small file.
    private static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var octets = [UInt8](repeating: 0, count: 16_384)
        let count = Glibc.read(descriptor, &octets, octets.count)
        return count >= 0 ? String(decoding: octets.prefix(count), as: UTF8.self) : nil
    }

    private static var reason: String { String(cString: strerror(errno)) }
}
