import Domain
import PeerGuides
import Testing

/// Whatever a tenant may write, it stays where it was put.
@Suite struct PeerPropertyTests {
    /// splitmix64.
    struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var word = state
            word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
            word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
            return word ^ (word >> 31)
        }

        mutating func text(_ alphabet: String, _ lengths: ClosedRange<Int>) -> String {
            let letters = Array(alphabet)
            return String(
                (0..<Int.random(in: lengths, using: &self)).map { _ in
                    letters[Int.random(in: letters.indices, using: &self)]
                })
        }

        mutating func pick<T>(_ all: [T]) throws -> T { try #require(all.randomElement(using: &self)) }
    }

    @Test func `no value ends its string, its line or its comment`() throws {
        var (written, refused) = (0, 0)
        for seed in 0..<400 {
            var random = Random(state: UInt64(seed))
            let facts = try Self.facts(using: &random)
            for vendor in PeerVendor.allCases {
                let configuration: PeerConfiguration
                do throws(PeerLimitations) {
                    configuration = try PeerConfiguration(of: vendor, for: facts)
                } catch {
                    #expect(!error.limitations.isEmpty)
                    refused += 1
                    continue
                }
                written += 1
                for file in configuration.files { try Self.check(file, vendor, "seed \(seed), \(vendor)") }
                #expect(try PeerConfiguration(of: vendor, for: facts) == configuration, "seed \(seed)")
            }
        }
        // Else the property holds of nothing.
        #expect(written > 1000)
        #expect(refused > 500)
    }

    private static func check(_ file: PeerConfiguration.File, _ vendor: PeerVendor, _ place: String) throws {
        #expect(file.text.hasSuffix("\n") && !file.text.contains("\r"), "\(place)")
        // The notes in comments have quotes of no meaning; a swanctl.conf may end a line with one.
        let sign = vendor == .ciscoIOSXE ? "!" : "#"
        for line in file.text.split(separator: "\n") where !line.drop(while: { $0 == " " }).hasPrefix(sign) {
            #expect(line.utf8.allSatisfy { (0x20...0x7e).contains($0) || $0 > 0x7f }, "\(place): \(line)")
            #expect(!line.contains("\\") && !line.contains("`"), "\(place): \(line)")
            #expect(line.count { $0 == "\"" }.isMultiple(of: 2), "\(place): \(line)")
            if vendor == .aws || vendor == .azure {
                #expect(line.count { $0 == "'" }.isMultiple(of: 2), "\(place): \(line)")
                #expect(!line.contains(";") && !line.contains("|"), "\(place): \(line)")
            }
        }
        if vendor == .strongswan { #expect(file.text.count { $0 == "{" } == file.text.count { $0 == "}" }, "\(place)") }
    }

    private static func facts(using random: inout Random) throws -> PeerFacts {
        let identities = try (0..<2).map { _ in try identity(using: &random) }
        let keys = [
            nil, random.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789+/=._-", 8...127),
            random.text("abcdefghijklmnopqrstuvwxyz234567", 52...52), "0x" + random.text("0123456789abcdef", 64...64),
        ]
        let peers = try ["any", "198.51.100.10", "vpn.acme.example", "2001:db8::7"].map { try Tunnel.Peer(parsing: $0) }
        let vpn = try Name(parsing: "a" + random.text("abcdefghijklmnopqrstuvwxyz0123456789-", 0...61) + "z")
        let prefixes = { (count: ClosedRange<Int>, random: inout Random) in
            (0..<Int.random(in: count, using: &random)).map { _ in
                IPv4Prefix(
                    containing: IPv4Address(bits: UInt32.random(in: 0...UInt32.max, using: &random)),
                    length: UInt8.random(in: 0...32, using: &random))
            }
        }
        return PeerFacts(
            vpn: vpn, tenant: try Name(parsing: "acme"),
            tunnel: Tunnel(
                peer: try random.pick(peers),
                networks: prefixes(1...4, &random).map { Tunnel.RemoteNetwork($0) },
                profile: try random.pick(Tunnel.Profile.allCases),
                authentication: try random.pick(Tunnel.Authentication.allCases),
                initiation: try random.pick(Tunnel.Initiation.allCases),
                forcesEncapsulation: Bool.random(using: &random), pairsSelectors: Bool.random(using: &random)),
            gateway: PeerFacts.Gateway(address: try IPAddress(parsing: "203.0.113.1"), identity: identities[0]),
            peerIdentity: identities[1], isPeerBehindNAT: Bool.random(using: &random),
            deviceBlocks: prefixes(1...3, &random),
            sharedKey: try random.pick(keys).map { try PeerSharedKey(parsing: $0) })
    }

    private static func identity(using random: inout Random) throws -> IKEIdentity {
        let word = random.text("abcdefghijklmnopqrstuvwxyz0123456789_", 1...20)
        let free = "x" + random.text("abc XYZ019.-_/:@()'", 0...60)
        let text = try random.pick([
            "203.0.113.1", "198.51.100.10", "\(word).example", "\(word).+-@\(word).example", "CN=\(free), O=\(free)",
        ])
        return try IKEIdentity(parsing: text)
    }
}
