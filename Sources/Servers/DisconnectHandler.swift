import Control
import Domain
import Logging
import Metrics
import NIOCore
import RADIUS

/// The requests that wait for their NAS. On its socket's event loop.
final class DisconnectHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    /// How long each datagram's answer is waited for; the same datagram is sent once for each.
    static let waits: [TimeAmount] = [.seconds(1), .seconds(2), .seconds(4)]

    private let eventLoop: any EventLoop
    private let now: @Sendable () -> Timestamp
    private let logger: Logger
    private var context: ChannelHandlerContext?
    private var clients: [IPv4Address: NASQueue] = [:]
    private var drops = DropCounters(service: "disconnect")
    private let sent = Counter(label: "cordon_disconnect_datagrams_total")

    init(eventLoop: any EventLoop, now: @escaping @Sendable () -> Timestamp, logger: Logger) {
        self.eventLoop = eventLoop
        self.now = now
        self.logger = logger
    }

    /// One NAS: its requests under way by identifier, of which there are 256, and those that wait for one.
    private struct NASQueue {
        var pending: [UInt8: Pending] = [:]
        var waiting: [(DisconnectRequest, EventLoopPromise<DisconnectOutcome>)] = []
        var nextIdentifier = UInt8.random(in: .min ... .max)

        mutating func freeIdentifier() -> UInt8? {
            guard pending.count < 256 else { return nil }
            while pending[nextIdentifier] != nil { nextIdentifier &+= 1 }
            defer { nextIdentifier &+= 1 }
            return nextIdentifier
        }
    }

    private struct Pending {
        let packet: [UInt8]
        let authenticator: UInt128
        let secret: Secret
        let socket: SocketAddress
        let promise: EventLoopPromise<DisconnectOutcome>
        var attempts = 0
        var timer: Scheduled<Void>?
    }

    func channelActive(context: ChannelHandlerContext) { self.context = context }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        for queue in clients.values {
            for pending in queue.pending.values {
                pending.timer?.cancel()
                pending.promise.succeed(DisconnectOutcome(result: .noAnswer, attempts: pending.attempts))
            }
            for (_, promise) in queue.waiting { promise.succeed(Self.closed) }
        }
        clients = [:]
    }

    private static let closed = DisconnectOutcome(result: .notSent("cordond is shutting down"), attempts: 0)

    func send(_ request: DisconnectRequest, _ promise: EventLoopPromise<DisconnectOutcome>) {
        guard context != nil else { return promise.succeed(Self.closed) }
        var queue = clients[request.nas.address] ?? NASQueue()
        defer { clients[request.nas.address] = queue }
        guard let identifier = queue.freeIdentifier() else {
            queue.waiting.append((request, promise))
            return
        }
        do throws(Unsendable) {
            queue.pending[identifier] = try pending(request, identifier: identifier, promise)
        } catch {
            return promise.succeed(DisconnectOutcome(result: .notSent(error.reason), attempts: 0))
        }
        let this = NIOLoopBound(self, eventLoop: eventLoop)
        let address = request.nas.address
        eventLoop.execute { this.value.attempt(identifier, at: address) }
    }

    private struct Unsendable: Error { let reason: String }

    private func pending(
        _ request: DisconnectRequest, identifier: UInt8, _ promise: EventLoopPromise<DisconnectOutcome>
    ) throws(Unsendable) -> Pending {
        let key: DisconnectMessage.Key
        switch request.nas.disconnectKey {
        case .imsiAndNSAPI: key = .imsi(request.imsi, nsapi: request.nsapi)
        case .apnAndAddress: key = .apn(request.apn, address: request.address)
        case .accountingSessionID:
            guard let id = request.accountingSessionID else {
                throw Unsendable(reason: "the NAS wants Acct-Session-Id and has not sent one for this session")
            }
            key = .accountingSessionID(id)
        }
        let seconds = UInt32(clamping: now().milliseconds / 1000)
        do {
            let packet = try DisconnectMessage(key: key, eventTimestamp: seconds)
                .encoded(identifier: identifier, secret: request.secret)
            let socket = try SocketAddress(
                ipAddress: "\(request.nas.address)", port: Int(request.nas.disconnectPort))
            return Pending(
                packet: packet, authenticator: try Header(decoding: packet.span).authenticator,
                secret: request.secret, socket: socket, promise: promise)
        } catch {
            throw Unsendable(reason: "the request could not be made: \(error)")
        }
    }

    /// Sends the datagram and, when no answer comes, the same again: same identifier, same octets (RFC 5176 §2.3).
    private func attempt(_ identifier: UInt8, at address: IPv4Address) {
        guard let context, var pending = clients[address]?.pending[identifier] else { return }
        guard pending.attempts < Self.waits.count else { return finish(identifier, at: address, .noAnswer) }
        var buffer = context.channel.allocator.buffer(capacity: pending.packet.count)
        buffer.writeBytes(pending.packet)
        context.writeAndFlush(
            wrapOutboundOut(AddressedEnvelope(remoteAddress: pending.socket, data: buffer)), promise: nil)
        sent.increment()
        let this = NIOLoopBound(self, eventLoop: eventLoop)
        pending.timer = eventLoop.scheduleTask(in: Self.waits[pending.attempts]) {
            this.value.attempt(identifier, at: address)
        }
        pending.attempts += 1
        clients[address]?.pending[identifier] = pending
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard let source = envelope.remoteAddress.ipv4, let queue = clients[source.address] else {
            return drops.count(.unknownNAS)
        }
        do throws(PacketError) {
            let answer = try DisconnectAnswer(decoding: envelope.data.readableBytesUInt8Span) { identifier in
                queue.pending[identifier].map { ($0.authenticator, $0.secret) }
            }
            let result: DisconnectOutcome.Result =
                if answer.isAcknowledged {
                    .acknowledged
                } else if answer.errorCause
                    == DisconnectAnswer.sessionContextNotFound
                { .contextNotFound } else { .refused(errorCause: answer.errorCause) }
            finish(answer.identifier, at: source.address, result)
        } catch {
            drops.count(.malformed(error.label))
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A NAS that is not there answers with ICMP; the request's own time-out tells the caller.
        logger.debug("disconnect socket", metadata: ["error": "\(error)"])
    }

    private func finish(_ identifier: UInt8, at address: IPv4Address, _ result: DisconnectOutcome.Result) {
        guard let pending = clients[address]?.pending.removeValue(forKey: identifier) else { return }
        pending.timer?.cancel()
        pending.promise.succeed(DisconnectOutcome(result: result, attempts: pending.attempts))
        // One that cannot be sent takes no identifier, so the next has its turn.
        while let queue = clients[address], queue.pending.count < 256, let next = queue.waiting.first {
            clients[address]?.waiting.removeFirst()
            send(next.0, next.1)
        }
        // A NAS's last request takes its queue along, and with it the identifier that comes next: a fresh start at
        // random is as good.
        if clients[address]?.pending.isEmpty == true { clients[address] = nil }
    }
}
