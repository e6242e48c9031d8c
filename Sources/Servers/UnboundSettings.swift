public import Domain

/// How Cordon's own unbound is run: on loopback, for nobody but the resolver that devices see.
public struct UnboundSettings: Sendable {
    /// Made when it is not there; what is in it is Cordon's.
    public var directory: String
    public var port: UInt16
    /// Whom it runs as; `nil`: as whoever starts it.
    public var user: String?
    public var threads = 1
    public var cacheMegabytes = 128
    /// The root's keys; `nil`: nothing is validated.
    public var trustAnchorFile: String? = "/usr/share/dns/root.key"
    /// The root's servers; `nil`: those that unbound knows.
    public var rootHintsFile: String? = "/usr/share/dns/root.hints"
    /// Where everything is passed on to, instead of asking from the root down.
    public var forward: [Server] = []
    /// Zones whose servers are given here.
    public var stubs: [Stub] = []
    /// Prefixes no answer from the internet has addresses in.
    public var privatePrefixes: [IPv4Prefix] = []
    public var privatePrefixesIPv6: [IPv6Prefix] = []

    public struct Server: Hashable, Sendable, CustomStringConvertible {
        public let address: IPAddress
        public let port: UInt16

        public init(address: IPAddress, port: UInt16 = 53) {
            self.address = address
            self.port = port
        }

        /// Parses `ADDRESS` or `ADDRESS@PORT`.
        public init(parsing text: some StringProtocol) throws(ParseError) {
            let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
            address = try IPAddress(parsing: parts[0])
            guard parts.count == 2 else {
                port = 53
                return
            }
            guard let port = UInt16(parts[1]), port > 0 else {
                throw ParseError(kind: "a server", text: text, expected: "write ADDRESS or ADDRESS@PORT")
            }
            self.port = port
        }

        public var description: String { "\(address)@\(port)" }
    }

    public struct Stub: Hashable, Sendable {
        /// `nil`: the root.
        public let zone: DomainName?
        public let servers: [Server]

        public init(zone: DomainName?, servers: [Server]) {
            self.zone = zone
            self.servers = servers
        }
    }

    public init(directory: String, port: UInt16 = 5335, user: String? = nil) {
        self.directory = directory
        self.port = port
        self.user = user
    }

    package var configurationFile: String { directory + "/unbound.conf" }
    package var processFile: String { directory + "/unbound.pid" }

    /// The text of its configuration.
    package var configuration: String {
        var lines = [
            "# Written by cordond at every start.",
            "server:",
            "interface: 127.0.0.1@\(port)",
            "do-daemonize: no",
            // It is started as whom it runs, so that it needs no privilege to give up.
            "username: \"\"",
            "chroot: \"\"",
            "directory: \(Self.quoted(directory))",
            "pidfile: \"\"",
            "use-syslog: no",
            "logfile: \"\"",
            "log-time-ascii: yes",
            "verbosity: 0",
            "num-threads: \(threads)",
            "so-reuseport: yes",
            "so-rcvbuf: 4m",
            "msg-cache-size: \(max(1, cacheMegabytes / 3))m",
            "rrset-cache-size: \(max(1, cacheMegabytes * 2 / 3))m",
            "outgoing-range: 4096",
            // The gateway's firewall takes answers to these.
            "outgoing-port-avoid: 0-16383",
            "outgoing-port-permit: 16384-65535",
            "num-queries-per-thread: 2048",
            "edns-buffer-size: 1232",
            "minimal-responses: yes",
            "module-config: \"\(trustAnchorFile == nil ? "iterator" : "validator iterator")\"",
            "prefetch: yes",
            "prefetch-key: yes",
            // RFC 8767: what has run out is told when nobody who knows better answers in 1.8 s, for a day.
            "serve-expired: yes",
            "serve-expired-ttl: 86400",
            "serve-expired-client-timeout: 1800",
            "serve-expired-reply-ttl: 30",
            "ede: yes",
            "ede-serve-expired: yes",
            "use-caps-for-id: yes",
            "qname-minimisation: yes",
            "aggressive-nsec: yes",
            "harden-glue: yes",
            "harden-dnssec-stripped: yes",
            "harden-below-nxdomain: yes",
            "harden-referral-path: no",
            "harden-short-bufsize: yes",
            "harden-large-queries: yes",
            "unwanted-reply-threshold: 10000000",
            "hide-identity: yes",
            "hide-version: yes",
        ]
        if let trustAnchorFile { lines.append("trust-anchor-file: \(Self.quoted(trustAnchorFile))") }
        if let rootHintsFile { lines.append("root-hints: \(Self.quoted(rootHintsFile))") }
        let servers = forward + stubs.flatMap(\.servers)
        if servers.contains(where: { $0.address.isLoopback }) { lines.append("do-not-query-localhost: no") }
        for prefix in privatePrefixes { lines.append("private-address: \(prefix.address)/\(prefix.length)") }
        for prefix in privatePrefixesIPv6 { lines.append("private-address: \(prefix.address)/\(prefix.length)") }
        lines += ["remote-control:", "control-enable: no"]
        if !forward.isEmpty {
            lines += ["forward-zone:", "name: \".\""] + forward.map { "forward-addr: \($0)" }
        }
        for stub in stubs {
            lines += ["stub-zone:", "name: \"\(stub.zone.map(\.description) ?? ".")\""]
            lines += stub.servers.map { "stub-addr: \($0)" }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// unbound has no way to write a quote inside quotes.
    private static func quoted(_ path: String) -> String {
        "\"" + path.filter { $0 != "\"" && $0 != "\n" } + "\""
    }
}

extension IPAddress {
    fileprivate var isLoopback: Bool {
        switch self {
        case .v4(let address): address.bits >> 24 == 127
        case .v6(let address): address.bits == 1
        }
    }
}
