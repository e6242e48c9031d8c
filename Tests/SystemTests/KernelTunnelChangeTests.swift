import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import Testing

private let one = kernelMark(1)
private let hq = vpnNumber(3)

extension KernelTests {
    /// Tunnels that come and go, and what happens to the kernel and to the processes around it.
    @Suite(.serialized) struct TunnelChanges {
        private func start() throws -> (rig: KernelRig, daemon: TunnelDaemon) {
            let rig = try KernelRig(tunnels: .userSpace)
            try rig.start([one: .tunnels([(destination: "10.0.0.0/24", vpn: 3)])], [kernelDevice(1, one)])
            try rig.kernel.changeVPNs([hq: KernelRig.tunnel(3)])
            let daemon = try TunnelDaemon(rig)
            try rig.kernel.attachTunnels(to: ipsec)
            return (rig, daemon)
        }

        private var ipsec: InterfaceName {
            get throws { try InterfaceName(parsing: "ipsec0") }
        }

        private func talks(_ device: KernelUDP, _ daemon: TunnelDaemon, _ byte: UInt8) -> Bool {
            device.send([byte], to: address("10.0.0.10"), port: 4000)
            guard let seen = daemon.read(milliseconds: 300), seen.payload == [byte] else { return false }
            daemon.write(TunnelPacket.udp("10.0.0.10", 4000, to: "100.64.0.1", seen.ports.source, [byte, 1]).bytes)
            return device.receive(milliseconds: 300)?.bytes == [byte, 1]
        }

        /// Octets of all eBPF maps that this process has open. (Linux 6.1 tells what they could have.)
        private func mapMemory() -> String {
            shell("cat /proc/\(getpid())/fdinfo/* 2>/dev/null | grep -A 20 map_type | grep memlock").output
        }

        @Test func `a hundred VPNs that come and go leave nothing`() throws {
            let (rig, daemon) = try start()
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"))
            #expect(talks(device, daemon, 1))
            // Not what others see to meanwhile: counters, limits that are over, links' carriers.
            let commands = [
                "ls /sys/class/net", "ip rule", "ip -4 route show table all", "ip -4 -o addr", "nft list ruleset",
            ]
            let look = {
                try commands.map { command in
                    try rig.inGateway(command).split(separator: "\n").filter { line in
                        !line.contains("packets") && !line.contains("expires")
                    }.map { String($0.split(separator: " linkdown")[0]) }
                }
            }
            let (before, memory) = (try look(), mapMemory())
            for cycle in 0..<100 as Range<UInt32> {
                let number = vpnNumber(cycle * 37 % 4096 == 3 ? 4 : cycle * 37 % 4096)
                try rig.kernel.changeVPNs([
                    number: KernelRig.tunnel(
                        number.rawValue, of: ["100.64.\(cycle).128/28"],
                        to: ["10.0.0.0/24", "10.7.0.0/16=10.8.0.0/16"],
                        groups: cycle % 2 == 0 ? [groupNumber(5)] : nil, destinations: ["10.0.0.7/32"],
                        ports: ["tcp/80"])
                ])
                if cycle % 25 == 0 { #expect(try rig.kernel.verify() == nil) }
                try rig.kernel.changeVPNs([number: nil])
            }
            for (old, new) in zip(before, try look()) {
                #expect(new.difference(from: old).isEmpty)
            }
            #expect(mapMemory() == memory)
            #expect(try rig.kernel.verify() == nil)
            #expect(talks(device, daemon, 2))
            try rig.kernel.tearDown()
            #expect(try !rig.inGateway("ip -o link").contains("vpn"))
        }

        @Test func `changes one by one are those of all at once`() throws {
            let rig = try KernelRig(tunnels: .userSpace)
            try rig.start([:], [])
            let numbers = [0, 1, 2, 3, 77, 1000, 2047, 2048, 4094, 4095].map { vpnNumber($0) }
            let entries = { (number: VPNNumber) in
                KernelRig.tunnel(number.rawValue, of: ["100.64.\(number.rawValue % 200).0/24"])
            }
            let look = { try ["ip rule", "ip route show table all"].map { try rig.inGateway($0) } }
            for number in numbers.reversed() {
                try rig.kernel.changeVPNs([number: entries(number)])
                #expect(try rig.kernel.verify() == nil)
            }
            let present = try look()
            try rig.kernel.setVPNs([:])
            try rig.kernel.setVPNs(Dictionary(uniqueKeysWithValues: numbers.map { ($0, entries($0)) }))
            #expect(
                try look().map { $0.split(separator: "\n").sorted() }
                    == present.map { $0.split(separator: "\n").sorted() })
            for number in numbers {
                try rig.kernel.changeVPNs([number: nil])
                #expect(try rig.kernel.verify() == nil)
            }
            #expect(try !rig.inGateway("ip rule").contains("goto"))
        }

        @Test func `the daemon's TUN is made anew, and the flow goes on`() throws {
            var (rig, daemon): (KernelRig, TunnelDaemon?) = try start()
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"))
            #expect(talks(device, try #require(daemon), 1))
            daemon = nil
            device.send([2], to: address("10.0.0.10"), port: 4000)
            #expect(try rig.kernel.verify() == nil)
            let second = try TunnelDaemon(rig, mtu: 1300)
            try rig.kernel.attachTunnels(to: ipsec)
            #expect(talks(device, second, 3))
            #expect(try rig.inGateway("ip link show vpn3").contains("mtu 1300"))
            withExtendedLifetime(second) {}
            // One that nobody has told of.
            daemon = nil
        }

        @Test func `the watch takes up a TUN that was made anew`() throws {
            var (rig, daemon): (KernelRig, TunnelDaemon?) = try start()
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"))
            daemon = nil
            let second = try TunnelDaemon(rig)
            #expect(try rig.kernel.verify()?.findings == ["the interface ipsec0 was made anew"])
            #expect(talks(device, second, 3))
            #expect(try rig.kernel.verify() == nil)
            #expect(daemon == nil)
        }

        @Test func `another process takes tunnels up without losing a flow or a count`() throws {
            let (rig, daemon) = try start()
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"))
            #expect(talks(device, daemon, 1))
            _ = try rig.inGateway("ip tuntap add dev vpn77 mode tun")
            let next = try Kernel(layout: rig.layout, namespace: rig.gateway)
            #expect(try next.prepareHost() == [])
            #expect(talks(device, daemon, 2))
            var state = rig.state([one: .tunnels([(destination: "10.0.0.0/24", vpn: 3)])], [kernelDevice(1, one)])
            state.vpns = [hq: KernelRig.tunnel(3)]
            let index = try rig.inGateway("cat /sys/class/net/vpn3/ifindex")
            _ = try next.reconcile(to: state)
            // Nobody has said yet where the daemon is.
            #expect(talks(device, daemon, 3))
            #expect(try rig.inGateway("cat /sys/class/net/vpn3/ifindex") == index)
            #expect(try !rig.inGateway("ip -o link").contains("vpn77"))
            #expect(try next.tunnelCounters(of: nil)[hq]?.packetsToPeer == 3)
            try next.changeVPNs([vpnNumber(4): KernelRig.tunnel(4, to: ["10.4.0.0/16"])])
            #expect(try next.verify() == nil)
        }

        @Test func `what others do to a tunnel is found and mended`() throws {
            let (rig, daemon) = try start()
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"))
            #expect(talks(device, daemon, 1))
            #expect(try rig.kernel.verify() == nil)
            let damages = [
                ("ip link delete vpn3", "the interface vpn3 was gone"),
                ("tc filter del dev vpn3 egress", "a filter of the interface vpn3 was gone"),
                ("tc qdisc del dev ipsec0 clsact", "a filter of the interface ipsec0 was gone"),
                ("ip link set vpn3 down", "the interface vpn3 had been changed"),
                ("ip addr flush dev vpn3", "the address of vpn3 had been changed"),
            ]
            for (number, (command, finding)) in damages.enumerated() {
                _ = try rig.inGateway(command)
                #expect(try rig.kernel.verify()?.findings == [finding], "\(command)")
                #expect(talks(device, daemon, UInt8(number + 2)), "\(command)")
                #expect(try rig.kernel.verify() == nil)
            }
        }

        @Test func `the gateway's own packets are from the tenant's block, and only answers come back`() throws {
            let (rig, daemon) = try start()
            let own = try KernelUDP(in: rig.gateway, address("0.0.0.0"), port: 6000)
            own.setMark(rig.kernel.routeMark(of: hq))
            own.send([1], to: address("10.0.0.53"), port: 53)
            let asked = try #require(daemon.read())
            #expect(asked.source == address("100.64.0.0") && asked.destination == address("10.0.0.53"))
            daemon.write(TunnelPacket.udp("10.0.0.53", 53, to: "100.64.0.0", 6000, [2]).bytes)
            #expect(own.receive()?.bytes == [2])
            daemon.write(TunnelPacket.udp("10.0.0.54", 53, to: "100.64.0.0", 6000, [3]).bytes)
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"))
            device.send([4], to: address("100.64.0.0"), port: 6000)
            #expect(own.receive(milliseconds: 60) == nil)
        }

        /// An IKE daemon that encrypts itself takes a traffic selector only when the gateway has an address within.
        @Test func `the gateway has an address in each of the tenant's blocks, as they come and go`() throws {
            let (rig, daemon) = try start()
            let addresses = {
                try rig.inGateway("ip -4 -o addr show dev vpn3").split(separator: "\n").map { line in
                    String(line.split(separator: " ")[3])
                }
            }
            #expect(try addresses() == ["100.64.0.0/32"])
            let blocks = ["100.64.0.0/29", "100.64.7.0/24", "100.64.9.64/26"]
            try rig.kernel.changeVPNs([hq: KernelRig.tunnel(3, of: blocks)])
            #expect(try addresses() == ["100.64.0.0/32", "100.64.7.0/32", "100.64.9.64/32"])
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"))
            #expect(talks(device, daemon, 1))
            _ = try rig.inGateway("ip addr del 100.64.9.64/32 dev vpn3")
            #expect(try rig.kernel.verify()?.findings == ["the address of vpn3 had been changed"])
            #expect(try Set(addresses()) == ["100.64.0.0/32", "100.64.7.0/32", "100.64.9.64/32"])
            #expect(try rig.kernel.verify() == nil)
            try rig.kernel.changeVPNs([hq: KernelRig.tunnel(3, of: [blocks[1]])])
            #expect(try addresses() == ["100.64.7.0/32"])
        }

        /// The first of many VPNs, and one more; each tenant has ten.
        @Test func `one more of 2,000 VPNs takes at most twice what the first does`() throws {
            let rigs = try (0..<2).map { _ in
                let rig = try KernelRig(tunnels: .userSpace)
                try rig.start([one: .tunnels([(destination: "10.0.0.0/24", vpn: 3)])], [kernelDevice(1, one)])
                return rig
            }
            let (empty, rig) = (rigs[0], rigs[1])
            let entry = { (number: UInt32) in
                KernelRig.tunnel(
                    number, of: ["100.\(64 + number / 2560).\(number / 10 % 256).0/24"],
                    to: ["10.\(number % 10).0.0/24"])
            }
            let clock = ContinuousClock()
            let create = { (number: UInt32, rig: KernelRig) in
                let taken = try clock.measure { try rig.kernel.changeVPNs([vpnNumber(number): entry(number)]) }
                try rig.kernel.changeVPNs([vpnNumber(number): nil])
                return taken
            }
            let all = try clock.measure {
                for number in 0..<2000 as Range<UInt32> {
                    try rig.kernel.changeVPNs([vpnNumber(number): entry(number)])
                }
            }
            // What is loaded once is no part of it.
            _ = try create(0, empty)
            // Side by side: others use the machine too.
            let pairs = try (0..<40).map { _ in (try create(0, empty), try create(2000, rig)) }
            let (first, last) = (pairs.map(\.0).sorted()[20], pairs.map(\.1).sorted()[20])
            var (findings, counted): (RepairReport?, Int) = (nil, 0)
            let check = try clock.measure { findings = try rig.kernel.verify() }
            let reading = try clock.measure { counted = try rig.kernel.tunnelCounters(of: nil).count }
            #expect(findings == nil && counted == 2000)
            let idle = try clock.measure { findings = try rig.kernel.verify() }
            let next = try Kernel(layout: rig.layout, namespace: rig.gateway)
            #expect(try next.prepareHost() == [])
            var state = rig.state([one: .tunnels([(destination: "10.0.0.0/24", vpn: 3)])], [kernelDevice(1, one)])
            for number in 0..<2000 as Range<UInt32> { state.vpns[vpnNumber(number)] = entry(number) }
            let start = try clock.measure { _ = try next.reconcile(to: state) }
            print(
                "one VPN: \(first), at best \(pairs.map(\.0).min() ?? .zero); 2,000 one by one: \(all); one more: \(last), at best \(pairs.map(\.1).min() ?? .zero); verify after that: \(check), then: "
                    + "\(idle); counters: \(reading); another process's start: \(start)")
            #expect(last <= first * 2)
        }

        /// On whatever kernel the tests run: this one has no ESP, Debian's has.
        @Test func `the path that is found is the one that can be used, and asking leaves nothing`() throws {
            let rig = try KernelRig(tunnels: .userSpace)
            var layout = rig.layout
            layout.tunnelPath = nil
            let kernel = try Kernel(layout: layout, namespace: rig.gateway)
            let before = try rig.inGateway("ip -o link")
            let path = try kernel.tunnelPath()
            #expect(try rig.inGateway("ip -o link") == before)
            #expect(try rig.inGateway("ip xfrm state") == "")
            #expect(try kernel.prepareHost() == [])
            _ = try kernel.reconcile(to: rig.state([one: .blockAll], [kernelDevice(1, one)]))
            try kernel.changeVPNs([hq: KernelRig.tunnel(3)])
            let link = try rig.inGateway("ip -d link show vpn3")
            #expect(link.contains(path == .kernel ? "xfrm" : "tun") && link.contains("mtu 1400"))
            #expect(try rig.nft("list chain inet cordon wan_input").contains("esp") == (path == .kernel))
            #expect(try kernel.verify() == nil)
            try kernel.changeVPNs([hq: nil])
            #expect(try rig.inGateway("ip -o link") == before)
            try kernel.tearDown()
        }
    }
}
