import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import Testing

extension KernelTests {
    @Suite(.serialized) struct Repair {
        private let one = kernelMark(1)
        private let two = kernelMark(2)

        private func rig() throws -> KernelRig {
            let rig = try KernelRig()
            try rig.start(
                [one: .allowing("192.0.2.0/24"), two: .allowing("192.0.2.11")],
                [kernelDevice(1, one), kernelDevice(2, two)])
            return rig
        }

        private func passes(_ rig: KernelRig, _ device: Int = 1) throws -> Bool {
            let sender = try KernelRawSender(in: rig.devices)
            let capture = try KernelCapture(in: rig.internet, interface: "net0")
            // The nobody of the server's network: no answer disturbs.
            sender.send(
                KernelPacket(
                    source: kernelDevice(device, one).address, destination: address("192.0.2.99"), protocol: 17,
                    sourcePort: 5000, destinationPort: 4000, sequence: 7))
            return capture.sequences(until: 7, milliseconds: 150).contains(7)
        }

        @Test(arguments: [false, true])
        func `without the table nothing is forwarded, and it comes back`(isFlushed: Bool) throws {
            let rig = try rig()
            #expect(try passes(rig))
            try rig.nft(isFlushed ? "flush ruleset" : "delete table inet cordon")
            #expect(try !passes(rig))
            let unsolicited = try KernelCapture(in: rig.devices, interface: "dev0")
            try KernelRawSender(in: rig.internet).send(
                KernelPacket(
                    source: KernelRig.server, destination: address("100.64.0.1"), protocol: 17, sequence: 8))
            #expect(unsolicited.sequences(until: 8, milliseconds: 150) == [])
            let report = try #require(try rig.kernel.verify())
            #expect(report.findings == ["the table inet cordon was gone"])
            #expect(try passes(rig))
            #expect(try !passes(rig, 2))
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `an interface that is made anew is taken up`() throws {
            let rig = try rig()
            #expect(try passes(rig))
            try rig.remakeInternetLink()
            #expect(try !passes(rig))
            let report = try #require(try rig.kernel.verify())
            #expect(report.findings.contains("the interface wan0 was made anew"), "\(report.findings)")
            #expect(try passes(rig))
            #expect(try rig.kernel.verify() == nil)
        }

        struct Tampering: CustomTestStringConvertible, Sendable {
            let command: String
            let finding: String
            var testDescription: String { command }
        }

        @Test(arguments: [
            Tampering(
                command: "insert rule inet cordon sgi_source accept", finding: "chain sgi_source had been changed"),
            Tampering(command: "add rule inet cordon policy_2 accept", finding: "chain policy_2 had been changed"),
            Tampering(command: "flush chain inet cordon sgi_source", finding: "chain sgi_source were gone"),
            Tampering(command: "add chain inet cordon other", finding: "foreign chain other"),
            Tampering(
                command: "add chain inet cordon other '{ type filter hook forward priority 5; policy drop; }'",
                finding: "foreign chain other"),
            Tampering(command: "add chain inet cordon filter_forward '{ policy accept; }'", finding: "filter_forward"),
            Tampering(command: "add table inet cordon '{ flags dormant; }'", finding: "table's flags"),
            Tampering(
                command: "delete element inet cordon device_policy '{ 100.64.0.1 }'",
                finding: "in device_policy 1 elements were missing, 0 were wrong and 0 were foreign"),
            Tampering(
                command: "add element inet cordon device_policy '{ 100.64.0.9 : 0x11 }'",
                finding: "in device_policy 0 elements were missing, 0 were wrong and 1 were foreign"),
            Tampering(
                command: "delete element inet cordon device_nat '{ 100.64.0.1 }'",
                finding: "in device_nat 1 elements were missing"),
            Tampering(command: "flush map inet cordon policy_chain", finding: "elements of policy_chain"),
            Tampering(command: "add element inet cordon nas '{ 100.64.0.2 }'", finding: "elements of nas"),
            Tampering(command: "flush set inet cordon pools", finding: "elements of pools"),
        ])
        func `a foreign change is found and mended`(_ tampering: Tampering) throws {
            let rig = try rig()
            try rig.nft(tampering.command)
            let report = try #require(try rig.kernel.verify())
            #expect(report.findings.contains { $0.contains(tampering.finding) }, "\(report.findings)")
            #expect(try rig.kernel.verify() == nil)
            #expect(try passes(rig))
            #expect(try !passes(rig, 2))
            let listing = try rig.nft("list ruleset")
            #expect(!listing.contains("other") && !listing.contains("100.64.0.9"))
        }

        @Test func `a change in another table is none of ours`() throws {
            let rig = try rig()
            try rig.nft("add table inet foreign")
            #expect(try rig.kernel.verify() == nil)
            #expect(try rig.nft("list tables").contains("inet foreign"))
        }

        @Test func `a change of a device goes through although its element was taken away`() throws {
            let rig = try rig()
            try rig.nft("delete element inet cordon device_policy '{ 100.64.0.1 }'")
            try rig.kernel.apply([.remove(address("100.64.0.1"))])
            #expect(try !passes(rig))
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `lost routes come back, and forwarding too`() throws {
            let rig = try rig()
            #expect(shell("ip -n \(rig.gatewayName) route flush table 4001").status == 0)
            #expect(shell("ip -n \(rig.gatewayName) rule del pref 101").status == 0)
            #expect(shell("ip netns exec \(rig.gatewayName) sysctl -qw net.ipv4.ip_forward=0").status == 0)
            #expect(try !passes(rig))
            let report = try #require(try rig.kernel.verify())
            #expect(
                report.findings == [
                    "the route to 0.0.0.0/0 was missing", "the routing rule 101 was missing",
                    "forwarding was turned off",
                ])
            #expect(try passes(rig))
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `a pool's route comes and goes with it`() throws {
            let rig = try rig()
            try rig.kernel.setPools([KernelRig.pool, prefix("10.0.0.0/8")])
            let routes = { shell("ip -n \(rig.gatewayName) route show table 4002").output }
            #expect(routes().contains("10.0.0.0/8 via 198.18.0.2 dev sgi0"))
            try rig.kernel.setPools([KernelRig.pool])
            #expect(!routes().contains("10.0.0.0/8"))
            #expect(routes().contains("100.64.0.0/10 via 198.18.0.2 dev sgi0"))
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `a table of another kind is replaced`() throws {
            let rig = try KernelRig()
            try rig.nft("add table inet cordon")
            try rig.nft("add map inet cordon device_policy '{ type ipv4_addr : ipv4_addr; }'")
            try rig.nft("add element inet cordon device_policy '{ 100.64.0.7 : 192.0.2.1 }'")
            try rig.nft("add chain inet cordon filter_forward '{ type filter hook forward priority 7; }'")
            try rig.start([one: .allowing("192.0.2.0/24"), two: .blockAll], [kernelDevice(1, one)])
            #expect(try passes(rig))
            #expect(try rig.kernel.verify() == nil)
            #expect(try !rig.nft("list ruleset").contains("100.64.0.7"))
        }

        @Test func `lost netlink sockets are opened again`() throws {
            let before = netlinkSockets()
            let rig = try rig()
            let null = open("/dev/null", O_RDWR)
            defer { close(null) }
            let sockets = netlinkSockets().subtracting(before)
            #expect(sockets.count == 3)
            for descriptor in sockets { #expect(dup2(null, descriptor) == descriptor) }
            #expect(try passes(rig))
            do {
                try rig.kernel.apply([.set(kernelDevice(3, one))])
                Issue.record("a change went through a socket that is gone")
            } catch {
                #expect(error.code == .connectionLost)
            }
            let report = try #require(try rig.kernel.verify())
            #expect(report.findings == ["the netlink socket was lost; a new one is open"])
            try rig.kernel.apply([.set(kernelDevice(3, one))])
            #expect(try passes(rig, 3))
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `answers that overrun the socket's buffer are noticed, and what was changed is known again`() throws
        {
            let before = netlinkSockets()
            let rig = try rig()
            // Room for two or three acknowledgements.
            var tiny: Int32 = 1
            for descriptor in netlinkSockets().subtracting(before) {
                setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &tiny, 4)
            }
            let entries = (UInt32(1)...20_000).map { number in
                DeviceEntry(
                    address: IPv4Address(bits: KernelRig.pool.first.bits + 4096 + number), policy: two, nat: nil)
            }
            do {
                try rig.kernel.apply(entries.map { .set($0) })
                Issue.record("an overrun was not noticed")
            } catch {
                #expect(error.code == .connectionLost)
            }
            let report = try #require(try rig.kernel.verify())
            #expect(report.findings.first == "the netlink socket was lost; a new one is open")
            #expect(try passes(rig))
            try rig.kernel.apply(entries.map { .set($0) })
            #expect(try rig.kernel.verify() == nil)
            #expect(try rig.nft("list map inet cordon device_policy").contains("100.64.94.32"))
        }

        /// The numbers of this process's netlink sockets.
        private func netlinkSockets() -> Set<Int32> {
            Set(
                (Int32(0)..<1024).filter { descriptor in
                    var domain: Int32 = 0
                    var length: socklen_t = 4
                    return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0
                        && domain == AF_NETLINK
                })
        }

        /// Too many to be read at once: they are counted, then looked up one after the other.
        @Test(arguments: [
            ["delete element inet cordon device_policy '{ 100.65.0.7 }'"],
            ["add element inet cordon device_nat '{ 100.127.0.7 : 203.0.113.9 . 2000-2007 }'"],
            [
                "delete element inet cordon device_policy '{ 100.65.0.7 }'",
                "add element inet cordon device_policy '{ 100.65.0.7 : 0x11 }'",
            ],
        ])
        func `a change of one among very many devices is found`(commands: [String]) throws {
            let rig = try KernelRig()
            let entries = (UInt32(1)...70_000).map { number in
                DeviceEntry(
                    address: IPv4Address(bits: KernelRig.pool.first.bits + 0xff00 + number), policy: two,
                    nat: NATBinding(
                        publicAddress: IPv4Address(bits: 0xcb00_0000 + number / 100),
                        firstPort: 1024 + UInt16(number % 100) * 512, lastPort: 1535 + UInt16(number % 100) * 512))
            }
            try rig.start([one: .allowing("192.0.2.0/24"), two: .allowing("192.0.2.11")], entries)
            for command in commands { try rig.nft(command) }
            let findings = try (0..<10).compactMap { _ in try rig.kernel.verify() }
            #expect(findings.count == 1, "\(findings)")
            #expect(try rig.nft("get element inet cordon device_policy '{ 100.65.0.7 }'").contains("0x00000012"))
            let foreign = "nft get element inet cordon device_nat '{ 100.127.0.7 }'"
            #expect(shell("ip netns exec \(rig.gatewayName) \(foreign) 2>&1").status != 0)
        }

        @Test func `a second instance takes over without losing a packet`() async throws {
            let rig = try rig()
            let capture = try KernelCapture(in: rig.internet, interface: "net0")
            let devices = rig.devices
            let count: UInt32 = 20_000
            let sending = Task.detached {
                let sender = try KernelRawSender(in: devices)
                for sequence in 1...count {
                    sender.send(
                        KernelPacket(
                            source: address("100.64.0.1"), destination: address("192.0.2.99"), protocol: 17,
                            sourcePort: 5000, destinationPort: 4000, sequence: sequence))
                    if sequence % 100 == 0 { usleep(5000) }
                }
            }
            let second = try Kernel(layout: rig.layout, namespace: rig.gateway)
            #expect(try second.prepareHost() == [])
            var state = rig.state(
                [one: .allowing("192.0.2.0/24"), two: .allowing("192.0.2.11")],
                [kernelDevice(1, one), kernelDevice(3, two)])
            for round in 0..<20 {
                let report = try second.reconcile(to: state)
                if round == 0 {
                    #expect(report == ReconcileReport(devicesAdded: 1, devicesRemoved: 1, devicesKept: 1))
                }
                // More policies each time: other chains, other text.
                state.rulesets[kernelMark(Int64(10 + round))] = .allowing("198.51.100.\(round)")
                usleep(20_000)
            }
            try await sending.value
            let seen = capture.sequences(until: count)
            #expect(seen.count == Int(count), "\(Int(count) - seen.count) packets were lost")
            #expect(try second.verify() == nil)
            // The first notices that it is no longer alone.
            #expect(try rig.kernel.verify() != nil)
        }

        @Test func `what was made can be removed, and nothing is forwarded then`() throws {
            let rig = try rig()
            try rig.kernel.tearDown()
            #expect(try rig.nft("list tables") == "")
            let rules = shell("ip -n \(rig.gatewayName) rule show").output
            #expect(!rules.contains("blackhole") && !rules.contains("4001"))
            #expect(shell("ip -n \(rig.gatewayName) route show table all").output.contains("4001") == false)
            #expect(try !passes(rig))
            try rig.start([one: .allowing("192.0.2.0/24")], [kernelDevice(1, one)])
            #expect(try passes(rig))
        }
    }
}
