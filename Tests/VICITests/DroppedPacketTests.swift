import Domain
import Testing
import VICI

@Suite struct DroppedPacketTests {
    private func reach(_ vpn: Int64, _ devices: String, _ networks: String) throws -> DroppedPacket.Reach {
        DroppedPacket.Reach(
            vpn: VPN.ID(vpn), devices: [try IPv4Prefix(parsing: devices)], networks: [try IPv4Prefix(parsing: networks)]
        )
    }

    @Test func `reads what kernel-libipsec says of packets that no tunnel may bring`() throws {
        let packets = try Capture("dropped").lines.compactMap { DroppedPacket($0) }
        #expect(
            packets.map { "\($0.source) \($0.destination)" } == [
                "10.9.0.1 100.64.0.1", "10.9.0.1 100.64.0.1", "10.0.0.1 100.64.9.9",
            ])
        #expect(packets.map(\.transport) == [1, 17, 1])
        #expect(packets.map(\.sourcePort) == [nil, 5555, nil])
        #expect(packets.map(\.destinationPort) == [nil, 7, nil])
    }

    @Test func `says which VPN's they were, where the addresses tell`() throws {
        let packets = try Capture("dropped").lines.compactMap { DroppedPacket($0) }
        let acme = try reach(1, "100.64.0.0/24", "10.0.0.0/24")
        let globex = try reach(2, "100.64.9.0/24", "10.20.0.0/24")
        #expect(
            packets.map { $0.reason(among: [acme, globex]) } == [
                .outsideNetworks(of: VPN.ID(1)), .outsideNetworks(of: VPN.ID(1)), .outsideDevices(of: VPN.ID(1)),
            ])
        // Everybody has 10.0.0.0/24.
        let other = try reach(3, "100.64.9.0/24", "10.0.0.0/24")
        #expect(packets.last?.reason(among: [acme, other]) == .unknown)
    }

    @Test(arguments: [
        "discarding inbound IP packet 10.9.0.1 == 100.64.0.1 [300] due to policy",
        "discarding inbound IP packet 10.9.0.1[x] == 100.64.0.1[7] [17] due to policy",
        "discarding inbound IP packet  ==  [] due to policy", "discarding inbound IP packet", "",
    ])
    func `takes nothing else`(text: String) {
        #expect(DroppedPacket(LogLine(group: "ESP", text: text)) == nil)
    }
}
