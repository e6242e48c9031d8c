import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import Testing

extension KernelTests {
    /// Random policies and random packets: the reference evaluator and the kernel agree.
    @Suite(.serialized) struct Differential {
        private static let policies = 400
        private static let atOnce = 50
        private static let packetsPerPolicy = 150

        @Test func `the kernel does what the reference evaluator says`() throws {
            let rig = try KernelRig()
            let sender = try KernelRawSender(in: rig.devices)
            let capture = try KernelCapture(in: rig.internet, interface: "net0")
            let sentinel = device(0)
            let open = sentinel.policy
            try rig.start([open: .allowing("0.0.0.0/0")], [sentinel])
            var sequence: UInt32 = 0
            var passed = 0
            for first in stride(from: 1, through: Self.policies, by: Self.atOnce) {
                let numbers = first..<first + Self.atOnce
                var policies: [Int: ValidatedPolicy] = [:]
                var rulesets: [PolicyMark: Ruleset] = [:]
                for number in numbers {
                    var random = KernelRandom(seed: UInt64(number))
                    let policy = try random.policy()
                    policies[number] = policy
                    rulesets[device(number).policy] = compile(policy)
                }
                try rig.kernel.install(rulesets, removing: [])
                try rig.kernel.apply(numbers.map { .set(device($0)) })
                for (number, policy) in policies.sorted(by: { $0.key < $1.key }) {
                    var random = KernelRandom(seed: UInt64(number) << 32)
                    var allowed: [UInt32: PacketQuery] = [:]
                    var blocked: [UInt32: PacketQuery] = [:]
                    for _ in 0..<Self.packetsPerPolicy {
                        sequence += 1
                        let query = random.packet()
                        sender.send(packet(query, from: device(number), sequence))
                        let verdict = policy.verdict(for: query).verdict
                        if verdict == .block { blocked[sequence] = query } else { allowed[sequence] = query }
                    }
                    sequence += 1
                    let last = PacketQuery(destination: address("192.0.2.1"), protocol: 17, port: 9)
                    sender.send(packet(last, from: sentinel, sequence))
                    let seen = capture.sequences(until: sequence).subtracting([sequence])
                    let wrongly = seen.subtracting(allowed.keys).compactMap { blocked[$0] }
                    let missing = Set(allowed.keys).subtracting(seen).compactMap { allowed[$0] }
                    #expect(wrongly.isEmpty && missing.isEmpty, "policy of seed \(number): \(policy.rules)")
                    passed += allowed.count
                }
                try rig.kernel.apply(numbers.map { .remove(device($0).address) })
                try rig.kernel.install([:], removing: Set(rulesets.keys))
            }
            #expect(try rig.kernel.verify() == nil)
            // Both answers must occur often, or nothing was shown.
            let all = Self.policies * Self.packetsPerPolicy
            #expect(passed > all / 5 && passed < all * 4 / 5, "\(passed) of \(all) packets were allowed")
        }

        /// Each with a public address of its own: protocols without ports cannot share one.
        private func device(_ number: Int) -> DeviceEntry {
            DeviceEntry(
                address: IPv4Address(bits: KernelRig.pool.first.bits + 0x1000 + UInt32(number)),
                policy: kernelMark(Int64(100 + number)),
                nat: NATBinding(
                    publicAddress: IPv4Address(bits: address("198.51.100.0").bits + UInt32(number)),
                    firstPort: 1024, lastPort: 65_535))
        }

        private func packet(_ query: PacketQuery, from device: DeviceEntry, _ sequence: UInt32) -> KernelPacket {
            guard case .v4(let destination) = query.destination else { preconditionFailure("\(query)") }
            return KernelPacket(
                source: device.address, destination: destination, protocol: query.protocol,
                sourcePort: UInt16(truncatingIfNeeded: sequence), destinationPort: query.port ?? 0, sequence: sequence)
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
