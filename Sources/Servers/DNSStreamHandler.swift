import DNS
import Domain
import Metrics
import NIOCore

/// One connection of a device (RFC 7766): queries with their length in front, answered in whatever order the answers
/// come. It is read only while there is room for more queries and the device takes its answers.
final class DNSStreamHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let resolver: Resolver
    private var device: IPAddress?
    private var context: ChannelHandlerContext?
    private var received = ByteBuffer()
    private var waiting = 0
    private var isReadHeld = false
    private var isTaking = false
    private var isInputClosed = false
    private var lastActivity = NIODeadline.now()
    /// When the first octet of a query came that is not whole yet.
    private var messageSince: NIODeadline?
    private var isUnwritableSince: NIODeadline?

    init(resolver: Resolver) { self.resolver = resolver }

    func channelActive(context: ChannelHandlerContext) {
        guard let device = context.remoteAddress?.ip?.address, resolver.admits(streamOf: device) else {
            return context.close(promise: nil)
        }
        self.device = device
        self.context = context
        resolver.streams[ObjectIdentifier(self)] = self
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if let device { resolver.ended(streamOf: device) }
        device = nil
        self.context = nil
        resolver.streams[ObjectIdentifier(self)] = nil
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastActivity = .now()
        var octets = unwrapInboundIn(data)
        received.writeBuffer(&octets)
        takeMessages()
    }

    func read(context: ChannelHandlerContext) {
        if canTake { context.read() } else { isReadHeld = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isUnwritableSince = context.channel.isWritable ? nil : .now()
        resume()
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed {
            isInputClosed = true
            closeIfDone()
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// Closes what is idle, or too slow in asking or in taking.
    func tick(at now: NIODeadline) {
        let timing = resolver.settings.timing
        let isSlow = { (since: NIODeadline?) in since.map { now - $0 > TimeAmount(timing.streamMessage) } ?? false }
        let isIdle = waiting == 0 && now - lastActivity > TimeAmount(timing.idleStream)
        guard isIdle || isSlow(messageSince) || isSlow(isUnwritableSince) else { return }
        if !isIdle { resolver.metrics.drop(.slow) }
        context?.close(promise: nil)
    }

    func send(_ octets: [UInt8]) {
        guard let context else { return }
        waiting -= 1
        lastActivity = .now()
        var buffer = context.channel.allocator.buffer(capacity: octets.count + 2)
        buffer.writeInteger(UInt16(truncatingIfNeeded: octets.count))
        buffer.writeBytes(octets)
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        resume()
        closeIfDone()
    }

    /// A query gets no answer, and a device that waits for one on this connection would wait in vain.
    func abandon() {
        waiting -= 1
        context?.close(promise: nil)
    }

    func close() { context?.close(promise: nil) }

    private var canTake: Bool {
        waiting < resolver.settings.limits.waitingPerStream && context?.channel.isWritable ?? true
    }

    private func takeMessages() {
        // Answers that come at once call back here.
        guard !isTaking else { return }
        isTaking = true
        defer { isTaking = false }
        while canTake, let device, let length: UInt16 = received.getInteger(at: received.readerIndex),
            let message = received.getSlice(at: received.readerIndex + 2, length: Int(length))
        {
            received.moveReaderIndex(forwardBy: 2 + Int(length))
            messageSince = nil
            waiting += 1
            resolver.metrics.overStreams.increment()
            resolver.take(message.readableBytesUInt8Span, from: device, over: .stream(self))
        }
        received.discardReadBytes()
        if received.readableBytes == 0 || !canTake {
            messageSince = nil
        } else {
            messageSince = messageSince ?? .now()
        }
    }

    private func resume() {
        guard canTake, !isTaking else { return }
        takeMessages()
        guard isReadHeld, canTake, let context else { return }
        isReadHeld = false
        context.read()
    }

    private func closeIfDone() {
        // What the device had sent before it closed its side is answered.
        guard isInputClosed, !isTaking, waiting == 0, let context else { return }
        context.close(promise: nil)
    }
}
