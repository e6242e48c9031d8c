import Domain

/// Whether anything gets to a device that listens, as some do who should not.
extension Demonstration {
    func deviceToDevice(
        _ sender: PacketGateway.Attached, _ receiver: PacketGateway.Attached
    ) async throws(LabError) -> Sight {
        try await nothingArrives(
            from: "\(sender.address)", in: lab.layout.name(of: .ran), to: receiver, counter: "device_to_device")
    }

    /// - Parameter counter: what the gateway counts such packets as.
    func nothingArrives(
        from sender: String, in namespace: String, to receiver: PacketGateway.Attached, counter: String
    ) async throws(LabError) -> Sight {
        let listener = try Listener(receiver, in: lab)
        let before = try await self.counter(counter)
        let reach = try await reach(listener, from: sender, in: namespace)
        let dropped = try await self.counter(counter) - before
        let control = try await self.reach(listener, from: LabLayout.packetGateway, in: lab.layout.name(of: .ran))
        return Sight(
            seen: "\(reach); dropped as \(counter.replacing("_", with: "-")): \(dropped)",
            notes: ["\(sender) to \(receiver.address); from the P-GW's side: \(control)"],
            isAsExpected: reach == Reach(datagrams: 0, isConnected: false, isAnswered: false) && dropped >= 13
                && control == Reach(datagrams: 10, isConnected: true, isAnswered: true))
    }

    /// A device's open port, over UDP and TCP.
    final class Listener: Sendable {
        let device: PacketGateway.Attached
        private let datagrams: NamespaceSocket
        private let streams: NamespaceSocket

        init(_ device: PacketGateway.Attached, in lab: Laboratory) throws(LabError) {
            let ran = lab.layout.name(of: .ran)
            self.device = device
            datagrams = try NamespaceSocket(.udp, in: ran, address: device.address, port: Fleet.devicePort)
            streams = try NamespaceSocket(.tcpListener, in: ran, address: device.address, port: Fleet.devicePort)
        }

        /// How many datagrams wait; none does afterwards.
        func drain() -> Int {
            var count = 0
            while datagrams.receive() != nil { count += 1 }
            return count
        }
    }

    /// What becomes of ten datagrams, a TCP connection and two pings.
    struct Reach: Hashable, CustomStringConvertible {
        let datagrams: Int
        let isConnected: Bool
        let isAnswered: Bool

        var description: String {
            "\(datagrams) of 10 datagrams arrived, TCP \(isConnected ? "connected" : "did not connect"), "
                + "ping \(isAnswered ? "was answered" : "was not answered")"
        }
    }

    func reach(_ listener: Listener, from sender: String, in namespace: String) async throws(LabError) -> Reach {
        let target = listener.device.address
        let socket = try NamespaceSocket(.udp, in: namespace, address: try Self.address(sender), port: 40_001)
        for _ in 0..<10 { socket.send([0x64], to: target, port: Fleet.devicePort) }
        let isConnected = try await connects(
            to: "\(target)", port: Int(Fleet.devicePort), from: sender, in: namespace)
        let ping = try await Command(
            ["ping", "-c", "2", "-i", "0.2", "-W", "1", "-I", sender, "\(target)"], in: namespace
        ).output().status
        return Reach(datagrams: listener.drain(), isConnected: isConnected, isAnswered: ping == 0)
    }
}
