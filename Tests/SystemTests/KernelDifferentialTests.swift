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

            /// Where a packet is seen; `nil` when it is blocked.
            func place(_ packet: PacketQuery) -> Place? {
                let isToDevice = !situation.groups(packet.destination).isEmpty && packet.direction == .fromDevice
                switch policy.way(for: packet, in: situation) {
                case nil: return nil
                // Whatever a policy says.
                case .internet, .timeServer, .vpns, .limited: if isToDevice { return nil }
                case .group, .access: return .devices
                }
                switch policy.way(for: packet, in: situation)?.route {
                case .internet, .timeServer: return .internet
                case .vpns(let numbers):
                    return numbers.first { Bench.lines[$0] != nil }.flatMap { Bench.lines[$0] }.map { .line($0) }
                case .group, .access, .limited, nil: return nil
                }
            }
        }

        /// Where packets come out.
        private enum Place: Hashable {
            case internet
            case devices
            case line(Int)
        }

        @Test func `the kernel does what the reference evaluator says`() throws {
            let bench = try Bench()
            var (passed, all, observed) = (0, 0, 0)
            var places: [Place: Int] = [:]
            for first in stride(from: 1, through: Self.policies, by: Self.atOnce) {
                let cases = try (first..<first + Self.atOnce).map { number in
                    number % 3 == 0 ? try Self.narrow(number) : try Self.whole(number)
                }
                for (number, wrong) in try bench.disagreements(cases).enumerated() where !wrong.isEmpty {
                    let (least, packets) = try Self.shrunk(cases[number], wrong, bench)
                    Issue.record(
                        "seed \(first + number): \(packets)\nin \(least.document?.yaml ?? "\(least.policy.rules)")")
                }
                for one in cases { for packet in one.packets { one.place(packet).map { places[$0, default: 0] += 1 } } }
                passed = places.values.reduce(0, +)
                all += cases.reduce(0) { $0 + $1.packets.count }
                observed += cases.count { $0.ruleset.actions.contains(where: \.isObserved) }
            }
            #expect(try bench.rig.kernel.verify() == nil)
            // Both answers must occur often, or nothing was shown.
            #expect(passed > all / 5 && passed < all * 4 / 5, "\(passed) of \(all) packets were allowed")
            #expect(places.count == 4 && places.values.allSatisfy { $0 > 500 }, "\(places)")
            #expect(observed > Self.policies / 4)
        }

        private static func narrow(_ number: Int) throws -> Case {
            var random = KernelRandom(seed: UInt64(number))
            let policy = try random.policy()
            return Case(
                document: nil, policy: policy, packets: (0..<packetsPerPolicy).map { _ in random.packet() },
                situation: .unknown)
        }

        /// Everything that a document can say.
        private static func whole(_ number: Int) throws -> Case {
            var random = Generator(seed: UInt64(number))
            let document = RandomPolicy.wholeDocument(using: &random)
            let policy = try PolicyDocument(parsing: document.yaml, file: "random.yaml").validated(
                in: RandomPolicy.scope)
            let minute = Int.random(in: 0..<Schedule.minutesPerWeek, using: &random)
            let device = Bench.device((number - 1) % atOnce + 1)
            let packets =
                RandomPolicy.queries(for: policy, using: &random, count: packetsPerPolicy / 2)
                + (0..<packetsPerPolicy / 2).map { _ in RandomPolicy.wholeQuery(for: policy, using: &random) }
            return Case(
                document: document, policy: policy,
                packets: packets.compactMap { Self.sendable($0, device) },
                situation: Bench.situation(RandomPolicy.situation(at: minute).minuteOfWeek))
        }

        /// The packet as far as it can be sent here: to the device when it is one to devices, and not to addresses that
        /// nobody forwards to. Conntrack looks into SCTP, and each family has its own ICMP: what is sent here of another is
        /// invalid to it.
        private static func sendable(_ packet: PacketQuery, _ device: DeviceEntry) -> PacketQuery? {
            let isIPv4 = if case .v4 = packet.destination { true } else { false }
            guard packet.protocol != 132, packet.protocol != (isIPv4 ? 58 : 1), packet.protocol != 0 else { return nil }
            switch packet.direction {
            case .fromDevice:
                guard case .v4(let destination) = packet.destination else { return packet }
                return prefix("198.0.0.0/8").contains(destination) ? packet : nil
            case .toDevice(let source, let via):
                let target: IPAddress =
                    if case .v4 = source { .v4(device.address) } else { .v6(Bench.address6(of: device)) }
                let isIPv4 = if case .v4 = source { true } else { false }
                // Others have no ports, and are answers to what the device may have sent there before.
                guard [6, 17, isIPv4 ? 1 : 58].contains(packet.protocol) else { return nil }
                return PacketQuery(
                    destination: target, protocol: packet.protocol, port: packet.port,
                    direction: .toDevice(source: source, via: via))
            }
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

        /// A gateway with one device that reaches everything, whose packets end each round, and devices of two groups.
        private final class Bench {
            let rig: KernelRig
            private let senders: [Place: KernelRawSender]
            private let captures: [Place: KernelCapture]
            private var sequence: UInt32 = 0

            private static let (hq, backup, partner) = (vpnNumber(0), vpnNumber(1), vpnNumber(2))
            /// Those that are up. The partner's is down.
            static let lines: [VPNNumber: Int] = [hq: 1, backup: 2]
            private static let (meters, gateways) = (groupNumber(1), groupNumber(2))

            init() throws {
                rig = try KernelRig(withIPv6: true)
                var senders: [Place: KernelRawSender] = [.devices: try KernelRawSender(in: rig.devices)]
                var captures: [Place: KernelCapture] = [
                    .internet: try KernelCapture(in: rig.internet, interface: "net0", withIPv6: true),
                    .devices: try KernelCapture(in: rig.devices, interface: "dev0", withIPv6: true),
                ]
                for number in Self.lines.values.sorted() {
                    let line = try rig.addLine(number)
                    senders[.line(number)] = try KernelRawSender(in: line)
                    captures[.line(number)] = try KernelCapture(in: line, interface: "line0", withIPv6: true)
                }
                (self.senders, self.captures) = (senders, captures)
                // Its packets come out everywhere: what is not seen before the last has been held back.
                let all = Ruleset(
                    layers: [
                        [Self.entry("192.0.2.1/32", 0), Self.entry("192.0.2.2/32", 1), Self.entry("192.0.2.3/32", 2)]
                    ],
                    groups: [
                        Ruleset.GroupEntry(
                            group: Self.meters, shape: BoxShape(protocols: 0...255, ports: 0...65_535), rule: 3,
                            isAllowed: true)
                    ], actions: [.init(.internet), .init(.vpns([Self.hq])), .init(.vpns([Self.backup])), .init(nil)])
                let sentinel = Self.device(0)
                #expect(try rig.kernel.prepareHost() == [])
                var state = rig.state([sentinel.policy: all], [sentinel])
                // Devices' addresses are the operator's.
                for octet in 0..<256 where Self.group(of: octet) != nil {
                    let address = IPv4Address(bits: address("198.51.100.0").bits + UInt32(octet))
                    state.pools.insert(IPv4Prefix(containing: address, length: 32))
                }
                _ = try rig.kernel.reconcile(to: state)
                try rig.kernel.setVPNs([
                    Self.hq: Self.line(1, isUp: true), Self.backup: Self.line(2, isUp: true),
                    Self.partner: Self.line(3, isUp: false),
                ])
                try rig.kernel.install([Self.targets: .blockAll], removing: [])
                // 198.51.100.6 and .7 of every eight addresses, and two of the prefixes that documents name.
                let targets = (0..<256).compactMap { octet in
                    Self.group(of: octet).map { group in
                        DeviceChange.set(
                            DeviceEntry(
                                address: IPv4Address(bits: address("198.51.100.0").bits + UInt32(octet)),
                                policy: Self.targets, nat: nil, group: group))
                    }
                }
                try rig.kernel.apply(targets)
                try rig.kernel.apply([
                    .set6(DeviceEntry6(prefix: prefix6("2001:db8:0:3::/64"), policy: Self.targets, group: Self.meters))
                ])
            }

            private static let targets = kernelMark(99)

            private static func entry(_ destination: String, _ rule: Int) -> Ruleset.Entry {
                Ruleset.Entry(destination: prefix(destination), protocols: 0...255, ports: 0...65_535, rule: rule)
            }

            private static func line(_ number: Int, isUp: Bool) -> VPNEntry {
                let line = KernelRig.line(number)
                return VPNEntry(
                    interface: line.interface, networks: [.any], networks6: [.any], nextHop: line.nextHop,
                    nextHop6: line.nextHop6, isUp: isUp)
            }

            private static func group(of octet: Int) -> GroupNumber? {
                switch octet % 8 {
                case 6: meters
                case 7: gateways
                default: nil
                }
            }

            /// Who has which address, in the words of the reference.
            static func situation(_ minuteOfWeek: @escaping @Sendable (String) -> Int?) -> PolicySituation {
                let names = RandomPolicy.scope.groups
                let name = { @Sendable (group: GroupNumber) in Set(names.filter { $0.value == group }.keys) }
                return PolicySituation(
                    groups: { address in
                        switch address {
                        case .v4(let address):
                            if prefix("198.51.100.0/24").contains(address) {
                                return group(of: Int(address.bits & 0xff)).map(name) ?? []
                            }
                            return prefix("100.64.16.0/24").contains(address) ? name(meters) : []
                        case .v6(let address):
                            let isMeter =
                                prefix6("2001:db8:0:3::/64").contains(address)
                                || prefix6("2001:db8:6400::/40").contains(address)
                            return isMeter ? name(meters) : []
                        }
                    }, names: RandomPolicy.situation(at: 0).names, minuteOfWeek: minuteOfWeek)
            }

            /// The packets of each case with which the kernel did otherwise.
            func disagreements(_ cases: [Case]) throws -> [[PacketQuery]] {
                let devices = cases.indices.map { Self.device($0 + 1) }
                let prefixes = devices.map(Self.entry6)
                var rulesets: [PolicyMark: Ruleset] = [:]
                for (device, one) in zip(devices, cases) { rulesets[device.policy] = one.ruleset }
                try rig.kernel.install(rulesets, removing: [])
                try rig.kernel.apply(devices.map { .set($0) } + prefixes.map { .set6($0) })
                try rig.kernel.setNames(
                    zip(devices, cases).flatMap { device, one in
                        one.packets.filter { $0.direction == .fromDevice }.map { packet in
                            NamedAddress(
                                policy: device.policy, address: packet.destination,
                                names: one.situation.names(packet.destination))
                        }
                    })
                let wrong = zip(devices, cases).map { device, one in
                    var sent: [UInt32: PacketQuery] = [:]
                    for packet in one.packets {
                        sequence += 1
                        sent[sequence] = packet
                        send(packet, device, sequence)
                    }
                    let seen = finished()
                    return sent.filter { one.place($0.value) != seen[$0.key] }.sorted { $0.key < $1.key }
                        .map(\.value)
                }
                try rig.kernel.apply(
                    devices.map { .remove($0.address) } + prefixes.map { .remove6($0.prefix) })
                _ = try rig.kernel.deleteFlows(.all) { _ in .denied }
                try rig.kernel.install([:], removing: Set(rulesets.keys))
                return wrong
            }

            /// Where each packet came out.
            private func finished() -> [UInt32: Place] {
                let ends: [(Place, String)] = [
                    (.internet, "192.0.2.1"), (.line(1), "192.0.2.2"), (.line(2), "192.0.2.3"),
                    (.devices, "198.51.100.6"),
                ]
                var seen: [UInt32: Place] = [:]
                for (place, destination) in ends {
                    sequence += 1
                    let last = PacketQuery(destination: address(destination), protocol: 17, port: 9)
                    send(last, Self.device(0), sequence)
                    // An error tells the packet that it is about: what comes back later is none.
                    for found in captures[place]?.sequences(until: sequence) ?? [] where seen[found] == nil {
                        seen[found] = place
                    }
                }
                return seen
            }

            private func send(_ query: PacketQuery, _ device: DeviceEntry, _ sequence: UInt32) {
                let isIPv4 = if case .v4 = query.destination { true } else { false }
                let own: IPAddress = isIPv4 ? .v4(device.address) : .v6(Self.address6(of: device))
                var (place, source, destination) = (Place.devices, own, query.destination)
                if case .toDevice(let from, let via) = query.direction, let number = RandomPolicy.scope.vpns[via] {
                    // Nobody is behind the partner's line, which is down.
                    (place, source, destination) = (.line(Self.lines[number] ?? 0), from, own)
                }
                senders[place]?.send(
                    KernelPacket(
                        from: source, to: destination, protocol: query.protocol,
                        sourcePort: UInt16(truncatingIfNeeded: sequence), destinationPort: query.port ?? 0,
                        sequence: sequence))
            }

            /// Each with a public address of its own: protocols without ports cannot share one.
            static func device(_ number: Int) -> DeviceEntry {
                DeviceEntry(
                    address: IPv4Address(bits: KernelRig.pool.first.bits + 0x1000 + UInt32(number)),
                    policy: kernelMark(Int64(100 + number)),
                    nat: NATBinding(
                        publicAddress: IPv4Address(bits: address("203.0.113.0").bits + UInt32(number)),
                        firstPort: 1024, lastPort: 65_535), group: meters)
            }

            private static func entry6(of device: DeviceEntry) -> DeviceEntry6 {
                DeviceEntry6(
                    prefix: IPv6Prefix(containing: address6(of: device), length: 64), policy: device.policy,
                    group: meters)
            }

            static func address6(of device: DeviceEntry) -> IPv6Address {
                IPv6Address(bits: address6("2001:db8:6400::9").bits + UInt128(device.address.bits & 0xff) << 64)
            }

            private static func address6(_ text: String) -> IPv6Address {
                do { return try IPv6Address(parsing: text) } catch { preconditionFailure("\(error)") }
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
