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

/// Writes a file that only its owner reads, in place of what was there.
/// - Throws: `ExitCode` 1, after the reason is on standard error.
func writeFile(_ content: [UInt8], to path: String) throws {
    let failure = { (doing: String) -> ExitCode in
        printError("cordon: cannot \(doing) \(path): \(String(cString: strerror(errno)))")
        return .failure
    }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("write") }
    defer { close(descriptor) }
    var rest = content[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 || errno == EINTR else { throw failure("write") }
        rest = rest.dropFirst(max(0, count))
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
