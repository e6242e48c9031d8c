import Control
import Domain
import Glibc
import Servers
import Testing

/// Through the loopback interface of the kernel, whose echo service answers; a raw socket is root's.
@Suite(.enabled(if: getuid() == 0)) struct EchoProberTests {
    private static func probe(_ sequence: UInt16, to destination: String = "127.0.0.2") throws -> TunnelProbe {
        TunnelProbe(
            vpn: try #require(VPNNumber(17)), sequence: sequence, source: try IPv4Address(parsing: "127.0.0.1"),
            destination: try IPv4Address(parsing: destination), mark: 0)
    }

    private static func answers(_ prober: EchoProber, _ count: Int) async throws -> [TunnelProbe.Answer] {
        var found: [TunnelProbe.Answer] = []
        for _ in 0..<200 where found.count < count {
            found += prober.answers()
            if found.count < count { try await Task.sleep(for: .milliseconds(20)) }
        }
        return found
    }

    @Test func `who is asked answers, and nobody else's answers are taken`() async throws {
        let (prober, other) = (try EchoProber(), try EchoProber())
        prober.send([try Self.probe(1), try Self.probe(65_535, to: "127.0.0.3")])
        let answers = try await Self.answers(prober, 2)
        #expect(Set(answers.map { "\($0.vpn) \($0.sequence) \($0.from)" }) == ["17 1 127.0.0.2", "17 65535 127.0.0.3"])
        // The other has seen them too.
        #expect(other.answers().isEmpty)
        other.send([try Self.probe(2)])
        #expect(try await Self.answers(other, 1).map(\.sequence) == [2])
        #expect(prober.answers().isEmpty)
    }

    @Test func `what cannot be sent has no answer, and keeps nothing else from being sent`() async throws {
        let prober = try EchoProber()
        let nowhere = TunnelProbe(
            vpn: try #require(VPNNumber(1)), sequence: 1, source: try IPv4Address(parsing: "203.0.113.250"),
            destination: try IPv4Address(parsing: "127.0.0.1"), mark: 0)
        prober.send([nowhere, try Self.probe(3)])
        #expect(try await Self.answers(prober, 1).map(\.sequence) == [3])
    }
}
