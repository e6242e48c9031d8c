/// The internet's names: an authority for the laboratory's zones, and a resolver that answers whoever asks.
struct LabNames: Sendable {
    let layout: LabLayout
    let records: ProcessRecords

    func start() async throws(LabError) {
        for zone in Zone.allCases { try LabFiles.write(zone.text, to: file(of: zone)) }
        let zones = Zone.allCases.map { zone in
            """
            auth-zone:
                name: "\(zone.rawValue)."
                zonefile: "\(file(of: zone))"
                for-upstream: no

            """
        }
        try await startUnbound("authority", at: LabLayout.authority, zones.joined())
        // Whoever is answered by this one reads so in `resolver.example.com`.
        try await startUnbound(
            "public-resolver", at: LabLayout.publicResolver,
            """
                log-queries: yes
                local-zone: "resolver.example.com." static
                local-data: "resolver.example.com. 60 IN TXT public"
            forward-zone:
                name: "."
                forward-addr: \(LabLayout.authority)

            """)
        for address in [LabLayout.authority, LabLayout.publicResolver] {
            let question = Command(
                ["dig", "+short", "+time=1", "+tries=1", "@\(address)", "resolver.example.com", "TXT"],
                in: layout.name(of: .inet))
            try await waitUntil("\(address) answers DNS", within: .seconds(30)) { () throws(LabError) in
                try await question.output().standardOutput.hasPrefix("\"")
            }
        }
    }

    private func file(of zone: Zone) -> String { "\(layout.runDirectory)/\(zone).zone" }
    private func configuration(of name: String) -> String { "\(layout.runDirectory)/\(name).conf" }

    /// - Parameter ending: goes on in the part `server:`.
    private func startUnbound(_ name: String, at address: String, _ ending: String) async throws(LabError) {
        try LabFiles.write(
            """
            remote-control:
                control-enable: no
            server:
                directory: "\(layout.runDirectory)"
                chroot: ""
                username: ""
                pidfile: ""
                use-syslog: no
                do-daemonize: no
                interface: \(address)
                access-control: 0.0.0.0/0 allow
                num-threads: 1
                module-config: "iterator"
                minimal-responses: yes
                do-not-query-localhost: no

            """ + ending, to: configuration(of: name))
        try await records.start(
            name, ["unbound", "-d", "-p", "-c", configuration(of: name)], in: layout.name(of: .inet))
    }
}

extension LabNames {
    /// Zones as in a master file (RFC 1035 §5).
    enum Zone: String, CaseIterable {
        /// What devices need, and what leads elsewhere.
        case customer = "example.com"
        /// A network that serves many others' names from the same addresses.
        case sharedHosting = "cdn.example.net"
        /// What the demonstration's policies deny.
        case denied = "tracker.example"
        /// Says that there is nothing else.
        case root = ""

        var text: String {
            """
            $ORIGIN \(rawValue).
            $TTL 60
            @ SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 60
            @ NS ns.example.com.

            """ + records
        }

        // Those with a time of their own come last: unbound 1.17 takes it for what follows too.
        private var records: String {
            switch self {
            case .customer:
                """
                ns A \(LabLayout.authority)
                telemetry A \(LabLayout.web)
                telemetry AAAA 2001:db8::10
                telemetry TXT "telemetry" "of meters"
                telemetry HTTPS 1 . alpn=h2 ipv4hint=\(LabLayout.web)
                telemetry CAA 0 issue "ca.example"
                telemetry LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
                _mqtt._tcp SRV 0 5 8883 telemetry
                _mqtt._tcp SVCB 1 telemetry.\(rawValue). port=8883
                @ MX 10 telemetry
                10 PTR telemetry
                phone NAPTR 100 10 "u" "sip+E2U" "!^.*$!sip:meter@example.com!" .
                keys SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789
                tls TLSA 3 1 1 123456789abcdef67890123456789abcdef67890123456789abcdef123456789
                odd TYPE65400 \\# 4 0a000001
                other A \(LabLayout.forbiddenWeb)
                resolver TXT "authority"
                shop CNAME shop-1
                shop-1 CNAME shop-2
                shop-2 CNAME edge.cdn.example.net.
                helper CNAME ads.tracker.example.
                loop CNAME loop-1
                loop-1 CNAME loop
                router A 10.0.0.1
                router6 AAAA fd00::1
                neighbour A 100.64.0.2
                big TXT \(Self.bigText)

                """ + Self.many + """
                    updates 300 A \(LabLayout.otherWeb)
                    time 3600 A \(LabLayout.timeServer)
                    brief 1 A \(LabLayout.sharedWeb)

                    """
            case .sharedHosting: "edge A \(LabLayout.sharedWeb)\n"
            case .denied: "@ A \(LabLayout.sharedWeb)\nads CNAME edge.cdn.example.net.\n"
            case .root: ""
            }
        }

        /// Longer than any UDP answer may be.
        private static var bigText: String {
            (0..<16).map { number in "\"\(number) " + String(repeating: "x", count: 240) + "\"" }.joined(separator: " ")
        }

        /// `n0.many` to `n10239.many`, each with an address of its own.
        private static var many: String {
            (0..<manyCount).map { "n\($0).many A \(manyAddress($0))\n" }.joined()
        }

        static let manyCount = 40 * 256
        static func manyAddress(_ number: Int) -> String { "11.0.\(number >> 8).\(number & 255)" }
    }
}
