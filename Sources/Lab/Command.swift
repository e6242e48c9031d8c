import Glibc
import Subprocess

/// One run of a program to its end, in a network namespace or on the host.
struct Command: Sendable {
    /// The full name of the namespace, `nil` for the host's own.
    var namespace: String?
    var arguments: [String]
    /// Added to the environment.
    var environment: [String: String] = [:]

    struct Output: Sendable {
        /// The exit code; 128 and the signal's number when a signal ended the program, as a shell has it.
        let status: Int
        let standardOutput: String
        let standardError: String
    }

    init(_ arguments: [String], in namespace: String? = nil, environment: [String: String] = [:]) {
        self.arguments = arguments
        self.namespace = namespace
        self.environment = environment
    }

    /// What is executed. `nsenter` enters the network namespace only: `ip netns exec` would also make a mount
    /// namespace and mount a fresh /sys, which takes longer than most of the programs run here.
    var fullArguments: [String] {
        // A program given by its path needs a FilePath to be run directly, which is a package more; `env` runs it as well.
        guard let namespace else {
            return arguments.first?.contains("/") == true ? ["env", "--"] + arguments : arguments
        }
        return ["nsenter", "--net=/run/netns/\(namespace)", "--"] + arguments
    }

    /// Runs the program and answers with whatever came of it.
    /// - Throws: ``LabError`` when it cannot be started, or when the task is cancelled.
    func output(input: String = "") async throws(LabError) -> Output {
        let file = input.isEmpty ? nil : try InputFile(input)
        defer { withExtendedLifetime(file) {} }
        let arguments = (file?.redirection ?? []) + fullArguments
        guard let program = arguments.first else { throw LabError(.toolFailed, "an empty command") }
        var keys: [Environment.Key: String?] = [:]
        for (name, value) in environment {
            if let key = Environment.Key(rawValue: name) { keys[key] = value }
        }
        do {
            let result = try await Subprocess.run(
                .name(program), arguments: Arguments(Array(arguments.dropFirst())),
                environment: .inherit.updating(keys), input: .none,
                output: .string(limit: 32 << 20), error: .string(limit: 4 << 20))
            try Task.checkCancellation()
            let status =
                switch result.terminationStatus {
                case .exited(let code): Int(code)
                case .signaled(let signal): 128 + Int(signal)
                }
            return Output(
                status: status, standardOutput: result.standardOutput, standardError: result.standardError)
        } catch {
            if Task.isCancelled { throw LabError(.interrupted, "interrupted") }
            throw LabError(.toolFailed, "\(program) could not be run", output: "\(error)")
        }
    }

    /// Runs the program and expects exit code 0.
    @discardableResult
    func run(input: String = "") async throws(LabError) -> String {
        let output = try await output(input: input)
        guard output.status == 0 else {
            throw LabError(
                .toolFailed, "`\(arguments.joined(separator: " "))` ended with exit code \(output.status)",
                output: (output.standardError + output.standardOutput).trimmed)
        }
        return output.standardOutput
    }
}

extension StringProtocol {
    var trimmed: String {
        var text = self[...]
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text.drop { $0.isWhitespace })
    }
}

/// What a program reads from its standard input: a file without a name, since Subprocess 1.0.2 ends this process when a
/// program ends before it has read all that is written to its pipe.
private final class InputFile {
    private let descriptor: Int32

    init(_ text: String) throws(LabError) {
        var path = Array("/tmp/cordon-input-XXXXXX".utf8CString)
        descriptor = mkstemp(&path)
        guard descriptor >= 0 else { throw LabError(.toolFailed, "no file in /tmp: error \(errno)") }
        unlink(path)
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else {
                close(descriptor)
                throw LabError(.toolFailed, "a file in /tmp could not be written: error \(errno)")
            }
            written += count
        }
    }

    /// Goes before the program and its arguments. Opened anew through /proc, the file is read from its start.
    var redirection: [String] { ["sh", "-c", #"exec "$@" <"$0""#, "/proc/\(getpid())/fd/\(descriptor)"] }

    deinit { close(descriptor) }
}
