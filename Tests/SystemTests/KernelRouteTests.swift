import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import Testing

private let one = kernelMark(1)
private let two = kernelMark(2)
private let (hq, backup, other) = (vpnNumber(0), vpnNumber(1), vpnNumber(5))

extension KernelTests {
    /// Tenants' own ways: lines that stand for VPNs.
    @Suite(.serialized) struct Routes {
        private static func routed(_ vpns: VPNNumber..., to destination: String = "0.0.0.0/0") -> Ruleset {
            Ruleset(layers: [[entry(destination, rule: 0)]], ways: [.vpns(vpns)])
        }

        private static func entry(_ destination: String, rule: Int) -> Ruleset.Entry {
            Ruleset.Entry(
                destination: prefix(destination), protocols: 0...255, ports: 0...65_535, rule: rule)
        }

        private func datagram(
            _ socket: KernelUDP, _ bytes: [UInt8], to destination: String = "10.0.0.10", port: UInt16 = 4000
        ) {
            socket.send(bytes, to: address(destination), port: port)
        }

        @Test func `tenants with the same network each reach their own, untranslated, and only that`() throws {
            let rig = try KernelRig()
            let lines = try [1, 2].map { try rig.addLine($0) }
            try rig.start(
                [one: Self.routed(hq), two: Self.routed(other)], [kernelDevice(1, one), kernelDevice(2, two)])
            try rig.kernel.setVPNs([hq: KernelRig.line(1), other: KernelRig.line(2)])
            let servers = try lines.map { try KernelUDP(in: $0, address("10.0.0.10"), port: 4000) }
            let devices = try ["100.64.0.1", "100.64.0.2"].map { try KernelUDP(in: rig.devices, address($0)) }
            for (number, device) in devices.enumerated() {
                datagram(device, [UInt8(number)])
                let seen = try #require(servers[number].receive())
                #expect(seen.bytes == [UInt8(number)] && seen.source == address("100.64.0.\(number + 1)"))
                servers[number].send([7], to: seen.source, port: seen.port)
                #expect(device.receive() == .init(bytes: [7], source: address("10.0.0.10"), port: 4000))
            }
            for server in servers { #expect(server.receive(milliseconds: 50) == nil) }
            // Beyond the networks of the VPN there is nothing, and no other way.
            let capture = try KernelCapture(in: rig.internet, interface: "net0")
            datagram(devices[0], [1], to: "192.0.2.10")
            #expect(capture.next(milliseconds: 100) == nil)
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `flows go by the first that is up, back again, and nowhere when none is`() throws {
            let rig = try KernelRig()
            let lines = try [1, 2].map { try rig.addLine($0) }
            try rig.start([one: Self.routed(hq, backup)], [kernelDevice(1, one)])
            let vpns = { (up: [Bool]) in
                [hq: KernelRig.line(1, isUp: up[0]), backup: KernelRig.line(2, isUp: up[1])]
            }
            try rig.kernel.setVPNs(vpns([true, true]))
            let servers = try lines.map { try KernelUDP(in: $0, address("10.0.0.10"), port: 4000) }
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"))
            let internet = try KernelCapture(in: rig.internet, interface: "net0")
            let arrives = { (at: Int?, byte: UInt8) throws in
                datagram(device, [byte])
                for (number, server) in servers.enumerated() {
                    let seen = server.receive(milliseconds: at == number ? 1000 : 50)
                    #expect(seen?.bytes == (at == number ? [byte] : nil))
                    guard let seen else { continue }
                    server.send([byte], to: seen.source, port: seen.port)
                    #expect(device.receive()?.bytes == [byte])
                }
            }
            try arrives(0, 1)
            try rig.kernel.setVPNs(vpns([false, true]))
            try arrives(1, 2)
            try rig.kernel.setVPNs(vpns([true, true]))
            try arrives(0, 3)
            try rig.kernel.setVPNs(vpns([false, false]))
            let before = try rig.counter("route_down")
            try arrives(nil, 4)
            #expect(try rig.counter("route_down") == before + 1)
            // The line itself goes, before anybody has said so.
            try rig.kernel.setVPNs(vpns([true, true]))
            try arrives(0, 5)
            _ = try rig.inGateway("ip link set vpn1 down")
            let interfaces = Set([1, 2].map { KernelRig.line($0).interface })
            #expect(try rig.kernel.upInterfaces(interfaces) == [KernelRig.line(2).interface])
            try arrives(nil, 6)
            _ = try rig.inGateway("ip link set vpn1 up")
            _ = try rig.inGateway("ip neigh replace 10.255.1.2 lladdr 02:00:00:02:00:01 dev vpn1 nud permanent")
            #expect(try rig.kernel.verify() == nil)
            try arrives(0, 7)
            #expect(try rig.kernel.upInterfaces(interfaces) == interfaces)
            // One that is not there any more.
            try rig.kernel.setVPNs([backup: KernelRig.line(2)])
            try arrives(1, 8)
            try rig.kernel.setVPNs([:])
            try arrives(nil, 9)
            #expect(internet.next(milliseconds: 50) == nil)
            #expect(try rig.inGateway("ip rule list").contains("goto") == false)
        }

        @Test func `the way through the routing rules is as long as the numbers have bits`() throws {
            let rig = try KernelRig()
            let lines = try [1, 2].map { try rig.addLine($0) }
            let numbers = [0, 1, 2, 5, 77, 1000, 2047, 4094, 4095].map { vpnNumber($0) }
            var rulesets: [PolicyMark: Ruleset] = [:]
            var vpns: [VPNNumber: VPNEntry] = [:]
            for (index, number) in numbers.enumerated() {
                rulesets[kernelMark(Int64(index + 1))] = Self.routed(number)
                vpns[number] = KernelRig.line(1 + index % 2)
            }
            try rig.start(rulesets, numbers.indices.map { kernelDevice($0 + 1, kernelMark(Int64($0 + 1))) })
            try rig.kernel.setVPNs(vpns)
            let servers = try lines.map { try KernelUDP(in: $0, address("10.0.0.10"), port: 4000) }
            let check = {
                for index in numbers.indices {
                    let device = try KernelUDP(in: rig.devices, address("100.64.0.\(index + 1)"))
                    datagram(device, [UInt8(index)])
                    #expect(servers[index % 2].receive()?.bytes == [UInt8(index)], "\(numbers[index])")
                }
            }
            try check()
            // Each of the mark's bits once, two rules at its end, and those before and behind the tree.
            let rules = try rig.inGateway("ip rule list").split(separator: "\n")
            #expect(rules.count < 80, "\(rules.count)")
            #expect(try rig.kernel.verify() == nil)
            // What goes to no VPN goes past the tree at once.
            let leaps = rules.filter { $0.contains("goto") }
            #expect(leaps.first?.contains("not from all fwmark 0xa0000000/0xe0000000") == true)
            // Somebody else takes some away.
            for leap in leaps.prefix(2) { _ = try rig.inGateway("ip rule delete pref \(leap.prefix { $0 != ":" })") }
            #expect(try rig.kernel.verify() != nil)
            try check()
            try rig.kernel.tearDown()
            #expect(try rig.inGateway("ip rule list").split(separator: "\n").count == 3)
        }

        @Test func `what comes through a VPN is answers to its tenant's devices, from its own networks`() throws {
            let rig = try KernelRig()
            let lines = try [1, 2].map { try rig.addLine($0) }
            try rig.start(
                [one: Self.routed(hq), two: Self.routed(other)], [kernelDevice(1, one), kernelDevice(2, two)])
            try rig.kernel.setVPNs([hq: KernelRig.line(1), other: KernelRig.line(2)])
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5000)
            datagram(device, [1])
            let sender = try lines.map { try KernelRawSender(in: $0) }
            let capture = try KernelCapture(in: rig.devices, interface: "dev0")
            var sequence: UInt32 = 0
            let passes = { (line: Int, source: String, destination: String, port: UInt16) -> Bool in
                sequence += 1
                sender[line].send(
                    KernelPacket(
                        source: address(source), destination: address(destination), protocol: 17, sourcePort: port,
                        destinationPort: 5000, sequence: sequence))
                return capture.sequences(until: sequence, milliseconds: 60).contains(sequence)
            }
            let denied = try rig.counter("vpn_denied")
            // The answer, and the same from another tenant's network.
            #expect(passes(0, "10.0.0.10", "100.64.0.1", 4000))
            #expect(!passes(1, "10.0.0.10", "100.64.0.1", 4000))
            #expect(try rig.counter("vpn_denied") == denied + 1)
            // Nobody has asked for these.
            #expect(!passes(0, "10.0.0.10", "100.64.0.1", 4001))
            #expect(!passes(0, "10.0.0.10", "100.64.0.9", 4000))
            #expect(try rig.counter("vpn_denied") == denied + 3)
            // From elsewhere.
            #expect(!passes(0, "192.0.2.10", "100.64.0.1", 4000))
            #expect(try rig.counter("vpn_spoofed") == 1)
            // To the gateway and through it.
            #expect(!passes(0, "10.0.0.10", "198.18.0.1", 4000))
            #expect(!passes(0, "10.0.0.10", "192.0.2.10", 4000))
            // The session's end ends it.
            try rig.kernel.apply([.remove(address("100.64.0.1"))])
            #expect(!passes(0, "10.0.0.10", "100.64.0.1", 4000))
        }

        @Test func `a flow whose way is another now is cut, and none leaves with the wrong address`() throws {
            let rig = try KernelRig()
            let line = try rig.addLine(1)
            let open = Ruleset.allowing("0.0.0.0/0")
            try rig.start([one: open], [kernelDevice(1, one)])
            // The line leads everywhere, so that nothing but the table holds packets back.
            try rig.kernel.setVPNs([hq: KernelRig.line(1, networks: [.any])])
            let (internet, inside) = (
                try KernelCapture(in: rig.internet, interface: "net0"),
                try KernelCapture(in: line, interface: "line0")
            )
            let sender = try KernelRawSender(in: rig.devices)
            var sequence: UInt32 = 0
            let send = { (port: UInt16) in
                sequence += 1
                sender.send(
                    KernelPacket(
                        source: address("100.64.0.1"), destination: KernelRig.server, protocol: 17, sourcePort: port,
                        destinationPort: 4000, sequence: sequence))
            }
            let sources = { (capture: KernelCapture) -> [String] in
                var found: [String] = []
                while let bytes = capture.next(milliseconds: 60) {
                    if KernelPacket.sequence(in: bytes) == sequence {
                        found.append(bytes[12..<16].map { "\($0)" }.joined(separator: "."))
                    }
                }
                return found
            }
            let cut = { (ruleset: Ruleset) in
                try rig.kernel.deleteFlows(.ofPolicies([one])) { flow in
                    ruleset.way(of: flow).map { .way($0) } ?? .denied
                }
            }
            send(5000)
            #expect(sources(internet) == ["203.0.113.1"])
            try rig.kernel.install([one: Self.routed(hq)], removing: [])
            send(5000)
            #expect(sources(inside) == [] && sources(internet) == [])
            #expect(try rig.counter("route_changed") == 1)
            send(5001)
            #expect(sources(inside) == ["100.64.0.1"])
            #expect(try cut(Self.routed(hq)) == 1)
            send(5000)
            #expect(sources(inside) == ["100.64.0.1"])
            try rig.kernel.install([one: open], removing: [])
            for port in [5000, 5001] as [UInt16] {
                send(port)
                #expect(sources(inside) == [] && sources(internet) == [])
            }
            #expect(try rig.counter("route_changed") == 3)
            #expect(try cut(open) == 2)
            send(5000)
            #expect(sources(internet) == ["203.0.113.1"])
            #expect(try rig.kernel.verify() == nil)
        }

        // MARK: To devices

        private static func access(
            from source: String = "10.0.0.0/28", ports: ClosedRange<UInt16> = 22...22, group: GroupNumber? = nil,
            isAllowed: Bool = true, through vpn: VPNNumber = hq
        ) -> Ruleset {
            Ruleset(
                layers: [],
                access: [
                    Ruleset.Access(
                        vpn: vpn,
                        entries: [
                            Ruleset.AccessEntry(
                                source: prefix(source), group: group,
                                shape: BoxShape(protocols: 17...17, ports: ports), rule: 0, isAllowed: isAllowed)
                        ])
                ], actions: [.init(isAllowed ? .access(vpn) : nil)])
        }

        /// Elements of this map are long: as many as fit by their number in others do not fit a message.
        @Test func `thousands of policies with rules to devices come at once`() throws {
            let rig = try KernelRig()
            _ = try rig.addLine(1)
            try rig.start([one: .blockAll], [kernelDevice(1, one)])
            let policies = Dictionary(uniqueKeysWithValues: (2...2_500).map { (kernelMark($0), Self.access()) })
            try rig.kernel.setVPNs([hq: KernelRig.line(1)])
            try rig.kernel.install(policies, removing: [])
            #expect(try rig.kernel.verify() == nil)
            try rig.kernel.install([:], removing: Set(policies.keys))
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `packets to devices pass where a rule says so, and answers with them`() throws {
            let rig = try KernelRig()
            let lines = try [1, 2].map { try rig.addLine($0) }
            try rig.start([one: Self.access()], [kernelDevice(1, one), kernelDevice(2, two)])
            try rig.kernel.install([two: .blockAll], removing: [])
            try rig.kernel.setVPNs([hq: KernelRig.line(1), backup: KernelRig.line(2)])
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 22)
            let outside = try KernelUDP(in: rig.devices, address("100.64.0.2"), port: 22)
            let clients = try lines.map { try KernelUDP(in: $0, address("10.0.0.10"), port: 4000) }
            let talk = { (byte: UInt8) -> Bool in
                clients[0].send([byte], to: address("100.64.0.1"), port: 22)
                guard let seen = device.receive(milliseconds: 100) else { return false }
                #expect(seen == .init(bytes: [byte], source: address("10.0.0.10"), port: 4000))
                device.send([byte], to: seen.source, port: seen.port)
                return clients[0].receive(milliseconds: 100)?.bytes == [byte]
            }
            #expect(talk(1) && talk(2))
            #expect(try rig.kernel.hits(of: one).map(\.packets) == [1, 0])
            // Another VPN of the tenant's, another port, another device, a source that is not in the rule.
            clients[1].send([9], to: address("100.64.0.1"), port: 22)
            clients[0].send([9], to: address("100.64.0.1"), port: 23)
            clients[0].send([9], to: address("100.64.0.2"), port: 22)
            let far = try KernelUDP(in: lines[0], address("10.0.0.12"))
            try rig.kernel.install([one: Self.access(from: "10.0.0.8/30")], removing: [])
            far.send([9], to: address("100.64.0.1"), port: 22)
            #expect(device.receive(milliseconds: 60) == nil && outside.receive(milliseconds: 60) == nil)
            // The flow is allowed still. Nothing of it is lost, whoever sends first; also when a sweep has been.
            device.send([3], to: address("10.0.0.10"), port: 4000)
            #expect(clients[0].receive()?.bytes == [3])
            let sweep = { (ruleset: Ruleset) in
                try rig.kernel.deleteFlows(.ofPolicies([one])) { flow in
                    ruleset.way(of: flow).map { .way($0) } ?? .denied
                }
            }
            #expect(try sweep(Self.access(from: "10.0.0.8/30")) == 0)
            device.send([4], to: address("10.0.0.10"), port: 4000)
            #expect(clients[0].receive()?.bytes == [4])
            #expect(talk(5))
            // Now it is not.
            try rig.kernel.install([one: Self.access(ports: 23...23)], removing: [])
            #expect(try sweep(Self.access(ports: 23...23)) == 1)
            #expect(!talk(6))
            device.send([7], to: address("10.0.0.10"), port: 4000)
            #expect(clients[0].receive(milliseconds: 60) == nil)
            // Nor when the device was away while that changed.
            try rig.kernel.install([one: Self.access()], removing: [])
            #expect(talk(8))
            try rig.kernel.apply([.remove(address("100.64.0.1"))])
            try rig.kernel.install([one: Self.access(ports: 23...23)], removing: [])
            #expect(try sweep(Self.access(ports: 23...23)) == 0)
            try rig.kernel.apply([.set(kernelDevice(1, one))])
            device.send([9], to: address("10.0.0.10"), port: 4000)
            #expect(clients[0].receive(milliseconds: 60) == nil)
            // A device does not begin one because the other side may.
            let fresh = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 23)
            fresh.send([8], to: address("10.0.0.10"), port: 4000)
            #expect(clients[0].receive(milliseconds: 60) == nil)
            #expect(try rig.kernel.verify() == nil)
            // The next process takes all of it up.
            let next = try Kernel(layout: rig.layout, namespace: rig.gateway)
            var state = rig.state([one: Self.access(), two: .blockAll], [kernelDevice(1, one), kernelDevice(2, two)])
            state.vpns = [hq: KernelRig.line(1), backup: KernelRig.line(2)]
            _ = try next.reconcile(to: state)
            #expect(talk(10))
            #expect(try next.verify() == nil)
        }

        // MARK: Between devices

        private static let (meters, gateways) = (groupNumber(1), groupNumber(2))

        private static func toGroup(_ group: GroupNumber, ports: ClosedRange<UInt16> = 5683...5683) -> Ruleset {
            Ruleset(
                layers: [],
                groups: [
                    Ruleset.GroupEntry(
                        group: group, shape: BoxShape(protocols: 17...17, ports: ports), rule: 0, isAllowed: true)
                ], actions: [.init(nil)])
        }

        @Test func `devices reach those of a group that a rule names, as long as they are in it`() throws {
            let rig = try KernelRig()
            let (meters, gateways) = (Self.meters, Self.gateways)
            let open = Self.toGroup(gateways)
            // 1 is a meter; 2 a gateway with the same policy; 3 nobody's; 4 has another policy.
            try rig.start(
                [one: open, two: .allowing("0.0.0.0/0")],
                [
                    kernelDevice(31, one, group: meters), kernelDevice(32, one, group: gateways), kernelDevice(33, one),
                    kernelDevice(34, two, group: gateways),
                ])
            // Addresses that the devices' side has not: it would deliver among its own without the gateway.
            let capture = try KernelCapture(in: rig.devices, interface: "dev0")
            let sender = try KernelRawSender(in: rig.devices)
            var sequence: UInt32 = 0
            let passes = { (from: Int, to: Int, port: UInt16, back: UInt16) -> Bool in
                sequence += 1
                sender.send(
                    KernelPacket(
                        source: address("100.64.0.3\(from)"), destination: address("100.64.0.3\(to)"), protocol: 17,
                        sourcePort: back, destinationPort: port, sequence: sequence))
                return capture.sequences(until: sequence, milliseconds: 60).contains(sequence)
            }
            #expect(passes(1, 2, 5683, 5000))
            // The answer, and not before it was asked for; nor by another port.
            #expect(passes(2, 1, 5000, 5683))
            #expect(!passes(2, 1, 5001, 5683))
            #expect(!passes(1, 2, 5684, 5000))
            #expect(!passes(1, 3, 5683, 5000))
            #expect(!passes(2, 1, 5683, 5002))
            // Its policy lets it out to everything, but that is no way to a device.
            #expect(!passes(4, 2, 5683, 5000))
            // The other's policy has nothing to say about it.
            #expect(passes(1, 4, 5683, 5000) && passes(4, 1, 5000, 5683))
            #expect(try rig.counter("device_to_device") > 0)
            #expect(try rig.kernel.hits(of: one).map(\.packets).first == 2)
            // One leaves the group, and its flows are dead at once, both ways.
            try rig.kernel.apply([.set(kernelDevice(32, one))])
            #expect(!passes(1, 2, 5683, 5000) && !passes(2, 1, 5000, 5683))
            try rig.kernel.apply([.set(kernelDevice(32, one, group: gateways))])
            #expect(passes(1, 2, 5683, 5000) && passes(2, 1, 5000, 5683))
            // A version that says the same otherwise: the answer that comes first is not lost.
            let wider = Self.toGroup(gateways, ports: 5683...5690)
            try rig.kernel.install([one: wider], removing: [])
            #expect(passes(2, 1, 5000, 5683))
            let sweep = { (ruleset: Ruleset) in
                try rig.kernel.deleteFlows(.ofPolicies([one])) { flow in
                    ruleset.way(of: flow).map { .way($0) } ?? .denied
                }
            }
            #expect(try sweep(wider) == 0)
            #expect(passes(2, 1, 5000, 5683) && passes(1, 2, 5683, 5000))
            #expect(try rig.kernel.verify() == nil)
            // Another group, then none.
            try rig.kernel.install([one: Self.toGroup(meters)], removing: [])
            #expect(!passes(1, 2, 5683, 5000))
            #expect(passes(2, 1, 5683, 5003))
            try rig.kernel.install([one: .blockAll], removing: [])
            #expect(!passes(2, 1, 5683, 5003))
            #expect(try rig.nft("list sets inet").contains("group_1") == false)
            #expect(try rig.kernel.verify() == nil)
        }
    }
}
