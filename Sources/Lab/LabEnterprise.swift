import Glibc

/// One of the laboratory's enterprises: hosts, and strongSwan at their edge, which has the configuration that Cordon
/// prints for it.
public struct LabEnterprise: Sendable {
    public let place: LabLayout.Enterprise
    let layout: LabLayout
    let records: ProcessRecords
    let network: LabNetwork

    public var namespace: String { layout.name(of: place) }
    var directory: String { layout.directory(of: place) }
    private var process: String { "charon-\(place.rawValue)" }

    // MARK: The place

    public var isThere: Bool { network.existing.contains(namespace) }

    /// Makes it, with its first host, at the same network as the site's edge. Its VPN gateway does not run yet.
    func create() async throws(LabError) {
        for directory in ["x509", "x509ca", "private"] { try LabFiles.makeDirectory("\(self.directory)/\(directory)") }
        let link = place.rawValue
        try await network.ip([
            "netns add \(namespace)",
            "link add \(link) netns \(layout.name(of: .inet)) type veth peer name wan netns \(namespace)",
        ])
        try await network.ip(["link set \(link) master internet up"], in: layout.name(of: .inet))
        try await ip([
            "link set lo up", "addr add \(place.address)/24 dev wan", "link set wan up",
            "route add default via \(LabLayout.internetRouter)", "addr add \(place.host)/32 dev lo",
        ])
    }

    /// Changes its network: lines as `ip -batch` takes them.
    public func ip(_ lines: [String]) async throws(LabError) { try await network.ip(lines, in: namespace) }

    /// Ends all that runs there.
    func stop() async throws(LabError) {
        for name in services + [process] {
            if let record = records.read(name) { try await records.stop(record) }
        }
    }

    // MARK: Its VPN gateway

    /// Starts charon and returns when it takes orders. It knows nothing then.
    public func startGateway() async throws(LabError) {
        try await beginGateway()
        try await awaitGateway()
    }

    func beginGateway() async throws(LabError) {
        let path = directory + "/strongswan.conf"
        try LabFiles.write(configuration(isInUserSpace: try await !kernelEncrypts()), to: path)
        try LabFiles.remove(directory + "/vici.sock")
        try await records.start(
            process, ["env", "STRONGSWAN_CONF=\(path)", "/usr/sbin/charon-systemd"], in: namespace)
    }

    func awaitGateway() async throws(LabError) {
        try await waitUntil("\(place.rawValue)'s VPN gateway takes orders", within: .seconds(30)) {
            () throws(LabError) in
            guard isGatewayRunning else {
                throw LabError(
                    .toolFailed, "charon of \(place.rawValue) has ended",
                    output: LabFiles.lastLines(20, of: layout.log(of: process)))
            }
            return LabFiles.exists(directory + "/vici.sock")
        }
    }

    /// What charon has logged since it was started.
    public var gatewayLog: String { LabFiles.read(logFile) ?? "" }
    private var logFile: String { "\(layout.logDirectory)/\(process)-ike.log" }

    public var isGatewayRunning: Bool { records.read(process).map(ProcessRecords.isRunning) ?? false }

    /// Ends charon as a service manager would: it tells its peers.
    public func stopGateway() async throws(LabError) {
        if let record = records.read(process) { try await records.stop(record) }
    }

    /// Ends charon as a power cut would: its peers hear nothing, and where the kernel encrypts it has no keys any more.
    public func killGateway() async throws(LabError) {
        guard let record = records.read(process), ProcessRecords.isRunning(record) else { return }
        kill(record.id, SIGKILL)
        try await waitUntil("\(record.name) has ended", within: .seconds(5), every: .milliseconds(1)) {
            () throws(LabError) in !ProcessRecords.isRunning(record)
        }
        guard try await kernelEncrypts() else { return }
        for what in ["state", "policy"] { try await Command(["ip", "-n", namespace, "xfrm", what, "flush"]).run() }
    }

    /// What `cordon vpn create --json` hands over once.
    public struct Handover: Decodable, Sendable {
        public let key: String?
        public let certificate: String?
        public let privateKey: String?
        public let authority: String?

        enum CodingKeys: String, CodingKey {
            case key, certificate, authority
            case privateKey = "private_key"
        }

        public init(key: String? = nil, certificate: String? = nil, privateKey: String? = nil, authority: String? = nil)
        {
            self.key = key
            self.certificate = certificate
            self.privateKey = privateKey
            self.authority = authority
        }
    }

    /// What `cordon vpn peer-config` prints for the VPN, with its key. Certificates are put where it says.
    public func configuration(
        of vpn: String, tenant: String, _ handover: Handover
    ) async throws(LabError) -> String {
        var options: [String] = []
        if let key = handover.key {
            try LabFiles.write(key + "\n", to: directory + "/key")
            options = ["--key-file", directory + "/key"]
        }
        for (text, file) in [
            (handover.certificate, "x509/cordon-\(vpn).pem"), (handover.authority, "x509ca/cordon-\(vpn)-ca.pem"),
            (handover.privateKey, "private/cordon-\(vpn)-key.pem"),
        ] {
            if let text {
                try LabFiles.write(text, to: "\(directory)/\(file)")
            } else {
                try LabFiles.remove("\(directory)/\(file)")
            }
        }
        try await CordonCLI(layout: layout).run(
            ["vpn", "peer-config", vpn, "--tenant", tenant, "--for", "strongswan", "--directory", directory] + options)
        guard let text = LabFiles.read("\(directory)/cordon-\(vpn).conf") else {
            throw LabError(.toolFailed, "`cordon vpn peer-config` wrote no cordon-\(vpn).conf")
        }
        return text
    }

    /// Gives charon this configuration and no other. What is up stays up.
    public func load(_ configuration: String) async throws(LabError) {
        try LabFiles.write(configuration, to: loadedFile)
        try await reload()
    }

    /// Gives charon, which may be a new one, what it was given last.
    public func reload() async throws(LabError) { try await swanctl(["--load-all", "--clear", "--file", loadedFile]) }

    /// What charon was given last.
    public var loaded: String { LabFiles.read(loadedFile) ?? "" }
    private var loadedFile: String { directory + "/loaded.conf" }

    /// Runs swanctl for this charon.
    /// - Returns: what it printed.
    /// - Throws: ``LabError`` also when what was asked for did not come about.
    @discardableResult
    public func swanctl(_ arguments: [String]) async throws(LabError) -> String {
        try await Command(
            ["swanctl"] + arguments + ["--uri", layout.viciURI(of: place)],
            environment: ["STRONGSWAN_CONF": directory + "/strongswan.conf"]
        ).run()
    }

    /// It is asked to, as between addresses that are nobody's (RFC 5737).
    private func kernelEncrypts() async throws(LabError) -> Bool {
        let state = ["src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "0xc0de"]
        let key = "0x" + String(repeating: "00", count: 36)
        let added = try await Command(
            ["ip", "-n", namespace, "xfrm", "state", "add"] + state
                + ["mode", "tunnel", "aead", "rfc4106(gcm(aes))", key, "128"]
        ).output()
        guard added.status == 0 else { return false }
        try await Command(["ip", "-n", namespace, "xfrm", "state", "delete"] + state).run()
        return true
    }

    /// Retransmissions give up after 7 s, so that a test need not wait for strongSwan's usual 165. The log has the keys of
    /// ESP: with them a test sends what no peer sends that is well.
    private func configuration(isInUserSpace: Bool) -> String {
        """
        charon-systemd {
            load_modular = no
            load = random nonce aes sha1 sha2 hmac kdf gcm curve25519 openssl pem pkcs1 pkcs8 x509 pubkey constraints \
        revocation \(isInUserSpace ? "kernel-libipsec " : "")kernel-netlink socket-default vici
            retransmit_timeout = 1
            retransmit_base = 1.4
            retransmit_tries = 3
            plugins {
                vici {
                    socket = \(layout.viciURI(of: place))
                }
            }
            filelog {
                log {
                    path = \(logFile)
                    append = no
                    default = 1
                    chd = 4
                    flush_line = yes
                }
            }
        }
        swanctl {
            load = random openssl pem pkcs1 pkcs8 x509
        }

        """
    }
}
