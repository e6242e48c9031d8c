import CMallocCount
import DNS
import Domain
import TestSupport
import Testing

@Suite struct NameFilterTests {
    private static func name(_ text: String) throws -> WireName { WireName(try DomainName(parsing: text)) }

    private static func patterns(_ texts: String...) throws -> [HostPattern] {
        try texts.map { try HostPattern(parsing: $0) }
    }

    private static func list(_ name: String, _ text: String, _ hits: ListHits? = nil) throws -> NameFilter.List {
        NameFilter.List(
            name: try Name(parsing: name), names: NameListParserTests.read(text).list, hits: hits)
    }

    private static func listing(_ verdict: NameFilter.Verdict) -> NameFilter.Listing? {
        switch verdict {
        case .refused(.listed(let listing)), .allowedOverTCP(let listing): listing
        case .allowed, .refused(.denied), .refused(.notAllowed): nil
        }
    }

    @Test func `a name that a rule has is known by it, and not allowed for that`() throws {
        var rules = NameFilter.Rules()
        rules.ruled = try Self.patterns("own.example", "*.below.example", "*.both.example", "both.example")
        rules.deny = try Self.patterns("a.below.example", "*.own.example")
        let filter = NameFilter(rules)
        let all = [
            "own.example", "a.own.example", "below.example", "a.below.example", "a.b.below.example", "both.example",
            "a.both.example", "xown.example", "own.exampl", "example", "elsewhere.test",
        ]
        let ruled = ["own.example", "a.below.example", "a.b.below.example", "both.example", "a.both.example"]
        #expect(try all.filter { filter.isRuled(try Self.name($0)) } == ruled)
        #expect(try all.filter { filter.judgement(on: try Self.name($0)).isRuled } == ruled)
        #expect(filter.judgement(on: try Self.name("own.example")).verdict == .refused(.notAllowed))
        #expect(filter.judgement(on: try Self.name("a.below.example")).verdict == .refused(.denied))
        #expect(!filter.isRuled(.root))
        #expect(!NameFilter(NameFilter.Rules()).isRuled(try Self.name("own.example")))
    }

    @Test func `deny, then exceptions, then lists, then what is allowed`() throws {
        var rules = NameFilter.Rules()
        rules.deny = try Self.patterns("denied.example", "*.denied.example")
        rules.exceptions = try Self.patterns("excepted.bad.example", "excepted.denied.example")
        rules.lists = [
            try Self.list(
                "first", "ok.bad.example CNAME rpz-passthru.\ntcp.example CNAME rpz-tcp-only.\nzed.test CNAME *.\n"),
            try Self.list("second", "||bad.example^\n||tcp.example^\n"),
        ]
        rules.allow = try Self.patterns("*.bad.example", "*.good.example", "bad.example", "tcp.example")
        rules.reachable = try Self.patterns("reach.example")
        let filter = NameFilter(rules)
        let verdict = { (text: String) in filter.verdict(on: try Self.name(text)) }
        #expect(try verdict("denied.example") == .refused(.denied))
        #expect(try verdict("excepted.denied.example") == .refused(.denied))
        #expect(try verdict("excepted.bad.example") == .allowed)
        #expect(try verdict("ok.bad.example") == .allowed)
        let listed = try #require(Self.listing(try verdict("a.bad.example")))
        #expect(listed.list == 1 && listed.action == .block)
        #expect(filter.lists[1].names.text(of: listed.entry) == "*.bad.example")
        guard case .allowedOverTCP(let overTCP) = try verdict("tcp.example") else {
            Issue.record("not over TCP")
            return
        }
        #expect(overTCP.list == 0)
        #expect(try verdict("a.good.example") == .allowed)
        #expect(try verdict("good.example") == .refused(.notAllowed))
        #expect(try verdict("reach.example") == .allowed)
        #expect(try Self.listing(verdict("zed.test"))?.action == .nodata)
        #expect(filter.verdict(on: .root) == .refused(.notAllowed))

        let alias = { (text: String) in filter.verdict(onAlias: try Self.name(text)) }
        #expect(try alias("cdn.example") == .allowed)
        #expect(try alias("x.denied.example") == .refused(.denied))
        #expect(try Self.listing(alias("x.bad.example"))?.list == 1)
        #expect(try alias("excepted.bad.example") == .allowed)
        rules.isOpen = true
        #expect(NameFilter(rules).verdict(on: .root) == .allowed)
        #expect(NameFilter(rules).verdict(on: try Self.name("any.test")) == .allowed)
    }

    @Test func `addresses are judged by the lists, unless their name is excepted`() throws {
        var rules = NameFilter.Rules()
        rules.isOpen = true
        rules.exceptions = try Self.patterns("excepted.example")
        rules.lists = [
            try Self.list("pass", "passed.example CNAME rpz-passthru.\n32.9.2.0.192.rpz-ip CNAME rpz-passthru.\n"),
            try Self.list("ips", "24.0.2.0.192.rpz-ip CNAME .\n32.5.100.51.198.rpz-ip A 192.0.2.80\n"),
        ]
        let filter = NameFilter(rules)
        let verdict = { (address: String, name: String) in
            filter.verdict(onAddress: try IPAddress(parsing: address), of: try Self.name(name))
        }
        #expect(try Self.listing(verdict("192.0.2.1", "a.example"))?.action == .nxdomain)
        #expect(try verdict("192.0.2.1", "excepted.example") == .allowed)
        #expect(try verdict("192.0.2.1", "passed.example") == .allowed)
        #expect(try verdict("192.0.2.9", "a.example") == .allowed)
        #expect(try verdict("203.0.113.1", "a.example") == .allowed)
        let local = try #require(Self.listing(verdict("198.51.100.5", "a.example")))
        #expect(filter.records(of: local).map(\.data) == [.address(try IPAddress(parsing: "192.0.2.80"))])
        #expect(filter.lists[1].names.text(of: local.entry) == "198.51.100.5")
    }

    @Test func `what lists decide is counted`() throws {
        let hits = ListHits()
        var rules = NameFilter.Rules()
        rules.isOpen = true
        rules.lists = [try Self.list("l", "||bad.example^\nworse.example\n", hits)]
        let filter = NameFilter(rules)
        for _ in 0..<3 { _ = filter.verdict(on: try Self.name("a.bad.example")) }
        _ = filter.verdict(onAlias: try Self.name("worse.example"))
        _ = filter.verdict(on: try Self.name("fine.example"))
        _ = filter.judged(try Self.name("worse.example"))
        #expect(hits.total == 4)
        let names = filter.lists[0].names
        #expect(hits.top.map { "\(names.text(of: $0.entry)) \($0.hits)" } == ["*.bad.example 3", "worse.example 1"])
    }

    @Test func `the names that are hit most are found among many, from several threads`() async throws {
        let hits = ListHits()
        var rules = NameFilter.Rules()
        let text = (0..<1000).map { "n\($0).example\n" }.joined()
        rules.lists = [try Self.list("l", text, hits)]
        let filter = NameFilter(rules)
        let names = try (0..<1000).map { try Self.name("n\($0).example") }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for round in 0..<10_000 {
                        _ = filter.verdict(on: names[round % 1000])
                        if round % 4 == 0 { _ = filter.verdict(on: names[7]) }
                    }
                }
            }
        }
        #expect(hits.total == 50_000)
        let top = hits.top
        #expect(top.count <= ListHits.entries)
        #expect(top.first.map { rules.lists[0].names.text(of: $0.entry) } == "n7.example")
    }

    @Test func `no verdict allocates`() throws {
        var rules = NameFilter.Rules()
        rules.deny = try Self.patterns("*.denied.example")
        rules.allow = try Self.patterns("*.good.example")
        rules.exceptions = try Self.patterns("x.bad.example")
        rules.lists = [
            try Self.list("a", "||bad.example^\n", ListHits()), try Self.list("b", "24.0.2.0.192.rpz-ip CNAME .\n"),
        ]
        let filter = NameFilter(rules)
        let names = try ["a.denied.example", "a.good.example", "a.bad.example", "x.bad.example", "z.test"].map(
            Self.name)
        let address = try IPAddress(parsing: "192.0.2.1")
        for name in names {
            _ = filter.verdict(on: name)
            let before = cmalloc_count()
            _ = filter.verdict(on: name)
            _ = filter.verdict(onAlias: name)
            _ = filter.verdict(onAddress: address, of: name)
            #expect(cmalloc_count() - before == 0, "\(name)")
        }
    }

    // MARK: Reference

    /// What the filter does, said slowly.
    private struct Reference {
        struct Line {
            let pattern: HostPattern
            let action: NameList.Action
        }
        var deny: [HostPattern] = []
        var exceptions: [HostPattern] = []
        var lists: [[Line]] = []
        var allow: [HostPattern] = []
        var reachable: [HostPattern] = []
        var isOpen = false

        func refusal(_ name: DomainName) -> String? {
            if deny.contains(where: { $0.matches(name) }) { return "denied" }
            if exceptions.contains(where: { $0.matches(name) }) { return nil }
            for (index, list) in lists.enumerated() {
                let matching = list.filter { $0.pattern.matches(name) }
                let exact = matching.first { $0.pattern == .exact(name) }
                // Of names above one name, the longest is the one with the most characters.
                let best =
                    exact
                    ?? matching.reduce(nil) { best, line in
                        guard let best else { return line }
                        return "\(line.pattern)".utf8.count > "\(best.pattern)".utf8.count ? line : best
                    }
                if let best { return best.action == .passthru ? nil : "\(index) \(best.pattern) \(best.action)" }
            }
            return nil
        }

        func verdict(_ name: DomainName) -> String {
            refusal(name)
                ?? (isOpen || (allow + reachable).contains { $0.matches(name) } ? "allowed" : "not allowed")
        }
    }

    private static func text(_ verdict: NameFilter.Verdict, _ filter: NameFilter) -> String {
        switch verdict {
        case .allowed: return "allowed"
        case .refused(.denied): return "denied"
        case .refused(.notAllowed): return "not allowed"
        case .refused(.listed(let listing)), .allowedOverTCP(let listing):
            let entry = filter.lists[listing.list].names.text(of: listing.entry)
            return "\(listing.list) \(entry) \(listing.action)"
        }
    }

    private static func randomName(_ random: inout Generator) throws -> DomainName {
        let labels = (0..<Int.random(in: 1...4, using: &random)).map { _ in random.pick("a", "b", "ab", "c-c") }
        return try DomainName(parsing: (labels + [random.pick("x", "y")]).joined(separator: "."))
    }

    private static func randomPatterns(_ random: inout Generator, _ count: Int) throws -> [HostPattern] {
        try (0..<Int.random(in: 0...count, using: &random)).map { _ in
            let name = try randomName(&random)
            return random.oneIn(2) ? .exact(name) : .below(name)
        }
    }

    @Test func `verdicts are those of a plain reference`() throws {
        try forAll(1000) { random in
            var reference = Reference()
            reference.deny = try Self.randomPatterns(&random, 3)
            reference.exceptions = try Self.randomPatterns(&random, 3)
            reference.allow = try Self.randomPatterns(&random, 8)
            reference.reachable = try Self.randomPatterns(&random, 8)
            reference.isOpen = random.oneIn(3)
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                var known: Set<HostPattern> = []
                reference.lists.append(
                    try Self.randomPatterns(&random, 12).filter { known.insert($0).inserted }.map { pattern in
                        Reference.Line(pattern: pattern, action: random.pick(.nxdomain, .nodata, .drop, .passthru))
                    })
            }
            var rules = NameFilter.Rules()
            rules.deny = reference.deny
            rules.exceptions = reference.exceptions
            rules.allow = reference.allow
            rules.reachable = reference.reachable
            rules.isOpen = reference.isOpen
            rules.lists = try reference.lists.map { lines in
                let text = lines.map { line in
                    let target =
                        switch line.action {
                        case .nxdomain: "."
                        case .nodata: "*."
                        case .drop: "rpz-drop."
                        default: "rpz-passthru."
                        }
                    return "\(line.pattern) CNAME \(target)\n"
                }
                return NameFilter.List(
                    name: try Name(parsing: "l"), names: NameListParserTests.read(text.joined(), as: .rpz).list)
            }
            let filter = NameFilter(rules)
            for _ in 0..<20 {
                let name = try Self.randomName(&random)
                let wire = WireName(name)
                #expect(
                    Self.text(filter.verdict(on: wire), filter) == reference.verdict(name), "\(name) \(random.seed)")
                #expect(
                    Self.text(filter.verdict(onAlias: wire), filter) == reference.refusal(name) ?? "allowed",
                    "\(name) \(random.seed)")
            }
        }
    }
}
