import Glibc
import NIOPosix
import Synchronization

/// A program that is started, waited for and ended by its number; which never outlives this process, even when that is
/// killed.
final class ChildProcess: Sendable {
    private struct State {
        /// While it is not reaped: until then the number is nobody else's.
        var number: pid_t?
        var isEnding = false
    }

    private let state = Mutex(State())
    /// The thread that starts it and waits: the kernel takes the end of that thread for the parent's.
    private let thread: NIOThreadPool

    init(thread: NIOThreadPool) { self.thread = thread }

    enum End: Hashable, Sendable {
        case exit(Int32)
        case signal(Int32)
        /// It did not start: an error number.
        case noStart(Int32)
    }

    /// Between two starts; doubled while it dies young.
    static let shortestWait = Duration.milliseconds(100)
    static let longestWait = Duration.seconds(10)
    /// Who lived so long did not die of what it was started with.
    static let ripeAge = Duration.seconds(30)

    /// Starts it, and starts it again whenever it has ended, until the task is cancelled: then it is ended with SIGTERM
    /// and, after 3 s, SIGKILL. All of it on the thread: it is there when nothing else of the process comes to its turn.
    func keepRunning(
        _ command: [String], onStart: @escaping @Sendable (pid_t) -> Void,
        onEnd: @escaping @Sendable (End, Duration) -> Void
    ) async {
        await withTaskCancellationHandler {
            // Fails only when the thread is gone, which is after everything that runs on it.
            try? await thread.runIfActive {
                var wait = Self.shortestWait
                while !self.isEnding {
                    let started = ContinuousClock.now
                    guard let end = self.startAndWait(command, onStart), !self.isEnding else { return }
                    if ContinuousClock.now - started > Self.ripeAge { wait = Self.shortestWait }
                    onEnd(end, wait)
                    let next = ContinuousClock.now + wait
                    while !self.isEnding, ContinuousClock.now < next { usleep(10_000) }
                    wait = min(wait * 2, Self.longestWait)
                }
            }
        } onCancel: {
            end()
        }
    }

    private var isEnding: Bool { state.withLock(\.isEnding) }

    /// - Returns: `nil` when it is not to start any more.
    private func startAndWait(_ command: [String], _ onStart: (pid_t) -> Void) -> End? {
        let started = state.withLock { state -> Result<pid_t, StartError>? in
            guard !state.isEnding else { return nil }
            let result = Self.spawn(command)
            if case .success(let number) = result { state.number = number }
            return result
        }
        switch started {
        case nil: return nil
        case .failure(let error): return .noStart(error.number)
        case .success(let number):
            onStart(number)
            var information = siginfo_t()
            // It stays a zombie, with its number, until it is reaped under the lock.
            while waitid(P_PID, id_t(number), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
            return state.withLock { state in
                var status: Int32 = 0
                waitpid(number, &status, 0)
                state.number = nil
                return status & 0x7f == 0 ? .exit(status >> 8 & 0xff) : .signal(status & 0x7f)
            }
        }
    }

    private func end() {
        state.withLock { state in
            state.isEnding = true
            if let number = state.number { kill(number, SIGTERM) }
        }
        let this = self
        // Not on the thread that waits.
        NIOThreadPool.singleton.submit { _ in
            for _ in 0..<60 where this.state.withLock({ $0.number != nil }) { usleep(50_000) }
            this.state.withLock { state in
                if let number = state.number { kill(number, SIGKILL) }
            }
        }
    }

    private struct StartError: Error {
        let number: Int32
    }

    private static func spawn(_ command: [String]) -> Result<pid_t, StartError> {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A session of its own: what a terminal sends is not for it. Signals as a program expects them.
        var all = sigset_t()
        sigfillset(&all)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK) | Int16(0x80) /* POSIX_SPAWN_SETSID, glibc 2.26 */)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        let arguments = command.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        var number: pid_t = 0
        let error = posix_spawnp(&number, command[0], &actions, &attributes, arguments + [nil], environ)
        return error == 0 ? .success(number) : .failure(StartError(number: error))
    }
}
