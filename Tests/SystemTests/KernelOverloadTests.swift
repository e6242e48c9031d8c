import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import Testing

extension KernelTests {
    /// What one tenant or one NAS does too much of is cut, and others do not feel it.
    @Suite(.serialized) struct Overload {
        private let one = kernelMark(1)

        private func packet(
            _ sequence: UInt32, from source: String, to destination: String = "192.0.2.99", sourcePort: UInt16
        ) -> KernelPacket {
            KernelPacket(
                source: address(source), destination: address(destination), protocol: 17, sourcePort: sourcePort,
                destinationPort: 4000, sequence: sequence)
        }

        /// The neighbour's address is in another /24, so another tenant's.
        private func rig(_ limits: GatewayLimits) throws -> KernelRig {
            let rig = try KernelRig(limits: limits)
            let neighbour = DeviceEntry(
                address: address("100.64.7.1"), policy: one,
                nat: NATBinding(publicAddress: address("203.0.113.200"), firstPort: 2000, lastPort: 9999))
            let device = DeviceEntry(
                address: address("100.64.0.1"), policy: one,
                nat: NATBinding(publicAddress: address("203.0.113.1"), firstPort: 2000, lastPort: 65_000))
            try rig.start([one: .allowing("192.0.2.0/24")], [device, neighbour])
            return rig
        }

        @Test func `new connections of a tenant's block are limited, its old ones and other tenants' are not`() throws {
            var limits = GatewayLimits()
            (limits.newConnectionsPerBlock, limits.newConnectionsBurst) = (10, 100)
            let rig = try rig(limits)
            let sender = try KernelRawSender(in: rig.devices)
            let capture = try KernelCapture(in: rig.internet, interface: "net0")
            sender.send(packet(1, from: "100.64.0.1", sourcePort: 1000))
            #expect(capture.sequences(until: 1) == [1])
            // As a scan does: each packet another connection.
            for sequence in UInt32(2)...1001 {
                sender.send(packet(sequence, from: "100.64.0.1", sourcePort: 1000 + UInt16(sequence)))
            }
            for sequence in UInt32(2001)...2050 {
                sender.send(packet(sequence, from: "100.64.7.1", sourcePort: UInt16(sequence)))
            }
            sender.send(packet(3000, from: "100.64.0.1", sourcePort: 1000))
            let seen = capture.sequences(until: 3000)
            let scanned = seen.count { (2...1001).contains($0) }
            // The burst, and what a second may add on a slow machine.
            #expect((50...150).contains(scanned), "\(scanned) of 1,000 new connections passed")
            #expect(seen.isSuperset(of: 2001...2050) && seen.contains(3000))
            let limited = try rig.counter("new_connections_limited")
            #expect(limited == UInt64(1000 - scanned))
        }

        @Test func `a flood of packets that no policy allows leaves no trace in conntrack`() throws {
            let rig = try rig(GatewayLimits())
            let sender = try KernelRawSender(in: rig.devices)
            for sequence in UInt32(1)...20_000 {
                sender.send(
                    packet(
                        sequence, from: "100.64.0.1", to: "198.51.100.1",
                        sourcePort: UInt16(truncatingIfNeeded: sequence)))
            }
            #expect(try rig.counter("blocked") == 20_000)
            let count = shell("ip netns exec \(rig.gatewayName) cat /proc/sys/net/netfilter/nf_conntrack_count").output
            #expect(count.split(separator: "\n").first == "0")
        }

        @Test func `a NAS that floods is limited, another is not`() throws {
            var limits = GatewayLimits()
            limits.radiusPacketsPerNAS = 100
            let rig = try rig(limits)
            let other = address("198.18.0.200")
            try rig.kernel.setNAS([KernelRig.nas, other])
            let receiver = try KernelUDP(in: rig.gateway, KernelRig.gatewayInside, port: 1812)
            let sender = try KernelRawSender(in: rig.devices)
            for sequence in UInt32(1)...1000 {
                sender.send(
                    KernelPacket(
                        source: KernelRig.nas, destination: KernelRig.gatewayInside, protocol: 17, sourcePort: 5000,
                        destinationPort: 1812, sequence: sequence))
            }
            sender.send(
                KernelPacket(
                    source: other, destination: KernelRig.gatewayInside, protocol: 17, sourcePort: 5000,
                    destinationPort: 1812, sequence: 2000))
            var (flooded, others) = (0, 0)
            while let from = receiver.receive(milliseconds: 100)?.source {
                if from == other { others += 1 } else { flooded += 1 }
            }
            #expect((1...100).contains(flooded), "\(flooded) of 1,000 came through")
            #expect(others == 1)
            #expect(try rig.counter("radius_limited") == UInt64(1000 - flooded))
        }
    }
}
