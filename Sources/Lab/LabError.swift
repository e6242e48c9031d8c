/// Why the laboratory could not do something.
public struct LabError: Error, CustomStringConvertible {
    public let code: Code
    /// One sentence for the person at the terminal.
    public let message: String
    /// What the tool that failed said, empty when no tool was involved.
    public let output: String

    public enum Code: Hashable, Sendable {
        /// The machine lacks something: root, a program, a kernel feature.
        case unsupported
        /// Another command is using this laboratory.
        case busy
        /// The laboratory is not up.
        case notUp
        /// A program that the laboratory runs failed.
        case toolFailed
        /// Something did not happen in the time allowed.
        case timedOut
        /// Ctrl-C, SIGTERM or cancellation.
        case interrupted
    }

    public init(_ code: Code, _ message: String, output: String = "") {
        self.code = code
        self.message = message
        self.output = output
    }

    public var description: String {
        output.isEmpty ? message : message + "\n" + output
    }
}

/// Waits, and turns cancellation into the laboratory's own error.
func pause(_ duration: Duration) async throws(LabError) {
    do {
        try await Task.sleep(for: duration)
    } catch {
        throw LabError(.interrupted, "interrupted")
    }
}

/// Asks `condition` every `interval` until it holds.
/// - Throws: ``LabError`` `timedOut` with `what` in its sentence.
func waitUntil(
    _ what: String, within limit: Duration, every interval: Duration = .milliseconds(10),
    _ condition: () async throws(LabError) -> Bool
) async throws(LabError) {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            throw LabError(.timedOut, "\(what): not within \(limit.inSeconds)")
        }
        try await pause(interval)
    }
}

extension Duration {
    var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }

    /// For people: milliseconds below one second, else seconds with two decimals.
    public var inSeconds: String {
        let milliseconds = Int((seconds * 1000).rounded())
        guard milliseconds >= 1000 else { return "\(milliseconds) ms" }
        let hundredths = milliseconds % 1000 / 10
        return "\(milliseconds / 1000).\(hundredths < 10 ? "0" : "")\(hundredths) s"
    }
}
