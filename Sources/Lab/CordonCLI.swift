import Foundation

/// The product's own command line, used by the laboratory as an operator would use it.
public struct CordonCLI: Sendable {
    let layout: LabLayout

    /// Runs `cordon` with these arguments and expects success.
    /// - Returns: what it printed.
    @discardableResult
    public func run(_ arguments: [String], input: String = "") async throws(LabError) -> String {
        try await Command(
            [layout.cordon] + arguments,
            // A CORDON_TOKEN of the caller's shell would go before the file.
            environment: [
                "CORDON_URL": "unix:" + layout.apiSocket, "CORDON_TOKEN": "", "CORDON_TOKEN_FILE": layout.tokenFile,
            ]
        ).run(input: input)
    }

    /// Runs `cordon … --json` and reads each line that it prints.
    public func answers<Answer: Decodable>(_ arguments: [String], as type: Answer.Type) async throws(LabError)
        -> [Answer]
    {
        let output = try await run(arguments)
        do {
            let decoder = JSONDecoder()
            return try output.split(separator: "\n").map { try decoder.decode(Answer.self, from: Data($0.utf8)) }
        } catch {
            throw LabError(
                .toolFailed, "`cordon \(arguments.joined(separator: " "))` printed something unexpected",
                output: "\(output)\(error)")
        }
    }
}
