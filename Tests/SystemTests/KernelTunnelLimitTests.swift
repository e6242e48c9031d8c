import Domain
import LinuxNet
import PolicyCompiler
import Testing

private let one = kernelMark(1)
private let partner = vpnNumber(3)
private let (meters, pumps) = (groupNumber(1), groupNumber(2))

extension KernelTests {
    /// What a partner's tunnel lets pass.
    @Suite(.serialized) struct TunnelLimits {
        private func rig(_ entry: VPNEntry) throws -> (KernelRig, TunnelDaemon) {
            let rig = try KernelRig(tunnels: .userSpace)
            try rig.start(
                [one: .tunnels([(destination: "10.0.0.0/8", vpn: 3)])],
                [kernelDevice(1, one, group: meters), kernelDevice(2, one, group: pumps)])
            try rig.kernel.changeVPNs([partner: entry])
            let daemon = try TunnelDaemon(rig)
            try rig.kernel.attachTunnels(to: try InterfaceName(parsing: "ipsec0"))
            return (rig, daemon)
        }

        private func leaves(
            _ rig: KernelRig, _ daemon: TunnelDaemon, from device: Int = 1, to destination: String = "10.0.0.10",
            port: UInt16 = 443
        ) throws -> Bool {
            let socket = try KernelUDP(in: rig.devices, address("100.64.0.\(device)"))
            socket.send([1], to: address(destination), port: port)
            return daemon.read(milliseconds: 100) != nil
        }

        private func arrives(
            _ rig: KernelRig, _ daemon: TunnelDaemon, from source: String = "10.0.0.10", to device: Int = 1,
            port: UInt16 = 443
        ) throws -> Bool {
            let socket = try KernelUDP(in: rig.devices, address("100.64.0.\(device)"), port: port)
            daemon.write(TunnelPacket.udp(source, 4000, to: "100.64.0.\(device)", port, [2]).bytes)
            return socket.receive(milliseconds: 100) != nil
        }

        @Test func `only devices of its groups, until they leave them`() throws {
            let limited = KernelRig.tunnel(3, to: ["10.0.0.0/8"], groups: [meters])
            let (rig, daemon) = try rig(limited)
            #expect(try leaves(rig, daemon) && !leaves(rig, daemon, from: 2))
            #expect(try arrives(rig, daemon) && !arrives(rig, daemon, to: 2))
            #expect(try rig.counter("vpn_limited") == 2)
            #expect(try rig.kernel.tunnelCounters(of: nil)[partner]?.refusedPackets == 1)
            // A flow's answers pass as it does.
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5000)
            device.send([1], to: address("10.0.0.10"), port: 443)
            #expect(daemon.read() != nil)
            daemon.write(TunnelPacket.udp("10.0.0.10", 443, to: "100.64.0.1", 5000, [2]).bytes)
            #expect(device.receive()?.bytes == [2])
            try rig.kernel.apply([.set(kernelDevice(1, one))])
            daemon.write(TunnelPacket.udp("10.0.0.10", 443, to: "100.64.0.1", 5000, [3]).bytes)
            #expect(device.receive(milliseconds: 60) == nil)
            #expect(try !leaves(rig, daemon))
            #expect(try rig.kernel.verify() == nil)
            // Without the limit nobody needs the group's set.
            try rig.kernel.changeVPNs([partner: KernelRig.tunnel(3, to: ["10.0.0.0/8"])])
            #expect(try leaves(rig, daemon) && leaves(rig, daemon, from: 2))
            let sets = try rig.nft("list ruleset")
            #expect(!sets.contains("group_1") && !sets.contains("limit_3"))
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `only its destinations and ports, and what follows from them`() throws {
            let (rig, daemon) = try rig(
                KernelRig.tunnel(
                    3, to: ["10.0.0.0/8"], destinations: ["10.0.0.0/28", "10.9.0.0/16"], ports: ["udp/443-444", "icmp"])
            )
            #expect(try leaves(rig, daemon) && leaves(rig, daemon, to: "10.9.3.3", port: 444))
            #expect(try !leaves(rig, daemon, to: "10.0.0.16") && !leaves(rig, daemon, port: 445))
            #expect(try arrives(rig, daemon) && !arrives(rig, daemon, port: 445))
            #expect(try !arrives(rig, daemon, from: "10.0.1.10"))
            // An error about an allowed flow is of the flow, though it is no UDP.
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"))
            device.connect(address("10.0.0.10"), port: 443)
            #expect(device.sendConnected([3]) == 1)
            let seen = try #require(daemon.read())
            daemon.write(TunnelPacket.error(about: seen, from: "10.1.1.1", to: "100.64.0.1", type: 11, code: 0).bytes)
            #expect(try rig.counter("vpn_limited") == 4)
            // Narrower, while the flow is there.
            try rig.kernel.changeVPNs([partner: KernelRig.tunnel(3, to: ["10.0.0.0/8"], ports: ["udp/444"])])
            #expect(device.sendConnected([4]) == 1)
            #expect(daemon.read(milliseconds: 60) == nil)
            #expect(try leaves(rig, daemon, to: "10.200.0.1", port: 444))
            #expect(try rig.kernel.verify() == nil)
            // Somebody else takes a limit away.
            try rig.nft("flush chain inet cordon limit_3_0")
            #expect(try rig.kernel.verify()?.findings == ["rules of the chain limit_3_0 were gone"])
            #expect(try !leaves(rig, daemon) && leaves(rig, daemon, port: 444))
        }
    }
}
