import Foundation
import Lab
import Testing

extension LabTests {
    private struct Shown: Decodable {
        struct Session: Decodable {
            let id: Int
            let online: Bool
            let lastSeen: String
            let lastPacket: String?

            enum CodingKeys: String, CodingKey {
                case id, online
                case lastSeen = "last_seen_at"
                case lastPacket = "last_packet_at"
            }
        }

        let sessions: [Session]
    }

    private func session(of device: PacketGateway.Attached) async throws -> Shown.Session? {
        let shown = try await demonstration().lab.cli.answers(
            ["sim", "show", device.sim.imsi, "--json"], as: Shown.self)
        return shown.first?.sessions.first
    }

    @Test func `the P-GW takes a change of a session, which goes on, and refuses one of a session that it lost`()
        async throws
    {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let gateway = PacketGateway(lab: lab)
        let device = demonstration.fleet.acme[21]
        let before = try #require(try await session(of: device))
        let changed = try await lab.cli.run(["session", "change", "\(before.id)", "--interim", "90"])
        #expect(changed.contains("CoA-ACK after 1 datagram"), "\(changed)")
        let file = "\(lab.layout.runDirectory)/sessions/\(device.sim.imsi).changes"
        #expect(try String(contentsOfFile: file, encoding: .utf8).contains("interim=90 "))
        #expect(try await session(of: device)?.id == before.id)

        try await gateway.forget(device.sim)
        // Refused, and so the session is over: the command says that it was not done.
        _ = try? await lab.cli.run(["session", "change", "\(before.id)", "--idle-timeout", "90"])
        #expect(try await session(of: device) == nil)
        let ended = try await lab.cli.run(["session", "show", "\(before.id)"])
        #expect(ended.contains("unknown-to-nas"), "\(ended)")
        #expect(try await gateway.attach([device.sim]).map(\.address) == [device.address])
    }

    @Test func `a session that is disconnected ends, and one that carries packets says when the last was`()
        async throws
    {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let device = demonstration.fleet.acme[22]
        let download = try await Download.start(in: lab, by: device)
        try await Task.sleep(for: .milliseconds(300))
        let busy = try #require(try await session(of: device))
        let seen = try #require(busy.lastPacket)
        #expect(busy.online && busy.lastSeen >= seen)
        try await download.stop()
        let told = try await lab.cli.run(["session", "disconnect", "\(busy.id)"])
        #expect(told.contains("Disconnect-ACK") && told.contains("the NAS has confirmed"), "\(told)")
        #expect(try await session(of: device) == nil)
        #expect(try await PacketGateway(lab: lab).attach([device.sim]).map(\.address) == [device.address])
    }
}
