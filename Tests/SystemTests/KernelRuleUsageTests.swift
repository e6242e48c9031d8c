import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import Testing

extension KernelTests {
    /// What is counted of rules with `usage: true`, octet by octet.
    @Suite(.serialized) struct RuleUsage {
        private let one = kernelMark(1)
        private static let rule = CountedRule.ID(77)

        private func device(_ number: Int, limit: LimitNumber? = nil) -> DeviceEntry {
            let entry = kernelDevice(number, one, ports: 64)
            return DeviceEntry(
                address: entry.address, policy: one, nat: entry.nat, session: .init(Int64(number)), limit: limit)
        }

        private static func way(
            _ route: Ruleset.Way, rule: Int, up: RateLimit? = nil, counted: CountedRule.ID? = rule
        ) -> Ruleset.Action {
            .init(.limited(route, .init(rule: rule, up: up, down: nil, counted: counted)))
        }

        /// UDP to the port 4000 is counted, to the port 4001 it is not.
        /// - Parameter before: rules that no packet of these tests meets: another version.
        private static func ruleset(rulesBefore before: Int = 0, isCounted: Bool = true) -> Ruleset {
            let entry = { (port: UInt16, rule: Int) in
                Ruleset.Entry(destination: .any, protocols: 17...17, ports: port...port, rule: rule)
            }
            return Ruleset(
                layers: [
                    (0..<before).map { entry(UInt16(9 + $0), $0) } + [entry(4000, before), entry(4001, before + 1)]
                ],
                actions: (0..<before).map { _ in .init(nil) }
                    + [isCounted ? way(.internet, rule: before) : .init(.internet), .init(.internet)])
        }

        private func sweep(_ kernel: Kernel, _ ruleset: Ruleset, _ selection: FlowSelection) throws {
            _ = try kernel.deleteFlows(selection) { flow in ruleset.way(of: flow).map { .way($0) } ?? .denied }
        }

        private func counts(_ kernel: Kernel) throws -> UsageCounts? {
            let readings = try kernel.ruleUsage()
            #expect(readings.allSatisfy { $0.rule == Self.rule } && readings.count < 2)
            return readings.first?.counts
        }

        /// A device that talks to two ports of a server, and what each end has seen of the first.
        private final class Talk {
            private let device: KernelUDP
            private let servers: [UInt16: KernelUDP]
            private var peers: [UInt16: (source: IPv4Address, port: UInt16)] = [:]
            private(set) var seen = UsageCounts()

            init(_ rig: KernelRig) throws {
                device = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5000)
                servers = [
                    4000: try KernelUDP(in: rig.internet, KernelRig.server, port: 4000),
                    4001: try KernelUDP(in: rig.internet, KernelRig.server, port: 4001),
                ]
            }

            func up(_ octets: Int, port: UInt16 = 4000) -> Bool {
                device.send([UInt8](repeating: 1, count: octets), to: KernelRig.server, port: port)
                guard let request = servers[port]?.receive(), request.bytes.count == octets else { return false }
                peers[port] = (request.source, request.port)
                if port == 4000 { seen = seen + UsageCounts(octetsUp: UInt64(octets) + 28, packetsUp: 1) }
                return true
            }

            /// Without anything from the device before it.
            func down(_ octets: Int, port: UInt16 = 4000) -> Bool {
                guard let peer = peers[port] else { return false }
                servers[port]?.send([UInt8](repeating: 2, count: octets), to: peer.source, port: peer.port)
                guard device.receive()?.bytes.count == octets else { return false }
                if port == 4000 { seen = seen + UsageCounts(octetsDown: UInt64(octets) + 28, packetsDown: 1) }
                return true
            }

            /// Octets of a datagram that the server has got.
            func received(milliseconds: Int) -> Int? { servers[4000]?.receive(milliseconds: milliseconds)?.bytes.count }

            func both(_ octets: Int) -> Bool {
                up(octets) && down(octets + 100) && up(octets + 7, port: 4001) && down(octets + 9, port: 4001)
            }
        }

        @Test func `the flows of a rule are counted as both ends see them, and no others`() throws {
            let rig = try KernelRig()
            try rig.start([one: Self.ruleset()], [device(1)])
            #expect(try rig.kernel.ruleUsage() == [])
            let talk = try Talk(rig)
            for octets in [1, 100, 1000, 1300] { #expect(talk.both(octets)) }
            #expect(try counts(rig.kernel) == talk.seen && talk.seen.packetsUp == 4)
            let ledger = UsageLedger()
            try ledger.read(rig.kernel)
            #expect(ledger.counts(of: 1).packetsUp == 8)
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `through versions, a new process, the table gone: the counter goes on, answers alone too`() throws {
            let rig = try KernelRig()
            try rig.start([one: Self.ruleset()], [device(1)])
            let talk = try Talk(rig)
            #expect(talk.both(100))
            // By the number of the version before, then by the one that the sweep has given.
            try rig.kernel.install([one: Self.ruleset(rulesBefore: 1)], removing: [])
            #expect(talk.down(200))
            try sweep(rig.kernel, Self.ruleset(rulesBefore: 1), .ofPolicies([one]))
            #expect(talk.down(300) && talk.both(100))
            #expect(try counts(rig.kernel) == talk.seen)
            #expect(try rig.kernel.verify() == nil)
            // A process that finds everything as it is, and one that has another version.
            for before in [1, 2] {
                let next = try Kernel(layout: rig.layout, namespace: rig.gateway)
                #expect(try next.prepareHost() == [])
                _ = try next.reconcile(to: rig.state([one: Self.ruleset(rulesBefore: before)], [device(1)]))
                #expect(talk.down(400))
                try sweep(next, Self.ruleset(rulesBefore: before), .all)
                #expect(talk.down(500) && talk.both(100))
                #expect(try counts(next) == talk.seen, "\(before)")
                #expect(try next.verify() == nil)
            }
            let last = try Kernel(layout: rig.layout, namespace: rig.gateway)
            _ = try last.prepareHost()
            _ = try last.reconcile(to: rig.state([one: Self.ruleset(rulesBefore: 2)], [device(1)]))
            try rig.nft("delete table inet cordon")
            #expect(try last.verify() != nil)
            #expect(talk.both(100))
            #expect(try counts(last) == talk.seen)
        }

        @Test func `a counter is forgotten when its rule is gone and nothing was added since`() throws {
            let rig = try KernelRig()
            try rig.start([one: Self.ruleset()], [device(1)])
            let talk = try Talk(rig)
            #expect(talk.both(100))
            let early = try rig.kernel.ruleUsage()
            #expect(early.map(\.isInUse) == [true])
            #expect(try rig.kernel.forgetRuleUsage(early) == [])
            let plain = Self.ruleset(rulesBefore: 1, isCounted: false)
            try rig.kernel.install([one: plain], removing: [])
            // What the version before has let begin is counted until the sweep.
            #expect(talk.down(100))
            #expect(try rig.kernel.ruleUsage().map(\.isInUse) == [true])
            #expect(try counts(rig.kernel) == talk.seen)
            try sweep(rig.kernel, plain, .ofPolicies([one]))
            let seen = talk.seen
            #expect(talk.down(100) && talk.both(100))
            #expect(try rig.kernel.forgetRuleUsage(early) == [])
            let late = try rig.kernel.ruleUsage()
            #expect(late.map(\.isInUse) == [false] && late.map(\.counts) == [seen])
            #expect(try rig.kernel.forgetRuleUsage(late) == late)
            #expect(try rig.kernel.ruleUsage() == [])
            // The same rule again: another counter.
            try rig.kernel.install([one: Self.ruleset()], removing: [])
            #expect(talk.both(100))
            let new = try rig.kernel.ruleUsage()
            #expect(new.map(\.counts.packetsUp) == [1] && new.map(\.counter) != late.map(\.counter))
        }

        @Test func `what a limit or the rule's rate refuses is not counted`() throws {
            let rig = try KernelRig()
            let (limit, quota) = (try #require(LimitNumber(1)), try #require(QuotaNumber(1)))
            #expect(try rig.kernel.prepareHost() == [])
            var state = rig.state([one: Self.ruleset()], [device(1, limit: limit)])
            state.limits = [limit: DeviceLimit(quotas: [quota])]
            state.quotas = [quota: Quota(period: 1, limit: 1000)]
            _ = try rig.kernel.reconcile(to: state)
            let talk = try Talk(rig)
            #expect(talk.up(372) && talk.down(372))
            #expect(!talk.up(372))
            #expect(
                try counts(rig.kernel) == UsageCounts(octetsUp: 400, packetsUp: 1, octetsDown: 400, packetsDown: 1))
            // 300 octets at once, and a thousand a second.
            let slow = Ruleset(
                layers: [[Ruleset.Entry(destination: .any, protocols: 17...17, ports: 4000...4000, rule: 0)]],
                actions: [Self.way(.internet, rule: 0, up: rateLimit(8000))])
            _ = try rig.kernel.reconcile(to: rig.state([one: slow], [device(1)]))
            let sender = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5001)
            for _ in 0..<50 { sender.send([UInt8](repeating: 1, count: 972), to: KernelRig.server, port: 4000) }
            var received: UInt64 = 0
            while talk.received(milliseconds: 200) != nil { received += 1 }
            #expect(received > 0 && received < 50)
            #expect(try counts(rig.kernel)?.octetsUp == 400 + received * 1000)
        }

        @Test func `what comes from a VPN by a rule is counted, and the answers to it`() throws {
            let rig = try KernelRig()
            let line = try rig.addLine(3)
            let (vpn, shape) = (vpnNumber(3), BoxShape(protocols: 17...17, ports: 7000...7000))
            let other = BoxShape(protocols: 17...17, ports: 7001...7001)
            let entry = { (shape: BoxShape, rule: Int) in
                Ruleset.AccessEntry<IPv4Prefix>(source: .any, group: nil, shape: shape, rule: rule, isAllowed: true)
            }
            let ruleset = { (before: Int) in
                Ruleset(
                    layers: [],
                    access: [Ruleset.Access(vpn: vpn, entries: [entry(shape, before), entry(other, before + 1)])],
                    actions: (0..<before).map { _ in .init(nil) }
                        + [Self.way(.access(vpn), rule: before), .init(.access(vpn))])
            }
            #expect(try rig.kernel.prepareHost() == [])
            var state = rig.state([one: ruleset(0)], [device(1)])
            state.vpns = [vpn: KernelRig.line(3)]
            _ = try rig.kernel.reconcile(to: state)
            let caller = try KernelUDP(in: line, address("10.0.0.10"), port: 6000)
            var expected = UsageCounts()
            let exchange = { (port: UInt16, down: Int, up: Int) -> Bool in
                guard let device = try? KernelUDP(in: rig.devices, address("100.64.0.1"), port: port) else {
                    return false
                }
                caller.send([UInt8](repeating: 1, count: down), to: address("100.64.0.1"), port: port)
                guard let call = device.receive(), call.bytes.count == down else { return false }
                device.send([UInt8](repeating: 2, count: up), to: call.source, port: call.port)
                return caller.receive()?.bytes.count == up
            }
            #expect(exchange(7000, 172, 72) && exchange(7001, 500, 500))
            expected = UsageCounts(octetsUp: 100, packetsUp: 1, octetsDown: 200, packetsDown: 1)
            #expect(try counts(rig.kernel) == expected)
            // Another version: the flow goes on, and neither of the two loses or doubles it.
            try rig.kernel.install([one: ruleset(1)], removing: [])
            #expect(exchange(7000, 172, 72))
            try sweep(rig.kernel, ruleset(1), .ofPolicies([one]))
            #expect(exchange(7000, 172, 72) && exchange(7001, 10, 10))
            #expect(try counts(rig.kernel) == UsageCounts(octetsUp: 300, packetsUp: 3, octetsDown: 600, packetsDown: 3))
        }
    }
}
