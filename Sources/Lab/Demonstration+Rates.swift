import Domain
import Foundation

/// A rate of a SIM, measured by iperf3 between the device and a server in the internet.
extension Demonstration {
    func limitedRate() async throws(LabError) -> Sight {
        let (datagrams, connections) = (fleet.acme[17], fleet.acme[18])
        try await apply(Fleet.metersWithSpeedTest, to: "acme")
        for device in [datagrams, connections] {
            try await setSessionPolicy(of: device, "bandwidth: {up: 2Mbit/s, down: 8Mbit/s}\n")
        }
        let (first, second) = (Fleet.speedPorts, Fleet.speedPorts + 1)
        let lab = lab
        async let offered = Self.measure(
            lab, datagrams, port: first,
            ["--udp", "--bitrate", "16M", "--length", "\(Self.datagram)"], octets: Self.datagram, headers: 28)
        // 1,500 octets less 20 for IP, 20 for TCP, 12 for its timestamps.
        async let transferred = Self.measure(lab, connections, port: second, [], octets: 1448, headers: 52)
        let results = await (offered, transferred)
        for device in [datagrams, connections] {
            try await lab.cli.run(["session-policy", "clear", "--sim", device.sim.imsi])
        }
        try await apply(Fleet.meters, to: "acme")
        let (udp, tcp) = (try results.0.get(), try results.1.get())
        return Sight(
            seen: "16 Mbit/s offered each way: \(udp) Mbit/s arrived",
            notes: [
                "one TCP connection each way at a time: \(tcp) Mbit/s",
                "octets of IP packets in \(Self.measuredSeconds) s, after the first second, which has the burst",
            ],
            isAsExpected: udp.isWithin(0.05, up: 2, down: 8) && tcp.isWithin(0.15, up: 2, down: 8))
    }

    /// Mbit/s of IP packets.
    private struct Rates: CustomStringConvertible {
        let up: Double
        let down: Double

        var description: String { "up \(Self.text(up)), down \(Self.text(down))" }

        func isWithin(_ part: Double, up asked: Double, down askedDown: Double) -> Bool {
            abs(up / asked - 1) <= part && abs(down / askedDown - 1) <= part
        }

        private static func text(_ rate: Double) -> String {
            let hundredths = Int((rate * 100).rounded())
            return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
        }
    }

    private static let datagram = 1200
    private static let measuredSeconds = 4

    /// Both directions at once, with a server for this one measurement.
    /// - Parameters:
    ///   - octets: of contents in a packet.
    ///   - headers: octets that it has beside them.
    private static func measure(
        _ lab: Laboratory, _ device: PacketGateway.Attached, port: Int, _ options: [String], octets: Int, headers: Int
    ) async -> Result<Rates, LabError> {
        do throws(LabError) {
            return .success(try await rates(lab, device, port: port, options, octets: octets, headers: headers))
        } catch {
            return .failure(error)
        }
    }

    private static func rates(
        _ lab: Laboratory, _ device: PacketGateway.Attached, port: Int, _ options: [String], octets: Int, headers: Int
    ) async throws(LabError) -> Rates {
        struct Report: Decodable {
            struct End: Decodable {
                let received: Sum
                let receivedDown: Sum

                enum CodingKeys: String, CodingKey {
                    case received = "sum_received"
                    case receivedDown = "sum_received_bidir_reverse"
                }
            }
            struct Sum: Decodable {
                let rate: Double
                enum CodingKeys: String, CodingKey { case rate = "bits_per_second" }
            }
            let end: End
        }
        let inet = lab.layout.name(of: .inet)
        let server = try await lab.records.start(
            "iperf3-\(port)", ["iperf3", "--server", "--bind", LabLayout.otherWeb, "--port", "\(port)"], in: inet)
        let sockets = Command(["ss", "-Hltn", "sport = :\(port)"], in: inet)
        try await waitUntil("iperf3 listens", within: .seconds(10)) { () throws(LabError) in
            try await !sockets.run().trimmed.isEmpty
        }
        let output = try await Command(
            [
                "timeout", "30", "iperf3", "--client", LabLayout.otherWeb, "--port", "\(port)", "--bind",
                "\(device.address)", "--bidir", "--omit", "1", "--time", "\(measuredSeconds)", "--json",
            ] + options, in: lab.layout.name(of: .ran)
        ).output()
        try await lab.records.stop(server)
        do {
            let end = try JSONDecoder().decode(Report.self, from: Data(output.standardOutput.utf8)).end
            let packet = Double(octets + headers) / Double(octets) / 1_000_000
            return Rates(up: end.received.rate * packet, down: end.receivedDown.rate * packet)
        } catch {
            throw LabError(
                .toolFailed, "iperf3 has not measured anything (exit code \(output.status))",
                output: (output.standardError + output.standardOutput).trimmed)
        }
    }
}
