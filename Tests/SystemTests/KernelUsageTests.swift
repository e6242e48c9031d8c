import Domain
import LinuxNet
import PolicyCompiler
import TestSupport
import Testing

extension KernelTests {
    /// What is counted of devices, octet by octet.
    @Suite(.serialized) struct Usage {
        private let one = kernelMark(1)

        private func device(_ number: Int, session: Int64?, limit: LimitNumber? = nil) -> DeviceEntry {
            let entry = kernelDevice(number, one, ports: 64)
            return DeviceEntry(
                address: entry.address, policy: one, nat: entry.nat, session: session.map { .init($0) }, limit: limit)
        }

        @Test func `octets and packets of both directions are counted by session`() throws {
            let rig = try KernelRig()
            try rig.start([one: .allowing("0.0.0.0/0")], [device(1, session: 7), device(2, session: 8)])
            let echo = try UsageEcho(rig)
            #expect(echo.exchange(device: 1, up: 100, down: 1000))
            #expect(echo.exchange(device: 1, up: 0, down: 1))
            #expect(echo.exchange(device: 2, up: 1400, down: 20))
            let ledger = UsageLedger()
            try ledger.read(rig.kernel)
            #expect(
                ledger.counts(of: 7)
                    == UsageCounts(octetsUp: 100 + 56, packetsUp: 2, octetsDown: 1001 + 56, packetsDown: 2))
            #expect(
                ledger.counts(of: 8) == UsageCounts(octetsUp: 1428, packetsUp: 1, octetsDown: 48, packetsDown: 1))
            #expect(ledger.ways == [.internet])
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `what is blocked is not counted, nor what comes unasked`() throws {
            let rig = try KernelRig()
            try rig.start([one: .allowing("192.0.2.99")], [device(1, session: 7)])
            // Nobody's of the servers' network, so that no answer comes.
            let sender = try KernelRawSender(in: rig.devices)
            let capture = try KernelCapture(in: rig.internet, interface: "net0")
            for (destination, sequence) in [("192.0.2.10", 1), ("100.64.0.2", 2), ("192.0.2.99", 3)]
                as [(String, UInt32)]
            {
                sender.send(
                    KernelPacket(
                        source: address("100.64.0.1"), destination: address(destination), protocol: 17,
                        sourcePort: 5000,
                        destinationPort: 9, sequence: sequence))
            }
            #expect(capture.sequences(until: 3) == [3])
            try KernelRawSender(in: rig.internet).send(
                KernelPacket(
                    source: KernelRig.server, destination: address("100.64.0.1"), protocol: 17, sequence: 4))
            let ledger = UsageLedger()
            try ledger.read(rig.kernel)
            #expect(ledger.total == UsageCounts(octetsUp: 36, packetsUp: 1))
        }

        @Test func `each way has a counter of its own`() throws {
            let rig = try KernelRig(resolver: .init(address: KernelRig.gatewayInside))
            let line = try rig.addLine(3)
            let ruleset = Ruleset(
                layers: [
                    [
                        Ruleset.Entry(
                            destination: prefix("10.0.0.0/24"), protocols: 0...255, ports: 0...65_535, rule: 0),
                        Ruleset.Entry(
                            destination: prefix("192.0.2.0/24"), protocols: 0...255, ports: 0...65_535, rule: 1),
                    ]
                ], ways: [.vpns([vpnNumber(3)]), .internet])
            #expect(try rig.kernel.prepareHost() == [])
            var state = rig.state([one: ruleset], [device(1, session: 7)])
            state.vpns = [vpnNumber(3): KernelRig.line(3)]
            _ = try rig.kernel.reconcile(to: state)
            let socket = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: 5000)
            let inside = try KernelUDP(in: line, address("10.0.0.10"), port: 4000)
            socket.send([UInt8](repeating: 1, count: 72), to: address("10.0.0.10"), port: 4000)
            let request = try #require(inside.receive())
            inside.send([UInt8](repeating: 2, count: 172), to: request.source, port: request.port)
            #expect(socket.receive() != nil)
            let resolver = try KernelUDP(in: rig.gateway, KernelRig.gatewayInside, port: 53)
            socket.send([UInt8](repeating: 3, count: 22), to: KernelRig.gatewayInside, port: 53)
            let question = try #require(resolver.receive())
            resolver.send([UInt8](repeating: 4, count: 32), to: question.source, port: question.port)
            #expect(socket.receive() != nil)
            let listener = try KernelTCP(in: rig.gateway, KernelRig.gatewayInside, port: 53)
            listener.listen()
            let caller = try KernelTCP(in: rig.devices, address("100.64.0.1"))
            #expect(caller.connect(KernelRig.gatewayInside, port: 53))
            let ledger = UsageLedger()
            try ledger.read(rig.kernel)
            #expect(
                ledger.counts(of: .vpn(vpnNumber(3)))
                    == UsageCounts(octetsUp: 100, packetsUp: 1, octetsDown: 200, packetsDown: 1))
            // The handshake, and not the question by UDP.
            let gateway = ledger.counts(of: .gateway)
            #expect(gateway.packetsUp == 2 && gateway.packetsDown == 1)
            #expect(ledger.counts(of: .internet) == UsageCounts())
        }

        @Test func `what goes from device to device counts for both`() throws {
            let rig = try KernelRig()
            let meters = groupNumber(1)
            let ruleset = Ruleset(
                layers: [],
                groups: [
                    Ruleset.GroupEntry(
                        group: meters, shape: BoxShape(protocols: 17...17, ports: 5683...5683), rule: 0, isAllowed: true
                    )
                ], actions: [.init(nil)])
            let devices = [31, 32].map { number in
                DeviceEntry(
                    address: kernelDevice(number, one).address, policy: one, nat: nil, group: meters,
                    session: .init(Int64(number)))
            }
            try rig.start([one: ruleset], devices)
            let capture = try KernelCapture(in: rig.devices, interface: "dev0")
            let sender = try KernelRawSender(in: rig.devices)
            for (sequence, isAnswer) in [(1, false), (2, true), (3, true)] as [(UInt32, Bool)] {
                sender.send(
                    KernelPacket(
                        source: devices[isAnswer ? 1 : 0].address, destination: devices[isAnswer ? 0 : 1].address,
                        protocol: 17, sourcePort: isAnswer ? 5683 : 5000, destinationPort: isAnswer ? 5000 : 5683,
                        sequence: sequence))
                #expect(capture.sequences(until: sequence).contains(sequence))
            }
            let ledger = UsageLedger()
            try ledger.read(rig.kernel)
            #expect(
                ledger.counts(of: 31) == UsageCounts(octetsUp: 36, packetsUp: 1, octetsDown: 72, packetsDown: 2))
            #expect(
                ledger.counts(of: 32) == UsageCounts(octetsUp: 72, packetsUp: 2, octetsDown: 36, packetsDown: 1))
            #expect(ledger.ways == [.group, .internet])
        }

        /// Both families of a session, and one limit for both.
        @Test func `a prefix counts as an address does, and shares its session's limit`() throws {
            let rig = try KernelRig(withIPv6: true)
            let (limit, quota) = (try #require(LimitNumber(1)), try #require(QuotaNumber(1)))
            let ruleset = Ruleset(
                layers: [[Ruleset.Entry(destination: .any, protocols: 0...255, ports: 0...65_535, rule: 0)]],
                layers6: [
                    [
                        Ruleset.Entry6(
                            destination: prefix6("2001:db8:ffff::/48"), protocols: 0...255, ports: 0...65_535, rule: 0)
                    ]
                ], actions: [.init(.internet)])
            #expect(try rig.kernel.prepareHost() == [])
            var state = rig.state([one: ruleset], [device(1, session: 7, limit: limit)])
            state.devices6 = [
                DeviceEntry6(prefix: prefix6("2001:db8:64:1::/64"), policy: one, session: .init(7), limit: limit)
            ]
            state.limits = [limit: DeviceLimit(quotas: [quota])]
            state.quotas = [quota: Quota(period: 1, limit: 1000)]
            _ = try rig.kernel.reconcile(to: state)
            let sender = try KernelRawSender(in: rig.devices)
            let capture = try KernelCapture(in: rig.internet, interface: "net0", withIPv6: true)
            for sequence in UInt32(1)...2 {
                sender.send(
                    KernelPacket(
                        from: .v6(address6("2001:db8:64:1::\(sequence)")), to: .v6(address6("2001:db8:ffff::99")),
                        protocol: 17, sourcePort: 5000, destinationPort: 4000, sequence: sequence))
                #expect(capture.sequences(until: sequence).contains(sequence))
            }
            #expect(try UsageEcho(rig).exchange(device: 1, up: 72, down: 172))
            let ledger = UsageLedger()
            try ledger.read(rig.kernel)
            #expect(
                ledger.counts(of: 7) == UsageCounts(octetsUp: 112 + 100, packetsUp: 3, octetsDown: 200, packetsDown: 1))
            #expect(try rig.kernel.quotas([quota]).first??.used == 412)
        }

        @Test func `the table gone, a new process, a new session: counts go on`() throws {
            let rig = try KernelRig()
            try rig.start([one: .allowing("0.0.0.0/0")], [device(1, session: 7)])
            let echo = try UsageEcho(rig)
            #expect(echo.exchange(device: 1, up: 72, down: 72))
            try rig.nft("delete table inet cordon")
            #expect(try rig.kernel.verify() != nil)
            #expect(echo.exchange(device: 1, up: 72, down: 72))
            let next = try Kernel(layout: rig.layout, namespace: rig.gateway)
            #expect(try next.prepareHost() == [])
            _ = try next.reconcile(to: rig.state([one: .allowing("0.0.0.0/0")], [device(1, session: 7)]))
            #expect(echo.exchange(device: 1, up: 72, down: 72))
            let ledger = UsageLedger()
            try ledger.read(next)
            #expect(
                ledger.counts(of: 7) == UsageCounts(octetsUp: 300, packetsUp: 3, octetsDown: 300, packetsDown: 3))
            // The address is another's: nothing of the first is lost, nor given to the second.
            try next.apply([.set(device(1, session: 8))])
            #expect(echo.exchange(device: 1, up: 22, down: 22))
            try ledger.read(next)
            #expect(ledger.counts(of: 7).octetsUp == 300)
            #expect(
                ledger.counts(of: 8) == UsageCounts(octetsUp: 50, packetsUp: 1, octetsDown: 50, packetsDown: 1))
            #expect(try next.verify() == nil)
        }

        @Test func `a counter is forgotten when its session has ended and nothing was added`() throws {
            let rig = try KernelRig()
            try rig.start([one: .allowing("0.0.0.0/0")], [device(1, session: 7)])
            let echo = try UsageEcho(rig)
            #expect(echo.exchange(device: 1, up: 72, down: 72))
            let early = try readings(rig.kernel)
            #expect(try rig.kernel.forgetUsage(early) == [])
            #expect(try readings(rig.kernel) == early)
            #expect(echo.exchange(device: 1, up: 72, down: 72))
            try rig.kernel.apply([.remove(address("100.64.0.1"))])
            #expect(try rig.kernel.forgetUsage(early) == [])
            let last = try readings(rig.kernel)
            #expect(last.map(\.counts.packetsUp) == [2])
            #expect(try rig.kernel.forgetUsage(last) == last)
            #expect(try readings(rig.kernel) == [])
        }

        private func readings(_ kernel: Kernel) throws -> [UsageReading] {
            var all: [UsageReading] = []
            try kernel.readUsage { all += $0 }
            return all
        }

        /// Random changes between packets of known size; what was read is what has passed.
        @Test func `nothing is lost and nothing counted twice, whatever changes`() throws {
            for seed in 0..<3 * seedFactor { try run(seed) }
        }

        private func run(_ seed: UInt64) throws {
            var random = Generator(seed: seed)
            let rig = try KernelRig()
            let rulesets = [one: Ruleset.allowing("0.0.0.0/0")]
            try rig.start(rulesets, [])
            let echo = try UsageEcho(rig)
            let ledger = UsageLedger()
            var kernel = rig.kernel
            var present: [Int: DeviceEntry] = [:]
            var expected: [Int64: UsageCounts] = [:]
            var lastSession: Int64 = 0
            let limit = try #require(LimitNumber(1))
            for step in 0..<150 {
                let number = Int.random(in: 1...4, using: &random)
                switch Int.random(in: 0..<20, using: &random) {
                case 0..<3:
                    // A new session, whether there was one or not; or the same again, with or without a limit.
                    if present[number] == nil || Bool.random(using: &random) { lastSession += 1 }
                    let session = present[number]?.session?.rawValue ?? lastSession
                    let entry = device(
                        number, session: Bool.random(using: &random) ? lastSession : session,
                        limit: Bool.random(using: &random) ? limit : nil)
                    // One session is one device's.
                    guard present.allSatisfy({ $0.key == number || $0.value.session != entry.session }) else {
                        continue
                    }
                    try kernel.apply([.set(entry)])
                    present[number] = entry
                case 3:
                    try kernel.apply([.remove(device(number, session: nil).address)])
                    present[number] = nil
                case 4: _ = try kernel.reconcile(to: rig.state(rulesets, Array(present.values)))
                case 5:
                    kernel = try Kernel(layout: rig.layout, namespace: rig.gateway)
                    #expect(try kernel.prepareHost() == [])
                    _ = try kernel.reconcile(to: rig.state(rulesets, Array(present.values)))
                case 6:
                    try rig.nft(
                        Bool.random(using: &random) ? "delete table inet cordon" : "flush chain inet cordon usage_up")
                    #expect(try kernel.verify() != nil)
                case 7:
                    let part = try ledger.read(kernel)
                    if Bool.random(using: &random) { _ = try kernel.forgetUsage(part) }
                case 8: try kernel.setLimits([limit: DeviceLimit(up: rateLimit(1_000_000_000))])
                default:
                    let (up, down) = (
                        Int.random(in: 0...1400, using: &random), Int.random(in: 1...1400, using: &random)
                    )
                    let session = present[number]?.session?.rawValue
                    let passed = echo.exchange(
                        device: number, up: up, down: down, milliseconds: session == nil ? 20 : 1000)
                    #expect(passed == (session != nil), "seed \(seed), step \(step)")
                    guard let session, passed else { continue }
                    expected[session] =
                        (expected[session] ?? UsageCounts())
                        + UsageCounts(
                            octetsUp: UInt64(up) + 28, packetsUp: 1, octetsDown: UInt64(down) + 28, packetsDown: 1)
                }
            }
            try ledger.read(kernel)
            for (session, counts) in expected {
                #expect(ledger.counts(of: session) == counts, "seed \(seed), session \(session)")
            }
            #expect(ledger.total == expected.values.reduce(UsageCounts(), +), "seed \(seed)")
        }
    }
}

/// What was read so far: the most that each counter has said.
final class UsageLedger {
    private var counters: [String: UsageReading] = [:]

    /// - Returns: what it has read now.
    @discardableResult
    func read(_ kernel: Kernel) throws -> [UsageReading] {
        var all: [UsageReading] = []
        try kernel.readUsage { all += $0 }
        for reading in all {
            let key = "\(reading.counter) \(reading.way)"
            let known = counters[key]?.counts ?? UsageCounts()
            counters[key] = UsageReading(
                counter: reading.counter, way: reading.way, device: reading.device, session: reading.session,
                counts: known + reading.counts.exceeding(known))
        }
        return all
    }

    func counts(of session: Int64) -> UsageCounts { sum { $0.session?.rawValue == session } }
    func counts(of way: UsageWay) -> UsageCounts { sum { $0.way == way } }
    var total: UsageCounts { sum { _ in true } }
    var ways: Set<UsageWay> { Set(counters.values.map(\.way)) }

    private func sum(_ isMeant: (UsageReading) -> Bool) -> UsageCounts {
        counters.values.filter(isMeant).map(\.counts).reduce(UsageCounts(), +)
    }
}

/// Devices that send datagrams of some size, and a server that answers with others.
final class UsageEcho {
    private let server: KernelUDP
    private let devices: [Int: KernelUDP]

    init(_ rig: KernelRig) throws {
        server = try KernelUDP(in: rig.internet, KernelRig.server, port: 4000)
        var devices: [Int: KernelUDP] = [:]
        for number in 1...4 {
            devices[number] = try KernelUDP(in: rig.devices, address("100.64.0.\(number)"), port: 5000)
        }
        self.devices = devices
    }

    /// - Parameters:
    ///   - up: octets of the datagram's payload.
    ///   - down: the same of the answer.
    /// - Returns: whether the answer has come.
    func exchange(device number: Int, up: Int, down: Int, milliseconds: Int = 1000) -> Bool {
        guard let device = devices[number] else { return false }
        device.send([UInt8](repeating: 1, count: up), to: KernelRig.server, port: 4000)
        guard let request = server.receive(milliseconds: milliseconds) else { return false }
        server.send([UInt8](repeating: 2, count: down), to: request.source, port: request.port)
        return device.receive(milliseconds: milliseconds)?.bytes.count == down
    }
}
