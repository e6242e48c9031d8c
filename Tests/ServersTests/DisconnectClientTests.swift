import Control
import Domain
import Logging
import NIOCore
import NIOPosix
import RADIUS
import Servers
import Synchronization
import Testing

/// Disconnect and CoA towards a NAS that does as the test says.
@Suite struct DisconnectClientTests {
    private static let secret = Secret(bytes: Array("a secret of some length".utf8))

    /// A NAS on a port of its own.
    private final class ScriptedNAS: ChannelInboundHandler, Sendable {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>

        struct Heard: Sendable {
            let octets: [UInt8]
            let at: ContinuousClock.Instant
        }

        private let heard = Mutex<[Heard]>([])
        /// What it answers to a datagram, by how many came before.
        private let script: @Sendable ([UInt8], Int) -> [UInt8]?

        init(_ script: @escaping @Sendable ([UInt8], Int) -> [UInt8]?) { self.script = script }

        var all: [Heard] { heard.withLock { $0 } }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = unwrapInboundIn(data)
            let octets = Array(envelope.data.readableBytesView)
            let count = heard.withLock { heard in
                heard.append(Heard(octets: octets, at: .now))
                return heard.count
            }
            guard let answer = script(octets, count - 1) else { return }
            context.writeAndFlush(
                wrapOutboundOut(
                    AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: answer))),
                promise: nil)
        }

        /// An answer to a request, with an Error-Cause where one is given.
        static func answer(_ code: UInt8, to request: [UInt8], cause: UInt32? = nil) -> [UInt8] {
            var attributes: [UInt8] = []
            if let cause { attributes = [101, 6] + withUnsafeBytes(of: cause.bigEndian) { Array($0) } }
            var packet: [UInt8] = [code, request[1], 0, UInt8(20 + attributes.count)]
            packet += [UInt8](repeating: 0, count: 16) + attributes
            let authenticator = request[4..<20].reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
            let digest = Authenticator.digest(
                of: packet.span, authenticator: authenticator, secret: DisconnectClientTests.secret)
            for index in 0..<16 { packet[4 + index] = UInt8(truncatingIfNeeded: digest >> (120 - 8 * index)) }
            return packet
        }

        static func types(of packet: [UInt8]) -> [UInt8] {
            var types: [UInt8] = []
            var offset = 20
            while offset + 1 < packet.count, packet[offset + 1] >= 2 {
                types.append(packet[offset])
                offset += Int(packet[offset + 1])
            }
            return types
        }
    }

    /// Runs `body` with a client and the request for a session at the NAS.
    private static func with(
        _ nas: ScriptedNAS, profile: NAS.Profile = NAS.Profile(),
        _ body: (DisconnectClient, DisconnectRequest) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let server = try await DatagramBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(nas) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let loopback = try IPv4Address(parsing: "127.0.0.1")
        let client = try await DisconnectClient.bind(
            address: loopback, group: group, now: { Timestamp(milliseconds: 1_800_000_000_000) }, logger: logger)
        let request = DisconnectRequest(
            nas: NAS(
                id: NAS.ID(1), name: try Name(parsing: "pgw"), address: loopback, requiresMessageAuthenticator: true,
                disconnectPort: UInt16(port), disconnectKey: .imsiAndNSAPI, profile: profile),
            secret: secret, imsi: try IMSI(parsing: "001010000000001"), apn: try APN(parsing: "iot"),
            address: IPv4Address(bits: 0x6440_0001), accountingSessionID: "a1", nsapi: 5,
            msisdn: try MSISDN(parsing: "46700000001"), token: SessionToken(bits: 9), chargingID: nil)
        try await body(client, request)
        try await server.close()
    }

    @Test func `a session is ended or changed with what the profile says, each answered by its own code`()
        async throws
    {
        let nas = ScriptedNAS { request, _ in ScriptedNAS.answer(request[0] == 40 ? 41 : 44, to: request) }
        let profile = NAS.Profile(
            attributes: [.userName, .msisdn, .chargingID, .token, .eventTimestamp], takesChanges: true)
        try await Self.with(nas, profile: profile) { client, request in
            let ended = await client.disconnect(request)
            #expect(ended == DisconnectOutcome(result: .acknowledged, attempts: 1))
            let changed = await client.change(request, to: [.idleTimeout(seconds: 7), .interimInterval(seconds: 60)])
            #expect(changed == DisconnectOutcome(result: .acknowledged, attempts: 1))
        }
        #expect(nas.all.map(\.octets[0]) == [40, 43])
        // What the session has not is left out.
        #expect(nas.all.map { ScriptedNAS.types(of: $0.octets) } == [[1, 31, 25, 55], [1, 31, 25, 55, 28, 85]])
    }

    @Test func `an answer of the other kind is none, and the reason of a refusal has its name`() async throws {
        let nas = ScriptedNAS { request, count in
            count == 0 ? ScriptedNAS.answer(44, to: request) : ScriptedNAS.answer(42, to: request, cause: 508)
        }
        try await Self.with(nas, profile: NAS.Profile(attempts: 2, firstWaitMilliseconds: 100)) { client, request in
            let outcome = await client.disconnect(request)
            #expect(
                outcome
                    == DisconnectOutcome(
                        result: .refused(errorCause: .multipleSessionSelectionUnsupported), attempts: 2))
        }
        #expect(nas.all.count == 2 && nas.all[0].octets == nas.all[1].octets)
    }

    @Test(arguments: [(UInt8(42), UInt32(503)), (41, 201)])
    func `a session that the NAS does not have is told apart`(code: UInt8, cause: UInt32) async throws {
        let nas = ScriptedNAS { request, _ in ScriptedNAS.answer(code, to: request, cause: cause) }
        try await Self.with(nas) { client, request in
            #expect(await client.disconnect(request).result == .contextNotFound)
        }
    }

    @Test func `a profile sets how often and how long, and a session without its attributes is not sent`()
        async throws
    {
        let silent = ScriptedNAS { _, _ in nil }
        let profile = NAS.Profile(attempts: 3, firstWaitMilliseconds: 100)
        try await Self.with(silent, profile: profile) { client, request in
            let started = ContinuousClock.now
            #expect(await client.disconnect(request) == DisconnectOutcome(result: .noAnswer, attempts: 3))
            // 100, 200 and 400 ms.
            #expect(ContinuousClock.now - started >= .milliseconds(690))
        }
        let nas = ScriptedNAS { _, _ in nil }
        try await Self.with(nas, profile: NAS.Profile(attributes: [.chargingID, .nsapi])) { client, request in
            guard case .notSent(let reason) = await client.disconnect(request).result else {
                Issue.record("sent")
                return
            }
            #expect(reason.contains("charging-id"))
        }
        #expect(nas.all.isEmpty)
    }

    @Test func `many go out at the NAS's pace, and all of them are answered`() async throws {
        let nas = ScriptedNAS { request, _ in ScriptedNAS.answer(41, to: request) }
        try await Self.with(nas, profile: NAS.Profile(requestsPerSecond: 500)) { client, request in
            let outcomes = await withTaskGroup(of: DisconnectOutcome.self) { group in
                for _ in 0..<400 { group.addTask { await client.disconnect(request) } }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.count == 400 && outcomes.allSatisfy { $0.result == .acknowledged })
        }
        let times = nas.all.map(\.at)
        let taken = try #require(times.last) - (try #require(times.first))
        // 400 at 500 a second, of which a tenth of a second's worth may go at once.
        #expect(taken >= .milliseconds(600) && taken < .seconds(10), "\(taken)")
    }
}
