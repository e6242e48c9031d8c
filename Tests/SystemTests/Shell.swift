struct ShellFailure: Error {
    let command: String
    let status: Int32
    let output: String
}

/// Runs a shell's command line to its end and expects success.
/// - Returns: what it wrote to standard output, without the newline at the end.
@discardableResult
func output(of command: String) throws -> String {
    var (status, output) = shell(command)
    if output.hasSuffix("\n") { output.removeLast() }
    guard status == 0 else { throw ShellFailure(command: command, status: status, output: output) }
    return output
}
