import Control
import Domain
import Store
import Synchronization
import Testing

@Suite struct PortBlockTests {
    private static let start = Timestamp(milliseconds: 1_800_000_000_000)

    /// A clock that a test moves.
    private final class Clock: Sendable {
        private let seconds = Mutex<Int64>(0)
        var now: Timestamp { at(seconds.withLock { $0 }) }
        func set(_ seconds: Int64) { self.seconds.withLock { $0 = seconds } }
        func at(_ seconds: Int64) -> Timestamp {
            Timestamp(milliseconds: PortBlockTests.start.milliseconds + seconds * 1000)
        }
    }

    /// Runs `body` with two devices: 0 had a session from 10 to 20 s and has one since 30 s, 1 has one since 15 s.
    private func withHistory(_ body: @escaping @Sendable (Bench, Clock) async throws -> Void) async throws {
        let clock = Clock()
        try await Bench.run(now: { clock.now }) { bench in
            _ = try await bench.tenant("acme", sims: 2)
            clock.set(10)
            guard case .accept(_, let token) = try await bench.attach(try Bench.imsi(0)) else {
                Issue.record("not accepted")
                return
            }
            clock.set(15)
            _ = try await bench.attach(try Bench.imsi(1))
            clock.set(20)
            #expect(try await bench.account(.stop, token: token, isLast: true))
            clock.set(30)
            _ = try await bench.attach(try Bench.imsi(0))
            try await body(bench, clock)
        }
    }

    private func blocks(
        _ bench: Bench, _ address: String? = nil, port: UInt16? = nil, from: Timestamp? = nil, to: Timestamp? = nil,
        after: Session.ID? = nil, limit: Int = 100, by principal: Principal = .system
    ) async throws -> [ControlPlane.PortBlock] {
        try await bench.control.portBlocks(
            publicAddress: try address.map { try IPv4Address(parsing: $0) }, port: port, from: from, to: to,
            after: after, limit: limit, by: principal)
    }

    @Test func `the table says who had which ports from when to when`() async throws {
        try await withHistory { bench, clock in
            let table = try await blocks(bench)
            #expect(try table.map(\.imsi) == [Bench.imsi(0), Bench.imsi(0), Bench.imsi(1)])
            #expect(table.map(\.validFrom) == [clock.at(10), clock.at(30), clock.at(15)])
            #expect(table.map(\.validTo) == [clock.at(20), nil, nil])
            #expect(table.map(\.binding.firstPort) == [1024, 1024, 1536])
            #expect(table.map(\.binding.lastPort) == [1535, 1535, 2047])
            #expect(try Set(table.map(\.binding.publicAddress)) == [IPv4Address(parsing: "198.19.0.0")])
            #expect(table.allSatisfy { "\($0.tenant.map { "\($0)" } ?? "")" == "acme" })
            #expect(Set(table.map(\.address)).count == 2)
        }
    }

    @Test func `who used a port at a time has one answer`() async throws {
        try await withHistory { bench, clock in
            for (second, expected): (Int64, [Int64]) in [
                (9, []), (10, [10]), (13, [10]), (20, [10]), (25, []), (30, [30]), (99, [30]),
            ] {
                let time = clock.at(second)
                let answer = try await blocks(bench, "198.19.0.0", port: 1300, from: time, to: time)
                #expect(answer.map(\.validFrom) == expected.map(clock.at), "\(second)")
            }
            #expect(try await blocks(bench, "198.19.0.0", port: 1600, from: clock.at(99)).count == 1)
            #expect(try await blocks(bench, "198.19.0.0", port: 3000).isEmpty)
            #expect(try await blocks(bench, "198.19.0.0", port: 80).isEmpty)
            #expect(try await blocks(bench, "198.19.0.1").isEmpty)
            #expect(try await blocks(bench, "198.19.0.0", from: clock.at(21), to: clock.at(29)).count == 1)
        }
    }

    @Test func `pages of the table, put together, are all of it`() async throws {
        try await withHistory { bench, _ in
            let whole = try await blocks(bench)
            var found: [ControlPlane.PortBlock] = []
            while true {
                let page = try await blocks(bench, after: found.last?.session, limit: 1)
                if page.isEmpty { break }
                found += page
            }
            #expect(found == whole && found.count == 3)
        }
    }

    @Test func `only the operator asks, and a question without sense is refused`() async throws {
        try await withHistory { bench, clock in
            let acme = try await bench.control.tenant(Name(parsing: "acme"), by: .system)
            let tenant = Principal(name: "acme-admin", role: .tenant(acme.id))
            let refusals: [(ControlError.Code, @Sendable () async throws -> [ControlPlane.PortBlock])] = [
                (.forbidden, { try await blocks(bench, by: tenant) }),
                (.invalid, { try await blocks(bench, port: 1300) }),
                (.invalid, { try await blocks(bench, "203.0.113.7") }),
                (.invalid, { try await blocks(bench, from: clock.at(2), to: clock.at(1)) }),
                (.notFound, { try await blocks(bench, after: Session.ID(999)) }),
            ]
            for (code, ask) in refusals {
                let error = await #expect(throws: ControlError.self) { _ = try await ask() }
                #expect(error?.code == code)
            }
        }
    }
}
