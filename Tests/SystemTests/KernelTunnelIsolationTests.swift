import Domain
import LinuxNet
import PolicyCompiler
import TestSupport
import Testing

extension KernelTests {
    @Suite(.serialized) struct TunnelIsolation {
        /// What devices see, and what is behind the peer.
        private struct Way {
            let tenant: Int
            let vpn: UInt32
            let seenAs: IPv4Prefix
            let network: IPv4Prefix

            func translated(_ address: IPv4Address) -> IPv4Address {
                IPv4Address(bits: network.first.bits | address.bits & ~(UInt32.max << UInt32(32 - seenAs.length)))
            }

            var text: String { "\(network.address)/\(network.length)=\(seenAs.address)/\(seenAs.length)" }
        }

        /// Few networks, so that they overlap between tenants; within a tenant none does.
        private func ways(_ random: inout Generator) -> [Way] {
            var (ways, vpn): ([Way], UInt32) = ([], UInt32.random(in: 0..<50, using: &random))
            for tenant in 0..<3 {
                for half in 0..<Int.random(in: 1...3, using: &random) {
                    vpn += UInt32.random(in: 1...100, using: &random)
                    let length = UInt8.random(in: 24...26, using: &random)
                    let network = IPv4Prefix(containing: address("10.0.\(half).0"), length: length)
                    let seenAs =
                        random.oneIn(2) ? network : IPv4Prefix(containing: address("192.168.\(half).0"), length: length)
                    ways.append(Way(tenant: tenant, vpn: vpn, seenAs: seenAs, network: network))
                }
            }
            return ways
        }

        private func address(_ text: String) -> IPv4Address {
            do { return try IPv4Address(parsing: text) } catch { preconditionFailure("\(error)") }
        }

        private func random(_ random: inout Generator) -> IPv4Address {
            let base = random.pick("10.0.0.0", "10.0.1.0", "10.0.2.0", "192.168.0.0", "192.168.1.0")
            return IPv4Address(bits: address(base).bits + UInt32.random(in: 1...254, using: &random))
        }

        /// Tenants' devices are 1, 5, 9 and so on, each in a block of four addresses.
        private func device(_ tenant: Int) -> IPv4Address { address("100.64.0.\(4 * tenant + 1)") }

        @Test func `a tenant's packet is never at another's peer, nor the other way round`() throws {
            let rig = try KernelRig(tunnels: .userSpace)
            try rig.start([:], [])
            let daemon = try TunnelDaemon(rig)
            let sender = try KernelRawSender(in: rig.devices)
            let capture = try KernelCapture(in: rig.devices, interface: "dev0")
            var (passed, stopped) = (0, 0)
            try forAll(12) { random in
                let ways = self.ways(&random)
                var rulesets: [PolicyMark: Ruleset] = [:]
                var vpns: [VPNNumber: VPNEntry] = [:]
                for tenant in 0..<3 {
                    let own = ways.filter { $0.tenant == tenant }
                    rulesets[kernelMark(Int64(tenant + 1))] = .tunnels(own.map { ("\($0.seenAs)", $0.vpn) })
                    for way in own {
                        vpns[vpnNumber(way.vpn)] = KernelRig.tunnel(
                            way.vpn, of: ["100.64.0.\(4 * tenant)/30"], to: [way.text])
                    }
                }
                try rig.kernel.install(rulesets, removing: [])
                try rig.kernel.setVPNs(vpns)
                try rig.kernel.apply((0..<3).map { .set(kernelDevice(4 * $0 + 1, kernelMark(Int64($0 + 1)))) })
                try rig.kernel.attachTunnels(to: try InterfaceName(parsing: "ipsec0"))
                for _ in 0..<25 {
                    let tenant = Int.random(in: 0..<3, using: &random)
                    let far = self.random(&random)
                    let port = UInt16.random(in: 1024...60_000, using: &random)
                    // Out: by the tenant's own way, or not at all.
                    let out = ways.first { $0.tenant == tenant && $0.seenAs.contains(far) }
                    sender.send(
                        TunnelPacket.udp("\(self.device(tenant))", port, to: "\(far)", 4000, [1]).bytes, to: far)
                    let left = daemon.read(milliseconds: out == nil ? 15 : 500)
                    #expect(left?.destination == out?.translated(far), "seed \(random.seed): \(far) of \(tenant)")
                    #expect(left == nil || left?.source == self.device(tenant), "seed \(random.seed)")
                    // In: what a peer of the tenant's sends, seen as the tenant sees it, or not at all.
                    let source = self.random(&random)
                    let back = ways.first { $0.tenant == tenant && $0.network.contains(source) }
                    daemon.write(TunnelPacket.udp("\(source)", 4001, to: "\(self.device(tenant))", port, [2]).bytes)
                    let came = capture.next(milliseconds: back == nil ? 15 : 500).map(TunnelPacket.init(reading:))
                    #expect(
                        came?.destination == back.map { _ in self.device(tenant) }, "seed \(random.seed): \(source)")
                    if let back, let came {
                        #expect(back.seenAs.contains(came.source) && back.translated(came.source) == source)
                        #expect(came.hasRightChecksums)
                    }
                    passed += [left, came].count { $0 != nil }
                    stopped += [left, came].count { $0 == nil }
                    // The device says that nobody is there, which goes back to the peer.
                    while daemon.read(milliseconds: 5) != nil {}
                }
                #expect(try rig.kernel.verify() == nil, "seed \(random.seed)")
            }
            #expect(passed > 100 && stopped > 50, "\(passed) passed, \(stopped) did not")
        }
    }
}
