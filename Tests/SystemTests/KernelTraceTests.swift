import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import TestSupport
import Testing

extension KernelTests {
    /// Packets of single devices, seen together with what the kernel does with them.
    @Suite(.serialized) struct Tracing {
        private let one = kernelMark(1)

        /// Devices 1 and 2 may send to port 4000 of the server over UDP.
        private func openRig() throws -> KernelRig {
            let rig = try KernelRig()
            try rig.start(
                [one: .allowing("192.0.2.10/32", protocols: 17...17, ports: 4000...4000)],
                [kernelDevice(1, one), kernelDevice(2, one)])
            return rig
        }

        /// What has been noted until nothing more comes.
        private func packets(_ rig: KernelRig) throws -> [TracedPacket] {
            var found: [TracedPacket] = []
            for _ in 0..<4 {
                found += try rig.kernel.tracedPackets()
                usleep(20_000)
            }
            return found
        }

        private func tables(_ rig: KernelRig) throws -> [String] {
            try rig.nft("list tables").split(separator: "\n").map(String.init)
        }

        @Test func `a packet is told with the rule that decided, and its answer with the connection`() throws {
            let rig = try openRig()
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5000)
            let other = try KernelUDP(in: rig.devices, address("100.64.0.2"), port: 5000)
            let server = try KernelUDP(in: rig.internet, KernelRig.server, port: 4000)
            try rig.kernel.trace([.v4(address("100.64.0.1"))])
            other.send([1], to: KernelRig.server, port: 4000)
            other.send([1], to: KernelRig.server, port: 4001)
            #expect(server.receive() != nil)
            device.send([1], to: KernelRig.server, port: 4000)
            let request = try #require(server.receive())
            server.send([2, 3], to: request.source, port: request.port)
            #expect(device.receive() != nil)
            device.send([4, 5, 6], to: KernelRig.server, port: 4000)
            #expect(server.receive() != nil)
            device.send([7], to: KernelRig.server, port: 4001)

            let packet = {
                (
                    direction: TracedPacket.Direction, port: UInt16, octets: Int, fate: TracedPacket.Fate,
                    judge: TracedPacket.Judge
                ) in
                TracedPacket(
                    address: .v4(address("100.64.0.1")), remote: .v4(KernelRig.server), direction: direction,
                    isReply: direction == .toDevice, protocol: 17, devicePort: 5000, remotePort: port, isError: false,
                    octets: 28 + octets, fate: fate, judgedBy: judge, policy: one)
            }
            #expect(
                try packets(rig) == [
                    packet(.fromDevice, 4000, 1, .passed(.internet), .policy(rule: 0)),
                    packet(.toDevice, 4000, 2, .passed(nil), .nobody),
                    packet(.fromDevice, 4000, 3, .passed(.internet), .flow),
                    packet(.fromDevice, 4001, 1, .dropped(by: "blocked"), .policy(rule: 1)),
                ])
            #expect(try rig.kernel.tracedCounts() == [.v4(address("100.64.0.1")): 4])
        }

        @Test func `what is not the policy's doing is told by what counted it`() throws {
            let rig = try openRig()
            try rig.kernel.install([one: .allowing("0.0.0.0/0")], removing: [])
            let sender = try KernelRawSender(in: rig.devices)
            try rig.nft("add table inet host")
            try rig.nft("'add chain inet host forward { type filter hook forward priority 10; }'")
            try rig.nft("add rule inet host forward ip daddr 192.0.2.50 drop")
            try rig.kernel.trace([.v4(address("100.64.0.1"))])
            for (index, destination) in ["100.64.0.30", "198.18.0.9", "198.18.0.1", "192.0.2.50", "192.0.2.10"]
                .enumerated()
            {
                sender.send(
                    KernelPacket(
                        source: address("100.64.0.1"), destination: address(destination), protocol: 17,
                        sourcePort: 5000, destinationPort: 4000, sequence: UInt32(index)))
            }
            let out = try packets(rig).filter { $0.direction == .fromDevice && !$0.isError }
            #expect(
                out.map(\.fate) == [
                    .dropped(by: "device_to_device"), .dropped(by: "device_to_device"),
                    .dropped(by: "input_denied"), .droppedByHost, .passed(.internet),
                ])
        }

        @Test func `a packet from a traced device whose policy has maps is told without its rule's number`() throws {
            let rig = try openRig()
            let entries = (0..<40).map { port in
                Ruleset.Entry(
                    destination: prefix("192.0.2.10/32"), protocols: 17...17,
                    ports: UInt16(4000 + 2 * port)...UInt16(4000 + 2 * port), rule: port)
            }
            try rig.kernel.install(
                [one: Ruleset(layers: [entries], verdicts: Array(repeating: .internet, count: 40))], removing: [])
            try rig.kernel.trace([.v4(address("100.64.0.1"))])
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5000)
            device.send([1], to: KernelRig.server, port: 4002)
            device.send([1], to: KernelRig.server, port: 4003)
            let out = try packets(rig).filter { $0.direction == .fromDevice }
            #expect(out.map(\.fate) == [.passed(.internet), .dropped(by: "blocked")])
            #expect(out.map(\.judgedBy) == [.policy(rule: nil), .policy(rule: 40)])
        }

        @Test func `packets of a device's prefix are told as those of its address are`() throws {
            let rig = try KernelRig(withIPv6: true)
            #expect(try rig.kernel.prepareHost() == [])
            let entries = [prefix("192.0.2.0/24")].map {
                Ruleset.Entry(destination: $0, protocols: 17...17, ports: 4000...4000, rule: 0)
            }
            let entries6 = [prefix6("2001:db8:ffff::/48")].map {
                Ruleset.Entry6(destination: $0, protocols: 17...17, ports: 4000...4000, rule: 0)
            }
            var state = rig.state(
                [one: Ruleset(layers: [entries], layers6: [entries6], actions: [.init(.internet)])],
                [kernelDevice(1, one)])
            state.devices6 = [1, 2].map { DeviceEntry6(prefix: prefix6("2001:db8:64:\($0)::/64"), policy: one) }
            _ = try rig.kernel.reconcile(to: state)
            let (prefix, server) = (prefix6("2001:db8:64:1::/64"), IPAddress.v6(address6("2001:db8:ffff::99")))
            try rig.kernel.trace([.v4(address("100.64.0.1")), .v6(prefix.address)])
            let (devices, internet) = (
                try KernelRawSender(in: rig.devices), try KernelRawSender(in: rig.internet)
            )
            let send = {
                (sender: KernelRawSender, source: IPAddress, destination: IPAddress, ports: (UInt16, UInt16)) in
                sender.send(
                    KernelPacket(
                        from: source, to: destination, protocol: 17, sourcePort: ports.0, destinationPort: ports.1,
                        sequence: 1))
                usleep(20_000)
            }
            let own = IPAddress.v6(address6("2001:db8:64:1::77"))
            send(devices, own, server, (5000, 4000))
            send(internet, server, own, (4000, 5000))
            send(devices, own, server, (5000, 4000))
            send(devices, own, server, (5000, 4001))
            // Another device's.
            send(devices, .v6(address6("2001:db8:64:2::77")), server, (5000, 4000))
            send(devices, .v4(address("100.64.0.1")), .v4(address("192.0.2.99")), (5000, 4000))
            let told = try packets(rig).filter { !$0.isError }
            #expect(told.map(\.address) == [own, own, own, own, .v4(address("100.64.0.1"))])
            #expect(told.map(\.remotePort) == [4000, 4000, 4000, 4001, 4000])
            #expect(told.map(\.octets) == [56, 56, 56, 56, 36])
            #expect(
                told.map(\.fate) == [
                    .passed(.internet), .passed(nil), .passed(.internet), .dropped(by: "blocked"), .passed(.internet),
                ])
            #expect(
                told.map(\.judgedBy) == [
                    .policy(rule: 0), .nobody, .flow, .policy(rule: 1), .policy(rule: 0),
                ])
            #expect(told.allSatisfy { $0.policy == one && $0.protocol == 17 && $0.devicePort == 5000 })
            let counts = try rig.kernel.tracedCounts()
            #expect(
                counts[.v6(prefix.address)] == 4 && (counts[.v4(address("100.64.0.1"))] ?? 0) >= 1 && counts.count == 2)
            #expect(try rig.kernel.verify() == nil)
            try rig.kernel.trace([.v4(address("100.64.0.1"))])
            send(devices, own, server, (5000, 4000))
            #expect(try packets(rig).isEmpty)
            #expect(try rig.kernel.tracedCounts().count == 1)
        }

        @Test func `nothing is left of it at the end, and an earlier process's is removed`() throws {
            let rig = try openRig()
            try rig.nft("add table inet cordon_trace")
            try rig.kernel.trace([])
            #expect(try tables(rig) == ["table inet cordon"])
            try rig.nft("add table inet cordon_trace")
            try rig.kernel.trace([.v4(address("100.64.0.1"))])
            try rig.kernel.trace([.v4(address("100.64.0.1")), .v4(address("100.64.0.2"))])
            #expect(try rig.kernel.tracedCounts().count == 2)
            try rig.kernel.trace([.v4(address("100.64.0.2"))])
            #expect(try rig.kernel.tracedCounts() == [.v4(address("100.64.0.2")): 0])
            // Somebody else removes it.
            try rig.nft("delete table inet cordon_trace")
            #expect(try rig.kernel.tracedCounts() == [:])
            try rig.kernel.trace([.v4(address("100.64.0.2"))])
            #expect(try rig.kernel.tracedCounts() == [.v4(address("100.64.0.2")): 0])
            try rig.kernel.trace([])
            #expect(try tables(rig) == ["table inet cordon"])
            #expect(try rig.kernel.tracedPackets() == [])
        }

        @Test func `the kernel's check takes it for no foreign change`() throws {
            let rig = try openRig()
            #expect(try rig.kernel.verify() == nil)
            for _ in 0..<3 {
                try rig.kernel.trace([.v4(address("100.64.0.1"))])
                #expect(try rig.kernel.verify() == nil)
                try rig.kernel.apply([.set(kernelDevice(3, one))])
                try rig.kernel.trace([])
                try rig.kernel.apply([.remove(kernelDevice(3, one).address)])
                #expect(try rig.kernel.verify() == nil)
            }
            // One that is foreign is still found and mended while somebody traces.
            try rig.kernel.trace([.v4(address("100.64.0.1"))])
            try rig.nft("flush chain inet cordon blocked")
            #expect(try rig.kernel.verify() != nil)
            try rig.kernel.trace([])
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `a flood is counted whole and noted in part`() throws {
            let rig = try openRig()
            let sender = try KernelRawSender(in: rig.devices)
            try rig.kernel.trace([.v4(address("100.64.0.1"))])
            let began = ContinuousClock.now
            for number in 0..<20_000 {
                sender.send(
                    KernelPacket(
                        source: address("100.64.0.1"), destination: KernelRig.server, protocol: 17, sourcePort: 5000,
                        destinationPort: 4001, sequence: UInt32(number)))
            }
            let seconds = Int((ContinuousClock.now - began).components.seconds) + 1
            let noted = try packets(rig)
            #expect((100...100 * (seconds + 1)).contains(noted.count), "\(noted.count) in \(seconds) s")
            #expect(try rig.kernel.tracedCounts() == [.v4(address("100.64.0.1")): 20_000])
            #expect(noted.allSatisfy { $0.fate == .dropped(by: "blocked") })
        }
    }
}
