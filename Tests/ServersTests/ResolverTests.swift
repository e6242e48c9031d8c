import Control
import DNS
import Domain
import Glibc
import NIOCore
import NIOPosix
import Servers
import Testing

private typealias Reply = ScriptedUpstream.Reply

/// The resolver over real sockets of loopback.
@Suite(.serialized) struct ResolverTests {
    private let group = MultiThreadedEventLoopGroup.singleton
    private static let good: [UInt8] = [192, 0, 2, 1]

    private func upstream(_ script: @escaping ScriptedUpstream.Script) async throws -> ScriptedUpstream {
        try await ScriptedUpstream(group: group, script: script)
    }

    /// That answers every question with one address.
    private func honest() async throws -> ScriptedUpstream {
        try await upstream { query, _ in [.answer(query, Wire.a(Self.good))] }
    }

    @Test func `a device gets the upstream's answer with its own id and case, the second time from the cache`()
        async throws
    {
        let upstream = try await honest()
        try await ResolverRig.run(try FakeNames(), upstreams: [upstream]) { rig in
            for id in [0x1111, 0x2222] {
                let query = Wire.query("MqTT.Acme.example", id: id)
                #expect(rig.device.ask(query) == Wire.answer(to: query, [Wire.a(Self.good)]))
            }
            #expect(upstream.queries.count == 1)
            #expect(rig.names.outcomes == [.resolved, .answered])
            let lesson = try #require(rig.names.lessons.last)
            #expect(lesson.names.map(\.description) == ["mqtt.acme.example"])
            #expect(lesson.addresses.map(\.description) == ["192.0.2.1"])
            #expect(lesson.timeToLive == 300)
            #expect(lesson.device.description == "127.0.0.2")
        }
    }

    @Test func `only names that a rule has are taught, and those that lead to an alias which has one`() async throws {
        let upstream = try await upstream { query, _ in
            let isLeading = Wire.questionName(query).lowercased().hasPrefix("www")
            return [
                isLeading
                    ? .answer(query, Wire.cname(to: "edge.ruled.example"), Wire.a("edge.ruled.example", Self.good))
                    : .answer(query, Wire.a(Self.good))
            ]
        }
        try await ResolverRig.run(try FakeNames(ruled: ["*.ruled.example"]), upstreams: [upstream]) { rig in
            for name in ["other.example", "mqtt.ruled.example", "ruled.example", "www.example"] {
                #expect(Wire.code(rig.device.ask(Wire.query(name))) == 0)
            }
            #expect(
                rig.names.lessons.map { $0.names.map(\.description) } == [
                    ["mqtt.ruled.example"], ["www.example", "edge.ruled.example"],
                ])
        }
    }

    @Test func `its threads take their turn, and interrupt nobody`() async throws {
        try await ResolverRig.run(try FakeNames(), upstreams: [try await honest()]) { rig in
            #expect(Wire.code(rig.device.ask(Wire.query("mqtt.acme.example"))) == 0)
            let threads = try #require(opendir("/proc/self/task"))
            defer { closedir(threads) }
            var policies: Set<Int32> = []
            while let entry = readdir(threads) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { octets in
                    String(decoding: octets.prefix { $0 != 0 }, as: UTF8.self)
                }
                if let thread = pid_t(name) { policies.insert(sched_getscheduler(thread)) }
            }
            // SCHED_BATCH of sched.h.
            #expect(policies.contains(3))
        }
    }

    @Test func `upstreams are asked with other ids, cases and from several ports`() async throws {
        let upstream = try await honest()
        try await ResolverRig.run(try FakeNames(), upstreams: [upstream]) { rig in
            let queries = (0..<20).map { Wire.query("n\($0).acme.example", id: 7) }
            #expect(rig.device.askAll(queries).count == 20)
            let ids = Set(upstream.queries.map { Array($0.prefix(2)) })
            #expect(ids.count > 15)
            #expect(upstream.ports.count > 1)
            #expect(upstream.queries.contains { Wire.questionName($0).contains { $0.isUppercase } })
        }
    }

    @Test func `sockets towards upstreams are replaced, and nothing is lost`() async throws {
        let upstream = try await upstream { query, _ in [.answer(query, Wire.a(Self.good), after: .milliseconds(30))] }
        try await ResolverRig.run(
            try FakeNames(), upstreams: [upstream],
            settings: {
                $0.timing.socket = .milliseconds(60)
                $0.timing.total = .milliseconds(150)
            }
        ) { rig in
            for number in 0..<30 { #expect(Wire.code(rig.device.ask(Wire.query("n\(number).acme.example"))) == 0) }
            #expect(upstream.queries.count == 30)
            #expect(upstream.ports.count > 12)
        }
    }

    @Test func `devices are served over IPv6 too`() async throws {
        let upstream = try await honest()
        let names = try FakeNames()
        let address = IPAddress.v6(IPv6Address(bits: 1))
        names.set(names.client(at: .v4(IPv4Address(bits: 0x7f00_0002))), at: address)
        try await ResolverRig.run(names, upstreams: [upstream], settings: { $0.listen.append(address) }) { rig in
            let device = Device("::1", port: rig.port)
            let query = Wire.query("mqtt.acme.example")
            #expect(device.ask(query) == Wire.answer(to: query, [Wire.a(Self.good)]))
            #expect(device.askStream([query]) == [Wire.answer(to: query, [Wire.a(Self.good)])])
            #expect(rig.names.lessons.last?.device == address)
        }
    }

    @Test func `who has no session gets nothing, not even over TCP`() async throws {
        let upstream = try await honest()
        try await ResolverRig.run(try FakeNames(), upstreams: [upstream]) { rig in
            let stranger = Device("127.0.0.9", port: rig.port)
            #expect(stranger.ask(Wire.query("mqtt.acme.example"), timeoutMilliseconds: 150) == nil)
            #expect(stranger.askStream([Wire.query("mqtt.acme.example")], timeoutMilliseconds: 150) == [])
            #expect(upstream.queries.isEmpty)
        }
    }

    @Test func `a name that is not allowed is blocked, with the reason`() async throws {
        let upstream = try await honest()
        let names = try FakeNames(deny: ["x.acme.example"], allow: ["*.acme.example"])
        try await ResolverRig.run(names, upstreams: [upstream]) { rig in
            let denied = try #require(rig.device.ask(Wire.query("x.acme.example", edns: 1232)))
            #expect(Wire.code(denied) == 3)
            #expect(Wire.extendedError(denied) == 17)
            let other = try #require(rig.device.ask(Wire.query("bank.example", edns: 1232)))
            #expect(Wire.code(other) == 3)
            #expect(Wire.extendedError(other) == 18)
            #expect(Wire.code(rig.device.ask(Wire.query("y.acme.example"))) == 0)
            #expect(rig.names.outcomes == [.refused(.denied), .refused(.notAllowed), .resolved])
        }
    }

    private static let zone = """
        $TTL 60
        @ SOA localhost. root.localhost. 1 3600 600 86400 60
        nx.example CNAME .
        nodata.example CNAME *.
        drop.example CNAME rpz-drop.
        tcp.example CNAME rpz-tcp-only.
        local.example A 192.0.2.200
        local.example TXT "see the portal"
        away.example CNAME portal.operator.example.
        32.66.2.0.192.rpz-ip CNAME .

        """

    @Test func `what a blocklist has is answered as the list says`() async throws {
        let upstream = try await upstream { query, _ in
            [
                .answer(
                    query, Wire.a(Wire.questionName(query).lowercased() == "bad.example" ? [192, 0, 2, 66] : Self.good))
            ]
        }
        try await ResolverRig.run(try FakeNames(zone: Self.zone), upstreams: [upstream]) { rig in
            let nx = try #require(rig.device.ask(Wire.query("nx.example", edns: 1232)))
            #expect(Wire.code(nx) == 3)
            #expect(Wire.extendedError(nx) == 15)
            let nodata = try #require(rig.device.ask(Wire.query("nodata.example")))
            #expect(Wire.code(nodata) == 0 && Wire.count(nodata) == 0)
            #expect(rig.device.ask(Wire.query("drop.example"), timeoutMilliseconds: 100) == nil)
            #expect(rig.device.askStream([Wire.query("drop.example")], timeoutMilliseconds: 500) == [])
            let local = Wire.query("local.example")
            #expect(
                rig.device.ask(local) == Wire.answer(to: local, [Wire.record(nil, 1, [192, 0, 2, 200], ttl: 60)]))
            let text = Wire.query("local.example", type: 16)
            let data = [14] + Array("see the portal".utf8)
            #expect(rig.device.ask(text) == Wire.answer(to: text, [Wire.record(nil, 16, data, ttl: 60)]))
            #expect(rig.device.ask(Wire.query("local.example", type: 28)).map(Wire.count) == 0)
            let away = try #require(rig.device.ask(Wire.query("away.example")))
            #expect(Wire.count(away) == 1)
            #expect(upstream.queries.isEmpty)
            let tcp = Wire.query("tcp.example")
            #expect(rig.device.ask(tcp).map(Wire.isTruncated) == true)
            #expect(rig.device.askStream([tcp]) == [Wire.answer(to: tcp, [Wire.a(Self.good)])])
            // By its address, from the upstream and from the cache.
            for _ in 0..<2 { #expect(Wire.code(rig.device.ask(Wire.query("bad.example"))) == 3) }
            #expect(!rig.names.lessons.contains { $0.names.contains { $0.description == "bad.example" } })
        }
    }

    @Test func `what is no query of ours is refused`() async throws {
        let upstream = try await honest()
        try await ResolverRig.run(try FakeNames(), upstreams: [upstream]) { rig in
            #expect(Wire.code(rig.device.ask(Array(Wire.query("a.example").dropLast()))) == 1)
            #expect(Wire.code(rig.device.ask(Wire.query("a.example", flags: 0x2000))) == 4)
            // Without recursion, and of the class CHAOS.
            #expect(Wire.code(rig.device.ask(Wire.query("a.example", flags: 0))) == 5)
            #expect(Wire.code(rig.device.ask(Wire.query("version.bind", type: 16).dropLast() + [3])) == 5)
            #expect(rig.device.ask(Wire.answer(to: Wire.query("a.example")), timeoutMilliseconds: 100) == nil)
            #expect(upstream.queries.isEmpty)
        }
    }

    // MARK: Lies

    @Test func `answers that do not fit are ignored, and the query keeps waiting for one that does`() async throws {
        let bad: [UInt8] = [6, 6, 6, 6]
        let upstream = try await upstream { query, _ in
            let lie = Wire.answer(to: query, [Wire.a(bad)])
            var otherID = lie
            otherID[0] ^= 1
            var otherQuestion = lie
            otherQuestion[13] ^= 1
            var otherType = lie
            otherType[Wire.questionEnd(lie) - 3] = 28
            return [
                Reply(octets: otherID), Reply(octets: otherQuestion), Reply(octets: otherType),
                Reply(octets: Array(lie.prefix(11))), Reply(octets: query),
                Reply(octets: lie, isFromElsewhere: true),
                .answer(query, Wire.a(Self.good), after: .milliseconds(50)),
            ]
        }
        try await ResolverRig.run(try FakeNames(), upstreams: [upstream]) { rig in
            let query = Wire.query("mqtt.acme.example")
            #expect(rig.device.ask(query) == Wire.answer(to: query, [Wire.a(Self.good)]))
            #expect(upstream.queries.count == 1)
        }
    }

    @Test func `an upstream that does not repeat the case is asked in plain case, and soon at once`() async throws {
        let upstream = try await upstream { query, _ in
            let answer = Wire.answer(to: query, [Wire.a(Self.good)])
            return [Reply(octets: answer.prefix(12) + answer[12...].map { (65...90).contains($0) ? $0 | 32 : $0 })]
        }
        try await ResolverRig.run(try FakeNames(), upstreams: [upstream]) { rig in
            #expect(Wire.code(rig.device.ask(Wire.query("mqtt.acme.example"))) == 0)
            #expect(upstream.queries.count == 3)
            #expect(Wire.code(rig.device.ask(Wire.query("other.acme.example"))) == 0)
            #expect(upstream.queries.count == 4)
        }
    }

    @Test func `a denied name does not come in as an alias`() async throws {
        let upstream = try await upstream { query, _ in
            [
                .answer(
                    query, Wire.cname(to: "cdn.net"), Wire.cname("cdn.net", to: "bad.example"),
                    Wire.a("bad.example", Self.good))
            ]
        }
        let names = try FakeNames(deny: ["bad.example"])
        try await ResolverRig.run(names, upstreams: [upstream]) { rig in
            // From the upstream, then from the cache.
            for _ in 0..<2 { #expect(Wire.code(rig.device.ask(Wire.query("mqtt.acme.example"))) == 3) }
            #expect(upstream.queries.count == 1)
            let bad = try #require(WireName(Wire.name("bad.example")))
            #expect(rig.names.outcomes == [.refusedAlias(bad, .denied), .refusedAlias(bad, .denied)])
            #expect(rig.names.lessons.isEmpty)
        }
    }

    @Test func `a private address does not come in from the internet, a device's from nowhere`() async throws {
        let upstream = try await upstream { query, _ in
            [
                .answer(
                    query,
                    Wire.a(Wire.questionName(query).lowercased().hasPrefix("dev") ? [100, 64, 0, 9] : [10, 0, 0, 1]))
            ]
        }
        let names = try FakeNames(upstreams: [3: [upstream.upstream(isPrivate: true)]])
        try await ResolverRig.run(names, upstreams: [upstream]) { rig in
            #expect(Wire.code(rig.device.ask(Wire.query("mqtt.acme.example"))) == 3)
            let enterprise = Device("127.0.0.3", port: rig.port)
            let query = Wire.query("mqtt.acme.example")
            #expect(enterprise.ask(query) == Wire.answer(to: query, [Wire.a([10, 0, 0, 1])]))
            #expect(Wire.code(enterprise.ask(Wire.query("dev.acme.example"))) == 3)
            #expect(rig.names.lessons.count == 1)
            let address = IPAddress.v4(IPv4Address(bits: 10 << 24 | 1))
            #expect(rig.names.outcomes.first == .rebinding(address))
        }
    }

    @Test func `addresses of names that were not asked for spoil an answer`() async throws {
        let upstream = try await upstream { query, _ in
            [.answer(query, Wire.a(Self.good), Wire.a("bank.example", [6, 6, 6, 6]))]
        }
        try await ResolverRig.run(try FakeNames(), upstreams: [upstream]) { rig in
            let answer = try #require(rig.device.ask(Wire.query("mqtt.acme.example", edns: 1232)))
            #expect(Wire.code(answer) == 2)
            #expect(Wire.extendedError(answer) == 23)
            #expect(rig.names.lessons.isEmpty)
        }
    }

    @Test func `what one tenant's resolver says is no other tenant's answer`() async throws {
        let common = try await honest()
        let own = try await upstream { query, _ in [.answer(query, Wire.a([192, 0, 2, 99]))] }
        let names = try FakeNames(upstreams: [3: [own.upstream]])
        try await ResolverRig.run(names, upstreams: [common]) { rig in
            let query = Wire.query("mqtt.acme.example")
            for _ in 0..<2 {
                #expect(
                    Device("127.0.0.3", port: rig.port).ask(query)
                        == Wire.answer(to: query, [Wire.a([192, 0, 2, 99])]))
                #expect(rig.device.ask(query) == Wire.answer(to: query, [Wire.a(Self.good)]))
            }
            #expect(common.queries.count == 1 && own.queries.count == 1)
        }
        await own.close()
    }

    // MARK: Truncation

    @Test func `a truncated answer is asked for again over TCP; a device gets what fits`() async throws {
        let records = (0..<100).map { Wire.a([192, 0, 2, UInt8($0)]) }
        let upstream = try await ScriptedUpstream(
            group: group, script: { query, _ in [.answer(query, flags: 0x8380)] },
            stream: { query, _ in [Reply(octets: Wire.answer(to: query, records))] })
        try await ResolverRig.run(try FakeNames(), upstreams: [upstream]) { rig in
            let query = Wire.query("mqtt.acme.example")
            let datagram = try #require(rig.device.ask(query))
            #expect(Wire.isTruncated(datagram) && Wire.count(datagram) == 0)
            #expect(rig.device.askStream([query]) == [Wire.answer(to: query, records)])
            #expect(upstream.queries.count == 2)
        }
    }

    @Test func `answers of 1232 octets come whole, many at a time`() async throws {
        let record = Wire.record(nil, 16, [255] + [UInt8](repeating: 65, count: 255))
        let upstream = try await upstream { query, _ in
            let answer = Wire.answer(to: query, [record, record, record, record])
            let rest = 1232 - 11 - answer.count - 12
            return [
                Reply(
                    octets: Wire.answer(
                        to: query,
                        [
                            record, record, record, record,
                            Wire.record(nil, 16, [UInt8(rest - 1)] + [UInt8](repeating: 66, count: rest - 1)),
                        ]))
            ]
        }
        try await ResolverRig.run(try FakeNames(), upstreams: [upstream]) { rig in
            let queries = (0..<60).map { Wire.query("n\($0 + 100).acme.example", type: 16, id: $0, edns: 1232) }
            let answers = rig.device.askAll(queries)
            #expect(answers.count == 60)
            #expect(answers.allSatisfy { $0.count == 1232 && !Wire.isTruncated($0) })
        }
    }

    // MARK: Silence

    @Test func `nobody answers: the device is told so in time`() async throws {
        let upstream = try await upstream { _, _ in [] }
        try await ResolverRig.run(
            try FakeNames(), upstreams: [upstream],
            settings: {
                $0.timing.attempt = .milliseconds(100)
                $0.timing.total = .milliseconds(500)
            }
        ) { rig in
            let start = ContinuousClock.now
            let answer = try #require(rig.device.ask(Wire.query("mqtt.acme.example", edns: 1232)))
            #expect(Wire.code(answer) == 2)
            #expect(Wire.extendedError(answer) == 22)
            #expect((.milliseconds(450)...(.milliseconds(3000))).contains(ContinuousClock.now - start))
            // At 0, 100 and 300 ms; not more often, and from the third on in plain case.
            #expect((2...4).contains(upstream.queries.count))
            #expect(rig.names.outcomes == [.failed])
        }
    }

    @Test func `a lost query is sent again`() async throws {
        let upstream = try await upstream { query, number in number == 0 ? [] : [.answer(query, Wire.a(Self.good))] }
        try await ResolverRig.run(
            try FakeNames(), upstreams: [upstream], settings: { $0.timing.attempt = .milliseconds(100) }
        ) { rig in
            #expect(Wire.code(rig.device.ask(Wire.query("mqtt.acme.example"))) == 0)
            #expect(upstream.queries.count == 2)
        }
    }

    @Test func `when the first upstream is silent the next is asked, and soon asked first`() async throws {
        let silent = try await upstream { _, _ in [] }
        let good = try await honest()
        try await ResolverRig.run(
            try FakeNames(), upstreams: [silent, good], settings: { $0.timing.attempt = .milliseconds(80) }
        ) { rig in
            for number in 0..<4 { #expect(Wire.code(rig.device.ask(Wire.query("n\(number).acme.example"))) == 0) }
            // Probed once, and that not answered within a second.
            pause(milliseconds: 1300)
            let before = silent.queries.count
            #expect(Wire.code(rig.device.ask(Wire.query("late.acme.example"))) == 0)
            #expect(silent.queries.count == before)
        }
    }

    @Test func `an upstream that no socket leads to is passed over`() async throws {
        let good = try await honest()
        // Not without leave to broadcast.
        let nowhere = Upstream(address: .v4(IPv4Address(bits: .max)))
        try await ResolverRig.run(try FakeNames(), asking: [nowhere, good.upstream]) { rig in
            let start = ContinuousClock.now
            for number in 0..<5 { #expect(Wire.code(rig.device.ask(Wire.query("n\(number).acme.example"))) == 0) }
            #expect(ContinuousClock.now - start < .milliseconds(2500))
        }
        await good.close()
    }

    @Test func `an upstream that comes back is asked first again`() async throws {
        let second = try await upstream { query, _ in [.answer(query, Wire.a([192, 0, 2, 2]))] }
        let first = try await honest()
        let port = Int(first.port)
        await first.close()
        try await ResolverRig.run(
            try FakeNames(), asking: [first.upstream, second.upstream],
            settings: { $0.timing.attempt = .seconds(1) }
        ) { rig in
            // A closed port shows at once.
            let start = ContinuousClock.now
            for number in 0..<5 {
                #expect(Wire.code(rig.device.ask(Wire.query("n\(number).acme.example"))) == 0)
                pause(milliseconds: 30)
            }
            #expect(ContinuousClock.now - start < .seconds(5))
            let again = try await ScriptedUpstream(
                group: group, port: port, script: { query, _ in [.answer(query, Wire.a(Self.good))] })
            // Once the pause after its failures is over, it is asked whether it answers, and then it is first.
            let deadline = ContinuousClock.now + .seconds(300)
            var (isBack, number) = (false, 0)
            while !isBack, ContinuousClock.now < deadline {
                number += 1
                let query = Wire.query("late\(number).acme.example")
                isBack = rig.device.ask(query) == Wire.answer(to: query, [Wire.a(Self.good)])
                pause(milliseconds: 100)
            }
            #expect(isBack)
            await again.close()
        }
        await second.close()
    }

    @Test func `a failure is asked about elsewhere, a forged answer is not`() async throws {
        let failing = try await upstream { query, _ in
            let isForged = Wire.questionName(query).lowercased().hasPrefix("forged")
            let opt =
                [0] + Wire.u16(41) + Wire.u16(1232) + [0, 0, 0, 0] + Wire.u16(6) + Wire.u16(15) + Wire.u16(2)
                + Wire.u16(6)
            var answer = Wire.answer(to: query, flags: 0x8182)
            if isForged {
                answer += opt
                answer[11] = 1
            }
            return [Reply(octets: answer)]
        }
        let good = try await honest()
        try await ResolverRig.run(try FakeNames(), upstreams: [failing, good]) { rig in
            #expect(Wire.code(rig.device.ask(Wire.query("mqtt.acme.example"))) == 0)
            let forged = try #require(rig.device.ask(Wire.query("forged.acme.example", edns: 1232)))
            #expect(Wire.code(forged) == 2)
            #expect(Wire.extendedError(forged) == 6)
            #expect(good.queries.count == 1)
        }
    }

    // MARK: Limits

    @Test func `who asks what another waits for waits with it`() async throws {
        let upstream = try await upstream { query, _ in [.answer(query, Wire.a(Self.good), after: .milliseconds(100))] }
        try await ResolverRig.run(try FakeNames(), upstreams: [upstream]) { rig in
            let answers = rig.device.askAll((0..<50).map { Wire.query("mqtt.acme.example", id: $0) })
            #expect(Set(answers.map { Array($0.prefix(2)) }).count == 50)
            #expect(upstream.queries.count == 1)
        }
    }

    @Test func `a device that floods is not answered, others are`() async throws {
        let upstream = try await honest()
        try await ResolverRig.run(
            try FakeNames(), upstreams: [upstream],
            settings: {
                $0.limits.queriesPerDevice = 10
                $0.limits.burstPerDevice = 20
            }
        ) { rig in
            let flood = (0..<300).map { Wire.query("mqtt.acme.example", id: $0) }
            let answers = rig.device.askAll(flood, timeoutMilliseconds: 150)
            #expect((20...60).contains(answers.count))
            #expect(rig.names.outcomes.count { $0 == .limited } == 300 - answers.count)
            #expect(Wire.code(Device("127.0.0.3", port: rig.port).ask(Wire.query("mqtt.acme.example"))) == 0)
            // Over TCP it is told.
            #expect(
                rig.device.askStream((0..<10).map { Wire.query("a.example", id: $0) }).contains { Wire.code($0) == 5 })
        }
    }

    @Test func `a tenant's queries that wait are bounded, another's still go`() async throws {
        let upstream = try await upstream { query, _ in
            Wire.questionName(query).lowercased().hasPrefix("slow") ? [] : [.answer(query, Wire.a(Self.good))]
        }
        try await ResolverRig.run(
            try FakeNames(), upstreams: [upstream],
            settings: {
                $0.limits.waitingPerTenant = 10
                $0.timing.total = .milliseconds(1500)
            }
        ) { rig in
            let flood = (0..<50).map { Wire.query("slow\($0).acme.example", id: $0) }
            let answers = rig.device.askAll(flood, timeoutMilliseconds: 150)
            #expect((38...42).contains(answers.count))
            #expect(answers.allSatisfy { Wire.code($0) == 2 })
            #expect(Wire.code(Device("127.0.0.3", port: rig.port).ask(Wire.query("mqtt.acme.example"))) == 0)
            pause(milliseconds: 1700)
            #expect(Wire.code(rig.device.ask(Wire.query("mqtt.acme.example"))) == 0)
        }
    }

    // MARK: Lessons

    @Test func `an answer leaves when its addresses are in force`() async throws {
        let upstream = try await honest()
        let names = try FakeNames(learning: .after(.milliseconds(40), on: group.next()))
        try await ResolverRig.run(names, upstreams: [upstream], settings: { $0.lessonWait = .seconds(3) }) { rig in
            for _ in 0..<2 {
                let start = ContinuousClock.now
                #expect(Wire.code(rig.device.ask(Wire.query("mqtt.acme.example"))) == 0)
                #expect((.milliseconds(38)...(.seconds(2))).contains(ContinuousClock.now - start))
            }
        }
    }

    @Test func `a lesson without an end holds an answer for 100 ms, not longer`() async throws {
        let upstream = try await honest()
        try await ResolverRig.run(try FakeNames(learning: .never), upstreams: [upstream]) { rig in
            let start = ContinuousClock.now
            #expect(Wire.code(rig.device.ask(Wire.query("mqtt.acme.example"))) == 0)
            #expect((.milliseconds(95)...(.seconds(2))).contains(ContinuousClock.now - start))
        }
    }

    @Test func `what has no address teaches nothing`() async throws {
        let upstream = try await upstream { query, _ in [.answer(query, Wire.record(nil, 16, [1, 97]))] }
        try await ResolverRig.run(try FakeNames(learning: .never), upstreams: [upstream]) { rig in
            #expect(Wire.code(rig.device.ask(Wire.query("mqtt.acme.example", type: 16))) == 0)
            #expect(rig.names.lessons.isEmpty)
        }
    }
}
