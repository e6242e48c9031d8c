import Control
import DNS
import Glibc
import Logging
import Metrics
import NIOCore
import NIOPosix

/// The way of one event loop to one upstream: sockets with ports of the kernel's choice, which others take the place of
/// after a while, and the queries that wait for answers on them.
final class UpstreamLink {
    let upstream: Upstream
    var health = UpstreamHealth()
    var lastUsed = NIODeadline.now()
    /// The upstream answers in a case of its own; so much is known of it until then.
    var isPlainUntil: NIODeadline?

    private let address: SocketAddress
    fileprivate unowned let resolver: Resolver
    private var sockets: [UpstreamSocket] = []
    /// Sockets that have been replaced and only wait for what was sent on them.
    private var retired: [(socket: UpstreamSocket, until: NIODeadline)] = []
    private var isOpening = 0
    /// After no socket could be had.
    private var opensFrom = NIODeadline.distantPast
    private var pending: [UInt16: Pending] = [:]
    private var random = KernelRandom()
    /// Queries that were sent before there was a socket.
    private var unsent: [[UInt8]] = []

    private struct Pending {
        /// `nil`: a probe.
        let lookup: Lookup?
        let octets: [UInt8]
        let isCaseExact: Bool
        var socket: ObjectIdentifier?
    }

    static let socketCount = 4
    /// Of the 65,536 ids; with more of them taken a guess would hit.
    static let mostPending = 8192

    init(_ upstream: Upstream, resolver: Resolver) throws {
        self.upstream = upstream
        self.resolver = resolver
        address = try SocketAddress(upstream.address, port: upstream.port)
    }

    // MARK: Queries

    /// Sends the question; `false` when too many wait already.
    func send(_ question: Question, for lookup: Lookup?, at now: NIODeadline) -> Bool {
        lastUsed = now
        guard pending.count < Self.mostPending else { return false }
        var id: UInt16
        repeat { id = random.next() } while pending[id] != nil
        let isPlain = lookup?.isPlain ?? true || isPlainUntil.map { now < $0 } ?? false
        let casing = isPlain ? 0 : UInt128(random.next() as UInt64) << 64 | UInt128(random.next() as UInt64)
        let octets = question.encoded(id: id, casing: casing)
        let socket = sockets.randomElement(using: &random)
        pending[id] = Pending(
            lookup: lookup, octets: octets, isCaseExact: !isPlain, socket: socket.map { ObjectIdentifier($0) })
        lookup?.outstanding.append((self, id))
        if sockets.count + isOpening < Self.socketCount { openSockets(at: now) }
        resolver.metrics.upstreamQueries.increment()
        if let socket {
            socket.send(octets)
        } else if sockets.isEmpty {
            unsent.append(octets)
        } else {
            write(octets, id)
        }
        return true
    }

    /// No answer to it is wanted any more.
    func forget(_ id: UInt16) { pending[id] = nil }

    private func write(_ octets: [UInt8], _ id: UInt16) {
        guard let socket = sockets.randomElement(using: &random) else { return }
        pending[id]?.socket = ObjectIdentifier(socket)
        socket.send(octets)
    }

    // MARK: Answers

    func received(_ bytes: Span<UInt8>, on socket: UpstreamSocket) {
        guard bytes.count >= 12 else { return resolver.metrics.ignore(.noAnswer) }
        let id = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        guard let query = pending[id] else { return resolver.metrics.ignore(.id) }
        // It came to another port than it was asked from.
        guard query.socket == ObjectIdentifier(socket) else { return resolver.metrics.ignore(.port) }
        switch AnswerMatch(bytes, to: query.octets.span, isCaseExact: query.isCaseExact) {
        case .noAnswer: return resolver.metrics.ignore(.noAnswer)
        case .otherID: return resolver.metrics.ignore(.id)
        case .otherQuestion: return resolver.metrics.ignore(.question)
        case .otherCase:
            resolver.metrics.ignore(.letterCase)
            // The query keeps waiting; another is on its way, for an upstream that cannot but answer so.
            if let lookup = query.lookup { resolver.sawOtherCase(lookup, on: self) }
            return
        case .matches: break
        }
        pending[id] = nil
        if health.answered() { resolver.logger.notice("an upstream answers again", metadata: metadata) }
        guard let lookup = query.lookup else { return }
        if lookup.caseMismatches >= 2 { isPlainUntil = .now() + .minutes(10) }
        resolver.received(bytes, for: lookup, from: self, isStream: false)
    }

    /// The upstream's port is closed, or nobody is there.
    func isRefused() {
        let now = NIODeadline.now()
        // Every datagram has such an error; the first says it for all.
        guard now >= refusalsFrom else { return }
        refusalsFrom = now + .milliseconds(20)
        health.wasSilent()
        for lookup in Set(pending.values.compactMap { $0.lookup.map(LookupReference.init) }) {
            resolver.refused(lookup.lookup)
        }
    }

    private var refusalsFrom = NIODeadline.now()

    private struct LookupReference: Hashable {
        let lookup: Lookup
        static func == (a: Self, b: Self) -> Bool { a.lookup === b.lookup }
        func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(lookup)) }
    }

    // MARK: Time

    func tick(at now: NIODeadline) {
        while let first = retired.first, first.until <= now {
            // Before it is closed: that comes back here.
            retired.removeFirst()
            first.socket.close()
        }
        for socket in sockets where socket.replaceAt <= now {
            sockets.removeAll { $0 === socket }
            retired.append((socket, now + TimeAmount(resolver.settings.timing.total)))
        }
        switch health.tick(at: Int64(now.uptimeNanoseconds / 1_000_000)) {
        case .probe:
            for (id, query) in pending where query.lookup == nil { pending[id] = nil }
            // Every resolver knows the servers of the root, or says that it does not.
            _ = send(Question(name: .root, type: 2), for: nil, at: now)
        case .goneDown: resolver.logger.warning("an upstream does not answer", metadata: metadata)
        case nil: break
        }
    }

    func close() {
        isClosed = true
        pending = [:]
        let all = sockets + retired.map(\.socket)
        sockets = []
        retired = []
        for socket in all { socket.close() }
    }

    private var isClosed = false
    private var metadata: Logger.Metadata { ["upstream": "\(upstream.address)", "port": "\(upstream.port)"] }

    // MARK: Sockets

    private func openSockets(at now: NIODeadline) {
        guard !isClosed, now >= opensFrom else { return }
        for _ in 0..<max(0, Self.socketCount - sockets.count - isOpening) {
            isOpening += 1
            let this = NIOLoopBound(self, eventLoop: resolver.eventLoop)
            var bootstrap = DatagramBootstrap(group: resolver.eventLoop)
                .channelOption(.socketOption(.so_rcvbuf), value: 1 << 20)
                .channelOption(.datagramVectorReadMessageCount, value: Self.vector)
                // What is left after a read shows at the next turn; a second read would mostly find nothing.
                .channelOption(.maxMessagesPerRead, value: 1)
                .channelOption(
                    .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Self.vector * Self.longest)
                )
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(UpstreamSocket(link: this.value))
                    }
                }
            if let mark = upstream.routeMark {
                bootstrap = bootstrap.channelOption(
                    .socketOption(.init(rawValue: SO_MARK)), value: SocketOptionValue(truncatingIfNeeded: mark))
            }
            bootstrap.connect(to: address).whenComplete { result in
                this.value.opened(result)
            }
        }
    }

    private static let vector = 32
    /// More than the 1232 octets that we say we take, so that what is longer shows.
    private static let longest = 2048

    private func opened(_ result: Result<any Channel, any Error>) {
        isOpening -= 1
        switch result {
        case .success(let channel):
            guard let socket = try? channel.pipeline.syncOperations.handler(type: UpstreamSocket.self), !isClosed else {
                return channel.close(promise: nil)
            }
            sockets.append(socket)
            let waiting = unsent
            unsent = []
            for octets in waiting {
                let id = UInt16(octets[0]) << 8 | UInt16(octets[1])
                // It may have been given up meanwhile.
                if pending[id] != nil { write(octets, id) }
            }
        case .failure(let error):
            resolver.logger.debug("no socket towards an upstream", metadata: ["error": "\(error)"])
            unsent = []
            opensFrom = .now() + .milliseconds(100)
            isRefused()
        }
    }

    func closed(_ socket: UpstreamSocket) {
        sockets.removeAll { $0 === socket }
        retired.removeAll { $0.socket === socket }
    }
}

/// One connected socket: the kernel leaves out what other addresses send.
final class UpstreamSocket: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = ByteBuffer

    private let link: UpstreamLink
    private var context: ChannelHandlerContext?
    private var hasUnflushed = false
    private(set) var replaceAt = NIODeadline.distantFuture

    init(link: UpstreamLink) { self.link = link }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        replaceAt = .now() + link.socketLifetime
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelInactive(context: ChannelHandlerContext) { link.closed(self) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        link.received(envelope.data.readableBytesUInt8Span, on: self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // ICMP errors show as errors of the next call.
        if let error = error as? IOError, [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH].contains(error.errnoCode) {
            link.isRefused()
        }
    }

    func send(_ octets: [UInt8]) {
        guard let context else { return }
        var buffer = context.channel.allocator.buffer(capacity: octets.count)
        buffer.writeBytes(octets)
        context.write(wrapOutboundOut(buffer), promise: nil)
        guard !hasUnflushed else { return }
        hasUnflushed = true
        let this = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute {
            this.value.hasUnflushed = false
            this.value.context?.flush()
        }
    }

    func close() { context?.close(promise: nil) }
}

extension UpstreamLink {
    /// Not all at once: half of it to the whole.
    fileprivate var socketLifetime: TimeAmount {
        let whole = TimeAmount(resolver.settings.timing.socket).nanoseconds
        return .nanoseconds(Int64.random(in: whole / 2...whole))
    }
}
