import Domain
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Serves texts over TLS on loopback, with a certificate that nobody trusts unless told to.
struct TextServer {
    let channel: any Channel
    let port: Int

    struct Reply: Sendable {
        var status = HTTPResponseStatus.ok
        var headers: [(String, String)] = []
        var pieces: [String] = []
    }

    static func run(
        _ reply: @escaping @Sendable (HTTPRequestHead) -> Reply, _ body: (TextServer) async throws -> Void
    ) async throws {
        let certificate = try NIOSSLCertificate(bytes: Array(certificatePEM.utf8), format: .pem)
        let key = try NIOSSLPrivateKey(bytes: Array(keyPEM.utf8), format: .pem)
        let context = try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: [.certificate(certificate)], privateKey: .privateKey(key)))
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(reply: reply))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let server = TextServer(channel: channel, port: channel.localAddress?.port ?? 0)
        do { try await body(server) } catch {
            try await channel.close()
            throw error
        }
        try await channel.close()
    }

    func address(_ target: String, host: String = "localhost") throws -> HTTPSAddress {
        try HTTPSAddress(parsing: "https://\(host):\(port)\(target)")
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart
        private let reply: @Sendable (HTTPRequestHead) -> Reply

        init(reply: @escaping @Sendable (HTTPRequestHead) -> Reply) { self.reply = reply }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard case .head(let head) = unwrapInboundIn(data) else { return }
            let reply = reply(head)
            let answer = HTTPResponseHead(
                version: .http1_1, status: reply.status, headers: HTTPHeaders(reply.headers))
            context.write(wrapOutboundOut(.head(answer)), promise: nil)
            for piece in reply.pieces {
                context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: piece)))), promise: nil)
            }
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }

    /// For localhost, 127.0.0.1 and 127.0.0.2, for a hundred years from 2026 on.
    static let certificatePEM = """
        -----BEGIN CERTIFICATE-----
        MIIBpjCCAUugAwIBAgIULQSh0qraCOdzeuupc5g1R4zFZQwwCgYIKoZIzj0EAwIw
        FjEUMBIGA1UEAwwLY29yZG9uIHRlc3QwIBcNMjYxMTI4MjM1MzA1WhgPMjEyNjEx
        MDQyMzUzMDVaMBYxFDASBgNVBAMMC2NvcmRvbiB0ZXN0MFkwEwYHKoZIzj0CAQYI
        KoZIzj0DAQcDQgAEZ/p4qDCzctOxXriltNOUB3IsN4Jff+XMZ+w+60puHoyuHXU3
        3JmGwFE6S9MG8a5VtNh4Dw+Yi8F85G3JUwxxpaN1MHMwHQYDVR0OBBYEFKPuG/vH
        SjpC8PLixfQ13zq1weoLMB8GA1UdIwQYMBaAFKPuG/vHSjpC8PLixfQ13zq1weoL
        MCAGA1UdEQQZMBeCCWxvY2FsaG9zdIcEfwAAAYcEfwAAAjAPBgNVHRMBAf8EBTAD
        AQH/MAoGCCqGSM49BAMCA0kAMEYCIQDDNVwohou4zL27vTeAcopPUraE3Z7wuXfW
        wP6h2wswlwIhAKVftRC9hiJMFPaylRdiD9wm/1pjMGD1ejPnTg8pXodT
        -----END CERTIFICATE-----
        """
    /// Of nothing but this test's server.
    private static let keyPEM = """
        -----BEGIN EC PRIVATE KEY-----
        MHcCAQEEIMAu6aZirOgFcSbkMSnonp9fjRx2ipCFXDxbQWQMlIsFoAoGCCqGSM49
        AwEHoUQDQgAEZ/p4qDCzctOxXriltNOUB3IsN4Jff+XMZ+w+60puHoyuHXU33JmG
        wFE6S9MG8a5VtNh4Dw+Yi8F85G3JUwxxpQ==
        -----END EC PRIVATE KEY-----
        """
}
