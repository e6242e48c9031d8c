import Domain
import Testing

@Suite struct SecretTests {
    private struct Holder {
        let name = "pgw-1"
        let secret: Secret
        let optional: Secret?
    }

    private static let bytes = Array("hunter2".utf8)
    private static let secret = Secret(bytes: bytes)

    @Test func `is never printed, in whatever way it is asked for`() {
        let holder = Holder(secret: Self.secret, optional: Self.secret)
        var texts = [
            Self.secret.description, Self.secret.debugDescription, "\(Self.secret)", String(describing: Self.secret),
            String(reflecting: Self.secret), "\([Self.secret])", "\(["key": Self.secret])",
            "\(Optional(Self.secret).debugDescription)", "\(holder)", String(reflecting: holder),
            "\(Result<Secret, ParseError>.success(Self.secret))", "\((1, Self.secret))",
        ]
        for value: Any in [Self.secret, holder, [Self.secret], [Self.secret: 1]] as [Any] {
            var dumped = ""
            dump(value, to: &dumped)
            texts.append(dumped)
        }
        var printed = ""
        print(Self.secret, holder, to: &printed)
        debugPrint(Self.secret, holder, to: &printed)
        texts.append(printed)
        for text in texts {
            #expect(text.contains("<secret>"), "\(text)")
            #expect(
                !text.contains("hunter2") && !text.contains("bytes") && !text.contains("\(Self.bytes[0])"), "\(text)")
            #expect(!text.contains("UInt8"), "\(text)")
        }
    }

    @Test func `shows nothing to reflection`() {
        #expect(Mirror(reflecting: Self.secret).children.isEmpty)
        #expect(Mirror(reflecting: Self.secret).descendant("bytes") == nil)
    }

    @Test func `is compared by its octets`() {
        #expect(Self.secret == Secret(bytes: Self.bytes))
        #expect(Self.secret != Secret(bytes: Array("hunter3".utf8)))
        #expect(Self.secret.bytes == Self.bytes)
    }
}
