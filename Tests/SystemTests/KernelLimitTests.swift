import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import Testing

extension KernelTests {
    /// Volumes and rates of devices.
    @Suite(.serialized) struct Limits {
        private let one = kernelMark(1)

        private func device(_ number: Int, limit: LimitNumber? = nil) -> DeviceEntry {
            let entry = kernelDevice(number, one, ports: 64)
            return DeviceEntry(
                address: entry.address, policy: one, nat: entry.nat, session: .init(Int64(number)), limit: limit)
        }

        private func limit(_ number: UInt32) throws -> LimitNumber { try #require(LimitNumber(number)) }
        private func quota(_ number: UInt32) throws -> QuotaNumber { try #require(QuotaNumber(number)) }

        /// - Parameter limits: by device; those without are not limited.
        private func rig(_ limits: [Int: DeviceLimit], quotas: [QuotaNumber: Quota] = [:]) throws -> KernelRig {
            let rig = try KernelRig()
            #expect(try rig.kernel.prepareHost() == [])
            _ = try rig.kernel.reconcile(to: state(rig, limits, quotas))
            return rig
        }

        private func state(
            _ rig: KernelRig, _ limits: [Int: DeviceLimit], _ quotas: [QuotaNumber: Quota]
        ) throws -> EnforcementState {
            let devices = try (1...20).map { number in
                device(number, limit: limits[number] == nil ? nil : try limit(UInt32(number)))
            }
            var state = rig.state([one: .allowing("0.0.0.0/0")], devices)
            for (number, wanted) in limits { state.limits[try limit(UInt32(number))] = wanted }
            state.quotas = quotas
            return state
        }

        // MARK: Volumes

        @Test func `a volume ends at the packet that would exceed it, in both directions, and goes on when raised`()
            throws
        {
            let number = try quota(5)
            let rig = try rig(
                [1: DeviceLimit(quotas: [number])], quotas: [number: Quota(period: 1, limit: 1000, notice: 700)])
            let echo = try UsageEcho(rig)
            // 128 up, 228 down.
            #expect(echo.exchange(device: 1, up: 100, down: 200))
            #expect(try rig.kernel.takeQuotaNotices() == [])
            #expect(echo.exchange(device: 1, up: 100, down: 200))
            #expect(
                try rig.kernel.takeQuotaNotices() == [QuotaNotice(quota: number, period: 1, isReached: false)])
            #expect(try reading(rig, number) == QuotaReading(period: 1, limit: 1000, used: 712, isReached: false))
            // 128 fit, 228 more do not; then nothing does, nor another's packets suffer.
            #expect(!echo.exchange(device: 1, up: 100, down: 200, milliseconds: 50))
            #expect(!echo.exchange(device: 1, up: 0, down: 1, milliseconds: 50))
            #expect(echo.exchange(device: 2, up: 100, down: 200))
            #expect(try reading(rig, number) == QuotaReading(period: 1, limit: 1000, used: 840, isReached: true))
            #expect(
                try rig.kernel.takeQuotaNotices() == [QuotaNotice(quota: number, period: 1, isReached: true)])
            #expect(try rig.counter("limited") == 2)
            try rig.kernel.setQuotas([number: Quota(period: 1, limit: 2000)])
            #expect(echo.exchange(device: 1, up: 100, down: 200))
            #expect(try reading(rig, number)?.used == 840 + 356)
            // A new period; then no limit.
            try rig.kernel.setQuotas([number: Quota(period: 2, limit: 100, used: 10)])
            #expect(try reading(rig, number) == QuotaReading(period: 2, limit: 100, used: 10, isReached: false))
            #expect(!echo.exchange(device: 1, up: 100, down: 200, milliseconds: 50))
            try rig.kernel.setQuotas([number: nil])
            #expect(echo.exchange(device: 1, up: 100, down: 200))
            let ledger = UsageLedger()
            try ledger.read(rig.kernel)
            #expect(ledger.counts(of: 1).octetsUp == 5 * 128)
            #expect(ledger.counts(of: 1).octetsDown == 4 * 228)
            #expect(try rig.kernel.verify() == nil)
        }

        private func reading(_ rig: KernelRig, _ number: QuotaNumber) throws -> QuotaReading? {
            try rig.kernel.quotas([number])[0]
        }

        @Test
        func `a device's volume and one that many share both hold, and what one refuses the other does not count`()
            throws
        {
            let (own, shared) = (try quota(1), try quota(2))
            let rig = try rig(
                [1: DeviceLimit(quotas: [own, shared]), 2: DeviceLimit(quotas: [shared])],
                quotas: [own: Quota(period: 1, limit: 500), shared: Quota(period: 1, limit: 1000)])
            let echo = try UsageEcho(rig)
            #expect(echo.exchange(device: 1, up: 100, down: 100))
            #expect(echo.exchange(device: 2, up: 100, down: 100))
            #expect(try reading(rig, own)?.used == 256)
            #expect(try reading(rig, shared)?.used == 512)
            // 128 more are within both, 200 more in the shared one alone.
            #expect(!echo.exchange(device: 1, up: 100, down: 172, milliseconds: 50))
            #expect(try reading(rig, own)?.used == 384)
            #expect(try reading(rig, shared)?.used == 640)
            #expect(echo.exchange(device: 2, up: 100, down: 100))
            // The shared one is empty for all that have it.
            #expect(!echo.exchange(device: 2, up: 100, down: 100, milliseconds: 50))
            #expect(try reading(rig, shared) == QuotaReading(period: 1, limit: 1000, used: 896, isReached: true))
            #expect(echo.exchange(device: 3, up: 100, down: 100))
        }

        @Test func `another process takes up what was used, and a state sets what the kernel does not know`() throws {
            let (known, unknown) = (try quota(1), try quota(2))
            let rig = try rig([1: DeviceLimit(quotas: [known])], quotas: [known: Quota(period: 9, limit: 10_000)])
            let echo = try UsageEcho(rig)
            #expect(echo.exchange(device: 1, up: 100, down: 100))
            let next = try Kernel(layout: rig.layout, namespace: rig.gateway)
            #expect(try next.prepareHost() == [])
            _ = try next.reconcile(
                to: state(
                    rig, [1: DeviceLimit(quotas: [known, unknown])],
                    [
                        known: Quota(period: 9, limit: 10_000, used: 3),
                        unknown: Quota(period: 9, limit: 10_000, used: 3),
                    ]))
            let found = try next.quotas([known, unknown])
            #expect(found.map { $0?.used } == [256, 3])
            #expect(try next.quotas() == [known: #require(found[0]), unknown: #require(found[1])])
            _ = try next.reconcile(to: state(rig, [:], [:]))
            #expect(try next.quotas([known, unknown]) == [nil, nil] && next.quotas().isEmpty)
            #expect(echo.exchange(device: 1, up: 100, down: 100))
        }

        @Test func `a volume that slows lets pass at its rate from its octet on, counts on, and is told once`() throws {
            let (own, shared) = (try quota(1), try quota(2))
            let slowed = DeviceLimit(quotas: [shared, own], slowing: [own], slow: rateLimit(8000))
            let rig = try rig(
                [1: slowed], quotas: [own: Quota(period: 1, limit: 3000), shared: Quota(period: 1, limit: 100_000)])
            let echo = try UsageEcho(rig)
            for _ in 0..<2 { #expect(echo.exchange(device: 1, up: 1000, down: 1)) }
            #expect(try rig.kernel.takeQuotaNotices() == [])
            var passed = 0
            for _ in 0..<20 where echo.exchange(device: 1, up: 1000, down: 1, milliseconds: 20) { passed += 1 }
            // What may pass at once, and what the time allows.
            #expect((1...3).contains(passed))
            #expect(try rig.kernel.takeQuotaNotices() == [QuotaNotice(quota: own, period: 1, isReached: true)])
            let (mine, ours) = (try #require(try reading(rig, own)), try #require(try reading(rig, shared)))
            #expect(mine.isReached && mine.used > 3000 && !ours.isReached)
            // What the rate refused counts for neither; what passed for both.
            #expect(mine.used == ours.used)
            let ledger = UsageLedger()
            try ledger.read(rig.kernel)
            #expect(ledger.counts(of: 1).octetsUp + ledger.counts(of: 1).octetsDown == mine.used)
            // One that does not slow ends it all the same.
            try rig.kernel.setQuotas([shared: Quota(period: 1, limit: ours.used)])
            for _ in 0..<5 { #expect(!echo.exchange(device: 1, up: 100, down: 1, milliseconds: 20)) }
            try rig.kernel.setQuotas([
                shared: Quota(period: 1, limit: 1_000_000), own: Quota(period: 1, limit: 1_000_000),
            ])
            for _ in 0..<20 { #expect(echo.exchange(device: 1, up: 1000, down: 1)) }
        }

        /// Four TCP connections and a stream of datagrams, together at the rate.
        @Test(arguments: [1, 10, 100])
        func `a volume is not exceeded, and at most one packet of a flow is missing from it`(megabits: Int) throws {
            let number = try quota(1)
            let volume = UInt64(megabits * 250_000)
            let rig = try rig(
                [1: DeviceLimit(quotas: [number], down: rateLimit(UInt64(megabits) * 1_000_000))],
                quotas: [number: Quota(period: 1, limit: volume)])
            let flows =
                (0..<4).map { UsageLoad.Flow(device: 1, port: UInt16(5000 + $0), kind: .tcp("cubic"), isDown: true) }
                + [
                    UsageLoad.Flow(
                        device: 1, port: 5004, kind: .udp(rate: megabits * 500_000, size: 1000), isDown: true)
                ]
            let load = try UsageLoad(flows, in: rig)
            _ = try load.run(seconds: 15) { try self.reading(rig, number)?.isReached == true }
            let reading = try #require(try reading(rig, number))
            #expect(reading.isReached)
            #expect(reading.used <= volume)
            let ledger = UsageLedger()
            try ledger.read(rig.kernel)
            let passed = ledger.counts(of: 1).octetsDown + ledger.counts(of: 1).octetsUp
            #expect(passed == reading.used)
            // A packet here may be a segment that the sender's kernel has not cut yet (GSO).
            #expect(volume - reading.used <= 65_536 + 5 * 1500)
            // Nothing more.
            _ = try load.run(seconds: 0.3)
            #expect(try self.reading(rig, number)?.used == reading.used)
        }

        // MARK: Rates

        /// All at once, a device each, over ten seconds.
        @Test func `TCP and UDP come within five per cent of a rate, up and down`() throws {
            let rates: [Int] = [64_000, 1_000_000, 10_000_000]
            var limits: [Int: DeviceLimit] = [:]
            var flows: [UsageLoad.Flow] = []
            for rate in rates {
                for kind in [.tcp("cubic"), .tcp("reno"), .udp(rate: rate * 3 / 2, size: 600)] as [UsageLoad.Flow.Kind]
                {
                    for isDown in [false, true] {
                        let number = flows.count + 1
                        let bits = rateLimit(UInt64(rate))
                        limits[number] = isDown ? DeviceLimit(down: bits) : DeviceLimit(up: bits)
                        flows.append(
                            UsageLoad.Flow(device: number, port: UInt16(5000 + number), kind: kind, isDown: isDown))
                    }
                }
            }
            try expectRates(rates.flatMap { Array(repeating: $0, count: 6) }, flows, limits)
        }

        @Test func `a hundred megabits a second are met as well`() throws {
            let flows = [
                UsageLoad.Flow(device: 1, port: 5001, kind: .tcp("cubic"), isDown: true),
                UsageLoad.Flow(device: 2, port: 5002, kind: .udp(rate: 150_000_000, size: 1400)),
            ]
            let bits = rateLimit(100_000_000)
            try expectRates(
                [100_000_000, 100_000_000], flows, [1: DeviceLimit(down: bits), 2: DeviceLimit(up: bits)])
        }

        private func expectRates(_ rates: [Int], _ flows: [UsageLoad.Flow], _ limits: [Int: DeviceLimit]) throws {
            let rig = try rig(limits)
            let load = try UsageLoad(flows, in: rig)
            let results = try load.run(seconds: 10)
            for (flow, rate) in zip(flows, rates) {
                let octets = try #require(results[flow]?.octets)
                let ratio = Double(octets) * 8 / 10 / Double(rate)
                #expect((0.95...1.05).contains(ratio), "\(flow) at \(rate) bits a second: \(ratio)")
            }
        }

        /// Firmware slow, telemetry fast.
        @Test func `a rule's rate is each device's own, and slows no other rule's flows`() throws {
            let rig = try KernelRig()
            let entry = { (ports: ClosedRange<UInt16>, rule: Int) in
                Ruleset.Entry(destination: prefix("192.0.2.0/24"), protocols: 0...255, ports: ports, rule: rule)
            }
            let slow = { (bits: UInt64) in
                Ruleset(
                    layers: [[entry(5001...5002, 0), entry(4000...4000, 1), entry(5003...5003, 2)]],
                    ways: [
                        .limited(
                            .internet,
                            .init(
                                rule: 0, up: rateLimit(bits), down: rateLimit(bits))),
                        .internet, .internet,
                    ])
            }
            try rig.start([one: slow(500_000)], [device(1), device(2)])
            let flows = [
                UsageLoad.Flow(device: 1, port: 5001, kind: .udp(rate: 1_000_000, size: 500)),
                UsageLoad.Flow(device: 2, port: 5002, kind: .tcp("cubic"), isDown: true),
                UsageLoad.Flow(device: 1, port: 5003, kind: .udp(rate: 1_000_000, size: 500)),
            ]
            let load = try UsageLoad(flows, in: rig)
            let results = try load.run(seconds: 6)
            let rates = try flows.map { Double(try #require(results[$0]?.octets)) * 8 / 6 }
            // With what may pass at once.
            #expect((475_000...560_000).contains(rates[0]))
            #expect((475_000...560_000).contains(rates[1]))
            #expect(rates[2] > 980_000)
            #expect(try rig.kernel.verify() == nil)
            #expect(try rig.nft("list set inet cordon rated").contains("0x"))
            // Another version, another rate; then none. A new process has it from its rulesets.
            try rig.kernel.install([one: slow(100_000_000)], removing: [])
            let next = try Kernel(layout: rig.layout, namespace: rig.gateway)
            #expect(try next.prepareHost() == [])
            _ = try next.reconcile(to: rig.state([one: slow(100_000_000)], [device(1), device(2)]))
            let again = try UsageLoad(
                [UsageLoad.Flow(device: 1, port: 5002, kind: .udp(rate: 1_000_000, size: 500))], in: rig)
            #expect(try #require(again.run(seconds: 2).values.first?.octets) > 240_000)
            try next.install([one: .allowing("0.0.0.0/0")], removing: [])
            // Until flows are judged anew.
            #expect(try rig.nft("list set inet cordon rated").contains("0x"))
            _ = try next.deleteFlows(.all) { _ in .way(.internet) }
            #expect(try !rig.nft("list set inet cordon rated").contains("0x"))
            #expect(try next.verify() == nil)
        }

        @Test func `small packets pass while a transfer takes all of the rate`() throws {
            let bits = rateLimit(64_000)
            let rig = try rig([1: DeviceLimit(up: bits, down: bits)])
            // As questions to a resolver are: 60 octets up, 200 down.
            let question = UsageLoad.Flow(device: 1, port: 5010, kind: .udp(rate: 2400, size: 60))
            let answer = UsageLoad.Flow(device: 1, port: 5011, kind: .udp(rate: 8000, size: 200), isDown: true)
            let both = try UsageLoad(
                [
                    UsageLoad.Flow(device: 1, port: 5021, kind: .tcp("cubic")),
                    UsageLoad.Flow(device: 1, port: 5023, kind: .tcp("cubic"), isDown: true), question, answer,
                ], in: rig)
            let results = try both.run(seconds: 5)
            // 25 of each were sent.
            #expect(try #require(results[question]?.packets) >= 23)
            #expect(try #require(results[answer]?.packets) >= 23)
        }

        @Test func `a rate changes at once, and an unlimited device is not slowed`() throws {
            let rig = try rig([1: DeviceLimit(up: rateLimit(8000))])
            let echo = try UsageEcho(rig)
            var passed = 0
            for _ in 0..<20 where echo.exchange(device: 1, up: 1000, down: 1, milliseconds: 20) { passed += 1 }
            #expect((1...2).contains(passed))
            for _ in 0..<20 { #expect(echo.exchange(device: 2, up: 1000, down: 1)) }
            try rig.kernel.setLimits([limit(1): DeviceLimit(up: rateLimit(100_000_000))])
            for _ in 0..<20 { #expect(echo.exchange(device: 1, up: 1000, down: 1)) }
            try rig.kernel.apply([.set(device(1))])
            for _ in 0..<20 { #expect(echo.exchange(device: 1, up: 1000, down: 1)) }
        }
    }
}
