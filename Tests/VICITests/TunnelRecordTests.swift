import Domain
import Testing
import TestSupport

import VICI

@Suite struct TunnelRecordTests {
    private func up(_ terms: TunnelTerms) throws -> Replay {
        var replay = Replay(terms)
        try bringUp(&replay, at: 1000)
        return replay
    }

    private func bringUp(
        _ replay: inout Replay, sa: UInt32 = 1, child: String = "net", address: String = "192.0.2.2", at time: Int64
    ) throws {
        replay.apply(
            .ikeUp(sa: sa, address: try IPAddress(parsing: address), port: 4500, identity: "hq.acme.example"),
            after: time)
        replay.apply(.childUp(sa: sa, name: child, local: ["100.64.0.0/24"], remote: ["10.0.0.0/24"]), after: time)
    }

    private func line(_ text: String, sa: UInt32? = 1) -> TunnelEvent {
        .log(LogLine(group: "IKE", ikeName: sa == nil ? nil : "vpn-7", ikeID: sa, text: text))
    }

    private func time(_ milliseconds: Int64) -> Timestamp {
        Timestamp(milliseconds: Replay.start.milliseconds + milliseconds)
    }

    @Test(arguments: Tunnel.Initiation.allCases)
    func `waits where nothing is to be done, and negotiates otherwise`(_ initiation: Tunnel.Initiation) throws {
        let record = Replay(try .lab(initiation: initiation)).record
        #expect(record.state == (initiation == .always ? .negotiating : .waiting))
        #expect(record.since == Replay.start)
    }

    @Test func `keeps who the peer is, and when it came up`() throws {
        let record = try up(.lab()).record
        #expect(record.state == .up)
        #expect(record.since == time(1000))
        #expect(record.peer?.identity == "hq.acme.example")
        #expect(record.peer?.port == 4500)
        #expect(
            record.timeline.entries.map(\.sentence) == [
                "The peer at 192.0.2.2 proved to be hq.acme.example.", "Up between 100.64.0.0/24 and 10.0.0.0/24.",
            ])
    }

    @Test func `says so when for 30 s packets go out and none come in`() throws {
        var replay = try up(.lab())
        replay.apply(.counters(bytesIn: 100, bytesOut: 100), after: 2000)
        replay.apply(.counters(bytesIn: 100, bytesOut: 200), after: 10_000)
        replay.apply(.counters(bytesIn: 100, bytesOut: 200), after: 50_000)
        #expect(replay.record.state == .up)
        replay.apply(.counters(bytesIn: 100, bytesOut: 300), after: 60_000)
        #expect(replay.record.state == .upWithoutTraffic)
        #expect(replay.record.since == time(60_000))
        #expect(replay.record.fault == .noReturnTraffic)
        replay.apply(.counters(bytesIn: 101, bytesOut: 300), after: 61_000)
        #expect(replay.record.state == .up)
        #expect(replay.record.fault == nil)
    }

    @Test func `adds up the octets of one CHILD_SA after another`() throws {
        var replay = try up(.lab())
        replay.apply(.counters(bytesIn: 100, bytesOut: 10), after: 2000)
        replay.apply(.childRekeyed(sa: 1, name: "net"), after: 3000)
        replay.apply(.counters(bytesIn: 30, bytesOut: 3), after: 4000)
        #expect(replay.record.bytesIn == 130)
        #expect(replay.record.bytesOut == 13)
        #expect(replay.record.lastRekey == time(3000))
    }

    @Test func `is up until the last CHILD_SA is gone`() throws {
        var replay = Replay(try .lab(networks: ["10.0.0.0/24", "10.1.0.0/24"], children: 2))
        try bringUp(&replay, at: 1000)
        replay.apply(line("received TS_UNACCEPTABLE notify, no CHILD_SA built"), after: 1100)
        #expect(replay.record.state == .up)
        #expect(replay.record.fault?.code == "traffic-selectors")
        replay.apply(.childUp(sa: 1, name: "net-2", local: ["100.64.0.0/24"], remote: ["10.1.0.0/24"]), after: 1200)
        #expect(replay.record.fault == nil)
        replay.apply(.childDown(sa: 1, name: "net"), after: 1300)
        #expect(replay.record.state == .up)
        replay.apply(.childDown(sa: 1, name: "net-2"), after: 1400)
        #expect(replay.record.state == .down)
        #expect(replay.record.since == time(1400))
    }

    @Test func `counts tries that fail alike and stays down since the first`() throws {
        var replay = Replay(try .lab())
        for attempt in 0..<100 as Range<Int64> {
            let start = 200_000 * attempt
            replay.apply(line("initiating IKE_SA vpn-7[1] to 192.0.2.2"), after: start)
            replay.apply(line("retransmit 1 of request with message ID 0"), after: start + 4000)
            replay.apply(line("retransmit 2 of request with message ID 0"), after: start + 11_000)
            replay.apply(line("giving up after 5 retransmits"), after: start + 165_000)
        }
        #expect(replay.record.state == .noAnswer)
        #expect(replay.record.since == time(11_000))
        #expect(replay.record.faultSince == time(11_000))
        let entries = replay.record.timeline.entries
        #expect(entries.map(\.count) == [100, 100])
        #expect(entries.map(\.first) == [time(0), time(11_000)])
    }

    @Test func `takes back that there is no answer when one comes late`() throws {
        var replay = Replay(try .lab())
        replay.apply(line("initiating IKE_SA vpn-7[1] to 192.0.2.2"), after: 0)
        replay.apply(line("retransmit 2 of request with message ID 0"), after: 11_000)
        #expect(replay.record.state == .noAnswer)
        replay.apply(line("received packet: from 192.0.2.2[500] to 192.0.2.1[500] (300 bytes)"), after: 12_000)
        #expect(replay.record.state == .negotiating)
        #expect(replay.record.fault == nil)
    }

    @Test func `tells that the gateway's host cannot send`() throws {
        var replay = Replay(try .lab())
        replay.apply(line("initiating IKE_SA vpn-7[1] to 192.0.2.2"), after: 0)
        replay.apply(line("error writing to socket: Network is unreachable", sa: nil), after: 0)
        replay.apply(line("giving up after 3 retransmits"), after: 6000)
        #expect(replay.record.fault == .noRoute(reason: "Network is unreachable"))
    }

    @Test func `takes no harm from strangers`() throws {
        var replay = try up(.lab())
        replay.apply(line("198.51.100.9 is initiating an IKE_SA", sa: 9), after: 2000)
        replay.apply(line("tried 1 shared key for 'gw' - 'hq.acme.example', but MAC mismatched", sa: 9), after: 2001)
        #expect(replay.record.state == .up)
        #expect(replay.record.fault == nil)
        #expect(replay.record.timeline.entries.last?.sentence.hasPrefix("A call from 198.51.100.9 failed: ") == true)
        // Nor does a tunnel that is down blame them for it.
        replay.apply(.ikeDown(sa: 1), after: 3000)
        replay.apply(line("198.51.100.9 is initiating an IKE_SA", sa: 10), after: 4000)
        replay.apply(line("tried 1 shared key for 'gw' - 'hq.acme.example', but MAC mismatched", sa: 10), after: 4001)
        #expect(replay.record.fault == nil)
    }

    @Test func `calls two places that take turns a duplicate, and not one that moved`() throws {
        var replay = Replay(try .lab(peer: "any"))
        try bringUp(&replay, sa: 1, address: "192.0.2.2", at: 1000)
        replay.apply(.ikeDown(sa: 1), after: 2000)
        try bringUp(&replay, sa: 2, address: "192.0.2.3", at: 2001)
        #expect(replay.record.fault == nil)
        replay.apply(.ikeDown(sa: 2), after: 3000)
        try bringUp(&replay, sa: 3, address: "192.0.2.2", at: 3001)
        #expect(replay.record.fault?.code == "duplicate-peer")
        replay.apply(.counters(bytesIn: 1, bytesOut: 1), after: 4000)
        #expect(replay.record.fault?.code == "duplicate-peer")
        replay.apply(.counters(bytesIn: 2, bytesOut: 1), after: 3001 + TunnelRecord.duplicateWindow)
        #expect(replay.record.fault == nil)
    }

    @Test func `forgets charon's numbers when charon starts anew`() throws {
        var replay = try up(.lab())
        replay.apply(.charonStarted, after: 5000)
        #expect(replay.record.state == .negotiating)
        try bringUp(&replay, sa: 1, at: 6000)
        #expect(replay.record.state == .up)
    }

    @Test func `says nothing of failures while it is ended`() throws {
        var replay = try up(.lab())
        replay.apply(.ended, after: 2000)
        replay.apply(.ikeDown(sa: 1), after: 2001)
        replay.apply(line("received AUTHENTICATION_FAILED notify error", sa: 2), after: 3000)
        #expect(replay.record.state == .ended)
        #expect(replay.record.fault == nil)
        replay.apply(.resumed, after: 4000)
        #expect(replay.record.state == .negotiating)
    }

    @Test func `starts from nothing when the configuration is changed`() throws {
        var record = Replay(try .lab()).record
        record.apply(line("received NO_PROPOSAL_CHOSEN notify error"), at: time(1))
        #expect(record.state == .down)
        record.change(try .lab(networks: ["10.5.0.0/24"]), at: time(2))
        #expect(record.state == .negotiating)
        #expect(record.fault == nil)
    }

    @Test func `tells of a probe that is not answered`() throws {
        var replay = try up(.lab())
        let host = try IPv4Address(parsing: "10.0.0.9")
        replay.apply(.probe(answered: false, address: host), after: 2000)
        #expect(replay.record.fault == .probeUnanswered(host))
        replay.apply(.probe(answered: true, address: host), after: 3000)
        #expect(replay.record.fault == nil)
    }

    @Test func `keeps charon's words for what it does not know`() throws {
        var replay = Replay(try .lab())
        replay.apply(.initiationEnded(error: "CHILD_SA config 'net' not found\u{1b}[31m"), after: 0)
        #expect(replay.record.fault == .other("CHILD_SA config 'net' not found?[31m"))
        #expect(replay.record.fault?.words.happened == "The VPN daemon says: CHILD_SA config 'net' not found?[31m.")
    }

    @Test func `tells of a key exchange group that the gateway does not take`() throws {
        var replay = Replay(try .lab())
        replay.apply(line("peer didn't accept DH group ECP_384, it requested MODP_2048"), after: 0)
        #expect(replay.record.fault == nil)
        replay.apply(line("giving up after 2 retries"), after: 1)
        #expect(replay.record.fault == .keyExchange(gateway: "ECP_384", peer: "MODP_2048"))
    }

    @Test func `has words of its own for each fault, and another code`() throws {
        let lists = TunnelFault.Lists(gateway: ["a"], peer: [], fitting: nil)
        let selectors = TunnelFault.Selectors(devices: [], networks: [], peersDevices: "", peersNetworks: "")
        let all: [TunnelFault] = [
            .noAnswer(peer: "p"), .noRoute(reason: "r"), .natTraversalPort(peer: "p", caller: .gateway),
            .nameUnresolved(name: "n"), .noIKEProposal(lists), .noESPProposal(lists, rekeying: false),
            .keyExchange(gateway: "", peer: ""), .identity(expected: "a", seen: "b"),
            .gatewayIdentity(own: "a", asked: "b"), .key(peer: "p"), .keyMissing(own: "a", peer: "b"),
            .authenticationMethod(gateway: .certificate),
            .refusedAuthentication(own: "a", peer: "b", by: .certificate, unknownAuthority: false),
            .certificateUntrusted(subject: "s", issuer: nil),
            .certificateExpired(subject: "s", until: "u", ofAuthority: true),
            .certificateNotYetValid(subject: "s", from: "f", ofAuthority: false),
            .certificateRevoked(subject: "s", at: "a"), .certificateSubject(expected: "a", seen: "b"),
            .signature(peer: "p"), .selectors(selectors), .notInstalled(what: "w"), .selectorsNarrowed(missing: []),
            .deadPeer(peer: "p"), .peerDeleted(wholly: true), .duplicatePeer(identity: "i", addresses: []),
            .noReturnTraffic, .probeUnanswered(try IPv4Address(parsing: "10.0.0.9")),
        ]
        #expect(Set(all.map(\.code)).count == all.count)
        for fault in all { #expect(!fault.words.happened.hasPrefix("The VPN daemon says"), "\(fault)") }
    }

    @Test func `puts nothing that a peer says into a command unless it is plain`() throws {
        for (said, command) in [
            ("other.acme.example", "--peer-id 'other.acme.example'."),
            ("CN=hq, O=B", "--peer-id 'CN=hq, O=B'."),
            ("x'; reboot; '", "--peer-id IDENTITY."), ("$(reboot)", "--peer-id IDENTITY."),
            ("--help", "--peer-id IDENTITY."),
        ] {
            var replay = Replay(try .lab())
            replay.apply(line("looking for peer configs matching 1.2.3.4[gw]...192.0.2.2[\(said)]"), after: 0)
            replay.apply(line("no matching peer config found"), after: 0)
            #expect(replay.record.fault?.words.gateway.hasSuffix(command) == true)
        }
        var replay = Replay(try .lab())
        replay.apply(line("traffic selectors 1.0.0.0/8 === 10.9.0.0/24 10.8.0.0/24 unacceptable"), after: 0)
        #expect(
            replay.record.fault?.words.gateway.hasSuffix("--remote-network 10.9.0.0/24 --remote-network 10.8.0.0/24.")
                == true)
    }

    @Test func `has the other profile at hand when it fits what the peer offers`() throws {
        var replay = Replay(try .lab())
        replay.apply(line("192.0.2.2 is initiating an IKE_SA"), after: 0)
        replay.apply(
            line("received proposals: IKE:AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048, IKE:X"), after: 0)
        replay.apply(line("received proposals unacceptable"), after: 0)
        #expect(replay.record.fault?.words.gateway.contains("--profile compatible") == true)
    }

    @Test func `stays whole and within its bounds whatever charon says`() throws {
        let lines = try Capture.names.flatMap { try Capture($0).lines }
        let terms = try TunnelTerms.lab()
        try forAll(200) { random in
            var replay = Replay(terms)
            for step in 0..<60 as Range<Int64> {
                guard var text = lines.randomElement(using: &random)?.text else { return }
                var octets = Array(text.utf8)
                for _ in 0..<Int.random(in: 0...4, using: &random) where !octets.isEmpty {
                    let place = Int.random(in: octets.indices, using: &random)
                    switch Int.random(in: 0...3, using: &random) {
                    case 0: octets[place] = UInt8.random(in: 0...255, using: &random)
                    case 1: octets.removeSubrange(place...)
                    case 2: octets.insert(contentsOf: octets[..<place], at: place)
                    default: octets += octets.prefix(place)
                    }
                }
                text = String(decoding: octets, as: UTF8.self)
                let sa = random.oneIn(4) ? nil : UInt32.random(in: 0...40, using: &random)
                let child = random.pick("net", "net-2", text)
                replay.apply(
                    random.pick(
                        line(text, sa: sa), line(text, sa: sa), line(text, sa: sa), .ikeDown(sa: sa ?? 0),
                        .ikeUp(sa: sa ?? 0, address: .v4(IPv4Address(bits: 1)), port: 1, identity: text),
                        .childUp(sa: sa ?? 0, name: child, local: [text], remote: [text]),
                        .childDown(sa: sa ?? 0, name: child), .ikeRekeyed(sa: sa ?? 0, new: UInt32(step)),
                        .initiationEnded(error: text), .charonStarted,
                        .counters(
                            bytesIn: UInt64.random(in: 0 ... .max, using: &random),
                            bytesOut: UInt64.random(in: 0 ... .max, using: &random))), after: step * 1000)
                _ = DroppedPacket(LogLine(group: "ESP", text: text))
                let words = replay.record.fault?.words
                #expect(
                    words.map { $0.happened.utf8.allSatisfy { (0x20...0x7e).contains($0) } } ?? true, "\(random.seed)")
                #expect(
                    replay.record.timeline.entries.count <= TunnelTimeline.maximumEntries
                        && replay.record.timeline.entries.allSatisfy { $0.sentence.utf8.count < 4000 }, "\(random.seed)"
                )
            }
        }
    }
}
