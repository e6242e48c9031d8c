import Foundation
import Glibc
import Logging
import Metrics
import Servers
import Synchronization
import Testing

@Suite struct SupervisedProgramTests {
    private static func run(
        command: (String) -> [String], marker: String? = nil,
        _ body: (_ directory: String, _ ends: @escaping @Sendable () -> Int) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("cordon-program-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let file = directory + "/below/its.conf"
        let program = SupervisedProgram(
            name: "sleep", directory: directory + "/below",
            files: [SupervisedProgram.File(path: file, text: "sleep on\n", mode: 0o600)], command: command(file),
            marker: marker ?? file, restarts: Counter(label: "test"),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let ends = Counted()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await program.run { ends.add() } }
            do { try await body(directory + "/below") { ends.count } } catch {
                tasks.cancelAll()
                throw error
            }
            tasks.cancelAll()
            try await tasks.waitForAll()
        }
        #expect(!FileManager.default.fileExists(atPath: directory + "/below/sleep.pid"))
    }

    private final class Counted: Sendable {
        private let value = Mutex(0)
        var count: Int { value.withLock { $0 } }
        func add() { value.withLock { $0 += 1 } }
    }

    private static func number(in directory: String, besides other: pid_t = 0) async throws -> pid_t {
        for _ in 0..<1500 {
            // Not written yet.
            let text = (try? String(contentsOfFile: directory + "/sleep.pid", encoding: .utf8)) ?? ""
            if let number = pid_t(text.filter(\.isNumber)), number != other, kill(number, 0) == 0 { return number }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw Missing()
    }

    private struct Missing: Error {}

    private static func sleeping(_ file: String) -> [String] { ["env", "CONF=\(file)", "sleep", "600"] }

    @Test func `its files are written, it is started again when it dies, and ended with the service`() async throws {
        var last: pid_t = 0
        try await Self.run(command: Self.sleeping) { directory, ends in
            let first = try await Self.number(in: directory)
            #expect(try String(contentsOfFile: directory + "/its.conf", encoding: .utf8) == "sleep on\n")
            let mode = try FileManager.default.attributesOfItem(atPath: directory + "/its.conf")[.posixPermissions]
            #expect(mode as? Int == 0o600)
            kill(first, SIGKILL)
            last = try await Self.number(in: directory, besides: first)
            #expect(ends() == 1)
        }
        #expect(last > 1 && kill(last, 0) != 0)
    }

    @Test func `one that a process which was killed has left behind is ended first, and nobody else's`() async throws {
        let stranger = try Sleeper(environment: [])
        defer { stranger.end() }
        for isOurs in [true, false] {
            let directory = FileManager.default.temporaryDirectory.appendingPathComponent("cordon-left-\(UUID())").path
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let file = directory + "/its.conf"
            let left = try Sleeper(environment: ["CONF=" + (isOurs ? file : file + ".other")])
            defer { left.end() }
            try "\(left.number)\n".write(
                toFile: directory + "/sleep.pid", atomically: true, encoding: .utf8)
            let program = SupervisedProgram(
                name: "sleep", directory: directory, files: [.init(path: file, text: "")],
                command: Self.sleeping(file), marker: file, restarts: Counter(label: "test"),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await program.run() }
                _ = try await Self.number(in: directory, besides: left.number)
                tasks.cancelAll()
                try await tasks.waitForAll()
            }
            // Whoever reaps it tells it a moment after its number is free.
            let deadline = ContinuousClock.now + .seconds(isOurs ? 10 : 0)
            while left.isRunning, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(5)) }
            #expect(left.isRunning != isOurs)
        }
        #expect(stranger.isRunning)
    }

    @Test func `a directory that cannot be made is told`() async throws {
        let program = SupervisedProgram(
            name: "sleep", directory: "/proc/nothing", files: [], command: ["sleep", "1"], marker: "x",
            restarts: Counter(label: "test"), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let error = await #expect(throws: SupervisedProgram.Failure.self) { try await program.run() }
        #expect(error?.description.contains("/proc/nothing cannot be made") == true)
    }
}

/// A `sleep` of this process's that nobody supervises.
private final class Sleeper: Sendable {
    let number: pid_t
    private let hasEnded = Mutex(false)

    /// - Parameter environment: all that it has of variables, `NAME=value`.
    init(environment: [String]) throws {
        var arguments: [UnsafeMutablePointer<CChar>?] = ["sleep", "600"].map { (text: String) in strdup(text) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { (text: String) in strdup(text) } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var started: pid_t = 0
        let status = posix_spawn(&started, "/bin/sleep", nil, nil, &arguments, &variables)
        guard status == 0 else { throw POSIXError(POSIXErrorCode(rawValue: status) ?? .EIO) }
        number = started
        // Until it is reaped, its number is that of a process.
        Thread.detachNewThread { [number, self] in
            var status: Int32 = 0
            while waitpid(number, &status, 0) == -1, errno == EINTR {}
            hasEnded.withLock { $0 = true }
        }
    }

    var isRunning: Bool { !hasEnded.withLock { $0 } }

    func end() {
        hasEnded.withLock { hasEnded in _ = hasEnded ? 0 : kill(number, SIGKILL) }
    }
}
