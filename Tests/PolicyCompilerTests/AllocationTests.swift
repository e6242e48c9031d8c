import CMallocCount
import Domain
import PolicyCompiler
import TestSupport
import Testing

@Suite struct AllocationTests {
    /// The sweep of tracked flows asks for each of them.
    @Test func `a ruleset's verdict allocates nothing, in small layers and in those that are searched`() throws {
        let entries = (0..<200).map { (number: UInt32) in
            Ruleset.Entry(
                destination: IPv4Prefix(containing: IPv4Address(bits: 0x0a00_0000 + number << 8), length: 24),
                protocols: 6...6, ports: 443...443, rule: 0)
        }
        var rulesets =
            [Ruleset.blockAll] + [[entries], [[], entries]].map { Ruleset(layers: $0, verdicts: [.internet]) }
        var random = Generator(seed: 1)
        for _ in 0..<20 { rulesets.append(compile(try RandomPolicy.policy(using: &random))) }
        let compiling = cmalloc_count()
        rulesets.append(compile(try RandomPolicy.policy(using: &random)))
        #expect(cmalloc_count() > compiling)
        for ruleset in rulesets {
            for bits in stride(from: UInt32(0x09ff_ff00), to: 0x0a01_0000, by: 0x40) {
                let packet = PacketQuery(destination: IPv4Address(bits: bits), protocol: 6, port: 443)
                let before = cmalloc_count()
                _ = ruleset.way(for: packet)
                let allocations = cmalloc_count() - before
                #expect(allocations == 0)
            }
        }
    }
}
