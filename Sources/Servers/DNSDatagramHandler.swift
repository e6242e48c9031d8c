import DNS
import Logging
import Metrics
import NIOCore

/// One UDP socket that devices ask.
final class DNSDatagramHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let resolver: Resolver
    private let logger: Logger
    private var context: ChannelHandlerContext?
    private var hasUnflushed = false
    private var isReading = false

    init(resolver: Resolver, logger: Logger) {
        self.resolver = resolver
        self.logger = logger
    }

    static let vector = 32
    /// What is longer is cut and then refused: no query of a device comes near.
    static let longest = 2048

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        let envelope = unwrapInboundIn(data)
        resolver.metrics.datagrams.increment()
        guard let source = envelope.remoteAddress.ip else { return }
        resolver.take(
            envelope.data.readableBytesUInt8Span, from: source.address,
            over: .datagram(self, to: envelope.remoteAddress))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flush()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A datagram socket reports what became of earlier datagrams: it stays usable.
        logger.debug("DNS socket", metadata: ["error": "\(error)"])
    }

    func send(_ octets: [UInt8], to address: SocketAddress) {
        guard let context else { return }
        var buffer = context.channel.allocator.buffer(capacity: octets.count)
        buffer.writeBytes(octets)
        context.write(wrapOutboundOut(AddressedEnvelope(remoteAddress: address, data: buffer)), promise: nil)
        guard !hasUnflushed else { return }
        hasUnflushed = true
        guard !isReading else { return }
        // One read from an upstream completes many queries: what is written until the loop comes round goes out in one
        // system call.
        let this = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute { this.value.flush() }
    }

    private func flush() {
        guard hasUnflushed else { return }
        hasUnflushed = false
        context?.flush()
    }
}
