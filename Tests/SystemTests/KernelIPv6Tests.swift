import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import Testing

private let one = kernelMark(1)
private let two = kernelMark(2)
private let hq = vpnNumber(3)

extension KernelTests {
    /// Devices with an IPv6 prefix, with and without an IPv4 address.
    @Suite(.serialized) struct IPv6 {
        private static func entry(_ destination: String, ports: ClosedRange<UInt16> = 0...65_535) -> Ruleset.Entry6 {
            Ruleset.Entry6(
                destination: prefix6(destination), protocols: 0...255, ports: ports, rule: 0)
        }

        private static func device(_ number: Int, _ policy: PolicyMark, group: GroupNumber? = nil) -> DeviceEntry6 {
            DeviceEntry6(prefix: prefix6("2001:db8:64:\(number)::/64"), policy: policy, group: group)
        }

        /// Sends packets one by one and sees where they come out.
        private struct Wire {
            let rig: KernelRig
            let devices: KernelRawSender
            let internet: KernelRawSender
            let toInternet: KernelCapture
            let toDevices: KernelCapture

            init(_ rig: KernelRig) throws {
                self.rig = rig
                devices = try KernelRawSender(in: rig.devices)
                internet = try KernelRawSender(in: rig.internet)
                toInternet = try KernelCapture(in: rig.internet, interface: "net0", withIPv6: true)
                toDevices = try KernelCapture(in: rig.devices, interface: "dev0", withIPv6: true)
            }

            private static func packet(
                _ source: String, _ destination: String, _ ports: (UInt16, UInt16), _ sequence: UInt32
            ) -> KernelPacket {
                KernelPacket(
                    from: .v6(address6(source)), to: .v6(address6(destination)), protocol: 17, sourcePort: ports.0,
                    destinationPort: ports.1, sequence: sequence)
            }

            func leaves(_ source: String, _ destination: String, _ ports: (UInt16, UInt16)) -> Bool {
                let sequence = UInt32.random(in: 1 ... .max)
                devices.send(Self.packet(source, destination, ports, sequence))
                return toInternet.sequences(until: sequence, milliseconds: 80).contains(sequence)
            }

            func returns(_ source: String, _ destination: String, _ ports: (UInt16, UInt16)) -> Bool {
                let sequence = UInt32.random(in: 1 ... .max)
                internet.send(Self.packet(source, destination, ports, sequence))
                return toDevices.sequences(until: sequence, milliseconds: 80).contains(sequence)
            }

            func reaches(_ source: String, _ destination: String, _ ports: (UInt16, UInt16)) -> Bool {
                let sequence = UInt32.random(in: 1 ... .max)
                devices.send(Self.packet(source, destination, ports, sequence))
                return toDevices.sequences(until: sequence, milliseconds: 80).contains(sequence)
            }
        }

        private let server = "2001:db8:ffff::1"

        @Test func `a prefix reaches what its policy allows, as it is, and only answers come in`() throws {
            let rig = try KernelRig(withIPv6: true)
            let ruleset = Ruleset(
                layers: [], layers6: [[Self.entry("2001:db8:ffff::/48", ports: 4000...4001)]],
                actions: [.init(.internet)])
            #expect(try rig.kernel.prepareHost() == [])
            var state = rig.state([one: ruleset], [])
            state.devices6 = [Self.device(1, one)]
            _ = try rig.kernel.reconcile(to: state)
            let wire = try Wire(rig)
            #expect(wire.leaves("2001:db8:64:1::1", server, (5000, 4000)))
            #expect(wire.leaves("2001:db8:64:1::77", server, (5000, 4001)))
            #expect(!wire.leaves("2001:db8:64:1::1", server, (5000, 4002)))
            #expect(!wire.leaves("2001:db8:64:2::1", server, (5000, 4000)))
            // Its neighbour's own packets may be among them.
            #expect(try rig.counter("spoofed") >= 1)
            #expect(wire.returns(server, "2001:db8:64:1::1", (4000, 5000)))
            #expect(!wire.returns(server, "2001:db8:64:1::1", (4000, 5001)))
            #expect(try rig.counter("unsolicited") == 1)
            #expect(try rig.kernel.hits(of: one).map(\.packets) == [2, 1])
            // A session that comes and one that goes.
            try rig.kernel.apply([.set6(Self.device(2, one)), .remove6(prefix6("2001:db8:64:1::/64"))])
            #expect(wire.leaves("2001:db8:64:2::1", server, (5000, 4000)))
            #expect(!wire.leaves("2001:db8:64:1::1", server, (5000, 4000)))
            #expect(!wire.returns(server, "2001:db8:64:1::1", (4000, 5000)))
            #expect(try rig.kernel.verify() == nil)
            // The sweep finds and cuts it.
            let flows = try rig.kernel.flows(.ofPolicies([one]), listing: 10) { _ in .denied }
            #expect(flows.listed.map(\.flow.destinationPort) == [4000])
            try rig.kernel.install([one: .blockAll], removing: [])
            #expect(try rig.kernel.deleteFlows(.ofPolicies([one])) { _ in .denied } == 1)
            #expect(!wire.returns(server, "2001:db8:64:2::1", (4000, 5000)))
            // Somebody else's change is seen and mended.
            try rig.kernel.install([one: ruleset], removing: [])
            try rig.nft("flush map inet cordon device_policy6")
            #expect(try rig.kernel.verify() != nil)
            #expect(wire.leaves("2001:db8:64:2::1", server, (5001, 4000)))
        }

        @Test func `groups, VPNs and packets to devices are the same for both families`() throws {
            let rig = try KernelRig(withIPv6: true)
            let line = try rig.addLine(1)
            let group = groupNumber(7)
            let all = BoxShape(protocols: 17...17, ports: 0...65_535)
            let ruleset = Ruleset(
                layers: [], layers6: [[Self.entry("2001:db8:aa::/48")]],
                groups: [Ruleset.GroupEntry(group: group, shape: all, rule: 1, isAllowed: true)],
                access: [
                    Ruleset.Access(
                        vpn: hq, entries: [],
                        entries6: [
                            Ruleset.AccessEntry(
                                source: prefix6("2001:db8:aa::/64"), group: nil,
                                shape: BoxShape(protocols: 17...17, ports: 22...22), rule: 2, isAllowed: true)
                        ])
                ], actions: [.init(.vpns([hq])), .init(nil), .init(.access(hq))])
            #expect(try rig.kernel.prepareHost() == [])
            var state = rig.state([one: ruleset, two: .blockAll], [])
            state.devices6 = [Self.device(1, one), Self.device(2, two, group: group), Self.device(3, two)]
            state.vpns = [hq: KernelRig.line(1)]
            _ = try rig.kernel.reconcile(to: state)
            let wire = try Wire(rig)
            let (capture, sender) = (
                try KernelCapture(in: line, interface: "line0", withIPv6: true), try KernelRawSender(in: line)
            )
            wire.devices.send(
                KernelPacket(
                    from: .v6(address6("2001:db8:64:1::1")), to: .v6(address6("2001:db8:aa::10")), protocol: 17,
                    sourcePort: 5000, destinationPort: 4000, sequence: 1))
            #expect(capture.sequences(until: 1).contains(1))
            let arrives = { (source: String, destination: String, ports: (UInt16, UInt16)) -> Bool in
                let sequence = UInt32.random(in: 2 ... .max)
                sender.send(
                    KernelPacket(
                        from: .v6(address6(source)), to: .v6(address6(destination)), protocol: 17,
                        sourcePort: ports.0, destinationPort: ports.1, sequence: sequence))
                return wire.toDevices.sequences(until: sequence, milliseconds: 80).contains(sequence)
            }
            #expect(arrives("2001:db8:aa::10", "2001:db8:64:1::1", (4000, 5000)))
            #expect(!arrives("2001:db8:aa::10", "2001:db8:64:1::1", (4001, 5000)))
            #expect(arrives("2001:db8:aa::10", "2001:db8:64:1::1", (4001, 22)))
            #expect(!arrives("2001:db8:aa::10", "2001:db8:64:2::1", (4001, 22)))
            #expect(!arrives("2001:db8:bb::10", "2001:db8:64:1::1", (4001, 22)))
            #expect(wire.reaches("2001:db8:64:1::1", "2001:db8:64:2::1", (5000, 5683)))
            #expect(wire.reaches("2001:db8:64:2::1", "2001:db8:64:1::1", (5683, 5000)))
            #expect(!wire.reaches("2001:db8:64:1::1", "2001:db8:64:3::1", (5000, 5683)))
            #expect(try rig.kernel.hits(of: one).map(\.packets) == [1, 1, 1, 1])
            try rig.kernel.apply([.set6(Self.device(2, two))])
            #expect(!wire.reaches("2001:db8:64:1::1", "2001:db8:64:2::1", (5000, 5683)))
            #expect(try rig.kernel.verify() == nil)
        }
    }
}
