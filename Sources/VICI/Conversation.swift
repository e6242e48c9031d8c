/// One connection to the daemon, without its socket: requests and received octets go in, and what to do comes out.
///
/// The protocol has no numbers to tell answers apart, so one request is with the daemon at a time and the others wait
/// in their order. An `initiate` that waits for its result holds up those behind it; whoever wants several at once
/// opens several connections, or gives a timeout of -1 and follows the events. Events come at any time, also before
/// the confirmation of their registration. Nothing here knows the time: a deadline is the caller's, which withdraws
/// the request, or closes the connection when the daemon has it.
package struct Conversation: Sendable {
    /// Named by the caller, each once on a connection.
    package typealias RequestID = UInt64

    package enum Request: Hashable, Sendable {
        /// - Parameter stream: the event whose messages belong to the answer, such as `list-sa`.
        case command(name: String, Message, stream: String? = nil)
        case register(event: String)
        case unregister(event: String)
    }

    /// What the caller does, in this order.
    package enum Action: Hashable, Sendable {
        case send([UInt8])
        case complete(RequestID, Result<Reply, ConversationError>)
        case deliver(event: String, Message)
        /// Nothing more comes of this connection.
        case close(ConversationError)
    }

    /// An answer, and the streamed events that came before it.
    package struct Reply: Hashable, Sendable {
        package let message: Message
        package let events: [Message]

        package init(message: Message = Message(), events: [Message] = []) {
            self.message = message
            self.events = events
        }
    }

    package static let maximumWaiting = 4096
    /// Octets of one command's streamed events: about 40 000 associations.
    package static let maximumStream = 64 * 1024 * 1024

    private struct Active {
        let id: RequestID
        let request: Request
        /// The command itself is sent when its stream is confirmed.
        var isRegisteringStream = false
        var events: [Message] = []
        var octets = 0
    }

    private var reader = FrameReader()
    private var active: Active?
    private var waiting: [(id: RequestID, request: Request)] = []
    private var nextWaiting = 0
    private var subscriptions: Set<String> = []
    private var streams: Set<String> = []
    private var isClosed = false

    package init() {}

    /// Requests that the daemon has not been sent.
    package var waitingCount: Int { waiting.count - nextWaiting }
    package var isIdle: Bool { active == nil && waitingCount == 0 }

    // MARK: Inputs

    package mutating func submit(_ request: Request, as id: RequestID) -> [Action] {
        guard !isClosed else { return [.complete(id, .failure(.lost(wasSent: false)))] }
        guard waitingCount < Self.maximumWaiting else { return [.complete(id, .failure(.tooManyWaiting))] }
        waiting.append((id, request))
        return sendNext()
    }

    /// Forgets a request that the daemon has not been sent; one that it has is answered in its time.
    package mutating func withdraw(_ id: RequestID) -> [Action] {
        guard let index = waiting[nextWaiting...].firstIndex(where: { $0.id == id }) else { return [] }
        waiting.remove(at: index)
        return [.complete(id, .failure(.withdrawn))]
    }

    package mutating func receive(_ bytes: some Sequence<UInt8>) -> [Action] {
        guard !isClosed else { return [] }
        reader.append(bytes)
        var actions: [Action] = []
        do throws(ConversationError) {
            while let (packet, octets) = try nextPacket() {
                try take(packet, octets: octets, &actions)
            }
        } catch {
            actions += end()
            actions.append(.close(error))
        }
        return actions
    }

    /// The connection has ended, or the caller ends it. Of a request that had been sent nobody knows whether it was
    /// done.
    package mutating func end() -> [Action] {
        guard !isClosed else { return [] }
        isClosed = true
        var actions: [Action] = []
        if let active { actions.append(.complete(active.id, .failure(.lost(wasSent: true)))) }
        for (id, _) in waiting[nextWaiting...] { actions.append(.complete(id, .failure(.lost(wasSent: false)))) }
        active = nil
        waiting = []
        nextWaiting = 0
        return actions
    }

    // MARK: Transitions

    private mutating func nextPacket() throws(ConversationError) -> (Packet, octets: Int)? {
        let before = reader.waiting
        do throws(WireError) {
            return try reader.next().map { ($0, before - reader.waiting) }
        } catch {
            throw .malformed(error)
        }
    }

    private mutating func take(_ packet: Packet, octets: Int, _ actions: inout [Action]) throws(ConversationError) {
        switch packet {
        case .event(let name, let message): try take(event: name, message, octets: octets, &actions)
        case .commandResponse(let message):
            guard let current = active, case .command = current.request, !current.isRegisteringStream else {
                throw .unexpectedPacket(type: packet.type)
            }
            finish(current, .success(Reply(message: message, events: current.events)), &actions)
        case .commandUnknown:
            guard let current = active, case .command(let name, _, _) = current.request, !current.isRegisteringStream
            else { throw .unexpectedPacket(type: packet.type) }
            finish(current, .failure(.unknownCommand(name)), &actions)
        case .eventConfirm, .eventUnknown:
            try takeRegistration(isConfirmed: packet == .eventConfirm, &actions)
        case .commandRequest, .eventRegister, .eventUnregister: throw .unexpectedPacket(type: packet.type)
        }
    }

    private mutating func take(
        event name: String, _ message: Message, octets: Int, _ actions: inout [Action]
    ) throws(ConversationError) {
        if var current = active, case .command(_, _, name) = current.request {
            // Taken out while it changes, so that its array is not copied.
            active = nil
            current.events.append(message)
            current.octets += octets
            let isTooLong = current.octets > Self.maximumStream
            active = current
            if isTooLong { throw .streamTooLong }
        } else if subscriptions.contains(name) {
            actions.append(.deliver(event: name, message))
        }
    }

    private mutating func takeRegistration(isConfirmed: Bool, _ actions: inout [Action]) throws(ConversationError) {
        let type: UInt8 = isConfirmed ? 5 : 6
        guard let current = active else { throw .unexpectedPacket(type: type) }
        switch current.request {
        case .command(let name, let message, let stream):
            guard current.isRegisteringStream, let stream else { throw .unexpectedPacket(type: type) }
            guard isConfirmed else {
                finish(current, .failure(.unknownEvent(stream)), &actions)
                return
            }
            streams.insert(stream)
            active?.isRegisteringStream = false
            send(.commandRequest(name: name, message), of: current, &actions)
        case .register(let event):
            if !isConfirmed { subscriptions.remove(event) }
            finish(current, isConfirmed ? .success(Reply()) : .failure(.unknownEvent(event)), &actions)
        case .unregister(let event):
            subscriptions.remove(event)
            streams.remove(event)
            finish(current, isConfirmed ? .success(Reply()) : .failure(.unknownEvent(event)), &actions)
        }
    }

    private mutating func finish(
        _ current: Active, _ result: Result<Reply, ConversationError>, _ actions: inout [Action]
    ) {
        active = nil
        actions.append(.complete(current.id, result))
        actions += sendNext()
    }

    private mutating func sendNext() -> [Action] {
        var actions: [Action] = []
        while active == nil, nextWaiting < waiting.count {
            let (id, request) = waiting[nextWaiting]
            nextWaiting += 1
            if nextWaiting == waiting.count || nextWaiting >= 64 {
                waiting.removeFirst(nextWaiting)
                nextWaiting = 0
            }
            start(Active(id: id, request: request), &actions)
        }
        return actions
    }

    private mutating func start(_ next: Active, _ actions: inout [Action]) {
        active = next
        switch next.request {
        case .command(_, _, let stream?) where !streams.contains(stream):
            active?.isRegisteringStream = true
            send(.eventRegister(name: stream), of: next, &actions)
        case .command(let name, let message, _): send(.commandRequest(name: name, message), of: next, &actions)
        case .register(let event):
            // From now on, since events may overtake the confirmation.
            subscriptions.insert(event)
            send(.eventRegister(name: event), of: next, &actions)
        case .unregister(let event): send(.eventUnregister(name: event), of: next, &actions)
        }
    }

    private mutating func send(_ packet: Packet, of current: Active, _ actions: inout [Action]) {
        do throws(WireError) {
            actions.append(.send(try packet.encoded()))
        } catch {
            if case .register(let event) = current.request { subscriptions.remove(event) }
            active = nil
            actions.append(.complete(current.id, .failure(.unencodable(error))))
        }
    }
}
