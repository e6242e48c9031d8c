import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import Testing

private let one = kernelMark(1)
private let two = kernelMark(2)

extension KernelTests {
    /// Sessions with both families: what holds for one holds for the other.
    @Suite(.serialized) struct IPv6Sessions {
        /// Of a datagram as the tests send it, with its header.
        private static let (octets4, octets6): (UInt64, UInt64) = (36, 56)
        /// Nobody's of the servers' network, so that no error comes back.
        private static let server6 = "2001:db8:ffff::99"

        private static func link(_ number: Int) -> IPv6Prefix { prefix6("2001:db8:64:\(number)::/64") }

        private static func device(_ number: Int, _ policy: PolicyMark = one, limit: LimitNumber? = nil)
            -> [DeviceChange]
        {
            let entry = kernelDevice(number, policy, ports: 64)
            let session = Session.ID(Int64(number))
            return [
                .set(
                    DeviceEntry(
                        address: entry.address, policy: policy, nat: entry.nat, session: session, limit: limit)),
                .set6(DeviceEntry6(prefix: link(number), policy: policy, session: session, limit: limit)),
            ]
        }

        private static func removal(_ number: Int) -> [DeviceChange] {
            [.remove(kernelDevice(number, one, ports: 64).address), .remove6(link(number))]
        }

        private static var open: Ruleset {
            Ruleset(
                layers: [
                    [
                        Ruleset.Entry(
                            destination: prefix("192.0.2.0/24"), protocols: 0...255, ports: 0...65_535, rule: 0)
                    ]
                ],
                layers6: [
                    [
                        Ruleset.Entry6(
                            destination: prefix6("2001:db8:ffff::/48"), protocols: 0...255, ports: 0...65_535, rule: 0)
                    ]
                ], actions: [.init(.internet)])
        }

        private static func state(_ rig: KernelRig, _ devices: [Int], limit: LimitNumber? = nil) -> EnforcementState {
            var state = rig.state([one: open], [])
            for change in devices.flatMap({ device($0, limit: limit) }) {
                switch change {
                case .set(let entry): state.devices.append(entry)
                case .set6(let entry): state.devices6.append(entry)
                case .remove, .remove6: break
                }
            }
            return state
        }

        /// Sends one datagram of either family at a time and sees whether it comes out on the other side.
        private struct Wire {
            let devices: KernelRawSender
            let internet: KernelRawSender
            let toInternet: KernelCapture
            let toInternet6: KernelCapture
            let toDevices6: KernelCapture

            init(_ rig: KernelRig) throws {
                devices = try KernelRawSender(in: rig.devices)
                internet = try KernelRawSender(in: rig.internet)
                toInternet = try KernelCapture(in: rig.internet, interface: "net0")
                toInternet6 = try KernelCapture(in: rig.internet, interface: "net0", withIPv6: true)
                toDevices6 = try KernelCapture(in: rig.devices, interface: "dev0", withIPv6: true)
            }

            func leaves(_ number: Int, port: UInt16 = 4000, milliseconds: Int = 80) -> Bool {
                let sequence = UInt32.random(in: 1 ... .max)
                devices.send(
                    KernelPacket(
                        source: address("100.64.0.\(number)"), destination: address("192.0.2.99"), protocol: 17,
                        sourcePort: 5000, destinationPort: port, sequence: sequence))
                return toInternet.sequences(until: sequence, milliseconds: milliseconds).contains(sequence)
            }

            func leaves6(_ source: String, port: UInt16 = 4000, milliseconds: Int = 80) -> Bool {
                let sequence = UInt32.random(in: 1 ... .max)
                devices.send(
                    KernelPacket(
                        from: .v6(address6(source)), to: .v6(address6(IPv6Sessions.server6)), protocol: 17,
                        sourcePort: 5000,
                        destinationPort: port, sequence: sequence))
                return toInternet6.sequences(until: sequence, milliseconds: milliseconds).contains(sequence)
            }

            func returns6(_ destination: String, port: UInt16 = 4000, milliseconds: Int = 80) -> Bool {
                let sequence = UInt32.random(in: 1 ... .max)
                internet.send(
                    KernelPacket(
                        from: .v6(address6(IPv6Sessions.server6)), to: .v6(address6(destination)), protocol: 17,
                        sourcePort: port,
                        destinationPort: 5000, sequence: sequence))
                return toDevices6.sequences(until: sequence, milliseconds: milliseconds).contains(sequence)
            }
        }

        @Test func `neighbours find each other by themselves`() throws {
            let rig = try KernelRig(withIPv6: true)
            #expect(try rig.kernel.prepareHost() == [])
            _ = try rig.kernel.reconcile(to: Self.state(rig, [1]))
            for (namespace, neighbour, interface) in [
                (rig.gatewayName, "2001:db8:f::2", "sgi0"), (rig.gatewayName, "2001:db8:e::2", "wan0"),
                (rig.names[0], "2001:db8:f::1", "dev0"), (rig.names[2], "2001:db8:e::1", "net0"),
            ] {
                let (status, output) = shell("ip -n \(namespace) -6 neigh del \(neighbour) dev \(interface) 2>&1")
                #expect(status == 0, "\(output)")
            }
            let wire = try Wire(rig)
            // The first packets wait for their neighbours' answers.
            #expect(wire.leaves6("2001:db8:64:1::1", milliseconds: 3000))
            #expect(wire.returns6("2001:db8:64:1::1", milliseconds: 3000))
            let (_, neighbours) = shell("ip -n \(rig.gatewayName) -6 neigh show 2001:db8:f::2 dev sgi0 2>&1")
            #expect(neighbours.contains("02:00:00:00:00:02"), "\(neighbours)")
        }

        @Test func `what both families carry is counted for the session and taken from one volume`() throws {
            let (number, limit) = (try #require(QuotaNumber(5)), try #require(LimitNumber(1)))
            let rig = try KernelRig(withIPv6: true)
            #expect(try rig.kernel.prepareHost() == [])
            var state = Self.state(rig, [1], limit: limit)
            let volume = 2 * Self.octets4 + 2 * Self.octets6 + 10
            state.limits = [limit: DeviceLimit(quotas: [number])]
            state.quotas = [number: Quota(period: 1, limit: volume)]
            _ = try rig.kernel.reconcile(to: state)
            let wire = try Wire(rig)
            #expect(wire.leaves(1) && wire.leaves6("2001:db8:64:1::7") && wire.returns6("2001:db8:64:1::7"))
            #expect(wire.leaves(1))
            let used = 2 * (Self.octets4 + Self.octets6)
            #expect(try rig.kernel.quotas([number]).first??.used == used)
            // Ten octets are left, which is no packet of either.
            #expect(!wire.leaves6("2001:db8:64:1::1") && !wire.leaves(1) && !wire.returns6("2001:db8:64:1::7"))
            #expect(
                try rig.kernel.quotas([number])[0]
                    == QuotaReading(period: 1, limit: volume, used: used, isReached: true))
            let ledger = UsageLedger()
            try ledger.read(rig.kernel)
            #expect(
                ledger.counts(of: 1)
                    == UsageCounts(
                        octetsUp: 2 * Self.octets4 + Self.octets6, packetsUp: 3, octetsDown: Self.octets6,
                        packetsDown: 1))
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `a session that goes stops both families at once, with their flows`() throws {
            let rig = try KernelRig(withIPv6: true)
            #expect(try rig.kernel.prepareHost() == [])
            _ = try rig.kernel.reconcile(to: Self.state(rig, [1, 2]))
            let wire = try Wire(rig)
            #expect(wire.leaves(1) && wire.leaves6("2001:db8:64:1::1") && wire.leaves6("2001:db8:64:2::1"))
            let devices: Set<IPAddress> = [.v4(address("100.64.0.1")), .v6(Self.link(1).address)]
            #expect(Set(try rig.kernel.silences(of: devices).keys) == devices)
            #expect(Set(try rig.kernel.silences(of: nil).keys) == devices.union([.v6(Self.link(2).address)]))
            try rig.kernel.apply(Self.removal(1))
            #expect(!wire.leaves(1) && !wire.leaves6("2001:db8:64:1::1") && !wire.returns6("2001:db8:64:1::1"))
            #expect(wire.returns6("2001:db8:64:2::1"))
            #expect(try rig.kernel.deleteFlows(.ofDevices(devices)) { _ in .denied } == 2)
            #expect(
                try rig.kernel.flows(.all, listing: 9) { _ in .denied }.listed.map(\.flow.source) == [
                    .v6(address6("2001:db8:64:2::1"))
                ])
            // One that comes with another policy: in quarantine nothing is allowed.
            try rig.kernel.install([two: .blockAll], removing: [])
            try rig.kernel.apply(Self.device(2, two))
            #expect(!wire.leaves(2) && !wire.leaves6("2001:db8:64:2::1"))
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `another process takes up what the last has left, and a device goes on`() throws {
            let rig = try KernelRig(withIPv6: true)
            #expect(try rig.kernel.prepareHost() == [])
            _ = try rig.kernel.reconcile(to: Self.state(rig, [1, 2]))
            let wire = try Wire(rig)
            #expect(wire.leaves6("2001:db8:64:1::1"))
            let next = try Kernel(layout: rig.layout, namespace: rig.gateway)
            #expect(try next.prepareHost() == [])
            _ = try next.reconcile(to: Self.state(rig, [1]))
            #expect(wire.returns6("2001:db8:64:1::1"))
            #expect(wire.leaves6("2001:db8:64:1::1") && !wire.leaves6("2001:db8:64:2::1"))
            let ledger = UsageLedger()
            try ledger.read(next)
            #expect(
                ledger.counts(of: 1)
                    == UsageCounts(
                        octetsUp: 2 * Self.octets6, packetsUp: 2, octetsDown: Self.octets6, packetsDown: 1))
            #expect(try next.verify() == nil)
        }

        @Test func `no device sends into a pool, from the moment it is one`() throws {
            let rig = try KernelRig(withIPv6: true)
            #expect(try rig.kernel.prepareHost() == [])
            var state = Self.state(rig, [1])
            state.pools6 = [prefix6("2001:db8:64::/48")]
            _ = try rig.kernel.reconcile(to: state)
            let wire = try Wire(rig)
            #expect(wire.leaves6("2001:db8:64:1::1"))
            try rig.kernel.setPools([prefix6("2001:db8:64::/48"), prefix6("2001:db8:ffff::/56")])
            #expect(!wire.leaves6("2001:db8:64:1::1", port: 4001))
            #expect(try rig.counter("device_to_device") == 1)
            let routes = shell("ip -n \(rig.gatewayName) -6 route show table 4002").output
            #expect(routes.contains("2001:db8:64::/48") && routes.contains("2001:db8:ffff::/56"), "\(routes)")
            #expect(try rig.kernel.verify() == nil)
            try rig.kernel.setPools([prefix6("2001:db8:64::/48")])
            #expect(wire.leaves6("2001:db8:64:1::1", port: 4002))
        }
    }
}
