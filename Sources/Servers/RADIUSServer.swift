import Glibc
public import Control
public import Domain
public import Logging
import NIOCore
public import NIOPosix
public import ServiceLifecycle

/// RADIUS authentication and accounting over UDP: for each, one socket on every event loop. The kernel spreads
/// datagrams over them by source, so a retransmission comes to the socket that has the original.
public struct RADIUSServer: Service {
    private let control: ControlPlane
    private let address: IPv4Address
    private let authenticationPort: UInt16
    private let accountingPort: UInt16
    private let answers: AnswerAttributes
    private let group: MultiThreadedEventLoopGroup
    private let logger: Logger

    /// - Parameters:
    ///   - dnsServers: the first two are given to devices.
    ///   - dnsServers6: and of these to those that have IPv6.
    public init(
        control: ControlPlane, address: IPv4Address, authenticationPort: UInt16, accountingPort: UInt16,
        dnsServers: [IPv4Address], dnsServers6: [IPv6Address] = [], group: MultiThreadedEventLoopGroup, logger: Logger
    ) {
        self.control = control
        self.address = address
        self.authenticationPort = authenticationPort
        self.accountingPort = accountingPort
        answers = AnswerAttributes(dnsServers: dnsServers, dnsServers6: dnsServers6)
        self.group = group
        self.logger = logger
    }

    public func run() async throws {
        var channels: [any Channel] = []
        do {
            for service in [RADIUSHandler.Role.authentication, .accounting] {
                for loop in group.makeIterator() { channels.append(try await bind(service, on: loop)) }
            }
        } catch {
            for channel in channels { channel.close(promise: nil) }
            throw error
        }
        logger.info(
            "RADIUS is served",
            metadata: [
                "address": "\(address)", "authentication": "\(authenticationPort)", "accounting": "\(accountingPort)",
            ])
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for channel in channels { tasks.addTask { try await channel.closeOnShutdown() } }
            try await tasks.waitForAll()
        }
    }

    private func bind(_ role: RADIUSHandler.Role, on loop: any EventLoop) async throws -> any Channel {
        let port = role == .authentication ? authenticationPort : accountingPort
        return try await DatagramBootstrap(group: loop)
            .channelOption(.socketOption(.init(rawValue: SO_REUSEPORT)), value: 1)
            // A storm of re-attaches arrives faster than it is read; the kernel may cut this to its rmem_max.
            .channelOption(.socketOption(.so_rcvbuf), value: 8 << 20)
            .channelOption(.datagramVectorReadMessageCount, value: Self.vector)
            // NIO divides the buffer among the messages of a vector: each needs room for the longest and one octet
            // more, by which a longer one is known.
            .channelOption(
                .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Self.vector * Self.longest)
            )
            .channelInitializer { [control, answers, logger] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        RADIUSHandler(
                            role: role, control: control, answers: answers, eventLoop: channel.eventLoop,
                            logger: logger))
                }
            }
            .bind(host: "\(address)", port: Int(port)).get()
    }

    static let vector = 32
    /// RFC 2865 §3: 4096 octets at most.
    static let longest = 4097
}

/// What every accepted session is given beside its address.
struct AnswerAttributes: Sendable {
    let dnsServers: [IPv4Address]
    let dnsServers6: [IPv6Address]
}
