public import Control
import Domain
import Glibc
public import Logging
import NIOCore
public import NIOPosix
public import ServiceLifecycle

/// The resolver that devices see, over UDP and TCP: on every event loop one socket of each for every address. The kernel
/// spreads devices' ports over them. The loops are its own: its threads are scheduled differently from others.
public struct DNSServer: Service {
    private let names: any NameService
    private let settings: DNSSettings
    private let group: MultiThreadedEventLoopGroup
    private let logger: Logger
    /// Is called when everything is bound.
    private let onReady: @Sendable () -> Void

    public init(
        names: any NameService, settings: DNSSettings, group: MultiThreadedEventLoopGroup, logger: Logger,
        onReady: @escaping @Sendable () -> Void = {}
    ) {
        self.names = names
        self.settings = settings
        self.group = group
        self.logger = logger
        self.onReady = onReady
    }

    public func run() async throws {
        let limits = DeviceLimits(settings.limits)
        let loops = Array(group.makeIterator())
        var channels: [any Channel] = []
        var resolvers: [NIOLoopBound<Resolver>] = []
        do {
            for loop in loops {
                let resolver = try await loop.submit { [names, settings, logger] in
                    Self.letOthersFinish()
                    let resolver = Resolver(
                        eventLoop: loop, loops: loops.count, names: names, limits: limits, settings: settings,
                        logger: logger)
                    resolver.start()
                    return NIOLoopBound(resolver, eventLoop: loop)
                }.get()
                resolvers.append(resolver)
                for address in try settings.places {
                    channels.append(try await bindDatagrams(address, resolver, on: loop))
                    channels.append(try await bindStreams(address, resolver, on: loop))
                }
            }
        } catch {
            for channel in channels { channel.close(promise: nil) }
            await stop(resolvers, loops)
            throw error
        }
        logger.info(
            "DNS is served",
            metadata: ["addresses": "\(settings.listen)", "port": "\(settings.port)"])
        onReady()
        let served = channels
        do {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for channel in served { tasks.addTask { try await channel.closeOnShutdown() } }
                try await tasks.waitForAll()
            }
        } catch {
            await stop(resolvers, loops)
            throw error
        }
        await stop(resolvers, loops)
    }

    private func stop(_ resolvers: [NIOLoopBound<Resolver>], _ loops: [any EventLoop]) async {
        for (resolver, loop) in zip(resolvers, loops) {
            // Fails only when the loop itself is gone, and its resolver with it.
            try? await loop.submit {
                for stream in resolver.value.streams.values { stream.close() }
                resolver.value.stop()
            }.get()
        }
    }

    /// Of the calling thread: it does not interrupt what runs on its core when a datagram comes for it, but takes its turn
    /// (SCHED_BATCH, sched(7)). Where unbound, which is run so too, shares the core, each would otherwise interrupt the
    /// other after each datagram, and what is asked and answered would go one by one.
    private static func letOthersFinish() {
        var none = sched_param()
        // It needs no privilege; if it is refused all the same, things go as they go.
        _ = sched_setscheduler(0, batch, &none)
    }

    /// SCHED_BATCH of the kernel's sched.h, which Glibc's module leaves out.
    private static let batch: Int32 = 3

    private func bindDatagrams(
        _ address: SocketAddress, _ resolver: NIOLoopBound<Resolver>, on loop: any EventLoop
    ) async throws -> any Channel {
        try await DatagramBootstrap(group: loop)
            .channelOption(.socketOption(.init(rawValue: SO_REUSEPORT)), value: 1)
            .channelOption(.socketOption(.so_rcvbuf), value: 8 << 20)
            .channelOption(.datagramVectorReadMessageCount, value: DNSDatagramHandler.vector)
            // What is left after a read shows at the next turn; a second read would mostly find nothing.
            .channelOption(.maxMessagesPerRead, value: 1)
            // NIO divides the buffer among the messages of a vector.
            .channelOption(
                .recvAllocator,
                value: FixedSizeRecvByteBufferAllocator(
                    capacity: DNSDatagramHandler.vector * DNSDatagramHandler.longest)
            )
            .channelInitializer { [logger] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        DNSDatagramHandler(resolver: resolver.value, logger: logger))
                }
            }
            .bind(to: address).get()
    }

    private func bindStreams(
        _ address: SocketAddress, _ resolver: NIOLoopBound<Resolver>, on loop: any EventLoop
    ) async throws -> any Channel {
        try await ServerBootstrap(group: loop, childGroup: loop)
            .serverChannelOption(.socketOption(.init(rawValue: SO_REUSEPORT)), value: 1)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4096))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DNSStreamHandler(resolver: resolver.value))
                }
            }
            .bind(to: address).get()
    }
}

extension DNSSettings {
    fileprivate var places: [SocketAddress] {
        get throws {
            try listen.flatMap { address in
                try [port, redirectedPort].compactMap { $0 }.map { try SocketAddress(address, port: $0) }
            }
        }
    }
}
