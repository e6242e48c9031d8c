public import Control
public import Domain
public import Logging
import NIOCore
public import NIOPosix
public import ServiceLifecycle

/// Sends Disconnect- and CoA-Requests to NAS from one socket (RFC 5176). Bound before anything can ask for it; closed on
/// shutdown.
public struct DisconnectClient: SessionDisconnecting, SessionChanging, Service {
    private let channel: any Channel
    private let handler: NIOLoopBound<DisconnectHandler>

    /// - Parameter address: the source of the requests, which the NAS knows this server by.
    public static func bind(
        address: IPv4Address, group: MultiThreadedEventLoopGroup, now: @escaping @Sendable () -> Timestamp,
        logger: Logger
    ) async throws -> DisconnectClient {
        let loop = group.next()
        let handler = try await loop.submit {
            NIOLoopBound(DisconnectHandler(eventLoop: loop, now: now, logger: logger), eventLoop: loop)
        }.get()
        let channel = try await DatagramBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler.value) }
            }
            .bind(host: "\(address)", port: 0).get()
        return DisconnectClient(channel: channel, handler: handler)
    }

    public func run() async throws { try await channel.closeOnShutdown() }

    public func disconnect(_ request: DisconnectRequest) async -> DisconnectOutcome { await send(request, nil) }

    public func change(_ request: DisconnectRequest, to changes: [SessionChange]) async -> DisconnectOutcome {
        await send(request, changes)
    }

    private func send(_ request: DisconnectRequest, _ changes: [SessionChange]?) async -> DisconnectOutcome {
        let promise = channel.eventLoop.makePromise(of: DisconnectOutcome.self)
        channel.eventLoop.execute { [handler] in
            handler.value.send(DisconnectHandler.Order(request: request, changes: changes), promise)
        }
        do { return try await promise.futureResult.get() } catch {
            return DisconnectOutcome(result: .notSent("\(error)"), attempts: 0)
        }
    }
}
