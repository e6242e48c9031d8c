import Domain
public import PolicyCompiler

/// Random policy documents, and packets for them. Addresses, protocols and ports come from small sets, so that rules
/// overlap often and packets meet them often. Here are documents of IPv4 destinations, protocols and ports, to the internet
/// or nowhere; whole ones have a file of their own.
public enum RandomPolicy {
    /// A document that is always right, of 0 to 12 rules.
    public static func document(using random: inout Generator) -> String { pieces(using: &random).yaml }

    /// The same before it is written.
    public static func pieces(using random: inout Generator) -> RandomDocument {
        var document = RandomDocument()
        for number in 0..<Int.random(in: 0...12, using: &random) {
            document.rules.append(rule(number: number, using: &random))
        }
        return document
    }

    /// Packets to the edges of the policy's prefixes and port ranges, and one step outside them, with protocols that it
    /// names and some that it does not. The port is `nil` exactly for protocols without ports.
    public static func queries(
        for policy: ValidatedPolicy, using random: inout Generator, count: Int
    ) -> [PacketQuery] {
        let prefixes = policy.rules.flatMap(\.ipv4)
        let ranges = policy.rules.flatMap(\.matches).flatMap(\.ports)
        let protocols = policy.rules.flatMap(\.matches).compactMap(\.protocol)
        return (0..<count).map { _ in
            let address = anAddress(near: prefixes.randomElement(using: &random), using: &random)
            let known = protocols.randomElement(using: &random) ?? 6
            let number = random.pick(known, known, 1, 6, 17, 47, 132)
            let port = aPort(near: ranges.randomElement(using: &random), using: &random)
            return PacketQuery(
                destination: address, protocol: number, port: number == 6 || number == 17 ? port : nil)
        }
    }

    /// Somewhere in 198.51.100.0/24, where most of the prefixes are too.
    static func anAddress(near prefix: IPv4Prefix?, using random: inout Generator) -> IPv4Address {
        let anywhere = IPv4Address(bits: 0xC633_6400 + UInt32.random(in: 0...255, using: &random))
        guard let prefix, prefix.length > 0, !random.oneIn(4) else { return anywhere }
        let bits = random.pick(
            prefix.first.bits, prefix.last.bits, prefix.first.bits &- 1, prefix.last.bits &+ 1,
            UInt32.random(in: prefix.first.bits...prefix.last.bits, using: &random))
        return IPv4Address(bits: bits)
    }

    /// 1...65535.
    static func aPort(near range: ClosedRange<UInt16>?, using random: inout Generator) -> UInt16 {
        guard let range, !random.oneIn(4) else { return UInt16.random(in: 1...40, using: &random) }
        let port = random.pick(
            range.lowerBound, range.upperBound, range.lowerBound &- 1, range.upperBound &+ 1,
            UInt16.random(in: range, using: &random))
        return max(1, port)
    }

    private static func rule(number: Int, using random: inout Generator) -> RandomDocument.Rule {
        let to = destinations(using: &random)
        let named = random.pick("tcp", "tcp", "udp", "udp", "icmp", "any", "6", "17", "47", "")
        var ports: [String] = []
        if ["tcp", "udp", "6", "17"].contains(named), !random.oneIn(4) {
            for _ in 0..<Int.random(in: 1...4, using: &random) { ports.append(portRange(using: &random)) }
        }
        return RandomDocument.Rule(
            name: "rule-\(number)", to: to, protocol: named, ports: ports,
            outcome: random.pick(.route(["internet"]), .route(["internet"]), .action("block")))
    }

    static func destinations(using random: inout Generator) -> [String] {
        if random.oneIn(8) { return ["any"] }
        return (0..<Int.random(in: 1...5, using: &random)).map { _ in
            IPv4Prefix(
                containing: IPv4Address(bits: 0xC633_6400 + UInt32.random(in: 0...255, using: &random)),
                length: random.pick(24, 25, 26, 28, 30, 31, 32, 32, 8, 1)
            ).description
        }
    }

    static func portRange(using random: inout Generator) -> String {
        let first = random.pick(UInt16.random(in: 1...40, using: &random), 1, 65_535, 65_500)
        guard random.oneIn(2) else { return "\(first)" }
        return "\(first)-\(min(65_535, UInt32(first) + UInt32.random(in: 0...20, using: &random)))"
    }
}
