import Domain
import LinuxNet
import PolicyCompiler
import TestSupport
import Testing

extension KernelTests {
    /// What policies' rules count and note.
    @Suite(.serialized) struct Counting {
        private let one = kernelMark(1)

        private func entry(
            _ destination: String, _ rule: Int, protocols: ClosedRange<UInt8> = 0...255,
            ports: ClosedRange<UInt16> = 0...65_535
        ) -> Ruleset.Entry {
            Ruleset.Entry(destination: prefix(destination), protocols: protocols, ports: ports, rule: rule)
        }

        /// Sends packets of ever other flows, and waits until the last is through.
        private func send(_ packets: [(destination: String, protocol: UInt8, port: UInt16)], in rig: KernelRig) throws {
            let sender = try KernelRawSender(in: rig.devices)
            let capture = try KernelCapture(in: rig.internet, interface: "net0")
            for (index, packet) in packets.enumerated() {
                sender.send(
                    KernelPacket(
                        source: address("100.64.0.1"), destination: address(packet.destination),
                        protocol: packet.protocol, sourcePort: 5000 + UInt16(index), destinationPort: packet.port,
                        sequence: UInt32(index + 1)))
            }
            sender.send(
                KernelPacket(
                    source: address("100.64.0.2"), destination: address("192.0.2.1"), protocol: 17, sourcePort: 5000,
                    destinationPort: 9, sequence: 1000))
            #expect(capture.sequences(until: 1000).contains(1000))
        }

        /// The same boxes as rules and, with many more, as maps.
        @Test(arguments: [0, 200])
        func `each rule counts what it decides on`(_ more: Int) throws {
            let rig = try KernelRig()
            let others = (0..<more).map { number in entry("10.0.\(number).0/24", 2, protocols: 6...6, ports: 80...90) }
            let ruleset = Ruleset(
                layers: [
                    [entry("192.0.2.10", 0, protocols: 17...17, ports: 4000...4001), entry("192.0.2.20", 1)] + others,
                    [entry("192.0.2.0/24", 3, protocols: 17...17)],
                ], verdicts: [.internet, .block, .internet, .internet])
            let two = kernelMark(2)
            try rig.start(
                [one: ruleset, two: .allowing("0.0.0.0/0")], [kernelDevice(1, one), kernelDevice(2, two)])
            try send(
                [
                    ("192.0.2.10", 17, 4000), ("192.0.2.10", 17, 4001), ("192.0.2.20", 17, 1), ("192.0.2.30", 17, 1),
                    ("198.51.100.1", 17, 1), ("198.51.100.1", 6, 1), ("192.0.2.20", 17, 1),
                ], in: rig)
            #expect(try rig.kernel.hits(of: one).map(\.packets) == [2, 2, 0, 1, 2])
            #expect(try rig.kernel.hits(of: one)[1].octets > 40)
            // Another policy's are its own, and what was counted is no change of the table.
            #expect(try rig.kernel.hits(of: two).map(\.packets) == [1, 0])
            try rig.nft("add table inet foreign")
            #expect(try rig.kernel.verify() == nil)
            // The next process goes on counting.
            let next = try Kernel(layout: rig.layout, namespace: rig.gateway)
            _ = try next.reconcile(
                to: rig.state(
                    [one: ruleset, two: .allowing("0.0.0.0/0")], [kernelDevice(1, one), kernelDevice(2, two)]))
            #expect(try next.hits(of: one).map(\.packets) == [2, 2, 0, 1, 2])
            // A new version begins anew.
            try next.install([one: .allowing("0.0.0.0/0")], removing: [])
            #expect(try next.hits(of: one).map(\.packets) == [0, 0])
            #expect(try next.hits(of: kernelMark(77)) == [])
        }

        @Test func `what is observed is noted by device, destination and rule, blocked or not`() throws {
            let rig = try KernelRig()
            let ruleset = Ruleset(
                layers: [[entry("192.0.2.10", 0, protocols: 17...17, ports: 4000...4000), entry("192.0.2.20", 1)]],
                actions: [.init(.internet), .init(nil, isObserved: true)],
                default: .init(.internet, isObserved: true))
            let two = kernelMark(2)
            try rig.start(
                [one: ruleset, two: .allowing("0.0.0.0/0")], [kernelDevice(1, one), kernelDevice(2, two)])
            try send(
                [
                    ("192.0.2.10", 17, 4000), ("192.0.2.20", 17, 7), ("192.0.2.20", 17, 7), ("192.0.2.20", 6, 8),
                    ("192.0.2.20", 47, 0), ("198.51.100.9", 6, 443),
                ], in: rig)
            let noted = try rig.kernel.observations().map { observation in
                "\(observation.device) \(observation.destination) \(observation.protocol) "
                    + "\(observation.port.map { "\($0)" } ?? "-") \(observation.policy) \(observation.rule) "
                    + "\(observation.hits.packets)"
            }
            #expect(
                noted.sorted() == [
                    "100.64.0.1 192.0.2.20 17 7 \(one) 1 2", "100.64.0.1 192.0.2.20 47 - \(one) 1 1",
                    "100.64.0.1 192.0.2.20 6 8 \(one) 1 1", "100.64.0.1 198.51.100.9 6 443 \(one) 2 1",
                ])
            #expect(try rig.kernel.verify() == nil)
        }
    }
}
