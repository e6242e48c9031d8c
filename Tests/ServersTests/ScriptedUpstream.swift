import Control
import Domain
import NIOCore
import NIOPosix
import Synchronization

/// An upstream that answers as a test has it, over UDP and, on the same port, TCP.
final class ScriptedUpstream: Sendable {
    struct Reply: Sendable {
        var octets: [UInt8]
        var after = TimeAmount.zero
        /// From another port than was asked.
        var isFromElsewhere = false
    }

    typealias Script = @Sendable (_ query: [UInt8], _ number: Int) -> [Reply]

    let port: UInt16
    private let received: Received
    private let channels: [any Channel]

    final class Received: Sendable {
        let queries = Mutex<[[UInt8]]>([])
        let ports = Mutex<Set<Int>>([])
        func add(_ query: [UInt8]) -> Int {
            queries.withLock { queries in
                queries.append(query)
                return queries.count - 1
            }
        }
    }

    var upstream: Upstream { upstream(isPrivate: false) }

    func upstream(isPrivate: Bool) -> Upstream {
        Upstream(address: .v4(IPv4Address(bits: 0x7f00_0001)), port: port, isPrivate: isPrivate)
    }

    /// What devices' names were asked for here, not counting probes.
    var queries: [[UInt8]] { received.queries.withLock { $0 }.filter { Wire.questionName($0) != "" } }

    /// From which it was asked over UDP.
    var ports: Set<Int> { received.ports.withLock { $0 } }

    /// - Parameter port: to come back on; 0 for any.
    init(
        group: any EventLoopGroup, port: Int = 0, script: @escaping Script, stream: Script? = nil
    ) async throws {
        let received = Received()
        self.received = received
        let elsewhere = try await DatagramBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let datagrams = try await DatagramBootstrap(group: group)
            .channelOption(.socketOption(.so_reuseaddr), value: 1)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4096))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Datagrams(script: script, received: received, elsewhere: elsewhere))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        self.port = UInt16(datagrams.localAddress?.port ?? 0)
        var channels = [elsewhere, datagrams]
        if let stream {
            channels.append(
                try await ServerBootstrap(group: group)
                    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                    .childChannelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(Streams(script: stream, received: received))
                        }
                    }
                    .bind(host: "127.0.0.1", port: Int(self.port)).get())
        }
        self.channels = channels
    }

    func close() async {
        // Closed already is closed.
        for channel in channels { try? await channel.close() }
    }

    private final class Datagrams: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>

        let script: Script
        let received: Received
        let elsewhere: any Channel

        init(script: @escaping Script, received: Received, elsewhere: any Channel) {
            self.script = script
            self.received = received
            self.elsewhere = elsewhere
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = unwrapInboundIn(data)
            let query = Array(envelope.data.readableBytesView)
            let number = received.add(query)
            if let port = envelope.remoteAddress.port { received.ports.withLock { _ = $0.insert(port) } }
            for reply in script(query, number) {
                let channel = reply.isFromElsewhere ? elsewhere : context.channel
                let answer = AddressedEnvelope(
                    remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: reply.octets))
                if reply.after == .zero {
                    channel.writeAndFlush(answer, promise: nil)
                } else {
                    context.eventLoop.scheduleTask(in: reply.after) { channel.writeAndFlush(answer, promise: nil) }
                }
            }
        }
    }

    private final class Streams: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        let script: Script
        let received: Received

        init(script: @escaping Script, received: Received) {
            self.script = script
            self.received = received
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            // A query of ours comes in one piece.
            let query = Array(unwrapInboundIn(data).readableBytesView.dropFirst(2))
            let number = received.add(query)
            for reply in script(query, number) {
                context.writeAndFlush(
                    NIOAny(ByteBuffer(bytes: Wire.u16(reply.octets.count) + reply.octets)), promise: nil)
            }
        }
    }
}

extension ScriptedUpstream.Reply {
    static func answer(_ query: [UInt8], flags: Int = 0x8180, _ records: [UInt8]..., after: TimeAmount = .zero) -> Self
    {
        Self(octets: Wire.answer(to: query, flags: flags, records), after: after)
    }
}
