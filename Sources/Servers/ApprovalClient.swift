import AsyncHTTPClient
public import Control
import Domain
import NIOCore
import NIOHTTP1
import NIOSSL

/// Asks the operator's approval hook over https. The server's certificate has to be one that the host trusts.
public struct ApprovalClient: ApprovalAsking {
    private let client: HTTPClient
    /// What is read of an answer at most.
    private static let maximumOctets = 4096

    /// - Parameter authorities: certificates (PEM) that are trusted in place of the host's; `nil`: the host's.
    public init(authorities: String? = nil) {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let authorities { tls.trustRoots = .file(authorities) }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.httpVersion = .http1Only
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 32
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    public func post(_ request: ApprovalRequest) async throws -> (status: Int, body: [UInt8]) {
        var message = HTTPClientRequest(url: "\(request.address)")
        message.method = .POST
        message.headers.add(name: "Content-Type", value: "application/json")
        message.headers.add(name: "User-Agent", value: "cordon")
        message.headers.add(name: "Cordon-Signature", value: request.signature)
        message.body = .bytes(ByteBuffer(bytes: request.body))
        let response = try await client.execute(
            message, timeout: .milliseconds(request.timeout.milliseconds))
        let body = try await response.body.collect(upTo: Self.maximumOctets)
        return (Int(response.status.code), Array(body.readableBytesView))
    }

    /// Ends the connections. Called once, when nobody asks any more.
    public func close() async throws { try await client.shutdown() }
}
