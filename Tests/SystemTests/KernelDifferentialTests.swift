import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import TestSupport
import Testing

extension KernelTests {
    /// Random policies and random packets: the reference evaluator and the kernel agree.
    @Suite(.serialized) struct Differential {
        private static let policies = 2400
        private static let atOnce = 50
        private static let packetsPerPolicy = 60

        /// A policy with packets, and what the time is.
        private struct Case {
            let document: RandomDocument?
            let policy: ValidatedPolicy
            let packets: [PacketQuery]
            let situation: PolicySituation

            var ruleset: Ruleset {
                compile(policy) { schedule in
                    situation.minuteOfWeek(schedule.zone).map(schedule.isOpen(atLocal:)) ?? false
                }
            }

            /// No VPN is there.
            func passes(_ packet: PacketQuery) -> Bool {
                policy.verdict(for: packet, in: situation).verdict == .internet
            }
        }

        @Test func `the kernel does what the reference evaluator says`() throws {
            let bench = try Bench()
            var (passed, all, observed) = (0, 0, 0)
            for first in stride(from: 1, through: Self.policies, by: Self.atOnce) {
                let cases = try (first..<first + Self.atOnce).map { number in
                    number % 3 == 0 ? try Self.narrow(number) : try Self.whole(number)
                }
                for (number, wrong) in try bench.disagreements(cases).enumerated() where !wrong.isEmpty {
                    let (least, packets) = try Self.shrunk(cases[number], wrong, bench)
                    Issue.record(
                        "seed \(first + number): \(packets)\nin \(least.document?.yaml ?? "\(least.policy.rules)")")
                }
                passed += cases.reduce(0) { sum, one in sum + one.packets.count { one.passes($0) } }
                all += cases.reduce(0) { $0 + $1.packets.count }
                observed += cases.count { $0.ruleset.actions.contains(where: \.isObserved) }
            }
            #expect(try bench.rig.kernel.verify() == nil)
            // Both answers must occur often, or nothing was shown.
            #expect(passed > all / 5 && passed < all * 4 / 5, "\(passed) of \(all) packets were allowed")
            #expect(observed > Self.policies / 4)
        }

        private static func narrow(_ number: Int) throws -> Case {
            var random = KernelRandom(seed: UInt64(number))
            let policy = try random.policy()
            return Case(
                document: nil, policy: policy, packets: (0..<packetsPerPolicy).map { _ in random.packet() },
                situation: .unknown)
        }

        /// Everything that a document can say, but for what this version refuses.
        private static func whole(_ number: Int) throws -> Case {
            var random = Generator(seed: UInt64(number))
            var document = RandomPolicy.wholeDocument(using: &random)
            document.rules.removeAll { rule in
                rule.direction == "to-device" || rule.to.contains { $0.hasPrefix("group:") }
            }
            return try whole(document, &random)
        }

        private static func whole(_ document: RandomDocument, _ random: inout Generator) throws -> Case {
            let policy = try PolicyDocument(parsing: document.yaml, file: "random.yaml").validated(
                in: RandomPolicy.scope)
            let minute = Int.random(in: 0..<Schedule.minutesPerWeek, using: &random)
            let time = RandomPolicy.situation(at: minute).minuteOfWeek
            // Conntrack looks into SCTP, and knows no ICMPv6 in IPv4: what is sent here is invalid to it. And nobody
            // forwards to 0.0.0.0 or to the edges of the address space.
            let packets = RandomPolicy.queries(for: policy, using: &random, count: packetsPerPolicy)
                .filter { packet in
                    guard case .v4(let destination) = packet.destination else { return false }
                    return ![58, 132].contains(packet.protocol) && prefix("198.0.0.0/8").contains(destination)
                }
            return Case(
                document: document, policy: policy, packets: packets,
                situation: PolicySituation(minuteOfWeek: time))
        }

        /// The same disagreement with as few rules as can be.
        private static func shrunk(
            _ one: Case, _ wrong: [PacketQuery], _ bench: Bench
        ) throws -> (Case, [PacketQuery]) {
            var (least, packets) = (one, wrong)
            guard var document = one.document else { return (least, packets) }
            var index = 0
            while index < document.rules.count {
                var smaller = document
                smaller.rules.remove(at: index)
                let policy = try PolicyDocument(parsing: smaller.yaml, file: "random.yaml").validated(
                    in: RandomPolicy.scope)
                let candidate = Case(
                    document: smaller, policy: policy, packets: packets, situation: one.situation)
                let left = try bench.disagreements([candidate])[0]
                if left.isEmpty { index += 1 } else { (document, least, packets) = (smaller, candidate, left) }
            }
            return (least, packets)
        }

        /// A gateway with one device that reaches everything, whose packet ends each round.
        private final class Bench {
            let rig: KernelRig
            private let sender: KernelRawSender
            private let capture: KernelCapture
            private var sequence: UInt32 = 0

            init() throws {
                rig = try KernelRig()
                sender = try KernelRawSender(in: rig.devices)
                capture = try KernelCapture(in: rig.internet, interface: "net0")
                let sentinel = Self.device(0)
                try rig.start([sentinel.policy: .allowing("0.0.0.0/0")], [sentinel])
            }

            /// The packets of each case with which the kernel did otherwise.
            func disagreements(_ cases: [Case]) throws -> [[PacketQuery]] {
                let devices = cases.indices.map { Self.device($0 + 1) }
                var rulesets: [PolicyMark: Ruleset] = [:]
                for (device, one) in zip(devices, cases) { rulesets[device.policy] = one.ruleset }
                try rig.kernel.install(rulesets, removing: [])
                try rig.kernel.apply(devices.map { .set($0) })
                let wrong = zip(devices, cases).map { device, one in
                    var sent: [UInt32: PacketQuery] = [:]
                    for packet in one.packets {
                        sequence += 1
                        sent[sequence] = packet
                        sender.send(Self.packet(packet, from: device, sequence))
                    }
                    sequence += 1
                    let last = PacketQuery(destination: address("192.0.2.1"), protocol: 17, port: 9)
                    sender.send(Self.packet(last, from: Self.device(0), sequence))
                    let seen = capture.sequences(until: sequence)
                    return sent.filter { one.passes($0.value) != seen.contains($0.key) }.sorted { $0.key < $1.key }
                        .map(\.value)
                }
                try rig.kernel.apply(devices.map { .remove($0.address) })
                _ = try rig.kernel.deleteFlows(.all) { _, _ in true }
                try rig.kernel.install([:], removing: Set(rulesets.keys))
                return wrong
            }

            /// Each with a public address of its own: protocols without ports cannot share one.
            private static func device(_ number: Int) -> DeviceEntry {
                DeviceEntry(
                    address: IPv4Address(bits: KernelRig.pool.first.bits + 0x1000 + UInt32(number)),
                    policy: kernelMark(Int64(100 + number)),
                    nat: NATBinding(
                        publicAddress: IPv4Address(bits: address("203.0.113.0").bits + UInt32(number)),
                        firstPort: 1024, lastPort: 65_535))
            }

            private static func packet(
                _ query: PacketQuery, from device: DeviceEntry, _ sequence: UInt32
            ) -> KernelPacket {
                guard case .v4(let destination) = query.destination else { preconditionFailure("\(query)") }
                return KernelPacket(
                    source: device.address, destination: destination, protocol: query.protocol,
                    sourcePort: UInt16(truncatingIfNeeded: sequence), destinationPort: query.port ?? 0,
                    sequence: sequence)
            }
        }
    }
}

/// Random policies and packets over few addresses and ports, so that rules overlap and packets hit them.
struct KernelRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    /// Written as a document, so that the whole pipeline is under test.
    mutating func policy() throws -> ValidatedPolicy {
        var text = "policy: random\nrules:\n"
        for number in 0..<Int.random(in: 1...9, using: &self) {
            let destinations = (0..<Int.random(in: 1...4, using: &self)).map { _ in destination() }
            text += "  - name: rule-\(number)\n    to: [\(Set(destinations).sorted().joined(separator: ", "))]\n"
            let protocols = ["any", "tcp", "tcp", "tcp", "udp", "udp", "udp", "icmp", "50"]
            let name = protocols[Int.random(in: 0..<protocols.count, using: &self)]
            text += "    protocol: \(name)\n"
            if name == "tcp" || name == "udp", Int.random(in: 0..<3, using: &self) > 0 {
                let ranges = (0..<Int.random(in: 1...3, using: &self)).map { _ in ports() }
                text += "    ports: [\(Set(ranges).sorted().joined(separator: ", "))]\n"
            }
            let isOpen = Int.random(in: 0..<3, using: &self) > 0
            text += isOpen ? "    route: internet\n" : "    action: block\n"
        }
        return try PolicyDocument(parsing: text, file: "random.yaml").validated()
    }

    mutating func packet() -> PacketQuery {
        let number = ([1, 6, 6, 6, 17, 17, 17, 47, 50, 89] as [UInt8]).randomElement(using: &self) ?? 6
        return PacketQuery(
            destination: IPv4Address(bits: Self.base + UInt32.random(in: 0..<64, using: &self)), protocol: number,
            port: number == 6 || number == 17 ? UInt16.random(in: 78...92, using: &self) : nil)
    }

    private static let base = address("192.0.2.0").bits

    private mutating func destination() -> String {
        if Int.random(in: 0..<8, using: &self) == 0 { return "0.0.0.0/0" }
        let length = UInt8.random(in: 26...32, using: &self)
        let inside = IPv4Address(bits: Self.base + UInt32.random(in: 0..<64, using: &self))
        return IPv4Prefix(containing: inside, length: length).description
    }

    private mutating func ports() -> String {
        let first = Int.random(in: 78...92, using: &self)
        let last = min(92, first + Int.random(in: 0...5, using: &self))
        return first == last ? "\(first)" : "\(first)-\(last)"
    }
}
