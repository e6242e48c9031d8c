import Domain
import Testing

@Suite struct HTTPSAddressTests {
    @Test(arguments: [
        ("https://lists.example", "https://lists.example/"),
        ("HTTPS://Lists.Example:443/a/b?c=d&e", "https://lists.example/a/b?c=d&e"),
        ("https://lists.example:8443?x", "https://lists.example:8443/?x"),
        ("https://192.0.2.1/a", "https://192.0.2.1/a"), ("https://[2001:db8::1]:444/", "https://[2001:db8::1]:444/"),
    ])
    func `is read and written`(text: String, canonical: String) throws {
        #expect(try "\(HTTPSAddress(parsing: text))" == canonical)
    }

    @Test(arguments: [
        "http://lists.example/a", "ftp://lists.example", "lists.example", "https://", "https:///a",
        "https://user:word@lists.example/", "https://lists.example/#a", "https://lists.example:0/",
        "https://lists.example:65536/", "https://lists.example:+1/", "https://a b/", "https://[::1", "https://[::1]x/",
        "https://l\u{e4}ndle.example/", "https://2130706433/", "https://127.1/",
    ])
    func `is refused`(text: String) {
        #expect(throws: ParseError.self) { try HTTPSAddress(parsing: text) }
    }

    @Test func `locations are followed`() throws {
        let address = try HTTPSAddress(parsing: "https://lists.example:8443/a/b?c")
        let places = [
            ("/x?y", "https://lists.example:8443/x?y"), ("x", "https://lists.example:8443/a/x"),
            ("?z", "https://lists.example:8443/a/b?z"), ("//other.example/x", "https://other.example/x"),
            ("https://other.example/x", "https://other.example/x"),
        ]
        for (location, place) in places { #expect(try "\(address.following(location))" == place, "\(location)") }
        for location in ["http://lists.example/", "file:///etc/passwd", "//user@x/"] {
            #expect(throws: ParseError.self, "\(location)") { try address.following(location) }
        }
    }
}

@Suite struct TextDigestTests {
    @Test func `is read in either case and written in lower case`() throws {
        let text = String(repeating: "0aF9", count: 16)
        let digest = try TextDigest(parsing: text)
        #expect(digest.octets.prefix(2) == [0x0a, 0xf9] && digest.description == text.lowercased())
        #expect(TextDigest(octets: digest.octets) == digest && TextDigest(octets: [1]) == nil)
        for wrong in ["", "0a", text + "0", String(text.dropLast()) + "g", String(text.dropLast()) + "\u{e9}"] {
            #expect(throws: ParseError.self) { try TextDigest(parsing: wrong) }
        }
    }
}

@Suite struct GlobalAddressTests {
    @Test(arguments: [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
        "255.255.255.255", "::", "::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "100::1", "2001::1", "2001:db8::1",
        "2001:1ff::1", "2002:7f00:1::1", "3fff:123::1", "fc00::1", "fd00::1", "fe80::1", "ff02::1", "5f00::1",
    ])
    func `not on the internet`(text: String) throws {
        #expect(try !IPAddress(parsing: text).isGlobal)
    }

    @Test(arguments: [
        "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1",
        "192.0.1.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "2001:200::1", "2606:4700::1111", "2a00::1",
        "3ffe::1",
    ])
    func `on the internet`(text: String) throws {
        #expect(try IPAddress(parsing: text).isGlobal)
    }
}
