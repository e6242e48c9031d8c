import Control
import DNS
import Domain
import Glibc
import NIOCore
import NIOPosix
import Servers
import Testing

/// Devices' connections (RFC 7766).
@Suite(.serialized) struct StreamTests {
    private func upstream() async throws -> ScriptedUpstream {
        try await ScriptedUpstream(group: MultiThreadedEventLoopGroup.singleton) { query, _ in
            let isSlow = Wire.questionName(query).lowercased().hasPrefix("slow")
            return [.answer(query, Wire.a([192, 0, 2, 1]), after: isSlow ? .milliseconds(100) : .zero)]
        }
    }

    @Test func `queries of one connection are answered as their answers come`() async throws {
        let upstream = try await upstream()
        try await ResolverRig.run(try FakeNames(), upstreams: [upstream]) { rig in
            let answers = rig.device.askStream([
                Wire.query("slow.acme.example", id: 1), Wire.query("a.acme.example", id: 2),
                Wire.query("b.acme.example", id: 3),
            ])
            #expect(Set(answers.map { $0[1] }) == [1, 2, 3])
            #expect(answers.last?[1] == 1)
        }
    }

    @Test func `more queries than may wait are answered all the same, one after the other`() async throws {
        let upstream = try await upstream()
        try await ResolverRig.run(
            try FakeNames(), upstreams: [upstream],
            settings: {
                $0.limits.waitingPerStream = 2
                $0.limits.burstPerDevice = 1000
            }
        ) { rig in
            let queries = (0..<200).map { Wire.query("n\($0).acme.example", id: $0) }
            #expect(Set(rig.device.askStream(queries).map { $0[1] }).count == 200)
        }
    }

    @Test func `a query that comes octet by octet is answered, one that does not end is not waited for`() async throws {
        let upstream = try await upstream()
        try await ResolverRig.run(
            try FakeNames(), upstreams: [upstream], settings: { $0.timing.streamMessage = .milliseconds(1500) }
        ) { rig in
            let query = Wire.query("a.acme.example")
            let whole = rig.device.socket(SOCK_STREAM)
            for octet in Wire.u16(query.count) + query {
                send(whole, [octet], 1, 0)
                pause(milliseconds: 1)
            }
            #expect(Device.receiveFramed(whole) == Wire.answer(to: query, [Wire.a([192, 0, 2, 1])]))
            close(whole)

            let drip = rig.device.socket(SOCK_STREAM, timeoutMilliseconds: 100)
            let start = ContinuousClock.now
            var isOpen = true
            while isOpen, ContinuousClock.now - start < .seconds(8) {
                // Of a length that is never reached.
                isOpen = send(drip, [1], 1, Int32(MSG_NOSIGNAL)) == 1
                var octet: UInt8 = 0
                if recv(drip, &octet, 1, 0) == 0 { isOpen = false }
            }
            #expect(!isOpen)
            #expect(ContinuousClock.now - start > .milliseconds(1450))
            close(drip)
        }
    }

    @Test func `an idle connection is closed`() async throws {
        let upstream = try await upstream()
        try await ResolverRig.run(
            try FakeNames(), upstreams: [upstream], settings: { $0.timing.idleStream = .milliseconds(300) }
        ) { rig in
            let idle = rig.device.socket(SOCK_STREAM)
            let start = ContinuousClock.now
            #expect(Device.receive(idle) == nil)
            #expect((.milliseconds(250)...(.seconds(6))).contains(ContinuousClock.now - start))
            close(idle)
        }
    }

    @Test func `a device has so many connections and no more, and gets them back`() async throws {
        let upstream = try await upstream()
        try await ResolverRig.run(
            try FakeNames(), upstreams: [upstream], settings: { $0.limits.streamsPerDevice = 3 }
        ) { rig in
            let query = Wire.query("a.acme.example")
            for _ in 0..<2 {
                let open = (0..<5).map { _ in rig.device.socket(SOCK_STREAM, timeoutMilliseconds: 300) }
                let answered = open.count { descriptor in
                    Device.sendFramed(descriptor, [query])
                    return Device.receiveFramed(descriptor) != nil
                }
                #expect(answered == 3)
                #expect(Device("127.0.0.3", port: rig.port).askStream([query]).count == 1)
                for descriptor in open { close(descriptor) }
                pause(milliseconds: 50)
            }
        }
    }

    @Test func `who closes its side after asking still gets its answers`() async throws {
        let upstream = try await upstream()
        try await ResolverRig.run(try FakeNames(), upstreams: [upstream]) { rig in
            let descriptor = rig.device.socket(SOCK_STREAM)
            Device.sendFramed(descriptor, [Wire.query("slow.acme.example"), Wire.query("a.acme.example")])
            shutdown(descriptor, Int32(SHUT_WR))
            #expect(Device.receiveFramed(descriptor) != nil)
            #expect(Device.receiveFramed(descriptor) != nil)
            #expect(Device.receiveFramed(descriptor) == nil)
            close(descriptor)
        }
    }

    @Test func `on several event loops devices are served alike`() async throws {
        let upstream = try await upstream()
        try await ResolverRig.run(try FakeNames(), upstreams: [upstream], loops: 2) { rig in
            for number in 0..<20 {
                #expect(Wire.code(rig.device.ask(Wire.query("n\(number).acme.example"))) == 0)
                #expect(rig.device.askStream([Wire.query("n\(number).acme.example")]).count == 1)
            }
        }
    }
}
