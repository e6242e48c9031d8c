import TestSupport
import Testing
import VICI

@Suite struct ConversationTests {
    private static func sent(_ packet: Packet) throws -> Conversation.Action { .send(try packet.encoded()) }

    private static func message(_ value: String) -> Message {
        var message = Message()
        message.append("value", value)
        return message
    }

    private static func success(_ message: Message = Message(), events: [Message] = []) -> Result<
        Conversation.Reply, ConversationError
    > { .success(Conversation.Reply(message: message, events: events)) }

    private static func command(_ name: String, stream: String? = nil) -> Conversation.Request {
        .command(name: name, Message(), stream: stream)
    }

    private static func request(_ name: String) throws -> Conversation.Action {
        try sent(.commandRequest(name: name, Message()))
    }

    @Test func `one request is with the daemon at a time, the others wait in their order`() throws {
        var conversation = Conversation()
        #expect(try conversation.submit(Self.command("version"), as: 1) == [Self.request("version")])
        #expect(conversation.submit(Self.command("stats"), as: 2) == [])
        #expect(conversation.submit(Self.command("get-conns"), as: 3) == [])
        #expect(conversation.waitingCount == 2)
        let answer = Self.message("1")
        #expect(
            try conversation.receive(Packet.commandResponse(answer).encoded())
                == [.complete(1, Self.success(answer)), Self.request("stats")])
        #expect(
            try conversation.receive(Packet.commandUnknown.encoded())
                == [.complete(2, .failure(.unknownCommand("stats"))), Self.request("get-conns")])
        #expect(
            try conversation.receive(Packet.commandResponse(Message()).encoded()) == [.complete(3, Self.success())])
        #expect(conversation.isIdle)
    }

    @Test func `a streamed command is sent when its event is confirmed, and answered with its events`() throws {
        var conversation = Conversation()
        let list = Self.command("list-sas", stream: "list-sa")
        #expect(try conversation.submit(list, as: 1) == [Self.sent(.eventRegister(name: "list-sa"))])
        #expect(try conversation.receive(Packet.eventConfirm.encoded()) == [Self.request("list-sas")])
        let events = [Self.message("a"), Self.message("b")]
        for event in events {
            #expect(try conversation.receive(Packet.event(name: "list-sa", event).encoded()) == [])
        }
        #expect(
            try conversation.receive(Packet.commandResponse(Message()).encoded())
                == [.complete(1, Self.success(events: events))])
        // Registered already.
        #expect(try conversation.submit(list, as: 2) == [Self.request("list-sas")])
        #expect(
            try conversation.receive(Packet.commandResponse(Message()).encoded()) == [.complete(2, Self.success())])
    }

    @Test func `a stream that the daemon does not know is the command's failure`() throws {
        var conversation = Conversation()
        _ = conversation.submit(Self.command("list-sas", stream: "list-sa"), as: 1)
        #expect(
            try conversation.receive(Packet.eventUnknown.encoded())
                == [.complete(1, .failure(.unknownEvent("list-sa")))])
    }

    @Test func `events are delivered from the registration on, also before its confirmation`() throws {
        var conversation = Conversation()
        #expect(
            try conversation.submit(.register(event: "log"), as: 1) == [Self.sent(.eventRegister(name: "log"))])
        let event = try Packet.event(name: "log", Self.message("x")).encoded()
        let delivered = Conversation.Action.deliver(event: "log", Self.message("x"))
        #expect(conversation.receive(event) == [delivered])
        #expect(try conversation.receive(Packet.eventConfirm.encoded()) == [.complete(1, Self.success())])
        _ = conversation.submit(Self.command("version"), as: 2)
        #expect(conversation.receive(event) == [delivered])
        _ = try conversation.receive(Packet.commandResponse(Message()).encoded())
        #expect(
            try conversation.submit(.unregister(event: "log"), as: 3) == [Self.sent(.eventUnregister(name: "log"))])
        #expect(conversation.receive(event) == [delivered])
        #expect(try conversation.receive(Packet.eventConfirm.encoded()) == [.complete(3, Self.success())])
        #expect(conversation.receive(event) == [])
    }

    @Test func `an unknown event is told, and not delivered`() throws {
        var conversation = Conversation()
        _ = conversation.submit(.register(event: "nonsense"), as: 1)
        #expect(
            try conversation.receive(Packet.eventUnknown.encoded())
                == [.complete(1, .failure(.unknownEvent("nonsense")))])
        #expect(try conversation.receive(Packet.event(name: "nonsense", Message()).encoded()) == [])
    }

    @Test func `the end fails what waits, and says what had been sent`() throws {
        var conversation = Conversation()
        for id in 1...3 { _ = conversation.submit(Self.command("stats"), as: UInt64(id)) }
        #expect(
            conversation.end() == [
                .complete(1, .failure(.lost(wasSent: true))), .complete(2, .failure(.lost(wasSent: false))),
                .complete(3, .failure(.lost(wasSent: false))),
            ])
        #expect(conversation.end() == [])
        #expect(conversation.submit(Self.command("stats"), as: 4) == [.complete(4, .failure(.lost(wasSent: false)))])
        #expect(try conversation.receive(Packet.eventConfirm.encoded()) == [])
    }

    @Test func `a request that waits can be withdrawn, one that was sent cannot`() throws {
        var conversation = Conversation()
        for id in 1...3 { _ = conversation.submit(Self.command("\(id)"), as: UInt64(id)) }
        #expect(conversation.withdraw(1) == [])
        #expect(conversation.withdraw(2) == [.complete(2, .failure(.withdrawn))])
        #expect(conversation.withdraw(2) == [])
        #expect(
            try conversation.receive(Packet.commandResponse(Message()).encoded())
                == [.complete(1, Self.success()), Self.request("3")])
    }

    @Test func `a request that does not fit fails alone`() throws {
        var conversation = Conversation()
        var message = Message()
        message.append("k", octets: [UInt8](repeating: 0, count: 65536))
        #expect(
            conversation.submit(.command(name: "load-cert", message), as: 1)
                == [.complete(1, .failure(.unencodable(.valueLength(65536))))])
        #expect(try conversation.submit(Self.command("version"), as: 2) == [Self.request("version")])
        _ = conversation.submit(.command(name: "load-cert", message), as: 3)
        _ = conversation.submit(Self.command("stats"), as: 4)
        #expect(
            try conversation.receive(Packet.commandResponse(Message()).encoded()) == [
                .complete(2, Self.success()), .complete(3, .failure(.unencodable(.valueLength(65536)))),
                Self.request("stats"),
            ])
    }

    @Test func `more than 4096 do not wait`() {
        var conversation = Conversation()
        for id in 0...UInt64(Conversation.maximumWaiting) { _ = conversation.submit(Self.command("stats"), as: id) }
        #expect(conversation.waitingCount == Conversation.maximumWaiting)
        #expect(conversation.submit(Self.command("stats"), as: 9999) == [.complete(9999, .failure(.tooManyWaiting))])
    }

    @Test(arguments: [
        Packet.commandResponse(Message()), .commandUnknown, .eventConfirm, .eventUnknown,
        .commandRequest(name: "version", Message()), .eventRegister(name: "log"), .eventUnregister(name: "log"),
    ])
    func `a packet that answers nothing closes the connection`(_ packet: Packet) throws {
        var conversation = Conversation()
        #expect(
            try conversation.receive(packet.encoded()) == [.close(.unexpectedPacket(type: packet.type))])
    }

    @Test(arguments: [Packet.eventConfirm, .eventUnknown])
    func `a confirmation does not answer a command`(_ packet: Packet) throws {
        var conversation = Conversation()
        _ = conversation.submit(Self.command("version"), as: 1)
        #expect(
            try conversation.receive(packet.encoded()) == [
                .complete(1, .failure(.lost(wasSent: true))), .close(.unexpectedPacket(type: packet.type)),
            ])
    }

    @Test func `a response does not answer a stream's registration`() throws {
        var conversation = Conversation()
        _ = conversation.submit(Self.command("list-sas", stream: "list-sa"), as: 1)
        #expect(
            try conversation.receive(Packet.commandResponse(Message()).encoded()) == [
                .complete(1, .failure(.lost(wasSent: true))), .close(.unexpectedPacket(type: 1)),
            ])
    }

    @Test func `what is no packet closes the connection after those before it`() throws {
        var conversation = Conversation()
        _ = conversation.submit(Self.command("version"), as: 1)
        _ = conversation.submit(Self.command("stats"), as: 2)
        let octets = try Packet.commandResponse(Message()).encoded() + [0, 0, 0, 1, 9, 1, 2, 3]
        #expect(
            try conversation.receive(octets) == [
                .complete(1, Self.success()), Self.request("stats"), .complete(2, .failure(.lost(wasSent: true))),
                .close(.malformed(.packetType(9))),
            ])
        #expect(conversation.receive([1, 2, 3]) == [])
    }

    @Test func `a stream without end closes the connection`() throws {
        var conversation = Conversation()
        _ = conversation.submit(Self.command("list-sas", stream: "list-sa"), as: 1)
        _ = try conversation.receive(Packet.eventConfirm.encoded())
        var message = Message()
        for _ in 0..<8 { message.append("k", octets: [UInt8](repeating: 7, count: 65000)) }
        let event = try Packet.event(name: "list-sa", message).encoded()
        var actions: [Conversation.Action] = []
        var octets = 0
        while actions.isEmpty, octets <= Conversation.maximumStream {
            actions = conversation.receive(event)
            octets += event.count
        }
        #expect(actions == [.complete(1, .failure(.lost(wasSent: true))), .close(.streamTooLong)])
    }

    /// A daemon that answers each request in its turn, in pieces, with events between them.
    @Test func `every request is completed once, in its order, whatever comes between`() throws {
        try forAll(200) { random in
            var conversation = Conversation()
            var daemon = FrameReader()
            var submitted: UInt64 = 0
            var completed: [UInt64] = []
            func perform(_ actions: [Conversation.Action]) {
                for action in actions {
                    switch action {
                    case .send(let octets): daemon.append(octets)
                    case .complete(let id, _): completed.append(id)
                    case .deliver: break
                    case .close(let reason): Issue.record("closed: \(reason), seed \(random.seed)")
                    }
                }
            }
            for _ in 0..<Int.random(in: 1...60, using: &random) {
                if random.oneIn(2) {
                    submitted += 1
                    let requests: [Conversation.Request] = [
                        Self.command("version"), Self.command("list-sas", stream: "list-sa"),
                        .register(event: "ike-updown"), .unregister(event: "ike-updown"),
                    ]
                    perform(conversation.submit(requests.randomElement(using: &random) ?? requests[0], as: submitted))
                }
                guard let request = try daemon.next() else { continue }
                var answer: [UInt8] = []
                for _ in 0..<Int.random(in: 0...2, using: &random) {
                    let name = random.pick("list-sa", "ike-updown", "other")
                    answer += try Packet.event(name: name, random.message(depth: 1)).encoded()
                }
                if case .commandRequest = request {
                    let answers = [Packet.commandResponse(Message()), .commandUnknown]
                    answer += try (answers.randomElement(using: &random) ?? answers[0]).encoded()
                } else {
                    answer += try (random.oneIn(4) ? Packet.eventUnknown : .eventConfirm).encoded()
                }
                while !answer.isEmpty {
                    let count = Int.random(in: 1...answer.count, using: &random)
                    perform(conversation.receive(answer.prefix(count)))
                    answer.removeFirst(count)
                }
            }
            perform(conversation.end())
            #expect(completed == Array(1..<submitted + 1), "seed \(random.seed)")
        }
    }
}
