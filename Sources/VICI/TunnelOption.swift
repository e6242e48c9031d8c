/// The options of `cordon vpn create` and `cordon vpn update` that sentences about faults name.
enum TunnelOption: String, CaseIterable, Sendable {
    case peer = "--peer"
    case networks = "--remote-network"
    case devices = "--local-network"
    case profile = "--profile"
    case peerIdentity = "--peer-id"
    case authentication = "--auth"
    case pairs = "--pair-selectors"
    case encapsulation = "--force-encapsulation"
    case initiation = "--initiate"

    /// What makes a new key, and shows it.
    static let newKey = "cordon vpn rotate-key NAME"
    /// What gives the gateway the tenant's own authorities.
    static let newAuthority = "cordon vpn authority set FILE"

    /// `cordon vpn update NAME --profile compatible`
    func change(to value: String = "") -> String {
        "cordon vpn update NAME \(rawValue)\(value.isEmpty ? "" : " " + value)"
    }

    /// The same with what a peer said, when it is fit to be copied into a shell: a peer may say anything.
    func change(quoting said: String, or placeholder: String) -> String {
        change(to: Self.isPlain(said) ? "'\(said)'" : placeholder)
    }

    static func isPlain(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0)
                    || " .,=@:/_-".utf8.contains($0)
            } && !text.hasPrefix("-")
    }
}
