import Domain
import Testing

@Suite struct IPAddressTests {
    @Test func `reads both families and orders IPv4 first`() throws {
        let texts = ["::1", "192.0.2.1", "2001:db8::1", "9.0.0.0"]
        let addresses = try texts.map(IPAddress.init(parsing:)).sorted()
        #expect(addresses.map(\.description) == ["9.0.0.0", "192.0.2.1", "::1", "2001:db8::1"])
        #expect(addresses[0] == .v4(IPv4Address(bits: 0x0900_0000)))
        #expect(throws: ParseError.self) { try IPAddress(parsing: "1.2.3") }
        #expect(throws: ParseError.self) { try IPAddress(parsing: "1:2") }
    }
}
