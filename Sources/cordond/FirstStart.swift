import Control
import Domain
import Foundation
import Logging

/// What is made when there is nothing yet: the operator's pools and the operator's token.
struct FirstStart {
    let control: ControlPlane
    let configuration: Configuration
    let logger: Logger

    private var tokenPath: String { configuration.stateDirectory + "/operator.token" }

    func run() async throws {
        if try await control.pools(by: .system).isEmpty {
            for pool in configuration.pools {
                switch pool {
                case .addresses(let prefix, let blockLength):
                    _ = try await control.createPool(prefix, blockLength: blockLength, by: .system)
                case .prefixes(let prefix, let blockLength, let delegatedLength):
                    _ = try await control.createPool(
                        prefix, blockLength: blockLength, delegatedLength: delegatedLength, by: .system)
                }
                logger.notice("address pool created", metadata: ["pool": "\(pool.prefix)"])
            }
        }
        if try await control.tokens(by: .system).isEmpty { try await createOperatorToken() }
    }

    /// The secret goes to a file that only its owner can read, never to the log. When the file cannot be written the
    /// token is taken back, so that the next start makes another.
    private func createOperatorToken() async throws {
        let name = try Name(parsing: "operator")
        let token = try await control.createToken(name, tenant: nil, by: .system)
        do {
            let descriptor = open(tokenPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
            let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
            try file.write(contentsOf: Data((token.secret + "\n").utf8))
            try file.synchronize()
            try file.close()
        } catch {
            try await control.deleteToken(name, by: .system)
            throw error
        }
        logger.notice("operator token created", metadata: ["file": "\(tokenPath)"])
    }
}
