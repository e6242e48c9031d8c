import Domain
public import PolicyCompiler

/// Random documents of all that a document can say, what they may name, and situations in which to judge packets.
extension RandomPolicy {
    /// What ``wholeDocument(using:)`` names outside the document.
    public static let scope = PolicyScope(
        lists: [
            name("office"): [item("198.51.100.0/28"), item("2001:db8:0:1::/64"), item("mqtt.acme.example")],
            name("plant"): [item("198.51.100.64/27"), item("2001:db8:0:2::/64")],
        ],
        groups: PolicyScope.groups([name("meters"), name("gateways")]),
        vpns: PolicyScope.vpns([name("hq"), name("backup"), name("partner")]),
        blocklists: [name("malware"), name("ads")],
        isTimeZone: { ["UTC", "Europe/Zurich", "America/New_York"].contains($0) })

    /// A document that is always right in ``scope``, of 0 to 12 rules.
    public static func wholeDocument(using random: inout Generator) -> RandomDocument {
        var document = RandomDocument()
        document.mode = random.pick("", "enforce", "monitor")
        for name in ["office", "own"] where random.oneIn(3) {
            document.lists.append((name, someItems(using: &random)))
        }
        if random.oneIn(2) { document.dns = dns(using: &random) }
        let lists = ["office", "plant"] + document.lists.map(\.name)
        for number in 0..<Int.random(in: 0...12, using: &random) {
            document.rules.append(wholeRule(number: number, lists: lists, using: &random))
        }
        return document
    }

    /// The names that addresses have in ``situation(at:)``: each address of 198.51.100.0/24 and of 2001:db8::/120 has
    /// one of them or none.
    public static let hosts = ["mqtt.acme.example", "a.fw.vendor.example", "b.a.fw.vendor.example", "pool.ntp.org"]

    /// Some of the addresses have names, some are devices', and it is `minute` in each time zone.
    public static func situation(at minute: Int) -> PolicySituation {
        let names = hosts.compactMap { try? DomainName(parsing: $0) }
        return PolicySituation(
            groups: { address in
                switch lastOctet(of: address) % 8 {
                case 6: [name("meters")]
                case 7: [name("gateways"), name("meters")]
                default: []
                }
            },
            names: { address in names.enumerated().filter { lastOctet(of: address) % 8 == $0.offset }.map(\.element) },
            addresses: { pattern in names.contains(where: pattern.matches) ? [.v4(IPv4Address(bits: 0xC633_6400))] : []
            },
            minuteOfWeek: { zone in zone == "UTC" ? minute : minute + 60 })
    }

    /// A packet near what the policy names, either way and of either family.
    public static func wholeQuery(for policy: ValidatedPolicy, using random: inout Generator) -> PacketQuery {
        let rule = policy.rules.randomElement(using: &random)
        let match = rule?.matches.randomElement(using: &random)
        let number = random.oneIn(4) ? random.pick(1, 6, 17, 58) : match?.protocol ?? 6
        let port = aPort(near: match?.ports.randomElement(using: &random), using: &random)
        let direction: PacketQuery.Direction =
            random.oneIn(3)
            ? .toDevice(source: address(using: &random), via: name(random.pick("hq", "backup"))) : .fromDevice
        return PacketQuery(
            destination: address(using: &random), protocol: number, port: number == 6 || number == 17 ? port : nil,
            direction: direction)
    }

    // MARK: Pieces

    private static func lastOctet(of address: IPAddress) -> Int {
        switch address {
        case .v4(let address): Int(address.bits & 0xff)
        case .v6(let address): Int(address.bits & 0xff)
        }
    }

    private static func address(using random: inout Generator) -> IPAddress {
        let octet = UInt32.random(in: 0...255, using: &random)
        guard random.oneIn(3) else { return .v4(IPv4Address(bits: 0xC633_6400 + octet)) }
        let network: UInt128 = 0x2001_0db8_0000_0000 + UInt128(random.pick(0, 1, 2, 3))
        return .v6(IPv6Address(bits: network << 64 | UInt128(octet)))
    }

    private static func someItems(using random: inout Generator) -> [String] {
        (0..<Int.random(in: 1...4, using: &random)).map { _ in anItem(using: &random) }
    }

    private static func anItem(using random: inout Generator) -> String {
        switch Int.random(in: 0..<6, using: &random) {
        case 0:
            return random.pick("mqtt.acme.example", "*.fw.vendor.example", "*.acme.example", "a.fw.vendor.example")
        case 1, 2: return random.pick("2001:db8::/32", "2001:db8::/64", "2001:db8:0:2::/63", "2001:db8::7", "::/0")
        default: return destinations(using: &random).first { $0 != "any" } ?? "198.51.100.0/25"
        }
    }

    private static func dns(using random: inout Generator) -> RandomDocument.DNS {
        var dns = RandomDocument.DNS()
        let patterns = { (random: inout Generator) -> [String] in
            let all = ["*.acme.example", "pool.ntp.org", "*.ads.example", "mqtt.acme.example", "*.example"]
            return all.filter { _ in random.oneIn(3) }
        }
        dns.default = random.pick("", "block", "allow")
        dns.allow = patterns(&random)
        dns.deny = patterns(&random)
        dns.blocklists = ["malware", "ads"].filter { _ in random.oneIn(3) }
        dns.answer = random.pick("", "nxdomain", "nodata", "refused", "192.0.2.80", "2001:db8::80")
        return dns
    }

    private static func wholeRule(
        number: Int, lists: [String], using random: inout Generator
    ) -> RandomDocument.Rule {
        var rule = RandomDocument.Rule(name: "rule-\(number)", to: [], outcome: .action(random.pick("allow", "block")))
        switch Int.random(in: 0..<6, using: &random) {
        case 0:
            rule.direction = "to-device"
            rule.via = random.pick("vpn:hq", "vpn:backup")
            rule.to = random.pick([], ["any"], ["group:meters"], ["group:meters", "group:gateways"])
            rule.from = random.pick([], ["any"], ["list:plant"], ["198.51.100.0/25", "2001:db8::/32"])
        case 1: rule.to = random.pick(["group:meters"], ["group:gateways", "group:meters"])
        default:
            rule.direction = random.pick("", "", "from-device")
            rule.to = random.oneIn(6) ? ["any"] : someItems(using: &random)
            if rule.to != ["any"], random.oneIn(3), let list = lists.randomElement(using: &random) {
                rule.to.append("list:\(list)")
            }
            rule.outcome = random.pick(
                .action("block"), .route(["internet"]), .route(["vpn:hq"]), .route(["vpn:backup", "vpn:hq"]))
            if case .route = rule.outcome, random.oneIn(4) { rule.bandwidth = bandwidth(using: &random) }
        }
        traffic(of: &rule, using: &random)
        if random.oneIn(4) { rule.schedule = schedule(using: &random) }
        rule.log = random.pick("", "", "true", "false")
        let isBetween = rule.direction != "to-device" && rule.outcome == .action("allow")
        rule.usage = rule.isBlocking || isBetween ? random.pick("", "false") : random.pick("", "", "true", "false")
        return rule
    }

    private static func traffic(of rule: inout RandomDocument.Rule, using random: inout Generator) {
        if random.oneIn(3) {
            rule.services = random.pick(["https"], ["mqtts", "coaps"], ["dns", "ntp"], ["ping"], ["coap", "lwm2m"])
            return
        }
        rule.protocol = random.pick("tcp", "udp", "icmp", "icmpv6", "any", "6", "47", "")
        guard ["tcp", "udp", "6"].contains(rule.protocol), !random.oneIn(4) else { return }
        for _ in 0..<Int.random(in: 1...3, using: &random) { rule.ports.append(portRange(using: &random)) }
    }

    /// Rates that no test's packets come near, so that what a rule decides is what passes.
    private static func bandwidth(using random: inout Generator) -> RandomDocument.Bandwidth {
        let rate = { (random: inout Generator) in random.pick("100Mbit/s", "250000kbit/s", "1Gbit/s") }
        var bandwidth = RandomDocument.Bandwidth()
        if random.oneIn(3) { bandwidth.burst = random.pick("64KB", "20MB") }
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bandwidth.up = rate(&random)
        case 1: bandwidth.down = rate(&random)
        default: (bandwidth.up, bandwidth.down) = (rate(&random), rate(&random))
        }
        return bandwidth
    }

    private static func schedule(using random: inout Generator) -> RandomDocument.Schedule {
        var schedule = RandomDocument.Schedule()
        schedule.days = random.pick([], ["mon-fri"], ["sat", "sun"], ["sat-mon"], ["wed"])
        schedule.from = random.pick("", "00:00", "01:00", "22:30")
        schedule.to = random.pick("", "05:00", "24:00", "12:15")
        if schedule.days.isEmpty, schedule.from.isEmpty, schedule.to.isEmpty { schedule.days = ["mon"] }
        schedule.zone = random.pick("", "UTC", "Europe/Zurich", "America/New_York")
        return schedule
    }

    // What is written here is right.

    private static func name(_ text: String) -> Name {
        guard let name = try? Name(parsing: text) else { preconditionFailure(text) }
        return name
    }

    private static func item(_ text: String) -> ListItem {
        guard let item = try? ListItem(parsing: text) else { preconditionFailure(text) }
        return item
    }
}
