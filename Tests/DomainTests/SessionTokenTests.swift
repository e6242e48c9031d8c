import Domain
import TestSupport
import Testing

@Suite struct SessionTokenTests {
    @Test func `prints thirty-two digits and reads them back`() throws {
        #expect(SessionToken(bits: 0).description == String(repeating: "0", count: 32))
        #expect(SessionToken(bits: .max).description == String(repeating: "f", count: 32))
        #expect(SessionToken(bits: 0xAB).description == String(repeating: "0", count: 30) + "ab")
        try forAll(2000) { random in
            let token = SessionToken(
                bits: UInt128.random(in: 0...UInt128.max, using: &random) >> UInt128.random(in: 0...127, using: &random)
            )
            try #require(SessionToken(hex: token.description) == token)
            try #require(SessionToken(hex: token.description.uppercased()) == token)
            try #require(token.description.utf8.count == 32)
        }
    }

    @Test func `is nothing but thirty-two digits`() {
        let zeros = String(repeating: "0", count: 30)
        for text in [
            "", "0", zeros, "\(zeros)0", "\(zeros)000", "\(zeros)0g", "+\(zeros)0", "-\(zeros)0", "0x\(zeros)",
            " \(zeros)0", "\(zeros)0\n", "\(zeros.dropLast(1))٠0", "\(zeros.dropLast(1))_00",
        ] {
            #expect(SessionToken(hex: text) == nil, "\(text)")
        }
    }

    @Test func `random ones differ`() {
        let now = Timestamp(milliseconds: 1_764_163_200_123)
        let tokens = (0..<1000).map { _ in SessionToken.random(at: now) }
        #expect(Set(tokens).count == 1000)
        #expect(tokens.allSatisfy { $0.bits >> 80 == 1_764_163_200_123 })
        #expect(
            tokens.allSatisfy { $0.bits < SessionToken.random(at: Timestamp(milliseconds: 1_764_163_200_124)).bits })
    }
}
