import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import TestSupport
import Testing

private let one = kernelMark(1)
private let two = kernelMark(2)

extension KernelTests {
    /// Addresses of names, and the resolver's port.
    @Suite(.serialized) struct Names {
        private static func ruleset(_ rules: String, mode: String = "enforce") throws -> Ruleset {
            compile(
                try PolicyDocument(parsing: "policy: p\nmode: \(mode)\nrules:\n\(rules)", file: "p").validated())
        }

        private static func name(_ text: String) -> DomainName {
            do { return try DomainName(parsing: text) } catch { preconditionFailure("\(error)") }
        }

        private func named(_ policy: PolicyMark, _ address: IPv4Address, _ names: String...) -> NamedAddress {
            NamedAddress(policy: policy, address: .v4(address), names: names.map(Self.name))
        }

        private static let mqtt =
            "  - {name: mqtt, to: mqtt.acme.example, protocol: udp, ports: [4000], route: internet}\n"

        /// A device and a server; tells whether what the device sends arrives, and whether an answer does.
        private struct Path {
            let device: KernelUDP
            let server: KernelUDP
            let port: UInt16

            init(_ rig: KernelRig, device number: Int = 1, port: UInt16 = 4000) throws {
                device = try KernelUDP(in: rig.devices, address("100.64.0.\(number)"))
                server = try KernelUDP(in: rig.internet, KernelRig.server, port: port)
                self.port = port
            }

            func isOpen(milliseconds: Int = 60) -> Bool {
                device.send([1], to: KernelRig.server, port: port)
                guard let seen = server.receive(milliseconds: milliseconds) else { return false }
                server.send([2], to: seen.source, port: seen.port)
                return device.receive()?.bytes == [2]
            }
        }

        @Test func `an address opens for the policy that was told it, for the rule's ports, until it has no name`()
            throws
        {
            let rig = try KernelRig()
            let ruleset = try Self.ruleset(Self.mqtt)
            try rig.start([one: ruleset, two: ruleset], [kernelDevice(1, one), kernelDevice(2, two)])
            let path = try Path(rig)
            #expect(!path.isOpen())
            try rig.kernel.setNames([named(one, KernelRig.server, "mqtt.acme.example")])
            #expect(path.isOpen(milliseconds: 1000))
            let (other, otherPort) = (
                try KernelUDP(in: rig.devices, address("100.64.0.2")), try Path(rig, port: 4001)
            )
            other.send([3], to: KernelRig.server, port: 4000)
            #expect(path.server.receive(milliseconds: 60) == nil)
            #expect(!otherPort.isOpen())
            #expect(try rig.kernel.hits(of: one).map(\.packets) == [1, 2])
            // The flow goes on; a new one does not begin.
            try rig.kernel.setNames([named(one, KernelRig.server)])
            #expect(path.isOpen(milliseconds: 1000))
            let late = try KernelUDP(in: rig.devices, address("100.64.0.1"))
            late.send([4], to: KernelRig.server, port: 4000)
            #expect(path.server.receive(milliseconds: 60) == nil)
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `the first rule that has one of an address's names decides`() throws {
            let rig = try KernelRig()
            let ruleset = try Self.ruleset(
                """
                  - {name: not, to: ads.vendor.example, action: block}
                  - {name: here, to: 192.0.2.10, protocol: udp, ports: [4001], route: internet}
                  - {name: all, to: "*.vendor.example", route: internet}
                """)
            try rig.start([one: ruleset], [kernelDevice(1, one)])
            let (path, fixed) = (try Path(rig), try Path(rig, port: 4001))
            #expect(!path.isOpen() && fixed.isOpen(milliseconds: 1000))
            try rig.kernel.setNames([named(one, KernelRig.server, "fw.vendor.example")])
            #expect(path.isOpen(milliseconds: 1000))
            try rig.kernel.setNames([named(one, KernelRig.server, "fw.vendor.example", "ads.vendor.example")])
            let (after, fixedAfter) = (
                try KernelUDP(in: rig.devices, address("100.64.0.1")),
                try KernelUDP(in: rig.devices, address("100.64.0.1"))
            )
            after.send([1], to: KernelRig.server, port: 4000)
            fixedAfter.send([1], to: KernelRig.server, port: 4001)
            #expect(path.server.receive(milliseconds: 60) == nil && fixed.server.receive(milliseconds: 60) == nil)
        }

        @Test func `a new version has the names that are known already, and no flow between is lost`() throws {
            let rig = try KernelRig()
            try rig.start([one: try Self.ruleset(Self.mqtt)], [kernelDevice(1, one)])
            try rig.kernel.setNames([
                named(one, KernelRig.server, "mqtt.acme.example", "lb.cdn.example"),
                named(one, address("192.0.2.11"), "fw.vendor.example"),
            ])
            let path = try Path(rig)
            #expect(path.isOpen(milliseconds: 1000))
            let second = "  - {name: fw, to: fw.vendor.example, protocol: udp, ports: [4000], route: internet}\n"
            for version in [second + Self.mqtt, Self.mqtt + second, second, second + Self.mqtt] {
                try rig.kernel.install([one: try Self.ruleset(version)], removing: [])
                #expect(path.isOpen(milliseconds: version == second ? 60 : 1000) == (version != second), "\(version)")
                #expect(try rig.kernel.verify() == nil, "\(version)")
            }
            let server = try KernelUDP(in: rig.internet, address("192.0.2.11"), port: 4000)
            path.device.send([9], to: address("192.0.2.11"), port: 4000)
            #expect(server.receive()?.bytes == [9])
            // By another of its names.
            try rig.kernel.install(
                [one: try Self.ruleset("  - {name: cdn, to: \"*.cdn.example\", route: internet}")], removing: [])
            #expect(path.isOpen(milliseconds: 1000))
            // And the policy goes with its names.
            try rig.kernel.apply([.remove(address("100.64.0.1"))])
            try rig.kernel.install([:], removing: [one])
            #expect(!(try rig.nft("list map inet cordon named_0")).contains("elements"))
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `a process that comes after goes on with what it is given, and cuts nothing`() throws {
            let rig = try KernelRig()
            let (rulesets, devices) = ([one: try Self.ruleset(Self.mqtt)], [kernelDevice(1, one)])
            try rig.start(rulesets, devices)
            let known = named(one, KernelRig.server, "mqtt.acme.example")
            try rig.kernel.setNames([known, named(one, address("192.0.2.11"), "mqtt.acme.example")])
            let path = try Path(rig)
            #expect(path.isOpen(milliseconds: 1000))
            let chains = try rig.nft("list map inet cordon policy_chain")
            let next = try Kernel(layout: rig.layout, namespace: rig.gateway)
            var state = rig.state(rulesets, devices)
            state.names = [known]
            _ = try next.reconcile(to: state)
            #expect(try rig.nft("list map inet cordon policy_chain") == chains)
            #expect(path.isOpen(milliseconds: 1000))
            let listed = try rig.nft("list map inet cordon named_0")
            #expect(listed.contains("192.0.2.10") && !listed.contains("192.0.2.11"))
            #expect(try next.verify() == nil)
        }

        @Test func `names that somebody takes away come back`() throws {
            let rig = try KernelRig()
            try rig.start([one: try Self.ruleset(Self.mqtt)], [kernelDevice(1, one)])
            try rig.kernel.setNames([named(one, KernelRig.server, "mqtt.acme.example")])
            try rig.nft("flush map inet cordon named_0")
            let report = try rig.kernel.verify()
            #expect(report?.findings.contains { $0.contains("named_0") } == true)
            #expect(try Path(rig).isOpen(milliseconds: 1000))
            try rig.nft("delete table inet cordon")
            #expect(try rig.kernel.verify() != nil)
            #expect(try Path(rig).isOpen(milliseconds: 1000))
        }

        @Test func `more sets of names than a word has bits, among maps`() throws {
            let rig = try KernelRig()
            let rules = (0..<100).map { number in
                "  - {name: r\(number), to: h\(number).acme.example, protocol: udp, ports: [\(4000 + number)], "
                    + "route: internet}\n"
                    + (number % 40 == 10
                        ? "  - {name: many\(number), to: [\((0..<20).map { "198.51.100.\(2 * $0)" }.joined(separator: ", "))], "
                            + "protocol: udp, ports: [\(5000 + number)], route: internet}\n" : "")
            }
            try rig.start([one: try Self.ruleset(rules.joined())], [kernelDevice(1, one)])
            let capture = try KernelCapture(in: rig.internet, interface: "net0")
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"))
            for number in [0, 30, 31, 62, 99] {
                try rig.kernel.setNames([named(one, address("192.0.2.11"), "h\(number).acme.example")])
                for port in [0, 30, 31, 62, 99] {
                    device.send([UInt8(number)], to: address("192.0.2.11"), port: UInt16(4000 + port))
                    #expect((capture.next(milliseconds: number == port ? 1000 : 20) != nil) == (number == port))
                    _ = try rig.kernel.deleteFlows(.all) { _ in .denied }
                }
            }
            for number in [10, 50, 90] {
                device.send([1], to: address("198.51.100.4"), port: UInt16(5000 + number))
                #expect(capture.next(milliseconds: 1000) != nil)
            }
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `questions to any resolver come to ours, and answers from where they were asked`() throws {
            let resolver = GatewayLayout.Resolver(address: KernelRig.gatewayInside, redirectedPort: 1053)
            let rig = try KernelRig(resolver: resolver)
            try rig.start([one: .blockAll], [kernelDevice(1, one)])
            let direct = try KernelUDP(in: rig.gateway, KernelRig.gatewayInside, port: 53)
            let redirected = try KernelUDP(in: rig.gateway, KernelRig.gatewayInside, port: 1053)
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"))
            device.send([1], to: KernelRig.gatewayInside, port: 53)
            let asked = try #require(direct.receive())
            #expect(asked.bytes == [1] && asked.source == address("100.64.0.1"))
            direct.send([2], to: asked.source, port: asked.port)
            #expect(device.receive() == .init(bytes: [2], source: KernelRig.gatewayInside, port: 53))
            // Not tracked: nothing to sweep.
            #expect(!(try rig.inGateway("cat /proc/net/nf_conntrack || true")).contains("dport=53 "))
            device.send([3], to: KernelRig.server, port: 53)
            let other = try #require(redirected.receive())
            #expect(other.bytes == [3] && other.source == address("100.64.0.1"))
            redirected.send([4], to: other.source, port: other.port)
            #expect(device.receive() == .init(bytes: [4], source: KernelRig.server, port: 53))
            // Whoever has no session, and the outside, are not answered.
            let stranger = try KernelUDP(in: rig.devices, address("100.64.0.9"))
            stranger.send([5], to: KernelRig.gatewayInside, port: 53)
            let outside = try KernelUDP(in: rig.internet, KernelRig.server)
            outside.send([6], to: address("198.18.1.1"), port: 53)
            outside.send([6], to: KernelRig.gatewayInside, port: 53)
            outside.send([6], to: address("198.18.1.1"), port: 1053)
            let nas = try KernelUDP(in: rig.devices, KernelRig.nas)
            nas.send([7], to: KernelRig.gatewayInside, port: 53)
            #expect(direct.receive(milliseconds: 60) == nil && redirected.receive(milliseconds: 60) == nil)
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `the gateway's own questions are not tracked, and only who was asked can answer`() throws {
            let resolver = GatewayLayout.Resolver(address: KernelRig.gatewayInside, redirectedPort: 1053)
            let rig = try KernelRig(publicPrefixes: [KernelRig.publicPrefix], resolver: resolver)
            try rig.start([one: .blockAll], [kernelDevice(1, one)])
            let (own, outside) = (address("198.18.1.1"), KernelRig.server)
            let (server, liar) = (
                try KernelUDP(in: rig.internet, outside, port: 53),
                try KernelUDP(in: rig.internet, address("192.0.2.11"), port: 53)
            )
            let asking = try KernelUDP(in: rig.gateway, own, port: 40_000)
            asking.connect(outside, port: 53)
            #expect(asking.sendConnected([1]) == 1)
            #expect(server.receive() == .init(bytes: [1], source: own, port: 40_000))
            #expect(!(try rig.inGateway("conntrack -L 2>/dev/null || true")).contains("dport=53 "))
            liar.send([9], to: own, port: 40_000)
            server.send([2], to: own, port: 40_000)
            #expect(asking.receive() == .init(bytes: [2], source: outside, port: 53))
            #expect(asking.receive(milliseconds: 60) == nil)
            // A server's sockets are not opened by it: on all addresses, on a low port, on the devices' side.
            let servers = [
                (try KernelUDP(in: rig.gateway, address("0.0.0.0"), port: 40_001), own, UInt16(40_001)),
                (try KernelUDP(in: rig.gateway, own, port: 1812), own, 1812),
                (
                    try KernelUDP(in: rig.gateway, KernelRig.gatewayInside, port: 40_002), KernelRig.gatewayInside,
                    40_002
                ),
            ]
            for (_, address, port) in servers { server.send([3], to: address, port: port) }
            for (socket, _, _) in servers { #expect(socket.receive(milliseconds: 60) == nil) }
            // One that asks without being connected has its answer by connection tracking.
            let free = servers[0].0
            free.send([4], to: outside, port: 53)
            let asked = try #require(server.receive())
            server.send([5], to: asked.source, port: asked.port)
            #expect(free.receive()?.bytes == [5])
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `a connection to another's encrypted resolver is refused at once, unless a rule says otherwise`()
            throws
        {
            let resolver = GatewayLayout.Resolver(address: KernelRig.gatewayInside)
            let rig = try KernelRig(resolver: resolver)
            var scope = PolicyScope()
            scope.resolverGuard = .standard
            let compiled = { (rules: String) throws in
                compile(
                    try PolicyDocument(parsing: "policy: p\nrules:\n\(rules)", file: "p").validated(in: scope))
            }
            let all = "  - {name: all, to: any, route: internet}\n"
            let own = "  - {name: own, to: 192.0.2.10, protocol: tcp, ports: [853], route: internet}\n"
            try rig.start(
                [one: try compiled(all), two: try compiled(own + all)], [kernelDevice(1, one), kernelDevice(2, two)])
            let listener = try KernelTCP(in: rig.internet, KernelRig.server, port: 853)
            listener.listen()
            let refused = try KernelTCP(in: rig.devices, address("100.64.0.1"))
            #expect(!refused.connect(KernelRig.server, port: 853) && errno == ECONNREFUSED)
            #expect(try KernelTCP(in: rig.devices, address("100.64.0.2")).connect(KernelRig.server, port: 853))
            #expect(try rig.kernel.hits(of: one).map(\.packets).first == 1)
        }

        @Test func `the gateway's own questions go through a tenant's line, and their answers come in`() throws {
            let rig = try KernelRig()
            let line = try rig.addLine(1)
            try rig.start([one: .blockAll], [kernelDevice(1, one)])
            try rig.kernel.setVPNs([vpnNumber(0): KernelRig.line(1)])
            let server = try KernelUDP(in: line, address("10.0.0.10"), port: 53)
            let own = try KernelUDP(in: rig.gateway, address("10.255.1.1"))
            own.setMark(rig.kernel.routeMark(of: vpnNumber(0)))
            own.send([1], to: address("10.0.0.10"), port: 53)
            let asked = try #require(server.receive())
            server.send([2], to: asked.source, port: asked.port)
            #expect(own.receive()?.bytes == [2])
            // Nobody there begins anything.
            server.send([3], to: address("10.255.1.1"), port: 9)
            let deaf = try KernelUDP(in: rig.gateway, address("10.255.1.1"), port: 9)
            server.send([3], to: address("10.255.1.1"), port: 9)
            #expect(deaf.receive(milliseconds: 60) == nil)
        }

        @Test func `NTP to anywhere comes to the operator's server where a rule says so, and answers look like theirs`()
            throws
        {
            let rig = try KernelRig(timeServer: KernelRig.server)
            var scope = PolicyScope()
            scope.hasTimeServer = true
            let compiled = { (route: String) throws in
                compile(
                    try PolicyDocument(
                        parsing: "policy: p\nrules:\n  - {name: time, to: any, services: ntp, route: \(route)}",
                        file: "p"
                    ).validated(in: scope))
            }
            try rig.start(
                [one: try compiled("time-server"), two: try compiled("internet")],
                [kernelDevice(1, one), kernelDevice(2, two)])
            let servers = try ["192.0.2.10", "192.0.2.11"].map {
                try KernelUDP(in: rig.internet, address($0), port: 123)
            }
            let devices = try [1, 2].map { try KernelUDP(in: rig.devices, address("100.64.0.\($0)")) }
            for (number, device) in devices.enumerated() {
                for _ in 0..<2 {
                    device.send([UInt8(number)], to: address("192.0.2.11"), port: 123)
                    let seen = try #require(servers[number].receive())
                    #expect(seen.bytes == [UInt8(number)] && seen.source == address("203.0.113.1"))
                    servers[number].send([9], to: seen.source, port: seen.port)
                    #expect(device.receive() == .init(bytes: [9], source: address("192.0.2.11"), port: 123))
                }
            }
            // A flow that goes elsewhere from now on is cut, either way.
            try rig.kernel.install([one: try compiled("internet"), two: try compiled("time-server")], removing: [])
            let rulesets = [one: try compiled("internet"), two: try compiled("time-server")]
            let cut = try rig.kernel.deleteFlows(.all) { flow in
                flow.policy.flatMap { rulesets[$0]?.way(of: flow) }.map { .way($0) } ?? .denied
            }
            #expect(cut == 2)
            devices[1].send([7], to: address("192.0.2.11"), port: 123)
            #expect(servers[0].receive()?.bytes == [7])
            #expect(try rig.kernel.verify() == nil)
        }
    }
}
