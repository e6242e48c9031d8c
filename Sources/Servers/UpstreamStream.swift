import Control
import DNS
import Glibc
import NIOCore
import NIOPosix

/// One question to an upstream over TCP, after an answer that did not fit a datagram.
final class UpstreamStream: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let link: UpstreamLink
    private let lookup: Lookup
    private let resolver: Resolver
    private let query: [UInt8]
    private var received = ByteBuffer()
    private var isDone = false

    init(link: UpstreamLink, lookup: Lookup, resolver: Resolver) {
        self.link = link
        self.lookup = lookup
        self.resolver = resolver
        query = lookup.key.question.encoded(id: UInt16.random(in: 0...UInt16.max), casing: 0)
    }

    static func open(to link: UpstreamLink, for lookup: Lookup, resolver: Resolver) {
        let bound = NIOLoopBound((link, lookup, resolver), eventLoop: resolver.eventLoop)
        var bootstrap = ClientBootstrap(group: resolver.eventLoop)
            .connectTimeout(.seconds(2))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let (link, lookup, resolver) = bound.value
                    try channel.pipeline.syncOperations.addHandler(
                        UpstreamStream(link: link, lookup: lookup, resolver: resolver))
                }
            }
        if let mark = link.upstream.routeMark {
            bootstrap = bootstrap.channelOption(
                .socketOption(.init(rawValue: SO_MARK)), value: SocketOptionValue(truncatingIfNeeded: mark))
        }
        do {
            let address = try SocketAddress(link.upstream.address, port: link.upstream.port)
            bootstrap.connect(to: address).whenComplete { result in
                let (link, lookup, resolver) = bound.value
                switch result {
                case .success(let channel):
                    let limit = TimeAmount(resolver.settings.timing.total)
                    let close = channel.eventLoop.scheduleTask(in: limit) { channel.close(promise: nil) }
                    channel.closeFuture.whenComplete { _ in close.cancel() }
                case .failure:
                    resolver.streamEnded()
                    resolver.failed(lookup, at: link)
                }
            }
        } catch {
            resolver.streamEnded()
            resolver.failed(lookup, at: link)
        }
    }

    func channelActive(context: ChannelHandlerContext) {
        var buffer = context.channel.allocator.buffer(capacity: query.count + 2)
        buffer.writeInteger(UInt16(truncatingIfNeeded: query.count))
        buffer.writeBytes(query)
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = unwrapInboundIn(data)
        received.writeBuffer(&octets)
        guard !isDone, let length: UInt16 = received.getInteger(at: 0),
            let message = received.getSlice(at: 2, length: Int(length))
        else { return }
        isDone = true
        let sent = query
        if AnswerMatch(message.readableBytesUInt8Span, to: sent.span, isCaseExact: false) == .matches {
            resolver.received(message.readableBytesUInt8Span, for: lookup, from: link, isStream: true)
        } else {
            resolver.metrics.ignore(.question)
            resolver.failed(lookup, at: link)
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        resolver.streamEnded()
        if !isDone { resolver.failed(lookup, at: link) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
