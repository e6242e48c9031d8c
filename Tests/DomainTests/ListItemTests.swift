import Domain
import Testing

@Suite struct ListItemTests {
    @Test func `tells the kinds apart`() throws {
        let item = { (text: String) in try ListItem(parsing: text) }
        #expect(try item("192.0.2.0/24") == .ipv4(IPv4Prefix(parsing: "192.0.2.0/24")))
        #expect(try item("192.0.2.1") == .ipv4(IPv4Prefix(parsing: "192.0.2.1/32")))
        #expect(try item("::/0") == .ipv6(.any))
        #expect(try item("2001:DB8::1") == .ipv6(IPv6Prefix(parsing: "2001:db8::1/128")))
        #expect(try item("*.acme.example") == .host(HostPattern(parsing: "*.acme.example")))
        #expect(try item("3com.com") == .host(HostPattern(parsing: "3com.com")))
    }

    @Test(arguments: [
        ("10.0.0.1/8", "an IPv4 prefix"), ("300.1.1.1", "an IPv4 address"), ("", "an IPv4 address"),
        ("10.0.0.0/a", "an IPv4 prefix"), ("2001:db8::1/64", "an IPv6 prefix"), ("1:2", "an IPv6 address"),
        ("fe80::1%eth0", "an IPv6 address"), ("::ffff:192.0.2.1", "a destination"), ("mqtt", "a host name"),
        ("::ffff:192.0.2.0/120", "a destination"), ("bücher.example", "a host name"),
        ("https://a.example", "an address or a host name"), ("a.example:443", "an address or a host name"),
        ("a.example/path", "an address or a host name"), ("10.0.0.1:443x", "an address or a host name"),
    ])
    func `says what a wrong one was taken for`(text: String, kind: String) {
        let error = #expect(throws: ParseError.self) { try ListItem(parsing: text) }
        #expect(error?.kind == kind)
    }
}
