/// The keys of each kind of mapping in an onboarding document, in the order in which messages name them.
enum OnboardingKeys {
    static let document = [
        "tenant", "apn", "addresses", "blocks", "limits", "lists", "groups", "policies", "default-policy", "vpns",
        "sims", "users",
    ]
    static let accessPoint = ["name", "kind"]
    static let limits = ["vpns"]
    static let group = ["name", "policy"]
    static let sim = ["imsi", "iccid", "msisdn", "group", "name"]
    static let user = ["name"]
    static let included = ["file"]
    static let file = ["name", "text"]
    static let vpn = [
        "name", "peer", "remote-networks", "local-network", "profile", "auth", "peer-id", "gateway-id", "initiate",
        "force-encapsulation", "pair-selectors", "probe", "partner", "certificate-request",
    ]
    static let partner = ["name", "destinations", "ports", "valid-from", "valid-until"]
}
