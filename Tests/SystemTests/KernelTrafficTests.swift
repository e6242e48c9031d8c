import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import TestSupport
import Testing

/// Everything that makes namespaces runs one after the other.
@Suite(.serialized) struct KernelTests {}

extension KernelTests {
    @Suite(.serialized) struct Traffic {
        private let one = kernelMark(1)

        /// Devices 1 and 2 may reach everything.
        private func openRig() throws -> KernelRig {
            let rig = try KernelRig()
            try rig.start([one: .allowing("0.0.0.0/0")], [kernelDevice(1, one), kernelDevice(2, one)])
            return rig
        }

        private func packet(
            _ sequence: UInt32, from source: String, to destination: String, protocol number: UInt8 = 17,
            port: UInt16 = 4000, sourcePort: UInt16 = 5000
        ) -> KernelPacket {
            KernelPacket(
                source: address(source), destination: address(destination), protocol: number, sourcePort: sourcePort,
                destinationPort: port, sequence: sequence)
        }

        @Test func `a reply comes back through a port of the device's block`() throws {
            let rig = try openRig()
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5000)
            let server = try KernelUDP(in: rig.internet, KernelRig.server, port: 4000)
            device.send([1, 2, 3], to: KernelRig.server, port: 4000)
            let request = try #require(server.receive())
            #expect(request.bytes == [1, 2, 3])
            #expect(request.source == address("203.0.113.1"))
            #expect((10_008...10_015).contains(request.port))
            server.send([4, 5], to: request.source, port: request.port)
            let reply = try #require(device.receive())
            #expect(reply == KernelUDP.Datagram(bytes: [4, 5], source: KernelRig.server, port: 4000))
        }

        @Test func `an ICMP error comes back to the device it is for`() throws {
            let rig = try openRig()
            let device = try KernelUDP(in: rig.devices, address("100.64.0.2"), port: 5000)
            device.connect(KernelRig.server, port: 4001)
            #expect(device.sendConnected([1]) == 1)
            // Nobody listens there: the server's host says so.
            #expect(device.receive() == nil)
            #expect(errno == ECONNREFUSED)
        }

        @Test func `the gateway's own ICMP error comes to the device`() throws {
            let rig = try openRig()
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5000)
            device.setTimeToLive(1)
            device.connect(KernelRig.server, port: 4001)
            #expect(device.sendConnected([1]) == 1)
            #expect(device.receive() == nil)
            #expect(errno == EHOSTUNREACH)
        }

        @Test func `a source that is no device's goes nowhere`() throws {
            let rig = try openRig()
            let (sender, capture) = try rawPair(rig)
            sender.send(packet(1, from: "100.64.0.3", to: "192.0.2.10"))
            sender.send(packet(2, from: "203.0.113.1", to: "192.0.2.10"))
            sender.send(packet(3, from: "198.18.0.2", to: "192.0.2.10"))
            sender.send(packet(9, from: "100.64.0.1", to: "192.0.2.10"))
            #expect(capture.sequences(until: 9) == [9])
            #expect(try rig.counter("spoofed") == 3)
        }

        @Test func `no device reaches another, nor what is protected, nor the gateway`() throws {
            let rig = try openRig()
            let (sender, capture) = try rawPair(rig)
            let inside = try KernelCapture(in: rig.devices, interface: "dev0")
            try rig.kernel.apply([.set(kernelDevice(30, one))])
            sender.send(packet(1, from: "100.64.0.1", to: "100.64.0.30"))
            sender.send(packet(2, from: "100.64.0.1", to: "100.127.1.2", protocol: 6))
            sender.send(packet(3, from: "100.64.0.1", to: "198.18.0.9", port: 3799))
            sender.send(packet(4, from: "100.64.0.1", to: "198.18.0.1", port: 1812))
            sender.send(packet(5, from: "100.64.0.1", to: "198.18.1.1", port: 1812))
            // Nobody has this address, so that no error comes back.
            sender.send(packet(9, from: "100.64.0.1", to: "192.0.2.99"))
            #expect(capture.sequences(until: 9) == [9])
            while let bytes = inside.next(milliseconds: 100) { #expect(KernelPacket.sequence(in: bytes) == nil) }
            #expect(try rig.counter("device_to_device") == 3)
            #expect(try rig.counter("input_denied") == 2)
        }

        @Test func `the NAS reaches RADIUS and nothing else`() throws {
            let rig = try openRig()
            let nas = try KernelUDP(in: rig.devices, KernelRig.nas)
            let radius = try KernelUDP(in: rig.gateway, KernelRig.gatewayInside, port: 1812)
            let other = try KernelUDP(in: rig.gateway, KernelRig.gatewayInside, port: 1811)
            nas.send([1], to: KernelRig.gatewayInside, port: 1812)
            nas.send([2], to: KernelRig.gatewayInside, port: 1811)
            #expect(radius.receive()?.bytes == [1])
            #expect(other.receive(milliseconds: 100) == nil)
            #expect(try rig.counter("input_denied") == 1)
            try rig.kernel.setNAS([])
            nas.send([3], to: KernelRig.gatewayInside, port: 1812)
            #expect(radius.receive(milliseconds: 100) == nil)
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `nothing from outside starts anything`() throws {
            let rig = try openRig()
            let sender = try KernelRawSender(in: rig.internet)
            let inside = try KernelCapture(in: rig.devices, interface: "dev0")
            let service = try KernelUDP(in: rig.gateway, address("198.18.1.1"), port: 1812)
            for number: UInt8 in [1, 6, 17, 47] {
                sender.send(packet(1, from: "192.0.2.10", to: "100.64.0.1", protocol: number))
                sender.send(packet(2, from: "192.0.2.10", to: "203.0.113.1", protocol: number, port: 10_008))
                sender.send(packet(3, from: "192.0.2.10", to: "198.18.0.2", protocol: number))
                // A device's address does not make it one on this side.
                sender.send(packet(4, from: "100.64.0.1", to: "192.0.2.99", protocol: number))
            }
            sender.send(packet(5, from: "192.0.2.10", to: "198.18.1.1", port: 1812))
            while let bytes = inside.next(milliseconds: 200) { #expect(KernelPacket.sequence(in: bytes) == nil) }
            #expect(service.receive(milliseconds: 100) == nil)
            #expect(try rig.counter("unsolicited") == 16)
            #expect(try rig.counter("input_denied") == 1)
        }

        @Test func `flows beyond a device's ports are dropped and counted`() throws {
            let rig = try openRig()
            let (sender, capture) = try rawPair(rig)
            #expect(try rig.counter("nat_ports_exhausted") == 0)
            for number in UInt32(1)...30 {
                sender.send(packet(number, from: "100.64.0.1", to: "192.0.2.10", sourcePort: UInt16(6000 + number)))
            }
            // Another destination is another matter: the ports serve again.
            sender.send(packet(99, from: "100.64.0.1", to: "192.0.2.11", sourcePort: 7000))
            let seen = capture.sequences(until: 99)
            #expect(seen.count == 9)
            #expect(seen.contains(99))
            #expect(try rig.counter("nat_ports_exhausted") == 22)
        }

        @Test func `a device without a NAT binding reaches nothing and is counted`() throws {
            let rig = try openRig()
            let (sender, capture) = try rawPair(rig)
            try rig.kernel.apply([.set(DeviceEntry(address: address("100.64.0.5"), policy: one, nat: nil))])
            sender.send(packet(1, from: "100.64.0.5", to: "192.0.2.10"))
            sender.send(packet(9, from: "100.64.0.1", to: "192.0.2.10"))
            #expect(capture.sequences(until: 9) == [9])
            #expect(try rig.counter("nat_unmapped") == 1)
        }

        @Test func `a policy's change stops its flows both ways and leaves the others their ports`() throws {
            let rig = try KernelRig()
            let two = kernelMark(2)
            let open = Ruleset.allowing("192.0.2.0/24")
            try rig.start([one: open, two: open], [kernelDevice(1, one), kernelDevice(2, two)])
            let server = try KernelUDP(in: rig.internet, KernelRig.server, port: 4000)
            let first = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5000)
            let second = try KernelUDP(in: rig.devices, address("100.64.0.2"), port: 5000)
            first.send([1], to: KernelRig.server, port: 4000)
            let before1 = try #require(server.receive())
            second.send([2], to: KernelRig.server, port: 4000)
            let before2 = try #require(server.receive())

            let closed = Ruleset.allowing("192.0.2.11")
            try rig.kernel.install([one: closed], removing: [])
            first.send([3], to: KernelRig.server, port: 4000)
            #expect(server.receive(milliseconds: 100) == nil)
            var asked: [Flow: PolicyMark?] = [:]
            let deleted = try rig.kernel.deleteFlows(.all) { tracked in
                asked[tracked.flow] = tracked.policy
                return tracked.policy == one ? .denied : .notOurs
            }
            #expect(deleted == 1)
            let flow = Flow(
                source: address("100.64.0.1"), destination: KernelRig.server, protocol: 17, sourcePort: 5000,
                destinationPort: 4000)
            #expect(asked[flow] == one)
            #expect(asked.count == 2)
            server.send([4], to: before1.source, port: before1.port)
            #expect(first.receive(milliseconds: 100) == nil)

            second.send([5], to: KernelRig.server, port: 4000)
            #expect(try #require(server.receive()) == .init(bytes: [5], source: before2.source, port: before2.port))
            server.send([6], to: before2.source, port: before2.port)
            #expect(second.receive()?.bytes == [6])
            // One device: the kernel filters.
            #expect(try rig.kernel.deleteFlows(.ofDevices([.v4(address("100.64.0.2"))])) { _ in .denied } == 1)
            #expect(try rig.kernel.verify() == nil)
        }

        /// The sweep after a policy's change: flows of any of its versions, and no others.
        @Test func `a policy's flows are found by what its chains wrote on them, also by the next process`() throws {
            let rig = try KernelRig()
            let (two, three, open) = (kernelMark(2), kernelMark(3), Ruleset.allowing("192.0.2.0/24"))
            let rulesets = [one: open, two: open, three: open]
            let devices = [kernelDevice(1, one), kernelDevice(2, two)]
            try rig.start(rulesets, devices)
            let (sender, capture) = try rawPair(rig)
            var sequence: UInt32 = 0
            let open1 = { (port: UInt16) in
                sequence += 2
                sender.send(packet(sequence - 1, from: "100.64.0.1", to: "192.0.2.10", port: port))
                sender.send(packet(sequence, from: "100.64.0.2", to: "192.0.2.10", port: port))
                #expect(capture.sequences(until: sequence).count == 2)
            }
            let ports = { (kernel: Kernel, policy: PolicyMark) -> [UInt16] in
                let found = try kernel.flows(.ofPolicies([policy]), listing: 10) { _ in .denied }
                #expect(found.count == found.listed.count)
                let device = policy == two ? "100.64.0.2" : "100.64.0.1"
                #expect(found.listed.allSatisfy { $0.flow.source == .v4(address(device)) })
                return found.listed.map(\.flow.destinationPort).sorted()
            }
            open1(4001)
            // Three versions, each with a flow that has sent nothing since.
            try rig.kernel.install([one: .allowing("192.0.2.0/25")], removing: [])
            open1(4002)
            try rig.kernel.install([one: .allowing("192.0.2.0/26")], removing: [])
            open1(4003)
            #expect(try ports(rig.kernel, one) == [4001, 4002, 4003])
            #expect(try ports(rig.kernel, two) == [4001, 4002, 4003])
            #expect(
                try rig.kernel.deleteFlows(.ofPolicies([one])) {
                    $0.flow.destinationPort == 4001 ? .denied : .notOurs
                } == 1)
            // What a sweep leaves is found by the next, however many versions ago it was let pass.
            try rig.kernel.install([one: .allowing("192.0.2.0/27")], removing: [])
            #expect(try ports(rig.kernel, one) == [4002, 4003])
            #expect(
                try rig.kernel.deleteFlows(.ofPolicies([one])) {
                    $0.flow.destinationPort == 4002 ? .denied : .notOurs
                } == 1)
            #expect(try ports(rig.kernel, one) == [4003])
            // Also with another policy, and after the device was away.
            try rig.kernel.apply([.set(kernelDevice(1, three))])
            #expect(try ports(rig.kernel, three) == [4003])
            try rig.kernel.apply([.remove(address("100.64.0.1"))])
            #expect(try rig.kernel.deleteFlows(.ofPolicies([three])) { _ in .denied } == 0)
            try rig.kernel.apply([.set(kernelDevice(1, one))])
            #expect(try ports(rig.kernel, one) == [4003])
            // And when the chains were made anew.
            try rig.nft("delete table inet cordon")
            #expect(try rig.kernel.verify() != nil)
            #expect(try ports(rig.kernel, one) == [4003])
            #expect(try ports(rig.kernel, two) == [4001, 4002, 4003])
            // More policies than the kernel is asked about one by one.
            let many = Set((1...20).map { kernelMark($0) })
            #expect(try rig.kernel.flows(.ofPolicies(many), listing: 0) { _ in .denied }.count == 4)
            let next = try Kernel(layout: rig.layout, namespace: rig.gateway)
            _ = try next.reconcile(to: rig.state([one: .allowing("192.0.2.0/26"), two: open], devices))
            #expect(try ports(next, one) == [4003])
            #expect(try ports(next, two) == [4001, 4002, 4003])
            #expect(try next.deleteFlows(.all) { _ in .denied } == 4)
        }

        /// Its verdict is kept on a flow for as long as the chain that found it is the policy's.
        @Test func `a flow is judged anew by each version of its policy, and by another policy`() throws {
            let rig = try openRig()
            let (sender, capture) = try rawPair(rig)
            var sequence: UInt32 = 100
            let passes = { () throws -> Bool in
                sequence += 2
                sender.send(packet(sequence, from: "100.64.0.1", to: "192.0.2.99"))
                // Another device's, so that the end is seen.
                sender.send(packet(sequence + 1, from: "100.64.0.2", to: "192.0.2.98"))
                return capture.sequences(until: sequence + 1).contains(sequence)
            }
            let two = kernelMark(2)
            let open = Ruleset.allowing("192.0.2.0/24")
            let blocking = { (destination: String) in
                let layers = [destination, "192.0.2.0/24"].enumerated().map { rule, destination in
                    [
                        Ruleset.Entry(
                            destination: prefix(destination), protocols: 0...255, ports: 0...65_535, rule: rule)
                    ]
                }
                return Ruleset(layers: layers, verdicts: [.block, .internet])
            }
            try rig.kernel.install([two: open], removing: [])
            try rig.kernel.apply([.set(kernelDevice(1, two)), .set(kernelDevice(2, one))])
            #expect(try passes())
            #expect(try passes())
            try rig.kernel.install([two: .blockAll], removing: [])
            #expect(try !passes())
            // Allowed again, by a second layer.
            try rig.kernel.install([two: blocking("192.0.2.7")], removing: [])
            #expect(try passes())
            // Found by a box that blocks, so written on the flow as such.
            try rig.kernel.install([two: blocking("192.0.2.99")], removing: [])
            #expect(try !passes())
            try rig.kernel.install([two: blocking("192.0.2.7")], removing: [])
            #expect(try passes())
            try rig.kernel.apply([.set(kernelDevice(1, .blockAll))])
            #expect(try !passes())
            try rig.kernel.apply([.set(kernelDevice(1, one))])
            #expect(try passes())
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `a removed device is cut off`() throws {
            let rig = try openRig()
            let (sender, capture) = try rawPair(rig)
            try rig.kernel.apply([.remove(address("100.64.0.2")), .remove(address("100.64.0.77"))])
            sender.send(packet(1, from: "100.64.0.2", to: "192.0.2.10"))
            sender.send(packet(9, from: "100.64.0.1", to: "192.0.2.10"))
            #expect(capture.sequences(until: 9) == [9])
        }

        private func rawPair(_ rig: KernelRig) throws -> (KernelRawSender, KernelCapture) {
            (try KernelRawSender(in: rig.devices), try KernelCapture(in: rig.internet, interface: "net0"))
        }
    }
}
