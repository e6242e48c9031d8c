import DNS
import Domain
import Testing

@Suite struct AddressGuardTests {
    private static func guarding() throws -> AddressGuard {
        AddressGuard(
            devices: [try IPv4Prefix(parsing: "100.64.0.0/10")],
            devicesIPv6: [try IPv6Prefix(parsing: "2001:db8:64::/48")],
            protected: [try IPv4Prefix(parsing: "203.0.113.0/24")],
            protectedIPv6: [try IPv6Prefix(parsing: "2001:db8:1::/48")])
    }

    @Test(arguments: ["8.8.8.8", "192.0.2.1", "198.20.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"])
    func `addresses of the internet pass`(text: String) throws {
        #expect(try Self.guarding().permits(try IPAddress(parsing: text), isPrivate: false))
    }

    @Test(arguments: [
        "0.0.0.0", "10.1.2.3", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "192.0.0.8", "198.18.0.1", "198.19.255.255", "224.0.0.1", "255.255.255.255", "203.0.113.7", "::", "::1",
        "::10.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1",
        "64:ff9b:1::808:808", "2002:0a00:0001::1", "2001:0:1::f5ff:fffe", "fd00::1", "fc00::1", "fe80::1", "fec0::1",
        "ff02::1", "100::1", "2001:db8:1::1", "2002:cb00:7101::",
    ])
    func `addresses inside are an enterprise's own to give`(text: String) throws {
        let address = try IPAddress(parsing: text)
        #expect(try !Self.guarding().permits(address, isPrivate: false))
        #expect(try Self.guarding().permits(address, isPrivate: true))
    }

    @Test(arguments: [
        "100.64.0.1", "100.127.255.255", "::ffff:100.64.0.1", "64:ff9b::100.64.0.1", "2002:6440:1::", "2001:db8:64::1",
        "2001:0:1::9bbf:fffe",
    ])
    func `a device's address is nobody's to give`(text: String) throws {
        let address = try IPAddress(parsing: text)
        #expect(try !Self.guarding().permits(address, isPrivate: false))
        #expect(try !Self.guarding().permits(address, isPrivate: true))
    }
}
