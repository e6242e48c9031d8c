import DNS
import Domain
import TestSupport
import Testing

@Suite struct NameListParserTests {
    static func read(
        _ text: String, as format: BlocklistFormat = .auto, limit: Int = NameListParser.standardLimit,
        pieces size: Int = .max
    ) -> (list: NameList, report: NameListReport) {
        read(Array(text.utf8), as: format, limit: limit, pieces: size)
    }

    static func read(
        _ bytes: [UInt8], as format: BlocklistFormat = .auto, limit: Int = NameListParser.standardLimit,
        pieces size: Int = .max
    ) -> (list: NameList, report: NameListReport) {
        var parser = NameListParser(format: format, limit: limit)
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, size == .max ? bytes.count : start + size)
            parser.consume(bytes.span.extracting(start..<end))
            start = end
        }
        return parser.finish()
    }

    static func name(_ text: String) throws -> WireName { WireName(try DomainName(parsing: text)) }

    private static func action(_ list: NameList, _ text: String) throws -> NameList.Action? {
        list.match(try name(text))?.action
    }

    private static func action(_ list: NameList, at address: String) throws -> NameList.Action? {
        list.match(try IPAddress(parsing: address))?.action
    }

    private static func records(_ list: NameList, _ text: String) throws -> [LocalRecord] {
        try list.match(name(text)).map { list.records(of: $0.entry) } ?? []
    }

    private static func reasons(_ report: NameListReport) -> [String] { report.junk.map { "\($0.line) \($0.reason)" } }

    // MARK: Hosts files and plain lists

    @Test func `hosts files: names behind null and loopback addresses, none of the machine's own`() throws {
        let (list, report) = Self.read(
            """
            # Title: hosts
            127.0.0.1 localhost
            127.0.0.1 localhost.localdomain
            ::1\tip6-localhost ip6-loopback
            255.255.255.255 broadcasthost
            fe80::1%lo0 localhost
            0.0.0.0 0.0.0.0
            0.0.0.0 ads.example # why
            0.0.0.0\tTRACK.example   pixel.example.\r
            :: six.example
            127.0.0.1 old.example
            0.0.0.0 ads.example
            192.0.2.1 intranet.example
            0.0.0.0 not_a-name.exa$mple
            0.0.0.0
            nothing here
            0.0.0.0 a..example
            """)
        #expect(report.format == .hosts)
        #expect(report.count == NameList.Count(names: 5) && list.count == report.count)
        #expect(report.lines == 17 && report.repeated == 1)
        #expect(Self.reasons(report) == ["13 notBlocking", "14 notName", "16 wrongRecord", "17 notName"])
        for name in ["ads.example", "track.example", "pixel.example", "six.example", "old.example"] {
            #expect(try Self.action(list, name) == .block)
        }
        #expect(try Self.action(list, "sub.ads.example") == nil)
        #expect(try Self.action(list, "localhost") == nil)
    }

    @Test func `plain lists: names, wildcards, and both`() throws {
        let (list, report) = Self.read(
            """
            ! Title
            [Adblock Plus 2.0]
            # comment
            exact.example
            *.below.example   # inline
            ||both.example^
            ||part.example^$third-party
            @@||allowed.example^
            192.0.2.7
            two words
            x.*.example
            """)
        #expect(report.format == .plain)
        #expect(report.count == NameList.Count(names: 2, wildcards: 2))
        #expect(
            Self.reasons(report) == ["7 moreThanName", "8 moreThanName", "9 notName", "10 notName", "11 notName"])
        #expect(report.junk.first?.text == "||part.example^$third-party")
        let blocked = [
            "exact.example": true, "a.exact.example": false, "below.example": false, "a.below.example": true,
            "a.b.below.example": true, "both.example": true, "a.both.example": true, "xboth.example": false,
        ]
        for (name, isBlocked) in blocked {
            #expect(try Self.action(list, name) == (isBlocked ? .block : nil), "\(name)")
        }
        #expect(try list.match(Self.name("a.b.below.example")).map { list.text(of: $0.entry) } == "*.below.example")
    }

    @Test func `what cannot be used is counted, and the first of it shown`() {
        let (list, report) = Self.read(
            (0..<100).map { "bad name \($0) \u{1b}[31m" }.joined(separator: "\n") + "\nx.example\n"
                + String(repeating: "y", count: 70_000) + "\n" + String(repeating: "z.", count: 200), as: .plain)
        #expect(list.count.names == 1)
        #expect(report.junkCount == 102 && report.junk.count == NameListReport.maximumJunk && report.lines == 103)
        #expect(report.junk[0] == .init(line: 1, text: "bad name 0 ?[31m", reason: .notName))
    }

    @Test func `a list has as many names as it may`() throws {
        let (list, report) = Self.read("a.example\nb.example\n*.c.example\nb.example\nd.example", limit: 2)
        #expect(list.count.names == 2 && list.count.wildcards == 0)
        #expect(Self.reasons(report) == ["3 full", "5 full"] && report.repeated == 1)
    }

    // MARK: Zones

    private static let zone = """
        $TTL 2h ; two hours
        $ORIGIN rpz.vendor.example.
        @ 300 IN SOA localhost. root.localhost. (
              2026112801 ; serial
              12h 15m 3w 2h )
          IN NS localhost.
        ; draft-vixie-dnsop-dns-rpz-00 §3
        nxdomain.example CNAME .
        *.nxdomain.example CNAME .
        nodata.example 60 IN CNAME *.
        *.deep.nxdomain.example CNAME rpz-passthru.
        good.deep.nxdomain.example IN 60 CNAME rpz-passthru.
        self.example CNAME self.example.
        drop.example CNAME rpz-drop.
        tcp.example CNAME rpz-tcp-only.
        ABSOLUTE.example.rpz.vendor.example. CNAME .
        local.example A 192.0.2.80
                      AAAA 2001:db8::80
                      TXT "two words" plain "es\\"caped \\065"
        local.example 30 A 192.0.2.81
        garden.example CNAME walled.garden.example.
        *.garden.example CNAME *.garden.example.
        24.0.2.0.192.rpz-ip CNAME .
        32.7.2.0.192.rpz-ip CNAME rpz-passthru.
        48.zz.2.db8.2001.rpz-ip CNAME *.
        128.1.zz.rpz-ip CNAME .
        $ORIGIN com.rpz.vendor.example.
        under CNAME .
        """

    @Test func `zones: every trigger and action that is supported`() throws {
        let (list, report) = Self.read(Self.zone)
        #expect(report.format == .rpz)
        #expect(Self.reasons(report) == [])
        #expect(report.count == NameList.Count(names: 10, wildcards: 3, prefixes: 4))
        let actions: [(String, NameList.Action?)] = [
            ("nxdomain.example", .nxdomain), ("a.b.nxdomain.example", .nxdomain), ("nodata.example", .nodata),
            ("a.deep.nxdomain.example", .passthru), ("deep.nxdomain.example", .nxdomain),
            ("good.deep.nxdomain.example", .passthru), ("drop.example", .drop), ("tcp.example", .tcpOnly),
            ("absolute.example", .nxdomain), ("local.example", .local), ("garden.example", .local),
            ("a.garden.example", .local), ("under.com", .nxdomain), ("under", nil), ("example", nil),
            ("a.nodata.example", nil),
        ]
        for (name, action) in actions { #expect(try Self.action(list, name) == action, "\(name)") }
        #expect(
            try Self.records(list, "local.example") == [
                .init(data: .address(IPAddress(parsing: "192.0.2.80")), timeToLive: 7200),
                .init(data: .address(IPAddress(parsing: "2001:db8::80")), timeToLive: 7200),
                .init(
                    data: .text([Array("two words".utf8), Array("plain".utf8), Array("es\"caped A".utf8)]),
                    timeToLive: 7200),
                .init(data: .address(IPAddress(parsing: "192.0.2.81")), timeToLive: 30),
            ])
        #expect(
            try Self.records(list, "garden.example").map(\.data) == [.alias(Self.name("walled.garden.example"))])
        #expect(
            try Self.records(list, "x.garden.example").map(\.data) == [.aliasBelow(Self.name("garden.example"))])
        let addresses: [(String, NameList.Action?)] = [
            ("192.0.2.1", .nxdomain), ("192.0.2.7", .passthru), ("192.0.3.1", nil), ("2001:db8:2::9", .nodata),
            ("2001:db8:3::9", nil), ("::1", .nxdomain), ("::2", nil),
        ]
        for (address, action) in addresses { #expect(try Self.action(list, at: address) == action, "\(address)") }
        let entry = try #require(list.match(try IPAddress(parsing: "2001:db8:2::9"))?.entry)
        #expect(list.text(of: entry) == "2001:db8:2::/48")
    }

    @Test func `zones: what is not supported is reported`() {
        let (list, report) = Self.read(
            """
            $ORIGIN z.example.
            @ SOA a. b. 1 1 1 1 1
            @ NS localhost.
            32.1.2.0.192.rpz-client-ip CNAME .
            ns.evil.rpz-nsdname CNAME .
            24.0.2.0.192.rpz-nsip CNAME .
            mail.example MX 10 mx.example.
            other.example. CNAME .
            33.1.2.0.192.rpz-ip CNAME .
            24.1.2.0.192.rpz-ip CNAME .
            x.example CNAME
            x.example A 192.0.2.300
            x.example CNAME .
            x.example A 192.0.2.3
            x.example RRSIG A 8 2 60 20260101000000 20250101000000 1 z.example. AAAA
            $INCLUDE other.zone
            a..b CNAME .
              CNAME .
            ) CNAME .
            last.example TXT ( "open
            """)
        #expect(
            Self.reasons(report) == [
                "4 trigger", "5 trigger", "6 trigger", "7 type", "8 outsideZone", "9 wrongPrefix", "10 wrongPrefix",
                "11 wrongRecord", "12 wrongRecord", "14 contradicts",
            ])
        // $INCLUDE, a..b, the parenthesis, and the end.
        #expect(report.junkCount == 14)
        #expect(list.count == NameList.Count(names: 1))
    }

    @Test func `zones: the zone's name comes from the start of authority`() throws {
        let texts = [
            "rpz.example. SOA a. b. 1 1 1 1 1\nx.y CNAME .\nz.rpz.example. CNAME .\n",
            "$ORIGIN example.\nrpz SOA a. b. 1 1 1 1 1\nx.y.rpz CNAME .\nz.rpz CNAME .\n",
            "@ SOA a. b. 1 1 1 1 1\nx.y CNAME .\nz CNAME .\n", "x.y CNAME .\nz CNAME .\n",
        ]
        for text in texts {
            let (list, report) = Self.read(text, as: .rpz)
            #expect(report.junk == [] && list.count.names == 2, "\(text)")
            #expect(try Self.action(list, "x.y") == .nxdomain && Self.action(list, "z") == .nxdomain, "\(text)")
        }
    }

    @Test func `a name of any octets, and one for all names`() throws {
        let (list, report) = Self.read("a\\.b\\000.example CNAME .\n* CNAME rpz-passthru.\n", as: .rpz)
        #expect(report.junk == [])
        let odd = try #require(WireName([4, 97, 46, 98, 0, 7] + Array("example".utf8) + [0]))
        #expect(list.match(odd)?.action == .nxdomain)
        #expect(try Self.action(list, "anything.test") == .passthru)
        #expect(try list.match(Self.name("anything.test")).map { list.text(of: $0.entry) } == "*")
        #expect(list.match(.root) == nil)
    }

    // MARK: Properties

    @Test func `in whatever pieces a text comes, the list is the same`() throws {
        let texts = [
            Self.zone, "0.0.0.0 a.example\r\n0.0.0.0 b.example\n\n0.0.0.0 c.example", "a.example\n*.b.example",
        ]
        for text in texts {
            let whole = Self.read(text).report
            for size in [1, 2, 3, 7, 64] { #expect(Self.read(text, pieces: size).report == whole) }
        }
    }

    @Test func `no text is too strange to read`() throws {
        let seeds = [Self.zone, "0.0.0.0 a.example # x\n::1 b.example\n", "||a.example^\n*.b.example\nc.example\n"]
        try forAll(2000) { random in
            var bytes = Array((seeds.randomElement(using: &random) ?? "").utf8)
            for _ in 0..<Int.random(in: 1...20, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(random.pick(10, 34, 40, 41, 46, 92, 59, 36), at: index)
                default: bytes += bytes[index..<min(bytes.count, index + 40)]
                }
                if bytes.isEmpty { bytes = [0] }
            }
            let (list, report) = Self.read(
                bytes, as: random.pick(.auto, .rpz, .hosts, .plain), pieces: Int.random(in: 1...100, using: &random))
            #expect(report.count == list.count && report.junk.count <= NameListReport.maximumJunk, "\(random.seed)")
        }
    }
}
