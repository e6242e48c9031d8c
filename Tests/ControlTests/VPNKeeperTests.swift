import Control
import Domain
import Testing

/// VPNs are looked at by the keeper while others are made and changed.
@Suite struct VPNKeeperTests {
    private typealias Cases = TunnelUseCaseTests

    /// Each of the two books has a lock, and either was once asked for under the other's: that ends the process.
    @Test func `looking at VPNs from many sides at once comes to its end`() async throws {
        try await Cases.run { bench, _ in
            for place in 0..<4 {
                _ = try await bench.control.createTunnel(
                    try Cases.name("hq-\(place)"), of: try Cases.name("acme"),
                    try Cases.tunnel(["10.0.0.0/24"], peer: "203.0.113.\(10 + place)"), by: .system)
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask { for _ in 0..<2000 { try await bench.control.lookAtVPNs() } }
                }
                try await group.waitForAll()
            }
            #expect(try await bench.control.vpns(of: try Cases.name("acme"), by: .system).count == 4)
        }
    }
}
