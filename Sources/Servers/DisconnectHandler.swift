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

    /// What a NAS is to be asked.
    struct Order: Sendable {
        let request: DisconnectRequest
        /// `nil`: to end the session.
        let changes: [SessionChange]?
    }

    /// One NAS: its requests under way by identifier, of which there are 256, and those that wait for one, or for their
    /// turn: so many go out each second as its profile says.
    private struct NASQueue {
        var pending: [UInt8: Pending] = [:]
        var waiting = CircularBuffer<(Order, EventLoopPromise<DisconnectOutcome>)>()
        var nextIdentifier = UInt8.random(in: .min ... .max)
        /// Before this no new request goes out.
        var nextTurn = NIODeadline.now()
        var isScheduled = false

        mutating func freeIdentifier() -> UInt8? {
            guard pending.count < 256 else { return nil }
            while pending[nextIdentifier] != nil { nextIdentifier &+= 1 }
            defer { nextIdentifier &+= 1 }
            return nextIdentifier
        }
    }

    private struct Pending {
        let packet: [UInt8]
        let kind: DisconnectMessage.Kind
        let authenticator: UInt128
        let secret: Secret
        let socket: SocketAddress
        let promise: EventLoopPromise<DisconnectOutcome>
        let profile: NAS.Profile
        var attempts = 0
        var timer: Scheduled<Void>?

        /// How long this datagram's answer is waited for; `nil` when it is not sent any more.
        var wait: TimeAmount? {
            guard attempts < Int(profile.attempts) else { return nil }
            return .milliseconds(min(Int64(profile.firstWaitMilliseconds) << min(attempts, 16), 60_000))
        }
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

    func send(_ order: Order, _ promise: EventLoopPromise<DisconnectOutcome>) {
        guard context != nil else { return promise.succeed(Self.closed) }
        let address = order.request.nas.address
        clients[address, default: NASQueue()].waiting.append((order, promise))
        drain(address)
    }

    /// Sends what may be sent now.
    private func drain(_ address: IPv4Address) {
        guard var queue = clients[address] else { return }
        var begun: [UInt8] = []
        let now = NIODeadline.now()
        while let (order, promise) = queue.waiting.first, queue.nextTurn <= now,
            let identifier = queue.freeIdentifier()
        {
            queue.waiting.removeFirst()
            do throws(Unsendable) {
                queue.pending[identifier] = try pending(order, identifier: identifier, promise)
                begun.append(identifier)
                // What was not used in the last tenth of a second may be made up for: timers are not that exact.
                let interval = TimeAmount.nanoseconds(
                    1_000_000_000 / Int64(order.request.nas.profile.requestsPerSecond))
                queue.nextTurn = max(queue.nextTurn, now - .milliseconds(100)) + interval
            } catch {
                promise.succeed(DisconnectOutcome(result: .notSent(error.reason), attempts: 0))
            }
        }
        let this = NIOLoopBound(self, eventLoop: eventLoop)
        if !queue.waiting.isEmpty, queue.pending.count < 256, !queue.isScheduled {
            queue.isScheduled = true
            eventLoop.scheduleTask(deadline: queue.nextTurn) {
                this.value.clients[address]?.isScheduled = false
                this.value.drain(address)
            }
        }
        // A NAS's last request takes its queue along, and with it the identifier that comes next: a fresh start at
        // random is as good.
        clients[address] = queue.pending.isEmpty && queue.waiting.isEmpty && queue.nextTurn <= now ? nil : queue
        for identifier in begun { attempt(identifier, at: address) }
    }

    private struct Unsendable: Error { let reason: String }

    private func pending(
        _ order: Order, identifier: UInt8, _ promise: EventLoopPromise<DisconnectOutcome>
    ) throws(Unsendable) -> Pending {
        let nas = order.request.nas
        let attributes = nas.sessionAttributes.compactMap { attribute($0, of: order.request) }
        guard nas.sessionAttributes.contains(where: { $0.namesSession && attribute($0, of: order.request) != nil })
        else {
            let names = nas.sessionAttributes.filter(\.namesSession).map(\.rawValue).joined(separator: ", ")
            throw Unsendable(reason: "the NAS wants \(names), and this session has none of it")
        }
        let kind: DisconnectMessage.Kind = order.changes == nil ? .disconnect : .change
        let port = order.changes == nil ? nas.disconnectPort : nas.profile.changePort ?? nas.disconnectPort
        do {
            let packet = try DisconnectMessage(kind: kind, attributes: attributes, changes: order.changes ?? [])
                .encoded(identifier: identifier, secret: order.request.secret)
            return Pending(
                packet: packet, kind: kind, authenticator: try Header(decoding: packet.span).authenticator,
                secret: order.request.secret,
                socket: try SocketAddress(ipAddress: "\(nas.address)", port: Int(port)), promise: promise,
                profile: nas.profile)
        } catch {
            throw Unsendable(reason: "the request could not be made: \(error)")
        }
    }

    /// The attribute with this session's value; `nil` where it has none.
    private func attribute(
        _ name: NAS.SessionAttribute, of request: DisconnectRequest
    ) -> DisconnectMessage.Attribute? {
        switch name {
        case .messageAuthenticator: .messageAuthenticator
        case .imsi: .imsi(request.imsi)
        case .nsapi: request.nsapi.map(DisconnectMessage.Attribute.nsapi)
        case .accountingSessionID: request.accountingSessionID.map(DisconnectMessage.Attribute.accountingSessionID)
        case .apn: .apn(request.apn)
        case .address:
            // One without IPv4 is named by its prefix (RFC 5176 §3).
            request.address.map(DisconnectMessage.Attribute.address)
                ?? request.prefix.map(DisconnectMessage.Attribute.prefix)
        case .msisdn: request.msisdn.map(DisconnectMessage.Attribute.msisdn)
        case .userName: .userName(request.imsi)
        case .token: request.token.map(DisconnectMessage.Attribute.token)
        case .chargingID: request.chargingID.map(DisconnectMessage.Attribute.chargingID)
        case .nasAddress: .nasAddress(request.nas.address)
        case .teardown: .teardown
        case .eventTimestamp: .eventTimestamp(UInt32(clamping: now().milliseconds / 1000))
        }
    }

    /// Sends the datagram and, when no answer comes, the same again: same identifier, same octets (RFC 5176 §2.3).
    private func attempt(_ identifier: UInt8, at address: IPv4Address) {
        guard let context, var pending = clients[address]?.pending[identifier] else { return }
        guard let wait = pending.wait else { return finish(identifier, at: address, .noAnswer) }
        var buffer = context.channel.allocator.buffer(capacity: pending.packet.count)
        buffer.writeBytes(pending.packet)
        context.writeAndFlush(
            wrapOutboundOut(AddressedEnvelope(remoteAddress: pending.socket, data: buffer)), promise: nil)
        sent.increment()
        let this = NIOLoopBound(self, eventLoop: eventLoop)
        pending.timer = eventLoop.scheduleTask(in: wait) { this.value.attempt(identifier, at: address) }
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
            guard let pending = queue.pending[answer.identifier], pending.kind == answer.kind else {
                throw PacketError.authenticatorWrong
            }
            finish(answer.identifier, at: source.address, Self.result(answer))
        } catch {
            drops.count(.malformed(error.label))
        }
    }

    private static func result(_ answer: DisconnectAnswer) -> DisconnectOutcome.Result {
        if answer.errorCause?.meansNoSession == true { return .contextNotFound }
        return answer.isAcknowledged ? .acknowledged : .refused(errorCause: answer.errorCause)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A NAS that is not there answers with ICMP; the request's own time-out tells the caller.
        logger.debug("disconnect socket", metadata: ["error": "\(error)"])
    }

    private func finish(_ identifier: UInt8, at address: IPv4Address, _ result: DisconnectOutcome.Result) {
        guard let pending = clients[address]?.pending.removeValue(forKey: identifier) else { return }
        pending.timer?.cancel()
        pending.promise.succeed(DisconnectOutcome(result: result, attempts: pending.attempts))
        drain(address)
    }
}
