extension LabLayout {
    /// An enterprise at the internet: a VPN gateway of its own, and a network behind it.
    public enum Enterprise: String, CaseIterable, Sendable {
        /// A head office.
        case acme
        /// Its maintenance subcontractor.
        case acmePartner = "acme-partner"
        /// What stands in for the head office, with the same network.
        case acmeBackup = "acme-backup"
        /// Another enterprise, whose network has the head office's addresses.
        case globex

        /// Of its VPN gateway.
        public var address: String {
            switch self {
            case .acme: "203.0.113.10"
            case .acmePartner: "203.0.113.11"
            case .globex: "203.0.113.12"
            case .acmeBackup: "203.0.113.13"
            }
        }

        public var network: String { subnet + "0/24" }
        /// The first host of its network, which is there from the start.
        public var host: String { subnet + "10" }
        /// Whether devices have a broker and a CoAP server at that host.
        var hasServices: Bool { self != .acmePartner }

        private var subnet: String {
            switch self {
            case .acme, .acmeBackup, .globex: "10.0.0."
            case .acmePartner: "10.8.0."
            }
        }
    }

    public func name(of enterprise: Enterprise) -> String { "\(prefix)-\(enterprise.rawValue)" }
    func directory(of enterprise: Enterprise) -> String { "\(runDirectory)/enterprises/\(enterprise.rawValue)" }
    /// What its charon takes orders at, as swanctl's `--uri` has it.
    public func viciURI(of enterprise: Enterprise) -> String { "unix://\(directory(of: enterprise))/vici.sock" }
}
