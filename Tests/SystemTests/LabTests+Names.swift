import Domain
import Foundation
import Glibc
import Lab
import Testing

/// Names, asked by real clients, with the gateway's own unbound and the laboratory's authority behind.
extension LabTests {
    private static let gateway = LabLayout.gatewaySGi

    /// Runs a shell's command line in the devices' namespace.
    private func inRAN(_ command: String) throws -> String {
        let name = try demonstration().lab.layout.name(of: .ran)
        let encoded = Data(command.utf8).base64EncodedString()
        return try output(of: "nsenter --net=/run/netns/\(name) sh -c \"$(echo \(encoded) | base64 -d)\" 2>&1; true")
    }

    private func device(_ number: Int) throws -> IPv4Address { try demonstration().fleet.acme[number].address }

    private func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

    struct Client: CustomTestStringConvertible {
        let name: String
        /// DEVICE and NAME stand for what they say. Prints addresses, one a line or at the end of one.
        let command: String
        var testDescription: String { name }
    }

    private static let clients = [
        Client(name: "dig", command: "dig +short -b DEVICE @\(gateway) NAME A"),
        Client(name: "dig over TCP", command: "dig +tcp +short -b DEVICE @\(gateway) NAME A"),
        Client(
            name: "dig with everything asked for",
            command: "dig +short +dnssec +cookie +nsid -b DEVICE @\(gateway) NAME"),
        Client(name: "dig without EDNS", command: "dig +noedns +short -b DEVICE @\(gateway) NAME A"),
        Client(name: "kdig", command: "kdig +short -b DEVICE @\(gateway) NAME A"),
        Client(name: "kdig over TCP", command: "kdig +tcp +keepopen +short -b DEVICE @\(gateway) NAME A NAME A"),
        Client(name: "drill", command: "drill -I DEVICE NAME @\(gateway) A"),
        Client(name: "drill over TCP", command: "drill -t -I DEVICE NAME @\(gateway) A"),
        // The C library and systemd take their servers from files, and their address from the route.
        Client(name: "getent", command: asResolver("getent ahostsv4 NAME", server: gateway)),
        Client(
            name: "systemd-resolved",
            command: asResolver(
                """
                mkdir systemd
                printf '[Resolve]\nDNS=\(gateway)\nFallbackDNS=\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\n' >systemd/resolved.conf
                (cat /etc/passwd; echo systemd-resolve:x:993:993::/:/usr/sbin/nologin) >passwd
                (cat /etc/group; echo systemd-resolve:x:993:) >group
                for file in systemd passwd group; do mount --bind $file /etc/$file; done
                mount -t tmpfs -o mode=755 tmpfs /run
                mkdir /run/systemd
                /usr/local/lib/cordon/systemd-resolved 2>log & resolved=$!
                for attempt in $(seq 50); do
                    grep -q 127.0.0.53 /run/systemd/resolve/stub-resolv.conf && break
                    sleep 0.1
                done
                dig +short +time=3 +tries=1 @127.0.0.53 NAME A
                kill $resolved
                wait
                """, server: "127.0.0.53")),
    ]

    /// Runs the command with this server in the C library's file, where the route to the gateway's port 53 leads from the
    /// device's address. What it makes in its directory goes with it.
    private static func asResolver(_ command: String, server: String) -> String {
        """
        directory=$(mktemp -d /tmp/cordon-client.XXXXXX)
        chmod 755 $directory
        cd $directory
        ip rule add pref 5 to \(gateway) dport 53 lookup 53
        ip route replace default via \(gateway) src DEVICE table 53
        echo nameserver \(server) >resolv.conf
        cat >run <<'END'
        mount --bind resolv.conf /etc/resolv.conf
        \(command)
        END
        unshare -m --propagation private sh run
        ip rule del pref 5
        rm -r $directory
        """
    }

    @Test(arguments: clients)
    func `clients get an allowed name's address, and none for a denied one`(_ client: Client) throws {
        let address = try device(30)
        func ask(_ name: String) throws -> String {
            try inRAN(client.command.replacing("DEVICE", with: "\(address)").replacing("NAME", with: name))
        }
        let allowed = try ask("shop.example.com")
        #expect(allowed.contains(LabLayout.sharedWeb), "\(allowed)")
        let denied = try ask("ads.tracker.example")
        #expect(!denied.contains(LabLayout.sharedWeb), "\(denied)")
    }

    @Test(arguments: [
        "A telemetry", "AAAA telemetry", "TXT telemetry", "HTTPS telemetry", "CAA telemetry", "LOC telemetry",
        "SRV _mqtt._tcp", "SVCB _mqtt._tcp", "MX @", "NS @", "SOA @", "PTR 10", "NAPTR phone", "SSHFP keys", "TLSA tls",
        "TYPE65400 odd", "CNAME shop", "TXT big", "AAAA updates", "A nothing",
    ])
    func `every record type comes as the authority gave it`(_ question: String) throws {
        let words = question.split(separator: " ")
        let name = words[1] == "@" ? "example.com" : "\(words[1]).example.com"
        let layout = try demonstration().lab.layout
        func records(_ arguments: String, in namespace: LabLayout.Namespace) throws -> [String] {
            let text = try output(
                of: "nsenter --net=/run/netns/\(layout.name(of: namespace)) dig +noall +comments +answer +nottlid "
                    + "\(arguments) \(name) \(words[0])")
            let code = text.firstMatch(of: /status: ([A-Z]+)/).map { String($0.1) } ?? "no answer"
            return [code] + lines(text).filter { !$0.hasPrefix(";") }.sorted()
        }
        let expected = try records("@\(LabLayout.authority)", in: .inet)
        #expect(try records("-b \(device(31)) @\(Self.gateway)", in: .ran) == expected)
        #expect(expected.count > 1 || question == "A nothing" || question == "AAAA updates")
    }

    @Test func `an answer that is too long for UDP says so, and comes over TCP`() throws {
        let ask = "dig -b \(try device(32)) @\(Self.gateway) big.example.com TXT"
        let short = try inRAN("\(ask) +ignore +noall +comments +answer")
        #expect(short.contains(" tc") && !short.contains("xxx"), "\(short)")
        #expect(try inRAN("\(ask) +short").matches(of: /x{240}/).count == 16)
    }

    @Test(arguments: ["router A", "router6 AAAA", "neighbour A"])
    func `no answer from the internet has an address from inside`(_ question: String) throws {
        let words = question.split(separator: " ")
        let answer = try inRAN(
            "dig +short -b \(device(33)) @\(Self.gateway) \(words[0]).example.com \(words[1])")
        #expect(answer.isEmpty, "\(answer)")
        let control = try output(
            of: "nsenter --net=/run/netns/\(try demonstration().lab.layout.name(of: .inet)) dig +short "
                + "@\(LabLayout.authority) \(words[0]).example.com \(words[1])")
        #expect(!control.isEmpty)
    }

    @Test func `aliases that go round end in a failure`() throws {
        let answer = try inRAN(
            "dig +noall +comments +time=8 +tries=1 -b \(device(34)) @\(Self.gateway) loop.example.com")
        #expect(answer.contains("SERVFAIL"), "\(answer)")
    }

    @Test func `a session's answer names the gateway's resolver`() throws {
        let demonstration = try demonstration()
        let resolvers = Set((demonstration.fleet.acme + demonstration.fleet.globex).map(\.resolver))
        #expect(resolvers == [try IPv4Address(parsing: Self.gateway)])
    }

    /// Who has no session: the P-GW itself, an address of the pool that nobody has, the internet.
    @Test func `nobody else is answered`() throws {
        let layout = try demonstration().lab.layout
        let ask = "dig +short +time=1 +tries=1"
        for transport in ["+notcp", "+tcp"] {
            #expect(
                try inRAN("\(ask) \(transport) -b \(LabLayout.packetGateway) @\(Self.gateway) shop.example.com")
                    .contains(LabLayout.sharedWeb) == false)
            let stranger = try inRAN(
                """
                ip addr add 100.64.200.9/32 dev lo
                \(ask) \(transport) -b 100.64.200.9 @\(Self.gateway) shop.example.com
                ip addr del 100.64.200.9/32 dev lo
                """)
            #expect(!stranger.contains(LabLayout.sharedWeb), "\(stranger)")
            let edge = layout.name(of: .edge)
            for (address, port) in [
                (LabLayout.gatewayWAN, 53), (Self.gateway, 53), (LabLayout.gatewayWAN, 1053), (Self.gateway, 1053),
                (LabLayout.gatewayWAN, 5335), (Self.gateway, 5335),
            ] {
                // From one hop before the gateway, where no outer NAT protects it.
                let outside = try output(
                    of: """
                        ip -n \(edge) route replace \(Self.gateway)/32 via \(LabLayout.gatewayWAN)
                        nsenter --net=/run/netns/\(edge) \(ask) \(transport) -p \(port) @\(address) shop.example.com || true
                        ip -n \(edge) route del \(Self.gateway)/32
                        """)
                #expect(!outside.contains(LabLayout.sharedWeb), "\(address):\(port) \(transport): \(outside)")
            }
        }
    }

    // MARK: Upstreams

    /// The process ids of the gateway's unbound.
    private func resolvers() throws -> [pid_t] {
        let name = try demonstration().lab.layout.name(of: .gw)
        return try output(of: "ip netns pids \(name) | xargs -r ps -o pid=,comm= -p")
            .split(separator: "\n").filter { $0.hasSuffix("unbound") }
            .compactMap { $0.split(separator: " ").first.flatMap { pid_t($0) } }
    }

    private func ask(_ name: String, as number: Int, patience: Int = 8) throws -> String {
        try inRAN(
            "dig +noall +comments +answer +time=\(patience) +tries=1 -b \(device(number)) @\(Self.gateway) \(name)")
    }

    @Test func `an unbound that is killed is there again at once, and what is known is answered meanwhile`()
        async throws
    {
        #expect(try ask("n9004.many.example.com", as: 35).contains("11.0.35.44"))
        let before = try resolvers()
        try #require(before.count == 1)
        kill(before[0], SIGKILL)
        #expect(try ask("n9004.many.example.com", as: 35, patience: 1).contains("11.0.35.44"))
        let start = ContinuousClock.now
        let answer = try ask("n9000.many.example.com", as: 35)
        #expect(answer.contains("11.0.35.40"), "\(answer)")
        #expect(ContinuousClock.now - start < .seconds(3))
        let after = try resolvers()
        #expect(after.count == 1 && after != before)
    }

    private func authority() throws -> pid_t {
        let status = try demonstration().lab.status().first { $0.name == "authority" }
        return try #require(status?.state.split(separator: " ").last.flatMap { pid_t($0) })
    }

    @Test func `an authority that does not answer is a failure in time, and one that comes back is used again`()
        async throws
    {
        let authority = try authority()
        // Asked for by nobody before, so that it is known for a minute.
        #expect(try ask("n9005.many.example.com", as: 36).contains("11.0.35.45"))
        kill(authority, SIGSTOP)
        let start = ContinuousClock.now
        let answer = try ask("n9001.many.example.com", as: 36)
        let took = ContinuousClock.now - start
        let known = try ask("n9005.many.example.com", as: 36, patience: 1)
        kill(authority, SIGCONT)
        #expect(answer.contains("SERVFAIL"), "\(answer)")
        #expect(took < .seconds(7), "\(took)")
        #expect(known.contains("11.0.35.45"))
        var isBack = false
        for _ in 0..<20 where !isBack {
            isBack = try ask("n9002.many.example.com", as: 36).contains("11.0.35.42")
            try await Task.sleep(for: .milliseconds(200))
        }
        #expect(isBack)
    }

    @Test func `a slow authority makes first answers slow, and no others`() async throws {
        let authority = try authority()
        #expect(try ask("n9006.many.example.com", as: 37).contains("11.0.35.46"))
        kill(authority, SIGSTOP)
        let start = ContinuousClock.now
        async let slow = ask("n9003.many.example.com", as: 37)
        try await Task.sleep(for: .milliseconds(300))
        let known = try ask("n9006.many.example.com", as: 38, patience: 1)
        let fast = ContinuousClock.now - start
        try await Task.sleep(for: .milliseconds(600))
        kill(authority, SIGCONT)
        let first = try await slow
        let took = ContinuousClock.now - start
        #expect(first.contains("11.0.35.43") && took > .milliseconds(800), "\(took): \(first)")
        #expect(known.contains("11.0.35.46") && fast < .milliseconds(800), "\(fast): \(known)")
    }

    // MARK: What was told holds

    /// A query for a name's address.
    private static func query(_ name: String, id: UInt16) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(id >> 8), UInt8(id & 255), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        for label in name.split(separator: ".") { bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
        return bytes + [0, 0, 1, 0, 1]
    }

    /// Each device asks for a name that nobody has asked for, and sends to its address as soon as it has it.
    @Test func `of 10,000 first packets none is lost`() throws {
        let demonstration = try demonstration()
        let layout = demonstration.lab.layout
        let resolver = try IPv4Address(parsing: Self.gateway)
        let port = Fleet.reportPort
        // An address that is not the socket's own is delivered to one that is bound to none.
        let sink = try NamespaceSocket(
            .udp, in: layout.name(of: .inet), address: IPv4Address(parsing: "0.0.0.0"), port: port)
        let devices = try demonstration.fleet.acme.map {
            try NamespaceSocket(.udp, in: layout.name(of: .ran), address: $0.address, port: 40_500)
        }
        while sink.receive() != nil {}
        var (unanswered, arrived) = (0, Set<[UInt8]>())
        let start = ContinuousClock.now
        for number in 0..<10_000 {
            let device = devices[number % devices.count]
            let query = Self.query("n\(number).many.example.com", id: UInt16(number))
            // A device may ask 50 times in a second.
            while ContinuousClock.now - start < .milliseconds(number / devices.count * 22) { usleep(200) }
            device.send(query, to: resolver, port: 53)
            let deadline = ContinuousClock.now + .seconds(2)
            var answer: [UInt8]?
            while answer == nil, ContinuousClock.now < deadline {
                if let got = device.receive(), got.bytes.starts(with: query[0..<2]) { answer = got.bytes }
            }
            guard let answer, answer.count > query.count + 4 else {
                unanswered += 1
                if unanswered > 20 { break }
                continue
            }
            let address = IPv4Address(bits: answer.suffix(4).reduce(0) { $0 << 8 | UInt32($1) })
            device.send([UInt8(number >> 8), UInt8(number & 255)], to: address, port: port)
            while let packet = sink.receive() { arrived.insert(packet.bytes) }
        }
        usleep(300_000)
        while let packet = sink.receive() { arrived.insert(packet.bytes) }
        #expect(unanswered == 0)
        #expect(arrived.count == 10_000)
    }

    /// Names stand for a few seconds in this laboratory.
    @Test func `no flow is cut while its name is over`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let devices = demonstration.fleet.acme[38..<48]
        var downloads: [Download] = []
        for device in devices {
            let answer = try inRAN("dig +short -b \(device.address) @\(Self.gateway) brief.example.com")
            #expect(answer == LabLayout.sharedWeb)
            downloads.append(try await Download.start(in: lab, by: device, from: LabLayout.sharedWeb))
        }
        // Whatever is over is ended each fifteen seconds.
        try await Task.sleep(for: .seconds(LaboratoryTrait.nameSeconds) + .seconds(32))
        let octets = downloads.map(\.octets)
        try await Task.sleep(for: .seconds(1))
        let cut = zip(downloads, octets).count { !$0.isRunning || $0.octets <= $1 }
        #expect(cut == 0)
        #expect(try await lab.cli.run(["dns", "names", "meters", "--tenant", "acme"]).contains("brief.example.com"))
        for download in downloads { try await download.stop() }
    }

    @Test func `what devices were told holds for a daemon that is restarted`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let device = try device(48)
        #expect(try inRAN("dig +short -b \(device) @\(Self.gateway) brief.example.com") == LabLayout.sharedWeb)
        // What is learned is stored within moments.
        try await Task.sleep(for: .seconds(1))
        try await lab.restartGateway()
        let page = try inRAN("curl -s -m 1 --interface \(device) http://\(LabLayout.sharedWeb):443/whoami")
        #expect(page.hasPrefix(LabLayout.edgeOutside), "\(page)")
    }
}
