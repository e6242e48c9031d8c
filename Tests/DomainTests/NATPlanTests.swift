import Domain
import TestSupport
import Testing

@Suite struct NATPlanTests {
    private static func plan(
        _ prefixes: [String], ports: UInt16 = 512, first: UInt16 = 1024
    ) throws -> NATPlan {
        try NATPlan(
            publicPrefixes: prefixes.map { try IPv4Prefix(parsing: $0) }, portsPerDevice: ports, firstPort: first)
    }

    @Test func `the default holds 126 devices an address`() throws {
        let plan = try Self.plan(["203.0.113.0/30", "198.51.100.7"])
        #expect(plan.blocksPerAddress == 126)
        #expect(plan.capacity == 630)
        let cases: KeyValuePairs<Int64, String> = [
            0: "203.0.113.0 1024-1535", 1: "203.0.113.0 1536-2047", 125: "203.0.113.0 65024-65535",
            126: "203.0.113.1 1024-1535", 503: "203.0.113.3 65024-65535", 504: "198.51.100.7 1024-1535",
            629: "198.51.100.7 65024-65535",
        ]
        for (index, text) in cases { #expect(Self.text(plan.binding(index: index)) == text) }
        for index in [630, 631, -1, Int64.min, Int64.max] { #expect(plan.binding(index: index) == nil, "\(index)") }
    }

    @Test func `a plan comes back from its text`() throws {
        for plan in [
            try Self.plan(["203.0.113.0/30", "198.51.100.7"]), try Self.plan(["0.0.0.0/0"], ports: 1, first: 32_768),
        ] {
            #expect(try NATPlan(parsing: plan.description) == plan)
        }
        #expect(
            try Self.plan(["203.0.113.0/30", "198.51.100.7"]).description == "203.0.113.0/30,198.51.100.7 512 1024")
        for text in ["", " 512 1024", "203.0.113.0/30 512", "203.0.113.0/30 0 1024", "203.0.113.0/30 512 1024 1"] {
            #expect(throws: ParseError.self) { try NATPlan(parsing: text) }
        }
    }

    @Test func `the widest and the narrowest plans work`() throws {
        let single = try Self.plan(["203.0.113.1"], ports: 32_768, first: 32_768)
        #expect(single.capacity == 1)
        #expect(Self.text(single.binding(index: 0)) == "203.0.113.1 32768-65535")
        let ones = try Self.plan(["203.0.113.1"], ports: 1)
        #expect(ones.capacity == 64_512)
        #expect(Self.text(ones.binding(index: 64_511)) == "203.0.113.1 65535-65535")
        let all = try Self.plan(["0.0.0.0/0"], ports: 1)
        #expect(all.capacity == 64_512 << 32)
        #expect(Self.text(all.binding(index: 64_512 << 32 - 1)) == "255.255.255.255 65535-65535")
        #expect(all.binding(index: 64_512 << 32) == nil)
    }

    @Test func `wrong plans are refused with what would be right`() throws {
        let refusals: [(plan: () throws -> NATPlan, sentence: String)] = [
            ({ try Self.plan([]) }, "\"\" is not a NAT plan: give at least one public address"),
            (
                { try Self.plan(["203.0.113.1"], ports: 0) },
                "\"0\" is not a port block size: write a number from 1 to 32768"
            ),
            (
                { try Self.plan(["203.0.113.1"], ports: 32_769) },
                "\"32769\" is not a port block size: write a number from 1 to 32768"
            ),
            (
                { try Self.plan(["203.0.113.1"], first: 1023) },
                "\"1023\" is not a first NAT port: write a number from 1024 to 32768"
            ),
            (
                { try Self.plan(["203.0.113.1"], first: 32_769) },
                "\"32769\" is not a first NAT port: write a number from 1024 to 32768"
            ),
            (
                { try Self.plan(["203.0.113.8", "198.51.100.0/24", "203.0.113.0/28"]) },
                "\"203.0.113.0/28, 203.0.113.8\" is not a NAT plan: give each public address once"
            ),
            (
                { try Self.plan(["203.0.113.8", "203.0.113.8"]) },
                "\"203.0.113.8, 203.0.113.8\" is not a NAT plan: give each public address once"
            ),
        ]
        for (plan, sentence) in refusals {
            let error = #expect(throws: ParseError.self) { _ = try plan() }
            #expect(error?.description == sentence)
        }
    }

    /// Complete: as many bindings as the capacity says, and no port from the first on is left but those that make no
    /// whole block. Disjoint: no port of an address is in two.
    @Test func `bindings are disjoint, inside the public addresses and complete`() throws {
        try forAll(500) { random in
            let (ports, first) = (
                UInt16.random(in: random.oneIn(8) ? 1...32_768 : 2000...16_000, using: &random),
                random.pick(1024, 32_768, UInt16.random(in: 1024...32_768, using: &random))
            )
            let lengths = (0..<Int.random(in: 1...3, using: &random)).map { _ in
                UInt8.random(in: 29...32, using: &random)
            }
            let prefixes = lengths.enumerated().map { offset, length in
                IPv4Prefix(containing: IPv4Address(bits: 0xCB00_7100 + UInt32(offset) * 16), length: length)
            }.shuffled(using: &random)
            let plan = try NATPlan(publicPrefixes: prefixes, portsPerDevice: ports, firstPort: first)
            try #require(plan.capacity > 0)
            var last: [IPv4Address: UInt16] = [:]
            for index in 0..<Int64(min(plan.capacity, 2000)) {
                let binding = try #require(plan.binding(index: index))
                try #require(prefixes.contains { $0.contains(binding.publicAddress) })
                try #require(binding.lastPort - binding.firstPort + 1 == ports)
                for port in [binding.firstPort, binding.lastPort] {
                    try #require(plan.index(publicAddress: binding.publicAddress, port: port) == index)
                }
                try #require(plan.indexes(publicAddress: binding.publicAddress)?.contains(index) == true)
                // Blocks of an address follow one another, from the first port on.
                let previous = last.updateValue(binding.lastPort, forKey: binding.publicAddress) ?? first - 1
                try #require(binding.firstPort == previous + 1, "\(index)")
            }
            try #require(plan.binding(index: Int64(plan.capacity)) == nil)
            guard plan.capacity <= 2000 else { return }
            try #require(UInt64(last.count) == prefixes.reduce(0) { $0 + $1.count })
            try #require(last.values.allSatisfy { 65_535 - UInt32($0) < UInt32(ports) })
        }
    }

    @Test func `ports in no block and addresses of somebody else belong to no lease`() throws {
        let plan = try Self.plan(["203.0.113.8", "198.51.100.0/31"], ports: 20_000, first: 2000)
        let index = { (address: String, port: UInt16) throws in
            plan.index(publicAddress: try IPv4Address(parsing: address), port: port)
        }
        #expect(try index("203.0.113.8", 2000) == 0)
        #expect(try index("198.51.100.1", 61_999) == 8)
        #expect(try index("203.0.113.8", 1999) == nil)
        // What is left after the last whole block.
        #expect(try index("203.0.113.8", 62_000) == nil)
        #expect(try index("203.0.113.9", 2000) == nil)
        #expect(try plan.indexes(publicAddress: IPv4Address(parsing: "198.51.100.0")) == 3...5)
        #expect(try plan.indexes(publicAddress: IPv4Address(parsing: "198.51.100.2")) == nil)
    }

    private static func text(_ binding: NATBinding?) -> String {
        binding.map { "\($0.publicAddress) \($0.firstPort)-\($0.lastPort)" } ?? "none"
    }
}
