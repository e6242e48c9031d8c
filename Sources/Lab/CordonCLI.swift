/// The product's own command line, used by the laboratory as an operator would use it.
public struct CordonCLI: Sendable {
    let layout: LabLayout

    /// Runs `cordon` with these arguments and expects success.
    /// - Returns: what it printed.
    @discardableResult
    public func run(_ arguments: [String]) async throws(LabError) -> String {
        try await Command(
            [layout.cordon] + arguments,
            environment: ["CORDON_URL": "unix:" + layout.apiSocket, "CORDON_TOKEN_FILE": layout.tokenFile]
        ).run()
    }
}
