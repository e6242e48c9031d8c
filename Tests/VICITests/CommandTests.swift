import Testing
import VICI

@Suite struct CommandTests {
    private static func reply(_ capture: [UInt8], events: [[UInt8]] = []) throws -> Conversation.Reply {
        guard case .commandResponse(let message) = try Packet(decoding: capture.span) else {
            throw CommandError.malformed(key: "response")
        }
        return Conversation.Reply(
            message: message,
            events: try events.map {
                guard case .event(_, let message) = try Packet(decoding: $0.span) else {
                    throw CommandError.malformed(key: "event")
                }
                return message
            })
    }

    private static let yes = reply("success", "yes")

    private static func reply(_ pairs: String...) -> Conversation.Reply {
        var message = Message()
        for index in stride(from: 0, to: pairs.count - 1, by: 2) { message.append(pairs[index], pairs[index + 1]) }
        return Conversation.Reply(message: message)
    }

    struct Sent: Sendable {
        let name: String
        let text: String
        let request: Conversation.Request

        init<C: Command>(_ command: C, _ text: String) {
            name = C.name
            self.text = text
            request = command.request
        }
    }

    @Test(arguments: [
        Sent(Commands.Version(), ""),
        Sent(Commands.Statistics(), ""),
        Sent(Commands.ReloadSettings(), ""),
        Sent(
            Commands.Initiate(child: "vpn-17-2", ike: "vpn-17", timeoutMilliseconds: 5000),
            "child = vpn-17-2 ike = vpn-17 timeout = 5000 loglevel = 1"),
        Sent(
            Commands.Initiate(child: "vpn-17", timeoutMilliseconds: nil, logLevel: -1),
            "child = vpn-17 timeout = -1 loglevel = -1"),
        Sent(
            Commands.Terminate(.init(ike: "vpn-17"), timeoutMilliseconds: 0), "ike = vpn-17 timeout = 1 loglevel = -1"),
        Sent(
            Commands.Terminate(.init(ikeID: 4), force: true, timeoutMilliseconds: nil),
            "ike-id = 4 force = yes timeout = -1 loglevel = -1"),
        Sent(
            Commands.Terminate(.init(child: "vpn-17", childID: 9), timeoutMilliseconds: 100),
            "child = vpn-17 child-id = 9 timeout = 100 loglevel = -1"),
        Sent(Commands.Rekey(.init(ike: "vpn-17")), "ike = vpn-17"),
        Sent(Commands.Install(child: "vpn-17", ike: "vpn-17"), "child = vpn-17 ike = vpn-17"),
        Sent(Commands.Uninstall(child: "vpn-17"), "child = vpn-17"),
        Sent(Commands.LoadConnection("vpn-17", Message()), "vpn-17 {  }"),
        Sent(Commands.UnloadConnection("vpn-17"), "name = vpn-17"),
        Sent(
            Commands.LoadShared("vpn-17", secret: [1, 2, 3], owners: ["fqdn:a", "192.0.2.1"]),
            "id = vpn-17 type = IKE data = (3 octets) owners = [fqdn:a, 192.0.2.1]"),
        Sent(Commands.UnloadShared("vpn-17"), "id = vpn-17"),
        Sent(Commands.LoadKey(.ecdsa, octets: [1]), "type = ecdsa data = (1 octets)"),
        Sent(Commands.UnloadKey("00ff"), "id = 00ff"),
        Sent(Commands.LoadCertificate(octets: [1]), "type = X509 flag = NONE data = (1 octets)"),
        Sent(Commands.LoadCertificate(.authority, octets: [1]), "type = X509 flag = CA data = (1 octets)"),
        Sent(Commands.FlushCertificates(), "type = X509"),
        Sent(Commands.LoadAuthority("acme", certificate: [0x30, 0xff]), "acme { cacert = (2 octets) }"),
        Sent(Commands.UnloadAuthority("acme"), "name = acme"),
        Sent(Commands.ClearCredentials(), ""),
        Sent(Commands.Connections(), ""),
        Sent(Commands.SharedKeys(), ""),
        Sent(Commands.Keys(), ""),
        Sent(Commands.Authorities(), ""),
        Sent(
            Commands.Associations(ike: "vpn-17", child: "vpn-17-2", skipsBusy: true),
            "ike = vpn-17 child = vpn-17-2 noblock = yes"),
        Sent(Commands.LoadedConnections(ike: "vpn-17"), "ike = vpn-17"),
    ])
    func `says what is to be done`(_ sent: Sent) {
        guard case .command(let name, let message, let stream) = sent.request else {
            Issue.record("not a command")
            return
        }
        #expect(name == sent.name)
        #expect("\(message)" == sent.text)
        let isLogged = name == "initiate" && message["loglevel"] != "-1"
        let streams = ["list-sas": "list-sa", "list-conns": "list-conn", "initiate": isLogged ? "control-log" : nil]
        #expect(stream == streams[name] ?? nil)
    }

    @Test func `a refusal is thrown in the daemon's words`() throws {
        let words = "unknown option: nonsense, config discarded"
        #expect(throws: CommandError.refused(words: words)) {
            try Commands.LoadConnection("bad", Message()).answer(in: Self.reply(Captures.loadConnRefused))
        }
        try Commands.LoadConnection("good", Message()).answer(in: Self.yes)
        #expect(throws: CommandError.malformed(key: "success")) {
            try Commands.UnloadShared("x").answer(in: Conversation.Reply())
        }
    }

    @Test func `an attempt that failed brings its log`() throws {
        var line = Message()
        for (key, value) in [("group", "IKE"), ("level", "1"), ("ikesa-name", "vpn-1"), ("ikesa-uniqueid", "7")] {
            line.append(key, value)
        }
        line.append("msg", "received NO_PROPOSAL_CHOSEN notify error")
        let refused = try Self.reply(Captures.initiateRefused)
        let reply = Conversation.Reply(message: refused.message, events: [line, Message()])
        let expected = LogLine(
            group: "IKE", ikeName: "vpn-1", ikeID: 7, text: "received NO_PROPOSAL_CHOSEN notify error")
        let words = "establishing CHILD_SA 'vpn-1' failed"
        #expect(throws: CommandError.refused(words: words, log: [expected])) {
            try Commands.Initiate(child: "vpn-1", timeoutMilliseconds: nil).answer(in: reply)
        }
    }

    @Test func `nothing to end is no error`() throws {
        let terminate = Commands.Terminate(.init(ike: "vpn-1"), timeoutMilliseconds: 1)
        #expect(try terminate.answer(in: Self.reply(Captures.terminated)) == 2)
        #expect(try terminate.answer(in: Self.reply(Captures.nothingTerminated)) == 0)
        #expect(throws: CommandError.refused(words: "terminating SA failed")) {
            try terminate.answer(
                in: Self.reply("success", "no", "matches", "1", "terminated", "0", "errmsg", "terminating SA failed"))
        }
        #expect(throws: CommandError.refused(words: "missing terminate selector")) {
            try terminate.answer(in: Self.reply("success", "no", "errmsg", "missing terminate selector"))
        }
        #expect(throws: CommandError.malformed(key: "success")) { try terminate.answer(in: Conversation.Reply()) }
        #expect(try Commands.Rekey(.init(ike: "x")).answer(in: Self.reply("success", "yes", "matches", "1")) == 1)
        #expect(try Commands.Rekey(.init(ike: "x")).answer(in: Self.reply("success", "no", "matches", "0")) == 0)
    }

    @Test func `reads lists of names`() throws {
        #expect(try Commands.Connections().answer(in: Self.reply(Captures.getConns)) == ["vpn-1", "vpn-2"])
        #expect(throws: CommandError.malformed(key: "keys")) {
            try Commands.SharedKeys().answer(in: Conversation.Reply())
        }
    }

    @Test func `reads the daemon's statistics`() throws {
        let statistics = try Commands.Statistics().answer(in: Self.reply(Captures.stats))
        #expect(statistics.associations == 2)
        #expect(statistics.halfOpenAssociations == 0)
        #expect(statistics.workers == 16)
        #expect(statistics.idleWorkers > 0)
        #expect(statistics.hasUserSpaceESP)
        #expect(statistics.since.hasSuffix("2026"))
    }

    @Test func `reads the daemon's version`() throws {
        let reply = Self.reply("daemon", "charon-systemd", "version", "5.9.8", "sysname", "Linux", "release", "6.1")
        let version = try Commands.Version().answer(in: reply)
        #expect(version.daemon == "charon-systemd")
        #expect(version.version == "5.9.8")
        #expect(throws: CommandError.malformed(key: "daemon")) {
            try Commands.Version().answer(in: Conversation.Reply())
        }
    }

    @Test func `reads a connection as the daemon took it`() throws {
        let reply = Conversation.Reply(events: try Self.reply(Captures.getConns, events: [Captures.listConn]).events)
        let connection = try #require(try Commands.LoadedConnections().answer(in: reply).first)
        #expect(connection.name == "vpn-1")
        #expect(connection.localAddresses == ["192.0.2.1"])
        #expect(connection.remoteAddresses == ["192.0.2.11"])
        #expect(connection.localIdentity == "a.gw.test")
        #expect(connection.remoteIdentity == "192.0.2.11")
        #expect(connection.children.map(\.remoteSelectors) == [["10.0.0.0/24"]])
    }

    @Test func `filters associations by their children`() throws {
        let events = try Self.reply(Captures.getConns, events: [Captures.listSA]).events
        let reply = Conversation.Reply(events: events)
        #expect(try Commands.Associations().answer(in: reply).map(\.name) == ["vpn-1"])
        #expect(try Commands.Associations(child: "vpn-1").answer(in: reply).count == 1)
        #expect(try Commands.Associations(child: "vpn-1-2").answer(in: reply).isEmpty)
    }
}
