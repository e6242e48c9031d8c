import Domain
import PolicyCompiler
import Testing

@Suite struct ServiceDefinitionTests {
    @Test(arguments: [
        ("tcp 8883", "tcp 8883"), ("tcp 8883, udp 5684-5685", "tcp 8883, udp 5684-5685"),
        (" tcp  80   443,icmp , 47", "tcp 80 443, icmp, 47"), ("tcp 80, udp 53, tcp 443, tcp 80", "tcp 80 443, udp 53"),
        ("6 443", "tcp 443"), ("icmpv6", "icmpv6"), ("tcp 1-65535", "tcp 1-65535"),
    ])
    func `protocols come with their ports`(text: String, canonical: String) throws {
        let definition = try ServiceDefinition(parsing: text)
        #expect(definition.description == canonical)
        #expect(try ServiceDefinition(parsing: canonical) == definition)
    }

    @Test(arguments: [
        "", " ", "tcp", "udp", "any", "any 80", "tcp 0", "tcp 65536", "tcp 90-80", "tcp 080", "tcp -80", "tcp 80-",
        "icmp 8", "47 80", "256", "sctp 80", "tcp 80,", ",", "tcp 80;udp 80", "TCP 80", "tcp 8๐",
    ])
    func `anything else is refused`(text: String) {
        #expect(throws: ParseError.self) { try ServiceDefinition(parsing: text) }
    }

    @Test func `a service has 64 ranges at most`() throws {
        let ports = { (count: Int) in "tcp " + (1...count).map { "\($0 * 2)" }.joined(separator: " ") }
        #expect(try ServiceDefinition(parsing: ports(64)).matches.first?.ports.count == 64)
        #expect(throws: ParseError.self) { try ServiceDefinition(parsing: ports(65)) }
        #expect(throws: ParseError.self) { try ServiceDefinition(parsing: ports(64) + ", icmp") }
    }

    @Test func `every service that comes along has a definition that says the same`() throws {
        let standard = ServiceCatalogue.standard
        for (name, matches) in standard.services {
            let definition = try #require(standard.definition(of: name))
            let parts = { (all: [ProtocolPorts]) in
                Set(
                    all.flatMap { one in
                        one.ports.isEmpty ? [one] : one.ports.map { .init(protocol: one.protocol, ports: [$0]) }
                    })
            }
            #expect(parts(definition.matches) == parts(matches), "\(name)")
            #expect(try ServiceDefinition(parsing: "\(definition)") == definition, "\(name)")
        }
    }
}
