import Domain
import Lab
import Synchronization
import Testing

extension LabTests {
    /// Every device sends a datagram each 10 ms and the sink answers each, so both ways are watched; SIMs are suspended
    /// one after the other meanwhile, by the command line, whose start is the moment that counts.
    @Test func `the last packet of a suspended SIM comes within a second, 100 times of 100`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let devices = demonstration.fleet.acme + demonstration.fleet.globex
        try #require(devices.count == 100)
        let traffic = try Traffic(lab: lab, devices: devices)
        let isOver = Atomic<Bool>(false)

        async let seen = traffic.run(until: isOver)
        try await Task.sleep(for: .milliseconds(300))
        var starts: [ContinuousClock.Instant] = []
        for device in devices {
            starts.append(.now)
            try await lab.cli.run(["sim", "suspend", device.sim.imsi])
        }
        // Long enough that a packet which comes too late is seen.
        try await Task.sleep(for: .milliseconds(1500))
        isOver.store(true, ordering: .relaxed)
        let (lastUp, lastDown) = await seen

        var latest: Duration = .zero
        for (index, device) in devices.enumerated() {
            for (way, last) in [("up", lastUp[index]), ("down", lastDown[index])] {
                let last = try #require(last, "\(device.sim.name): no packet ever went \(way)")
                let delay = last - starts[index]
                latest = max(latest, delay)
                #expect(delay <= .seconds(1), "\(device.sim.name) \(way)")
                // It really was being cut, not silent already.
                #expect(delay > .milliseconds(-100), "\(device.sim.name) \(way)")
            }
        }
        print("the latest packet of 100 suspended SIMs came \(latest.inSeconds) after its command began")

        for device in devices { try await lab.cli.run(["sim", "resume", device.sim.imsi]) }
        #expect(try await PacketGateway(lab: lab).attach(devices.map(\.sim)).map(\.address) == devices.map(\.address))
    }

    /// Datagrams of all devices to the sink and back.
    private struct Traffic {
        let sink: NamespaceSocket
        let sockets: [NamespaceSocket]
        let sinkAddress: IPv4Address

        init(lab: Laboratory, devices: [PacketGateway.Attached]) throws {
            sinkAddress = try IPv4Address(parsing: LabLayout.sink)
            sink = try NamespaceSocket(
                .udp, in: lab.layout.name(of: .inet), address: sinkAddress, port: Fleet.reportPort)
            let ran = lab.layout.name(of: .ran)
            sockets = try devices.map {
                try NamespaceSocket(.udp, in: ran, address: $0.address, port: 40_100)
            }
        }

        /// - Returns: for each device, when its last datagram reached the sink and when it last got an answer.
        func run(
            until isOver: borrowing Atomic<Bool>
        ) async -> (up: [ContinuousClock.Instant?], down: [ContinuousClock.Instant?]) {
            var up = [ContinuousClock.Instant?](repeating: nil, count: sockets.count)
            var down = up
            while !isOver.load(ordering: .relaxed) {
                for (index, socket) in sockets.enumerated() {
                    socket.send([UInt8(index)], to: sinkAddress, port: Fleet.reportPort)
                }
                while let datagram = sink.receive() {
                    guard let index = datagram.bytes.first, Int(index) < up.count else { continue }
                    up[Int(index)] = .now
                    sink.send([index], to: datagram.source, port: datagram.port)
                }
                for (index, socket) in sockets.enumerated() {
                    while socket.receive() != nil { down[index] = .now }
                }
                // Cancelled: the loop is over, as if it had been asked to.
                guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { break }
            }
            return (up, down)
        }
    }
}
