import Crypto
import Domain
import RADIUS
import Testing

@Suite struct AuthenticatorTests {
    /// Against the library's HMAC, for secrets around MD5's block length of 64 octets and packets of many lengths.
    @Test func `Message-Authenticator is HMAC-MD5 as the library has it`() {
        var random = SystemRandomNumberGenerator()
        for length in [0, 1, 16, 63, 64, 65, 100, 128, 200] {
            let secret = (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            for attributes in [18, 40, 100, 255, 4000] {
                var packet = (0..<20 + attributes).map { _ in UInt8.random(in: .min ... .max, using: &random) }
                let authenticator = UInt128.random(in: .min ... .max, using: &random)
                let seen = Authenticator.messageAuthenticator(
                    of: packet.span, at: 22, authenticator: authenticator, secret: Secret(bytes: secret))
                for index in 0..<16 {
                    packet[4 + index] = UInt8(truncatingIfNeeded: authenticator >> (120 - 8 * index))
                    packet[22 + index] = 0
                }
                let expected = HMAC<Insecure.MD5>.authenticationCode(for: packet, using: SymmetricKey(data: secret))
                #expect(seen == expected.reduce(0) { $0 << 8 | UInt128($1) }, "\(length), \(attributes)")
            }
        }
    }
}
