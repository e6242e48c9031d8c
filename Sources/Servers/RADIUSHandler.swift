import Control
import Domain
import Logging
import Metrics
import NIOCore
import RADIUS

/// One socket of RADIUS authentication or accounting. Everything here happens on the socket's event loop, except the
/// decision, which is the engine's: a request leaves the loop once and its answer comes back once.
final class RADIUSHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    enum Role: String, Sendable {
        case authentication
        case accounting
    }

    private let role: Role
    private let control: ControlPlane
    private let answers: AnswerAttributes
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let metrics: RADIUSMetrics
    private var drops: DropCounters
    private var cache = DuplicateCache()
    private var context: ChannelHandlerContext?
    private var hasUnflushed = false
    private var isReading = false

    init(
        role: Role, control: ControlPlane, answers: AnswerAttributes, eventLoop: any EventLoop, logger: Logger
    ) {
        self.role = role
        self.control = control
        self.answers = answers
        self.eventLoop = eventLoop
        self.logger = logger
        metrics = RADIUSMetrics(service: role.rawValue)
        drops = DropCounters(service: role.rawValue)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        let envelope = unwrapInboundIn(data)
        metrics.requests.increment()
        guard let source = envelope.remoteAddress.ipv4, let client = control.radiusClient(at: source.address) else {
            return drops.count(.unknownNAS)
        }
        let peer = Peer(socket: envelope.remoteAddress, address: source.address, port: source.port, client: client)
        do throws(PacketError) {
            switch role {
            case .authentication: try authenticate(envelope.data.readableBytesUInt8Span, from: peer)
            case .accounting: try account(envelope.data.readableBytesUInt8Span, from: peer)
            }
        } catch {
            drops.count(.malformed(error.label))
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flush()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A datagram socket reports what became of earlier datagrams (an ICMP error, a full buffer): it stays usable.
        logger.debug("RADIUS socket", metadata: ["service": "\(role.rawValue)", "error": "\(error)"])
    }

    // MARK: Requests

    private struct Peer {
        let socket: SocketAddress
        let address: IPv4Address
        let port: UInt16
        let client: ControlPlane.RADIUSClient
    }

    private func authenticate(_ bytes: Span<UInt8>, from peer: Peer) throws(PacketError) {
        let request = try AccessRequest(decoding: bytes)
        let nas = peer.client.nas
        try request.verify(
            bytes, secret: peer.client.secret, requiringMessageAuthenticator: nas.requiresMessageAuthenticator)
        if !request.hasMessageAuthenticator { metrics.unprotected.increment() }
        guard let key = admit(request.header, from: peer) else { return }
        let this = NIOLoopBound(self, eventLoop: eventLoop)
        let echo = request.echo(in: bytes)
        let isTaken = control.attach(request.attachRequest(from: nas.id, in: bytes)) { [eventLoop] verdict in
            eventLoop.execute { this.value.answer(echo, with: verdict, to: peer, key) }
        }
        if !isTaken { shed(key) }
    }

    private func account(_ bytes: Span<UInt8>, from peer: Peer) throws(PacketError) {
        let request = try AccountingRequest(decoding: bytes)
        try request.verify(bytes, secret: peer.client.secret)
        guard let key = admit(request.header, from: peer) else { return }
        let this = NIOLoopBound(self, eventLoop: eventLoop)
        let echo = request.echo(in: bytes)
        let report = request.report(from: peer.client.nas.id, received: control.now(), in: bytes)
        let isTaken = control.account(report) { [eventLoop] isDurable in
            eventLoop.execute { this.value.answer(echo, isDurable: isDurable, to: peer, key) }
        }
        if !isTaken { shed(key) }
    }

    /// - Returns: `nil` for a request that was seen before: it has its answer, or will get it.
    private func admit(_ header: Header, from peer: Peer) -> DuplicateCache.Key? {
        let key = DuplicateCache.Key(address: peer.address, port: peer.port, header: header)
        switch cache.look(for: key, at: .now) {
        case .new: return key
        case .inProgress:
            drops.count(.duplicateInProgress)
            return nil
        case .answered(let octets):
            metrics.repeated.increment()
            write(octets, to: peer)
            return nil
        }
    }

    private func shed(_ key: DuplicateCache.Key) {
        cache.forget(key)
        drops.count(.shed)
    }

    // MARK: Answers

    private func answer(
        _ request: Echo<AccessRequest>, with verdict: AttachVerdict, to peer: Peer, _ key: DuplicateCache.Key
    ) {
        switch verdict {
        case .accept(let address, let token):
            let accept = AccessAccept(
                address: address, token: token, dnsServers: answers.dnsServers,
                interimSeconds: peer.client.nas.profile.interimSeconds)
            send(accept, answering: request, to: peer, key)
        case .acceptIPv6(let prefixes, let address, let token):
            let accept = AccessAccept(
                address: address, token: token, dnsServers: answers.dnsServers,
                interimSeconds: peer.client.nas.profile.interimSeconds, prefixes: prefixes,
                dnsServers6: answers.dnsServers6)
            send(accept, answering: request, to: peer, key)
        case .reject(let reason):
            send(to: peer, key, metrics.rejects) { secret throws(PacketError) in
                try AccessReject(reason: reason).encoded(answering: request, secret: secret)
            }
        case .noAnswer:
            cache.forget(key)
            drops.count(.undecided)
        }
    }

    private func answer(
        _ request: Echo<AccountingRequest>, isDurable: Bool, to peer: Peer, _ key: DuplicateCache.Key
    ) {
        guard isDurable else {
            cache.forget(key)
            return drops.count(.undecided)
        }
        send(to: peer, key, metrics.responses) { secret throws(PacketError) in
            try AccountingResponse().encoded(answering: request, secret: secret)
        }
    }

    private func send(
        _ accept: AccessAccept, answering request: Echo<AccessRequest>, to peer: Peer, _ key: DuplicateCache.Key
    ) {
        send(to: peer, key, metrics.accepts) { secret throws(PacketError) in
            try accept.encoded(answering: request, secret: secret)
        }
    }

    private func send(
        to peer: Peer, _ key: DuplicateCache.Key, _ counter: Counter,
        _ encode: (Secret) throws(PacketError) -> [UInt8]
    ) {
        do throws(PacketError) {
            let octets = try encode(peer.client.secret)
            cache.answer(key, with: octets)
            write(octets, to: peer)
            counter.increment()
        } catch {
            cache.forget(key)
            drops.count(.unencodable)
        }
    }

    private func write(_ octets: [UInt8], to peer: Peer) {
        guard let context else { return }
        var buffer = context.channel.allocator.buffer(capacity: octets.count)
        buffer.writeBytes(octets)
        context.write(
            wrapOutboundOut(AddressedEnvelope(remoteAddress: peer.socket, data: buffer)), promise: nil)
        guard !hasUnflushed else { return }
        hasUnflushed = true
        guard !isReading else { return }
        // A batch of the engine completes many requests at once: what is written until the loop comes round goes out
        // in one system call.
        let this = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute { this.value.flush() }
    }

    private func flush() {
        guard hasUnflushed else { return }
        hasUnflushed = false
        context?.flush()
    }
}

/// Counters of one service; every socket of it counts into the same.
struct RADIUSMetrics {
    let requests: Counter
    let repeated: Counter
    /// Requests without Message-Authenticator from a NAS that is excepted from sending one.
    let unprotected: Counter
    let accepts: Counter
    let rejects: Counter
    let responses: Counter

    init(service: String) {
        let dimensions = [("service", service)]
        requests = Counter(label: "cordon_radius_requests_total", dimensions: dimensions)
        repeated = Counter(label: "cordon_radius_duplicates_answered_total", dimensions: dimensions)
        unprotected = Counter(label: "cordon_radius_unprotected_requests_total", dimensions: dimensions)
        let answer = { (kind: String) in
            Counter(label: "cordon_radius_answers_total", dimensions: dimensions + [("answer", kind)])
        }
        accepts = answer("accept")
        rejects = answer("reject")
        responses = answer("response")
    }
}
