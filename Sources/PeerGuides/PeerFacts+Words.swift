import Domain

extension PeerFacts {
    /// What several vendors' notations are made of.
    static let keyPlaceholder = "<the key that was shown when the VPN was made>"

    /// The key, or what stands in its place. Neither has a quote, a backslash, a dollar sign or a line's end.
    var keyText: String { sharedKey?.text ?? Self.keyPlaceholder }

    /// The same for a vendor that decodes what begins with `0x` or `0s`.
    var undecodableKeyText: String { sharedKey?.undecodable ?? Self.keyPlaceholder }

    func keyBlank(isDecoded: Bool) -> [PeerConfiguration.Blank] {
        guard tunnel.authentication == .sharedKey, sharedKey == nil else { return [] }
        return [
            PeerConfiguration.Blank(
                placeholder: Self.keyPlaceholder,
                meaning: "Cordon does not show it again; a new one is made with \(PeerLimitation.Option.rotation(vpn))"
                    + (isDecoded
                        ? "; one that begins with 0x or 0s is written as 0x and its octets in hexadecimal" : ""),
                isDecodedKey: isDecoded)
        ]
    }

    var commonWarnings: [String] {
        var all: [String] = []
        if tunnel.networks.contains(where: \.isTranslated) {
            let seen = tunnel.networks.filter(\.isTranslated).map { "\($0.network.cidr) as \($0.seenAs.cidr)" }
            all.append(
                "devices see \(seen.joined(separator: ", ")); the gateway translates, and this end keeps its addresses."
            )
        }
        if let probe = tunnel.probe {
            all.append("Cordon sends echo requests (ping) through the tunnel to \(probe): let it answer.")
        }
        return all
    }

    /// A note for devices that hold one address of the gateway only.
    var alternativesWarning: [String] {
        let others = gateway.addresses.filter { $0 != gateway.ipv4.map(IPAddress.v4) }
        guard !others.isEmpty else { return [] }
        return [
            "the gateway may also be found at \(others.map(\.description).joined(separator: ", ")); "
                + "this configuration has its first IPv4 address only."
        ]
    }

    /// `cordon-hq`, cut to `limit` octets with four hexadecimal digits of a hash (FNV-1a) at the end where it is
    /// longer.
    func objectName(limit: Int) -> String {
        let whole = "cordon-\(vpn)"
        guard whole.utf8.count > limit else { return whole }
        let hash = whole.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        let digits = String(hash & 0xffff, radix: 16)
        let padded = String(repeating: "0", count: 4 - digits.utf8.count) + digits
        return "\(whole.prefix(limit - 5))-\(padded)"
    }
}

extension IPv4Prefix {
    /// With its length also where that is 32.
    var cidr: String { "\(address)/\(length)" }

    private var maskBits: UInt32 { length == 0 ? 0 : ~0 << UInt32(32 - length) }

    /// `10.0.0.0 255.255.255.0`.
    var withMask: String { "\(address) \(IPv4Address(bits: maskBits))" }

    /// `10.0.0.0 0.0.0.255`, as access lists have it.
    var withWildcard: String { "\(address) \(IPv4Address(bits: ~maskBits))" }
}

extension Sequence where Element == IPv4Prefix {
    func list(_ separator: String = ",") -> String { map(\.cidr).joined(separator: separator) }
}
