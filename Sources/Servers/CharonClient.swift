package import Logging
import NIOCore
package import NIOPosix
import ServiceLifecycle
import Synchronization
package import VICI

/// The connection to strongSwan's charon, over its vici socket. Opened again when it ends, as it does whenever charon does.
package final class CharonClient: IKEDaemon, Service {
    private let socketPath: String
    private let group: MultiThreadedEventLoopGroup
    private let logger: Logger

    private struct State {
        var channel: (any Channel, NIOLoopBound<CharonHandler>)?
        var listeners: [Int: AsyncStream<IKEDaemonEvent>.Continuation] = [:]
        var nextListener = 0
        /// What the daemon calls the private key of each VPN that has one.
        var privateKeys: [String: String] = [:]
    }

    private let state = Mutex(State())

    /// Between two attempts to connect. charon opens its socket some hundred milliseconds after its start.
    private static let retryInterval = Duration.milliseconds(50)

    package init(socketPath: String, group: MultiThreadedEventLoopGroup, logger: Logger) {
        self.socketPath = socketPath
        self.group = group
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                // One that cannot be opened is tried again, for as long as this runs.
                if let channel = try? await self.connect() {
                    self.logger.info("connected to the IKE daemon")
                    self.tell(.reconnected)
                    try? await channel.closeOnShutdown()
                    self.state.withLock { ($0.channel, $0.privateKeys) = (nil, [:]) }
                    self.tell(.disconnected)
                    if !Task.isCancelled { self.logger.warning("the connection to the IKE daemon has ended") }
                }
                do { try await Task.sleep(for: Self.retryInterval) } catch { break }
            }
        }
        for listener in state.withLock({ Array($0.listeners.values) }) { listener.finish() }
    }

    private func connect() async throws -> any Channel {
        let loop = group.next()
        let handler = try await loop.submit {
            NIOLoopBound(CharonHandler(eventLoop: loop) { event in self.tell(.changed(event)) }, eventLoop: loop)
        }.get()
        let channel = try await ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler.value) }
            }
            .connect(unixDomainSocketPath: socketPath).get()
        do {
            for event in DaemonEvent.Name.states + [.log] {
                _ = try await ask(.register(event: event.rawValue), on: channel, handler)
            }
        } catch {
            try? await channel.close()
            throw error
        }
        state.withLock { $0.channel = (channel, handler) }
        return channel
    }

    private func tell(_ event: IKEDaemonEvent) {
        for listener in state.withLock({ Array($0.listeners.values) }) { listener.yield(event) }
    }

    package func events() -> AsyncStream<IKEDaemonEvent> {
        let (stream, continuation) = AsyncStream<IKEDaemonEvent>.makeStream()
        let number = state.withLock { state in
            state.nextListener += 1
            state.listeners[state.nextListener] = continuation
            // Who comes late is told how things are.
            if state.channel != nil { continuation.yield(.reconnected) }
            return state.nextListener
        }
        continuation.onTermination = { _ in self.state.withLock { $0.listeners[number] = nil } }
        return stream
    }

    // MARK: Requests

    private func ask(
        _ request: Conversation.Request, on channel: any Channel, _ handler: NIOLoopBound<CharonHandler>
    ) async throws(ConversationError) -> Conversation.Reply {
        let promise = channel.eventLoop.makePromise(of: Conversation.Reply.self)
        channel.eventLoop.execute { handler.value.submit(request, promise) }
        do { return try await promise.futureResult.get() } catch {
            throw error as? ConversationError ?? .lost(wasSent: true)
        }
    }

    private func send<Question: Command>(_ command: Question) async throws(IKEDaemonError) -> Question.Answer {
        guard let (channel, handler) = state.withLock({ $0.channel }) else {
            throw IKEDaemonError(.lost(wasSent: false), doing: Question.name)
        }
        let reply: Conversation.Reply
        do {
            reply = try await ask(command.request, on: channel, handler)
        } catch {
            throw IKEDaemonError(error, doing: Question.name)
        }
        do { return try command.answer(in: reply) } catch { throw IKEDaemonError(error, doing: Question.name) }
    }

    package func statistics() async throws(IKEDaemonError) -> DaemonStatistics { try await send(Commands.Statistics()) }
    package func loaded() async throws(IKEDaemonError) -> [String] { try await send(Commands.Connections()) }

    package func load(_ plan: TunnelPlan, _ secrets: TunnelSecrets) async throws(IKEDaemonError) {
        for key in secrets.keys { try await send(plan.secret(key.name, key.octets)) }
        var key: String?
        if let octets = secrets.privateKey { key = try await send(Commands.LoadKey(octets: octets)) }
        for (name, certificate) in secrets.authorities {
            try await send(Commands.LoadAuthority(name, certificate: certificate))
        }
        try await send(plan.connection)
        try await keep(key, of: plan.identifier)
    }

    /// Forgets the private key that the VPN had before, if it is another.
    private func keep(_ key: String?, of identifier: String) async throws(IKEDaemonError) {
        let old = state.withLock { state in
            let old = state.privateKeys[identifier]
            state.privateKeys[identifier] = key
            return old
        }
        if let old, old != key { try await forget(Commands.UnloadKey(old)) }
    }

    package func unload(
        _ identifier: String, secrets: [String], authorities: [String]
    ) async throws(IKEDaemonError) {
        try await forget(Commands.UnloadConnection(identifier))
        for secret in secrets { try await forget(Commands.UnloadShared(secret)) }
        try await keep(nil, of: identifier)
        for authority in authorities { try await forget(Commands.UnloadAuthority(authority)) }
        _ = try await terminate(identifier, force: true)
    }

    /// What is not there is refused, and forgotten already: the rest goes all the same.
    private func forget<Question: Command>(_ command: Question) async throws(IKEDaemonError)
    where Question.Answer == Void {
        do throws(IKEDaemonError) { try await send(command) } catch {
            guard error.code == .refused else { throw error }
        }
    }

    package func unload(secret: String) async throws(IKEDaemonError) { try await send(Commands.UnloadShared(secret)) }

    package func initiate(_ child: String, of identifier: String) async throws(IKEDaemonError) {
        _ = try await send(Commands.Initiate(child: child, ike: identifier, timeoutMilliseconds: nil, logLevel: -1))
    }

    @discardableResult
    package func terminate(_ identifier: String, force: Bool) async throws(IKEDaemonError) -> Int {
        try await send(
            Commands.Terminate(Commands.Selection(ike: identifier), force: force, timeoutMilliseconds: nil))
    }

    package func associations(of identifier: String?) async throws(IKEDaemonError) -> [IKEAssociation] {
        try await send(Commands.Associations(ike: identifier, skipsBusy: true))
    }
}

/// Does what the conversation says.
final class CharonHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var conversation = Conversation()
    private var promises: [Conversation.RequestID: EventLoopPromise<Conversation.Reply>] = [:]
    private var nextRequest: Conversation.RequestID = 0
    private var context: ChannelHandlerContext?
    private let eventLoop: any EventLoop
    private let deliver: (DaemonEvent) -> Void

    init(eventLoop: any EventLoop, deliver: @escaping (DaemonEvent) -> Void) {
        self.eventLoop = eventLoop
        self.deliver = deliver
    }

    func submit(_ request: Conversation.Request, _ promise: EventLoopPromise<Conversation.Reply>) {
        nextRequest += 1
        promises[nextRequest] = promise
        perform(conversation.submit(request, as: nextRequest))
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { end() }
    func channelInactive(context: ChannelHandlerContext) { end() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        perform(conversation.receive(unwrapInboundIn(data).readableBytesView))
    }

    private func end() {
        context = nil
        perform(conversation.end())
        for promise in promises.values { promise.fail(ConversationError.lost(wasSent: true)) }
        promises = [:]
    }

    private func perform(_ actions: [Conversation.Action]) {
        for action in actions {
            switch action {
            case .send(let octets):
                guard let context else { continue }
                context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: octets)), promise: nil)
            case .complete(let id, let result):
                let promise = promises.removeValue(forKey: id)
                switch result {
                case .success(let reply): promise?.succeed(reply)
                case .failure(let error): promise?.fail(error)
                }
            case .deliver(let event, let message):
                // What this version does not know is nothing to it.
                guard let name = DaemonEvent.Name(rawValue: event), let event = try? DaemonEvent(name, message) else {
                    continue
                }
                deliver(event)
            case .close: context?.close(promise: nil)
            }
        }
    }
}
