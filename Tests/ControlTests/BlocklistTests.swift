import Control
import DNS
import Domain
import Foundation
import PolicyCompiler
import Store
import Synchronization
import Testing

@Suite struct BlocklistTests {
    private static let acme = named("acme")
    private static let globex = named("globex")
    private static let ads = named("ads")
    private static let url = "https://lists.example/ads"
    private static let document = """
        policy: p
        dns: {default: allow, blocklists: [ads]}
        rules: []

        """

    private static func named(_ text: String) -> Name {
        do { return try Name(parsing: text) } catch { preconditionFailure("\(error)") }
    }

    private static func upload(
        _ text: String, as name: Name = ads, of tenant: Name? = nil, in bench: Bench, by principal: Principal = .system
    ) async throws -> ControlPlane.BlocklistView {
        let upload = try await bench.control.uploadBlocklist(name, of: tenant, by: principal)
        let bytes = Array(text.utf8)
        try upload.write(bytes.span)
        return try await upload.finish()
    }

    private static func create(
        _ text: String, as name: Name = ads, of tenant: Name? = nil, in bench: Bench
    ) async throws {
        _ = try await bench.control.createBlocklist(name, Blocklist.Settings(), of: tenant, by: .system)
        _ = try await upload(text, as: name, of: tenant, in: bench)
    }

    private static func web(
        _ url: String = url, checksum: TextDigest? = nil, octets: Int64 = 1 << 20
    ) throws -> Blocklist.Settings {
        Blocklist.Settings(
            source: .web(try HTTPSAddress(parsing: url), seconds: 3600), checksum: checksum, maximumOctets: octets)
    }

    private static func error(_ body: () async throws -> some Any) async -> ControlError? {
        do { _ = try await body() } catch { return error as? ControlError }
        return nil
    }

    /// Which of the names the tenant's policies would be refused by its lists.
    private static func refused(_ names: String..., to tenant: Tenant, in bench: Bench) throws -> [String] {
        var rules = NameFilter.Rules()
        rules.isOpen = true
        rules.exceptions = bench.control.blocklists.exceptions(of: tenant.id)
        rules.lists = bench.control.blocklists.filterLists(for: tenant.id, [ads])
        let filter = NameFilter(rules)
        return try names.filter { filter.verdict(on: WireName(try DomainName(parsing: $0))) != .allowed }
    }

    /// Waits until the list is as wanted.
    private static func wait(
        _ name: Name = ads, of tenant: Name? = nil, in bench: Bench,
        until isThere: (ControlPlane.BlocklistView) -> Bool
    ) async throws -> ControlPlane.BlocklistView {
        for _ in 0..<6000 {
            let view = try await bench.control.blocklist(name, of: tenant, by: .system)
            if isThere(view) { return view }
            try await Task.sleep(for: .milliseconds(25))
        }
        return try await bench.control.blocklist(name, of: tenant, by: .system)
    }

    @Test func `a text that is uploaded refuses names at once, and another takes its place`() async throws {
        try await Bench.run { bench in
            let tenant = try await bench.tenant("acme")
            let changes = Mutex<[Tenant.ID?]>([])
            bench.control.blocklists.observe { owner in changes.withLock { $0.append(owner) } }
            let before = bench.control.blocklists.edition(for: tenant.id)
            try await Self.create("0.0.0.0 bad.example\n0.0.0.0 worse.example\njunk line\n", in: bench)
            #expect(try Self.refused("bad.example", "fine.example", to: tenant, in: bench) == ["bad.example"])
            #expect(bench.control.blocklists.edition(for: tenant.id) != before)
            #expect(changes.withLock { $0 } == [nil, nil])
            let view = try await bench.control.blocklist(Self.ads, of: nil, by: .system)
            #expect(view.state == .ready && view.found?.names == 2 && view.found?.format == .hosts)
            #expect(view.found?.junk.map(\.line) == [3] && view.list.status.goodAt != nil)
            _ = try await Self.upload("other.example\n", in: bench)
            #expect(try Self.refused("bad.example", "other.example", to: tenant, in: bench) == ["other.example"])
            let audit = try await bench.store.read { try $0.audit(before: nil, limit: 3) }
            #expect(audit.map(\.action) == ["blocklist.upload", "blocklist.upload", "blocklist.create"])
        }
    }

    @Test func `a text that cannot be right changes nothing`() async throws {
        try await Bench.run { bench in
            let tenant = try await bench.tenant("acme")
            try await Self.create("bad.example\n", in: bench)
            let nothing = await Self.error { try await Self.upload("<html>not found</html>\n", in: bench) }
            #expect(nothing?.code == .invalid && nothing?.detail.contains("line 1") == true)
            let digest = try #require(TextDigest(octets: Array(repeating: 1, count: 32)))
            _ = try await bench.control.setBlocklist(
                Self.ads, Blocklist.Settings(checksum: digest, maximumOctets: 20), of: nil, by: .system)
            let other = await Self.error { try await Self.upload("x.example\n", in: bench) }
            #expect(other?.code == .invalid && other?.detail.contains("\(digest)") == true)
            let long = await Self.error { try await Self.upload("aaaaaaaaaaaaaaaaaaaaa.example\n", in: bench) }
            #expect(long?.code == .invalid && long?.detail.contains("20 octets") == true)
            #expect(try Self.refused("bad.example", "x.example", to: tenant, in: bench) == ["bad.example"])
        }
    }

    @Test func `a list is fetched, and what it was holds when that fails`() async throws {
        let clock = TestClock(1_795_395_570_000)
        try await Bench.run(now: { clock.now }) { bench in
            let tenant = try await bench.tenant("acme")
            bench.web.answer(Self.url, .text("bad.example\n", tag: "\"1\""))
            let settings = try Self.web()
            _ = try await bench.control.createBlocklist(Self.ads, settings, of: nil, by: .system)
            let first = try await Self.wait(in: bench) { $0.state == .ready }
            #expect(first.list.status.error == nil && first.list.status.text?.entityTag == "\"1\"")
            #expect(try Self.refused("bad.example", to: tenant, in: bench) == ["bad.example"])
            #expect(bench.web.requests.map(\.entityTag) == [nil] && bench.web.requests[0].reach == .anywhere)

            // Nothing is asked before its time.
            clock.advance(minutes: 59)
            try await Task.sleep(for: .milliseconds(600))
            #expect(bench.web.requests.count == 1)
            bench.web.answer(Self.url, .unchanged)
            clock.advance(minutes: 1)
            let second = try await Self.wait(in: bench) { $0.list.status.triedAt == clock.now }
            #expect(bench.web.requests.map(\.entityTag) == [nil, "\"1\""])
            #expect(second.list.status.goodAt == clock.now && second.list.status.error == nil)

            for answer: ScriptedFetching.Answer in [
                .failure("the server is away"), .text("<html>\n"),
                .text(String(repeating: "long.example\n", count: 100_000)),
            ] {
                bench.web.answer(Self.url, answer)
                clock.advance(minutes: 1)
                _ = try await bench.control.refreshBlocklist(Self.ads, of: nil, by: .system)
                let failed = try await Self.wait(in: bench) { $0.list.status.triedAt == clock.now }
                #expect(failed.list.status.error?.isEmpty == false && failed.state == .ready)
                #expect(failed.list.status.goodAt == second.list.status.goodAt)
                #expect(try Self.refused("bad.example", to: tenant, in: bench) == ["bad.example"])
            }
            // What failed is tried again sooner than what did not.
            bench.web.answer(Self.url, .text("worse.example\n"))
            clock.advance(minutes: 5)
            let last = try await Self.wait(in: bench) { $0.list.status.triedAt == clock.now }
            #expect(last.list.status.error == nil)
            #expect(try Self.refused("bad.example", "worse.example", to: tenant, in: bench) == ["worse.example"])
        }
    }

    @Test func `a start reads the texts that are there, and says so where one is damaged`() async throws {
        try await Bench.run { bench in
            let tenant = try await bench.tenant("acme")
            try await Self.create("bad.example\n", in: bench)
            try await Self.create("lost.example\n", as: Self.named("lost"), in: bench)
            _ = try await bench.control.putDNSException(
                HostPattern(parsing: "fine.bad.example"), of: Self.acme, by: .system)
            let lost = try await bench.control.blocklist(Self.named("lost"), of: nil, by: .system).list
            let digest = try #require(lost.status.text?.digest)
            try FileManager.default.removeItem(atPath: "\(bench.directory)/texts/\(digest)")
            let again = ControlPlane(
                store: bench.store, dataPlane: bench.kernel, disconnecting: bench.nas,
                blocklists: BlocklistSupport(
                    texts: try TextDirectory(path: bench.directory + "/texts"), fetching: bench.web),
                settings: bench.control.settings, logger: Bench.quietLogger
            ) { Timestamp(milliseconds: 0) }
            try await again.start()
            #expect(again.blocklists.filterLists(for: tenant.id, [Self.ads]).isEmpty)
            #expect(again.blocklists.exceptions(of: tenant.id).map(\.description) == ["fine.bad.example"])
            #expect(try await again.blocklist(Self.ads, of: nil, by: .system).state == .loading)
            try await Bench.running(again) {
                for _ in 0..<6000 where try await again.blocklist(Self.ads, of: nil, by: .system).state != .ready {
                    try await Task.sleep(for: .milliseconds(25))
                }
                #expect(again.blocklists.filterLists(for: tenant.id, [Self.ads]).map(\.name) == [Self.ads])
                let view = try await again.blocklist(Self.named("lost"), of: nil, by: .system)
                #expect(view.state == .loading && view.list.status.error?.contains("cannot be read") == true)
            }
        }
    }

    @Test func `tenants' lists are their own, and go before the operator's`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme")
            let globex = try await bench.tenant("globex")
            try await Self.create("common.example\n", in: bench)
            try await Self.create("ours.example\n", of: Self.acme, in: bench)
            #expect(
                try Self.refused("common.example", "ours.example", to: acme, in: bench) == ["ours.example"])
            #expect(
                try Self.refused("common.example", "ours.example", to: globex, in: bench) == ["common.example"])
            let stranger = Principal(name: "globex", role: .tenant(globex.id))
            let control = bench.control
            let codes = [
                await Self.error { try await control.blocklists(of: Self.acme, by: stranger) }?.code,
                await Self.error { try await control.blocklist(Self.ads, of: Self.acme, by: stranger) }?.code,
                await Self.error { try await control.blocklistHits(Self.ads, for: Self.acme, by: stranger) }?.code,
                await Self.error { try await Self.upload("x.y\n", of: Self.acme, in: bench, by: stranger) }?.code,
                await Self.error { try await control.deleteBlocklist(Self.ads, of: Self.acme, by: stranger) }?.code,
                await Self.error { try await control.dnsExceptions(of: Self.acme, by: stranger) }?.code,
            ]
            #expect(codes == Array(repeating: .notFound, count: codes.count))
            let forbidden = [
                await Self.error { try await Self.upload("x.y\n", in: bench, by: stranger) }?.code,
                await Self.error { try await control.deleteBlocklist(Self.ads, of: nil, by: stranger) }?.code,
                await Self.error { try await control.blocklistHits(Self.ads, by: stranger) }?.code,
                await Self.error {
                    try await control.createBlocklist(Self.named("n"), Blocklist.Settings(), of: nil, by: stranger)
                }?.code,
            ]
            #expect(forbidden == Array(repeating: .forbidden, count: forbidden.count))
            #expect(try await control.blocklist(Self.ads, of: nil, by: stranger).isOwn == false)
            #expect(try await control.blocklists(of: Self.globex, by: stranger).isEmpty)
        }
    }

    @Test func `a tenant's list is fetched from the internet only`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            _ = try await bench.control.createBlocklist(Self.ads, Self.web(), of: Self.acme, by: .system)
            _ = try await Self.wait(of: Self.acme, in: bench) { $0.list.status.error != nil }
            guard case .internet(let except) = bench.web.requests.first?.reach else {
                Issue.record("from anywhere")
                return
            }
            #expect(except.map(\.description).contains("100.64.0.0/16"))
        }
    }

    @Test func `policies name lists that there are, and those stay`() async throws {
        try await Bench.run { bench in
            for name in ["acme", "globex"] { _ = try await bench.tenant(name) }
            let apply = { (tenant: Name) in
                try await bench.control.applyPolicy(Self.document, file: "p", comment: "", to: tenant, by: .system)
            }
            #expect(await Self.error { try await apply(Self.acme) }?.code == .invalid)
            try await Self.create("bad.example\n", in: bench)
            _ = try await apply(Self.acme)
            let named = await Self.error { try await bench.control.deleteBlocklist(Self.ads, of: nil, by: .system) }
            #expect(named?.code == .conflict && named?.detail.contains("acme/p") == true)
            // With one of its own, the tenant's policy means that.
            try await Self.create("own.example\n", of: Self.acme, in: bench)
            try await bench.control.deleteBlocklist(Self.ads, of: nil, by: .system)
            let own = await Self.error {
                try await bench.control.deleteBlocklist(Self.ads, of: Self.acme, by: .system)
            }
            #expect(own?.code == .conflict && own?.detail.contains("policies p:") == true)
            #expect(await Self.error { try await apply(Self.globex) }?.code == .invalid)
            try await bench.control.deletePolicy(Self.named("p"), of: Self.acme, by: .system)
            try await bench.control.deleteBlocklist(Self.ads, of: Self.acme, by: .system)
            #expect(try await bench.control.blocklists(of: Self.acme, by: .system).isEmpty)
        }
    }

    @Test func `hits are told to each tenant alone, and to the operator together`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme")
            let globex = try await bench.tenant("globex")
            try await Self.create("bad.example\n*.worse.example\n", in: bench)
            _ = try Self.refused("bad.example", "bad.example", "a.worse.example", to: acme, in: bench)
            _ = try Self.refused("bad.example", to: globex, in: bench)
            let ours = try await bench.control.blocklistHits(Self.ads, for: Self.acme, by: .system)
            #expect(
                ours.total == 3 && ours.top.map { "\($0.text) \($0.hits)" } == ["bad.example 2", "*.worse.example 1"])
            let all = try await bench.control.blocklistHits(Self.ads, by: .system)
            #expect(all.all.total == 4 && all.all.top.first?.hits == 3)
            #expect(all.tenants.map { "\($0.tenant) \($0.hits)" } == ["acme 3", "globex 1"])
            _ = try await Self.upload("other.example\n", in: bench)
            let later = try await bench.control.blocklistHits(Self.ads, for: Self.acme, by: .system)
            #expect(later.total == 3 && later.top.isEmpty)
        }
    }

    @Test func `exceptions hold for their tenant, as many as may be`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme")
            let globex = try await bench.tenant("globex")
            try await Self.create("||bad.example^\n", in: bench)
            let pattern = try HostPattern(parsing: "*.bad.example")
            _ = try await bench.control.putDNSException(pattern, of: Self.acme, by: .system)
            let names = ("bad.example", "a.bad.example")
            #expect(try Self.refused(names.0, names.1, to: acme, in: bench) == ["bad.example"])
            #expect(try Self.refused(names.0, names.1, to: globex, in: bench) == ["bad.example", "a.bad.example"])
            try await bench.control.deleteDNSException(pattern, of: Self.acme, by: .system)
            #expect(try Self.refused(names.0, names.1, to: acme, in: bench).count == 2)
            let missing = await Self.error {
                try await bench.control.deleteDNSException(pattern, of: Self.acme, by: .system)
            }
            #expect(missing?.code == .notFound)
            try await bench.control.deleteTenant(Self.acme, by: .system)
            #expect(bench.control.blocklists.exceptions(of: acme.id).isEmpty)
        }
    }

    @Test func `the limits of tenants' lists hold`() async throws {
        let small = { @Sendable (support: inout BlocklistSupport) in
            support.limits.tenantLists = 3
            support.limits.tenantOctets = 100
            support.limits.tenantOctetsTogether = 200
            support.limits.tenantEntriesTogether = 3
        }
        try await Bench.run(blocklists: small) { bench in
            _ = try await bench.tenant("acme")
            let create = { (name: String, octets: Int64) in
                await Self.error {
                    try await bench.control.createBlocklist(
                        Self.named(name), Blocklist.Settings(maximumOctets: octets), of: Self.acme, by: .system)
                }?.code
            }
            #expect(await create("a", 101) == .invalid)
            #expect(await create("a", 0) == .invalid)
            #expect(await create("a", 100) == nil)
            #expect(await create("a", 100) == .conflict)
            #expect(await create("b", 100) == nil)
            #expect(await create("c", 1) == .conflict)
            let first = try await Self.upload("a.example\nb.example\n", as: Self.named("a"), of: Self.acme, in: bench)
            #expect(first.found?.names == 2 && first.found?.junkCount == 0)
            let second = try await Self.upload("c.example\nd.example\n", as: Self.named("b"), of: Self.acme, in: bench)
            #expect(second.found?.names == 1 && second.found?.junkCount == 1)
            let often = Blocklist.Settings(
                source: .web(try HTTPSAddress(parsing: Self.url), seconds: 299), maximumOctets: 9)
            let error = await Self.error {
                try await bench.control.setBlocklist(Self.named("a"), often, of: Self.acme, by: .system)
            }
            #expect(error?.code == .invalid && error?.detail.contains("300") == true)
        }
    }
}
