import Domain
import PolicyCompiler
import TestSupport
import Testing

@Suite struct MutationTests {
    @Test func `twenty thousand mutated documents are read, or refused with a place inside the document`() throws {
        // A test of its own reads them all.
        let seeds = GoldenCase.all.compactMap { try? $0.text("policy.yaml") }
        try #require(seeds.count == GoldenCase.expectedCount)
        var (accepted, refused) = (0, 0)
        try forAll(20_000) { random in
            let text = Mutation.document(from: seeds, using: &random)
            let policy: ValidatedPolicy
            do throws(PolicyError) {
                policy = try Self.policy(text)
            } catch {
                refused += 1
                try #require(!error.diagnostics.isEmpty)
                return try error.diagnostics.forEach { try Self.requirePlace(of: $0, inside: text) }
            }
            accepted += 1
            let packet = PacketQuery(destination: IPv4Address(bits: 0xC633_6407), protocol: 6, port: 443)
            // What the compiler does not know yet, it may block.
            if Self.isCompiledInFull(policy) {
                // A rate is beside the way, and the policy's own judgement has ways alone.
                let compiled = compile(policy).way(for: packet)?.route
                try #require(compiled == policy.way(for: packet))
            }
            try policy.warnings.forEach { try Self.requirePlace(of: $0, inside: text) }
        }
        #expect(accepted > 1000 && refused > 1000, "\(accepted) read, \(refused) refused")
    }

    @Test func `random octets are refused`() throws {
        try forAll(2000) { random in
            let octets = (0..<Int.random(in: 1...200, using: &random)).map { _ in
                UInt8.random(in: random.oneIn(2) ? 0...255 : 0x20...0x7e, using: &random)
            }
            let text = String(decoding: octets, as: UTF8.self)
            let error = #expect(throws: PolicyError.self, "seed \(random.seed)") { try Self.policy(text) }
            try error?.diagnostics.forEach { try Self.requirePlace(of: $0, inside: text) }
        }
    }

    private static func policy(_ text: String) throws(PolicyError) -> ValidatedPolicy {
        try PolicyDocument(parsing: text, file: "mutated").validated(in: RandomPolicy.scope)
    }

    private static func isCompiledInFull(_ policy: ValidatedPolicy) -> Bool {
        policy.rules.allSatisfy { rule in
            rule.direction == .fromDevice && rule.schedule == nil
                && (rule.action == .block || rule.action == .route([.internet]))
        }
    }

    /// One line, of `text`, and one of its columns or the end of the line.
    private static func requirePlace(of diagnostic: Diagnostic, inside text: String) throws {
        let lines = Mutation.lines(of: text)
        let isOneLine = !"\(diagnostic)".contains { $0.isNewline }
        try #require(isOneLine, "\(diagnostic)")
        try #require(!diagnostic.message.isEmpty && (1...lines.count).contains(diagnostic.line), "\(diagnostic)")
        let columns = lines[diagnostic.line - 1].count
        try #require((1...(columns + 1)).contains(diagnostic.column), "\(diagnostic)")
    }
}
