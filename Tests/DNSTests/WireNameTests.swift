import DNS
import Domain
import Testing

@Suite struct WireNameTests {
    @Test func nameOfText() throws {
        let name = WireName(try DomainName(parsing: "MQTT.acme.example"))
        #expect(name.octets == [4] + Array("mqtt".utf8) + [4] + Array("acme".utf8) + [7] + Array("example".utf8) + [0])
        #expect(name.description == "mqtt.acme.example")
        #expect(name.domainName?.description == "mqtt.acme.example")
    }

    @Test func octetsThatAreNoName() {
        for octets: [UInt8] in [[], [1], [0, 0], [1, 97], [64] + Array(repeating: 97, count: 64) + [0], [2, 97, 0]] {
            #expect(WireName(octets) == nil)
        }
        #expect(
            WireName(
                Array(repeating: [UInt8](arrayLiteral: 63) + Array(repeating: 97, count: 63), count: 4).flatMap { $0 }
                    + [0]) == nil)
    }

    @Test func labelsThatNoHostHas() throws {
        let name = try #require(WireName([3, 97, 46, 0x20, 1, 0x42, 0]))
        #expect(name.description == "a\\.\\032.b")
        #expect(name.domainName == nil)
        #expect(WireName([0]) == .root)
    }
}
