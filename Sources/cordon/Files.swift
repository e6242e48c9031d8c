import ArgumentParser
import Glibc

/// The whole of a file, `-` for standard input.
/// - Throws: `ExitCode` 1, after the reason is on standard error.
func readFile(_ path: String) throws -> [UInt8] {
    let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw unreadable(path) }
    defer { if descriptor != STDIN_FILENO { close(descriptor) } }
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = read(descriptor, &chunk, chunk.count)
        if count > 0 {
            content += chunk[..<count]
        } else if count == 0 {
            return content
        } else if errno != EINTR {
            throw unreadable(path)
        }
    }
}

private func unreadable(_ path: String) -> ExitCode {
    printError("cordon: cannot read \(path): \(String(cString: strerror(errno)))")
    return .failure
}

func printError(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    // Nothing can be said about standard error that fails.
    _ = write(STDERR_FILENO, bytes, bytes.count)
}

/// The variables of this process.
func processEnvironment() -> [String: String] {
    var variables: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
        let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
        entry += 1
    }
    return variables
}
