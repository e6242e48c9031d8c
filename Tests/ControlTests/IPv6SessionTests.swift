import Control
import Domain
import Foundation
import PolicyCompiler
import Store
import Synchronization
import Testing

/// Sessions with IPv6, alone and beside IPv4.
@Suite struct IPv6SessionTests {
    private struct Accepted {
        let prefixes: SessionPrefixes?
        let address: IPv4Address?
        let token: SessionToken
    }

    private static func with(
        _ pool: String? = "2001:db8:6400::/40", delegating length: UInt8? = nil, hasIPv6: Bool = true,
        now: @escaping @Sendable () -> Timestamp = {
            Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        },
        packets: (any PacketWatching)? = nil, isLimiting: Bool = false,
        _ body: @escaping @Sendable (Bench) async throws -> Void
    ) async throws {
        try await Bench.run(
            now: now, settings: { $0.hasIPv6 = hasIPv6 }, packets: packets, isLimiting: isLimiting
        ) { bench in
            if let pool {
                let prefix = try IPv6Prefix(parsing: pool)
                _ = try await bench.control.createPool(
                    prefix, blockLength: max(48, prefix.length), delegatedLength: length, by: .system)
            }
            _ = try await bench.tenant("acme", sims: 4)
            try await body(bench)
        }
    }

    private static func verdict(_ bench: Bench, _ number: Int, _ type: PDNType) async throws -> AttachVerdict {
        try await bench.attach(try Bench.imsi(number), type: type)
    }

    private static func attach(_ bench: Bench, _ number: Int, _ type: PDNType) async throws -> Accepted {
        switch try await verdict(bench, number, type) {
        case .accept(let address, let token): return Accepted(prefixes: nil, address: address, token: token)
        case .acceptIPv6(let prefixes, let address, let token):
            return Accepted(prefixes: prefixes, address: address, token: token)
        case .reject, .noAnswer: throw Bench.Missing()
        }
    }

    @Test func `a session gets what its NAS asks for, and the kernel knows just that before the answer`() async throws {
        try await Self.with { bench in
            let four = try await Self.attach(bench, 0, .ipv4)
            #expect(four.prefixes == nil && four.address != nil)
            #expect(bench.kernel.now.devices6.isEmpty)
            let both = try await Self.attach(bench, 1, .ipv4v6)
            #expect(both.prefixes?.link.description == "2001:db8:6400::/64")
            let six = try await Self.attach(bench, 2, .ipv6)
            #expect(six.prefixes?.link.description == "2001:db8:6400:1::/64" && six.address == nil)
            let kernel = bench.kernel.now
            #expect(Set(kernel.devices.keys) == Set([four.address, both.address].compactMap { $0 }))
            let links = [both.prefixes, six.prefixes].compactMap { $0?.link }
            #expect(Set(kernel.devices6.keys) == Set(links) && links.count == 2)
            let sessions = try await bench.control.sessions(
                of: nil, activeOnly: true, after: nil, limit: 9, by: .system)
            #expect(sessions.map(\.ipv4) == [four.address, both.address, nil])
            #expect(sessions.map(\.prefixes) == [nil, both.prefixes, six.prefixes])
            #expect(kernel.devices6[links[1]]?.session == sessions.last?.id)
            #expect(kernel.pools6.map(\.description) == ["2001:db8:6400::/40"])
            // The one without IPv4 has no place in NAT 1's table.
            let blocks = try await bench.control.portBlocks(
                publicAddress: nil, port: nil, from: nil, to: nil, after: nil, limit: 9, by: .system)
            #expect(blocks.map { Optional($0.address) } == [four.address, both.address])
        }
    }

    @Test func `a gateway without IPv6 gives IPv4 of both, and refuses what it does not serve`() async throws {
        try await Self.with(nil, hasIPv6: false) { bench async throws in
            #expect(try await Self.attach(bench, 0, .ipv4v6).prefixes == nil)
            #expect(try await Self.verdict(bench, 1, .ipv6) == .reject(.pdnTypeNotServed))
            #expect(try await Self.verdict(bench, 1, .other) == .reject(.pdnTypeNotServed))
            // The same SIM may ask for another type at once.
            #expect(try await Self.attach(bench, 1, .ipv4).address != nil)
            #expect(bench.kernel.now.devices.count == 2)
        }
    }

    @Test func `without a prefix left, both becomes IPv4 and IPv6 alone is refused`() async throws {
        try await Self.with("2001:db8::/64") { bench in
            #expect(try await Self.attach(bench, 0, .ipv4v6).prefixes != nil)
            #expect(try await Self.attach(bench, 1, .ipv4v6).prefixes == nil)
            #expect(try await Self.verdict(bench, 2, .ipv6) == .reject(.addressPoolExhausted))
            // A session that is on is not ended by an attach that is refused.
            let on = try #require(try await Self.attach(bench, 3, .ipv4).address)
            #expect(try await Self.verdict(bench, 3, .ipv6) == .reject(.addressPoolExhausted))
            #expect(bench.kernel.now.devices[on] != nil)
            let sessions = try await bench.control.sessions(
                of: nil, activeOnly: true, after: nil, limit: 9, by: .system)
            #expect(sessions.count == 3)
        }
    }

    @Test func `prefixes are sticky, and another type takes and gives up what the one before had not`() async throws {
        try await Self.with { bench in
            let both = try await Self.attach(bench, 0, .ipv4v6)
            let (address, link) = (try #require(both.address), try #require(both.prefixes).link)
            #expect(try await Self.attach(bench, 0, .ipv6).prefixes == both.prefixes)
            #expect(bench.kernel.now.devices.isEmpty && Set(bench.kernel.now.devices6.keys) == [link])
            #expect(try await Self.attach(bench, 0, .ipv4).address == address)
            #expect(Set(bench.kernel.now.devices.keys) == [address] && bench.kernel.now.devices6.isEmpty)
            let again = try await Self.attach(bench, 0, .ipv4v6)
            #expect(again.prefixes == both.prefixes && again.address == address)
            #expect(bench.kernel.now.devices.count == 1 && bench.kernel.now.devices6.count == 1)
            #expect(try await bench.account(.stop, token: again.token, isLast: true))
            #expect(bench.kernel.now.devices.isEmpty && bench.kernel.now.devices6.isEmpty)
            try await bench.control.releaseAddresses(ofSIM: try Bench.imsi(0), by: .system)
            #expect(try await Self.attach(bench, 1, .ipv6).prefixes?.link != link)
        }
    }

    @Test func `each network that is delegated is the session's in the kernel`() async throws {
        try await Self.with(delegating: 62) { bench in
            let both = try await Self.attach(bench, 0, .ipv4v6)
            let prefixes = try #require(both.prefixes)
            #expect(prefixes.delegated?.length == 62)
            #expect(Set(bench.kernel.now.devices6.keys) == Set(prefixes.networks) && prefixes.networks.count == 5)
            #expect(Set(bench.kernel.now.devices6.values.map(\.session)).count == 1)
            #expect(try await bench.account(.stop, token: both.token, isLast: true))
            #expect(bench.kernel.now.devices6.isEmpty)
        }
    }

    @Test func `another group, suspension and resumption reach both families`() async throws {
        try await Self.with { bench in
            bench.nas.answer { _ in DisconnectOutcome(result: .noAnswer, attempts: 1) }
            let (acme, meters) = (try Name(parsing: "acme"), try Name(parsing: "meters"))
            let policy = try await bench.control.applyPolicy(
                "policy: meters\nrules: [{name: all, to: [any], route: internet}]\n", file: "meters.yaml", comment: "",
                to: acme, by: .system
            ).policy
            _ = try await bench.control.createGroup(meters, of: acme, policy: policy.name, by: .system)
            let both = try await Self.attach(bench, 0, .ipv4v6)
            let (address, link) = (try #require(both.address), try #require(both.prefixes).link)
            func marks() -> [PolicyMark?] {
                [bench.kernel.now.devices[address]?.policy, bench.kernel.now.devices6[link]?.policy]
            }
            #expect(marks() == [.blockAll, .blockAll])
            _ = try await bench.control.setGroup(meters, ofSIM: try Bench.imsi(0), by: .system)
            let mark = try #require(policy.mark)
            #expect(marks() == [mark, mark])
            #expect(Set([bench.kernel.now.devices6[link]?.group, bench.kernel.now.devices[address]?.group]).count == 1)
            _ = try await bench.control.suspend(try Bench.imsi(0), by: .system)
            #expect(marks() == [nil, nil])
            _ = try await bench.control.resume(try Bench.imsi(0), by: .system)
            #expect(marks() == [mark, mark])
        }
    }

    @Test func `a session without IPv4 is named to its NAS by its prefix, and by a report that has it`() async throws {
        try await Self.with { bench in
            let asked = Mutex<[DisconnectRequest]>([])
            bench.nas.answer { request in
                asked.withLock { $0.append(request) }
                return DisconnectOutcome(result: .contextNotFound, attempts: 1)
            }
            let six = try await Self.attach(bench, 0, .ipv6)
            _ = try await bench.control.suspend(try Bench.imsi(0), by: .system)
            let request = try #require(asked.withLock { $0.first })
            #expect(request.address == nil && request.prefix == six.prefixes?.link)
            #expect(bench.kernel.now.devices6.isEmpty)
            #expect(
                try await bench.control.sessions(of: nil, activeOnly: true, after: nil, limit: 9, by: .system).isEmpty)
        }
    }

    @Test func `what was given is in the kernel again after a start, and nothing else`() async throws {
        try await Self.with(delegating: 64) { bench in
            _ = try await Self.attach(bench, 0, .ipv4v6)
            _ = try await Self.attach(bench, 1, .ipv6)
            _ = try await Self.attach(bench, 2, .ipv4)
            let before = bench.kernel.now
            #expect(before.devices.count == 2 && before.devices6.count == 4)
            let kernel = RecordingDataPlane()
            let control = ControlPlane(
                store: bench.store, dataPlane: kernel, disconnecting: bench.nas, tracing: RecordingTracing(),
                settings: bench.control.settings, logger: Bench.quietLogger, now: bench.control.now)
            try await control.start()
            #expect(kernel.now.devices == before.devices && kernel.now.devices6 == before.devices6)
            #expect(kernel.now.pools6 == before.pools6)
        }
    }

    @Test func `a packet of IPv6 keeps a session from being taken for lost`() async throws {
        final class Watch: PacketWatching {
            let silent = Mutex<[IPAddress: Duration]>([:])
            let memory = Duration.seconds(60)
            func silences(of devices: Set<IPAddress>?) -> [IPAddress: Duration] {
                silent.withLock { all in all.filter { devices?.contains($0.key) ?? true } }
            }
        }
        let watch = Watch()
        let clock = Mutex<Int64>(1_800_000_000_000)
        try await Self.with(now: { Timestamp(milliseconds: clock.withLock { $0 }) }, packets: watch) { bench in
            let both = try await Self.attach(bench, 0, .ipv4v6)
            let (address, link) = (try #require(both.address), try #require(both.prefixes).link)
            clock.withLock { $0 += 100_000 }
            watch.silent.withLock { $0 = [.v4(address): .seconds(90), .v6(link.address): .seconds(3)] }
            let sessions = try await bench.control.sessions(
                of: nil, activeOnly: true, after: nil, limit: 9, by: .system)
            let session = try #require(sessions.first)
            let packets = try await bench.control.lastPackets(of: sessions)
            #expect(packets[session.id]?.milliseconds == 1_800_000_097_000)
            watch.silent.withLock { $0 = [:] }
            #expect(try await bench.control.lastPackets(of: sessions).isEmpty)
        }
    }

    @Test func `a pool of IPv6 is the operator's, checked, and stays while a tenant has a block`() async throws {
        try await Self.with(nil) { bench in
            func create(_ text: String, _ block: UInt8 = 48, _ delegated: UInt8? = nil) async -> ControlError.Code? {
                do {
                    _ = try await bench.control.createPool(
                        IPv6Prefix(parsing: text), blockLength: block, delegatedLength: delegated, by: .system)
                } catch { return (error as? ControlError)?.code }
                return nil
            }
            #expect(await create("fe80::/40") == .invalid)
            #expect(await create("2001:db8::/40", 39) == .invalid)
            #expect(await create("2001:db8::/40", 48, 56) == .invalid)
            #expect(await create("2001:db8::/40") == nil)
            #expect(await create("2001:db8:1::/48") == .conflict)
            let prefix = try IPv6Prefix(parsing: "2001:db8::/40")
            #expect(bench.kernel.now.pools6 == [prefix])
            _ = try await Self.attach(bench, 0, .ipv6)
            let acme = try Name(parsing: "acme")
            #expect(
                try await bench.control.allBlocks(of: acme, by: .system).map(\.description) == [
                    "100.64.0.0/24", "2001:db8::/48",
                ])
            await #expect(throws: ControlError.self) { try await bench.control.deletePool(prefix, by: .system) }
            // A tenant with a line that has IPv6 has a block for the other side's routes before there is a device; and no
            // network of a line lies in a pool.
            let globex = try await bench.tenant("globex", prefix: "99971").name
            func line(_ network: String) throws -> VPN.Line {
                VPN.Line(
                    interface: try InterfaceName(parsing: "vlan1"), nextHop: nil, networks: [],
                    networks6: [try IPv6Prefix(parsing: network)])
            }
            _ = try await bench.control.createVPN(
                try Name(parsing: "hq"), of: globex, line: try line("fd00:aa::/48"), by: .system)
            let block = try await bench.control.allBlocks(of: globex, by: .system)
            #expect(block.map(\.description) == ["2001:db8:1::/48"])
            let inside = try line("2001:db8:7::/48")
            await #expect(throws: ControlError.self) {
                try await bench.control.createVPN(try Name(parsing: "in"), of: globex, line: inside, by: .system)
            }
            let owner = try await bench.control.tenant(acme, by: .system)
            await #expect(throws: ControlError.self) {
                try await bench.control.prefixPools(by: Principal(name: "anna", role: .tenant(owner.id)))
            }
        }
    }
}
