import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import TestSupport
import Testing

private let (one, two) = (kernelMark(1), kernelMark(2))
private let (hq, other) = (vpnNumber(3), vpnNumber(8))

extension KernelTests {
    /// Tunnels, with a stand-in for the daemon that encrypts.
    @Suite(.serialized) struct Tunnels {
        /// Device 1 is a tenant's and device 9 another's; both have 10.0.0.0/24 behind their VPNs.
        private func start(_ vpns: [VPNNumber: VPNEntry], isOpen: Bool = true) throws -> (KernelRig, TunnelDaemon) {
            let rig = try KernelRig(tunnels: .userSpace)
            let ways = { (number: UInt32) in
                ["10.0.0.0/24", "192.168.7.0/24"].map { (destination: $0, vpn: number) }
            }
            try rig.start(
                [one: .tunnels(ways(3), isOpen: isOpen), two: .tunnels(ways(8), isOpen: isOpen)],
                [kernelDevice(1, one), kernelDevice(2, one), kernelDevice(9, two)])
            try rig.kernel.changeVPNs(vpns.mapValues { $0 })
            let daemon = try TunnelDaemon(rig)
            try rig.kernel.attachTunnels(to: try InterfaceName(parsing: "ipsec0"))
            return (rig, daemon)
        }

        private var both: [VPNNumber: VPNEntry] {
            [hq: KernelRig.tunnel(3), other: KernelRig.tunnel(8, of: ["100.64.0.8/29"])]
        }

        /// A question and its answer.
        private func talks(
            _ device: KernelUDP, _ daemon: TunnelDaemon, _ byte: UInt8, from: String = "100.64.0.1",
            to: String = "10.0.0.10", there: String = "10.0.0.10"
        ) -> Bool {
            device.send([byte], to: address(to), port: 4000)
            guard let seen = daemon.read(milliseconds: 300) else { return false }
            #expect(seen.source == address(from) && seen.destination == address(there) && seen.payload == [byte])
            daemon.write(TunnelPacket.udp(there, 4000, to: from, seen.ports.source, [byte, 1]).bytes)
            return device.receive(milliseconds: 300) == .init(bytes: [byte, 1], source: address(to), port: 4000)
        }

        @Test func `tenants with the same network have a tunnel each, and each its own packets`() throws {
            let (rig, daemon) = try start(both)
            let devices = try ["100.64.0.1", "100.64.0.9"].map {
                try KernelUDP(in: rig.devices, address($0), port: 5000)
            }
            #expect(talks(devices[0], daemon, 1) && talks(devices[1], daemon, 2, from: "100.64.0.9"))
            // Elsewhere there is no way.
            devices[0].send([3], to: address("10.0.1.10"), port: 4000)
            #expect(daemon.read(milliseconds: 60) == nil)
            let counters = try rig.kernel.tunnelCounters(of: nil)
            #expect(try rig.kernel.tunnelCounters(of: [hq, vpnNumber(99)]) == counters.filter { $0.key == hq })
            #expect(counters.keys.sorted() == [hq, other])
            let counted = try #require(counters[hq])
            #expect(counted.packetsToPeer == 1 && counted.octetsToPeer == 29)
            #expect(counted.packetsFromPeer == 1 && counted.octetsFromPeer == 30 && counted.refusedPackets == 0)
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `what is not a peer's to send is dropped and counted`() throws {
            let (rig, daemon) = try start(both, isOpen: false)
            let capture = try KernelCapture(in: rig.devices, interface: "dev0")
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5000)
            #expect(talks(device, daemon, 1))
            while capture.next(milliseconds: 30) != nil {}
            let sends = { (source: String, destination: String) in
                daemon.write(TunnelPacket.udp(source, 4001, to: destination, 5000, [9]).bytes)
                #expect(capture.next(milliseconds: 60) == nil, "\(source) to \(destination)")
            }
            // Nobody has asked for it; from elsewhere; to no device; to the gateway in the tenant's block.
            sends("10.0.0.10", "100.64.0.1")
            sends("10.0.0.10", "100.64.0.3")
            sends("192.0.2.10", "100.64.0.1")
            sends("10.0.0.10", "192.0.2.10")
            sends("10.0.0.10", "100.64.0.0")
            #expect(try rig.kernel.tunnelCounters(of: nil)[hq]?.refusedPackets == 2 + 1)
            #expect(try rig.counter("vpn_denied") == 3)
            #expect(try rig.counter("vpn_unassigned") == 2)
        }

        @Test func `a network is another on the way, and errors about its packets too`() throws {
            let vpns = [hq: KernelRig.tunnel(3, to: ["10.0.0.0/24=192.168.7.0/24", "10.0.1.0/24"])]
            let (rig, daemon) = try start(vpns)
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5000)
            #expect(talks(device, daemon, 1, to: "192.168.7.10", there: "10.0.0.10"))
            // The network's own addresses mean nothing to devices.
            device.send([2], to: address("10.0.0.10"), port: 4000)
            #expect(daemon.read(milliseconds: 60) == nil)
            // An error about what the device has sent.
            device.connect(address("192.168.7.10"), port: 4000)
            #expect(device.sendConnected([3]) == 1)
            let seen = try #require(daemon.read())
            daemon.write(TunnelPacket.error(about: seen, from: "10.0.0.10", to: "100.64.0.1").bytes)
            errno = 0
            #expect(device.receive(milliseconds: 300) == nil && errno == ECONNREFUSED)
            // And one of the device about what it was sent: to a port that is closed.
            daemon.write(TunnelPacket.udp("10.0.0.11", 4000, to: "100.64.0.1", 6000, [4]).bytes)
            let error = try #require(daemon.read())
            let inside = try #require(error.inside)
            #expect(error.destination == address("10.0.0.11") && error.body.first == 3)
            #expect(inside.source == address("10.0.0.11") && inside.destination == address("100.64.0.1"))
            #expect(inside.hasRightChecksums)
            // Without a checksum, in fragments, with options; and by TCP.
            let capture = try KernelCapture(in: rig.devices, interface: "dev0")
            var plain = TunnelPacket.udp("10.0.0.10", 4000, to: "100.64.0.1", 5000, [5, 6], hasChecksum: false)
            plain.options = [1, 1, 1, 0]
            daemon.write(plain.bytes)
            let arrived = TunnelPacket(reading: try #require(capture.next()))
            #expect(arrived.source == address("192.168.7.10") && arrived.hasRightChecksums)
            #expect(arrived.body[6...7] == [0, 0])
            daemon.write(TunnelPacket.tcp("10.0.0.10", 80, to: "100.64.0.1", 5000, flags: 2, segment: 1460).bytes)
            let opened = TunnelPacket(reading: try #require(capture.next()))
            #expect(opened.source == address("192.168.7.10") && opened.hasRightChecksums && opened.protocol == 6)
            let whole = TunnelPacket.udp("10.0.0.12", 4000, to: "100.64.0.1", 5001, Array(repeating: 7, count: 2000))
            let receiver = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5001)
            for (start, end, flags) in [(0, 1304, 0x2000), (1304, 2008, 1304 / 8)] as [(Int, Int, UInt16)] {
                var part = whole
                (part.body, part.fragment, part.identification) = (Array(whole.body[start..<end]), flags, 77)
                daemon.write(part.bytes)
            }
            #expect(receiver.receive()?.source == address("192.168.7.12"))
            receiver.send(Array(repeating: 8, count: 2000), to: address("192.168.7.12"), port: 4000)
            _ = daemon.read()
            for _ in 0..<2 { #expect(daemon.read()?.destination == address("10.0.0.12")) }
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `segments fit the tunnel, in both directions`() throws {
            let (rig, daemon) = try start(both)
            let sender = try KernelRawSender(in: rig.devices)
            let capture = try KernelCapture(in: rig.devices, interface: "dev0")
            sender.send(
                TunnelPacket.tcp("100.64.0.1", 5000, to: "10.0.0.10", 80, flags: 2, segment: 1460).bytes,
                to: address("10.0.0.10"))
            #expect(daemon.read()?.segment == 1360)
            daemon.write(
                TunnelPacket.tcp(
                    "10.0.0.10", 80, to: "100.64.0.1", 5000, flags: 0x12, segment: 1460, acknowledged: 2
                ).bytes)
            let answer = TunnelPacket(reading: try #require(capture.next()))
            #expect(answer.segment == 1360 && answer.hasRightChecksums)
            // One that is small enough stays.
            sender.send(
                TunnelPacket.tcp("100.64.0.1", 5001, to: "10.0.0.10", 80, flags: 2, segment: 1000).bytes,
                to: address("10.0.0.10"))
            var seen = daemon.read()
            // The device knows of no connection, and says so before.
            while let packet = seen, packet.ports.source != 5001 { seen = daemon.read() }
            #expect(seen?.segment == 1000)
        }

        @Test func `what is too large is told, or cut into fragments`() throws {
            let (rig, daemon) = try start([hq: KernelRig.tunnel(3, to: ["10.0.0.0/24=192.168.7.0/24"])])
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5000)
            device.connect(address("192.168.7.10"), port: 4000)
            device.setDontFragment()
            #expect(device.sendConnected(Array(repeating: 1, count: 1400)) == 1400)
            #expect(daemon.read(milliseconds: 100) == nil)
            #expect(device.pathMTU == 1400)
            // The error itself is told once.
            _ = device.receive(milliseconds: 10)
            #expect(device.sendConnected(Array(repeating: 1, count: 1372)) == 1372)
            #expect(daemon.read()?.body.count == 1380)
            // The other way: the devices' side takes less.
            _ = try rig.inGateway("ip link set sgi0 mtu 1300")
            var large = TunnelPacket.udp("10.0.0.10", 4000, to: "100.64.0.1", 5000, Array(repeating: 2, count: 1300))
            large.fragment = 0x4000
            for _ in 0..<2 {
                daemon.write(large.bytes)
                let error = try #require(daemon.read())
                #expect(error.protocol == 1 && error.body.prefix(2) == [3, 4] && error.body[6...7] == [5, 20])
                #expect(error.source == address("100.64.0.0") && error.destination == address("10.0.0.10"))
                #expect(error.inside?.source == address("10.0.0.10"))
                // Of a flow that the other end has begun.
                large.body.replaceSubrange(0..<2, with: [1, 1])
                large = TunnelPacket.udp("10.0.0.10", 4001, to: "100.64.0.1", 5000, large.payload)
                large.fragment = 0x4000
            }
            #expect(try rig.kernel.verify() == nil)
        }
    }
}
