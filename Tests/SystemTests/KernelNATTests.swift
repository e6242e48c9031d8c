import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import Testing

extension KernelTests {
    /// NAT 1 on real packets, against RFC 4787 (UDP), RFC 5382 (TCP) and RFC 5508 (ICMP).
    @Suite(.serialized) struct NAT {
        private let one = kernelMark(1)
        private let outside = address("203.0.113.1")
        private let other = address("192.0.2.11")

        /// Devices 1 and 2 may reach everything, from ports 10,008 to 10,015 and the eight after.
        private func openRig(ports: UInt16 = 8) throws -> KernelRig {
            let rig = try KernelRig(publicPrefixes: [KernelRig.publicPrefix])
            try rig.start(
                [one: .allowing("0.0.0.0/0")],
                [kernelDevice(1, one, ports: ports), kernelDevice(2, one, ports: ports)])
            return rig
        }

        private func device(_ rig: KernelRig, port: UInt16 = 5000) throws -> KernelUDP {
            try KernelUDP(in: rig.devices, address("100.64.0.1"), port: port)
        }

        /// The source that a server sees of a datagram to it.
        private func source(
            of device: KernelUDP, to server: KernelUDP, at destination: IPv4Address, port: UInt16
        ) throws -> KernelUDP.Datagram {
            device.send([1], to: destination, port: port)
            return try #require(server.receive())
        }

        // MARK: Mapping

        /// RFC 4787 REQ-1, also for a socket whose own port lies in the block. The kernel looks for a flow of the same
        /// source address and port, and takes the mapping of that one, unless nft is told `random` or `fully-random`.
        @Test(arguments: [5000, 10_013] as [UInt16])
        func `a device's socket has one public port, whatever it sends to`(_ port: UInt16) throws {
            let rig = try openRig(ports: 512)
            let device = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: port)
            var seen: Set<UInt16> = []
            for destination in [KernelRig.server, other] {
                for port in UInt16(4000)...4009 {
                    let server = try KernelUDP(in: rig.internet, destination, port: port)
                    let request = try source(of: device, to: server, at: destination, port: port)
                    #expect(request.source == outside)
                    seen.insert(request.port)
                }
            }
            #expect(seen.count == 1)
            #expect(seen.allSatisfy { (10_512...11_023).contains($0) })
        }

        /// RFC 5382 REQ-1.
        @Test func `a device's TCP port has one public port, whatever it connects to`() throws {
            let rig = try openRig(ports: 512)
            var open: [KernelTCP] = []
            var seen: Set<UInt16> = []
            for destination in [KernelRig.server, other] {
                for port in UInt16(4000)...4004 {
                    let server = try KernelTCP(in: rig.internet, destination, port: port)
                    server.listen()
                    let client = try KernelTCP(in: rig.devices, address("100.64.0.1"), port: 5000)
                    try #require(client.connect(destination, port: port))
                    let (connection, source, publicPort) = try server.accept()
                    #expect(source == outside)
                    seen.insert(publicPort)
                    open += [client, connection]
                }
            }
            #expect(seen.count == 1)
        }

        /// The limit of it: the kernel keeps mappings with flows and lets sockets share a port towards different
        /// destinations. Where another socket has the port towards this destination already, the flow gets another
        /// port of the block instead of being dropped.
        @Test func `a socket has a second public port only where another of the device has its first`() throws {
            let rig = try openRig()
            let server = try KernelUDP(in: rig.internet, KernelRig.server, port: 4000)
            let second = try KernelUDP(in: rig.internet, other, port: 4000)
            let first = try source(of: try device(rig), to: server, at: KernelRig.server, port: 4000).port
            // This socket's own port is that one, and is kept where it is free.
            let rival = try KernelUDP(in: rig.devices, address("100.64.0.1"), port: first)
            #expect(try source(of: rival, to: second, at: other, port: 4000).port == first)
            let shifted = try source(of: try device(rig), to: second, at: other, port: 4000).port
            #expect(shifted != first && (10_008...10_015).contains(shifted))
            let again = try KernelUDP(in: rig.internet, other, port: 4001)
            #expect([first, shifted].contains(try source(of: try device(rig), to: again, at: other, port: 4001).port))
        }

        // MARK: Filtering

        /// Address and port dependent (RFC 4787 §5), the strictest: nothing from outside starts a flow to a device.
        @Test func `a public port answers only to whom its device has sent`() throws {
            let rig = try openRig()
            let device = try device(rig)
            let server = try KernelUDP(in: rig.internet, KernelRig.server, port: 4000)
            let request = try source(of: device, to: server, at: KernelRig.server, port: 4000)
            let strangers = [
                try KernelUDP(in: rig.internet, KernelRig.server, port: 4001),
                try KernelUDP(in: rig.internet, other, port: 4000),
            ]
            for stranger in strangers { stranger.send([9], to: request.source, port: request.port) }
            server.send([2], to: request.source, port: request.port)
            #expect(device.receive()?.bytes == [2])
            #expect(device.receive(milliseconds: 100) == nil)
            #expect(try rig.counter("unsolicited") == 2)
        }

        @Test func `no device reaches a public address, its own neither`() throws {
            let rig = try openRig()
            let server = try KernelUDP(in: rig.internet, KernelRig.server, port: 4000)
            let edge = try KernelCapture(in: rig.internet, interface: "net0")
            let device = try device(rig)
            let neighbour = try KernelUDP(in: rig.devices, address("100.64.0.2"), port: 5000)
            let own = try source(of: device, to: server, at: KernelRig.server, port: 4000)
            let theirs = try source(of: neighbour, to: server, at: KernelRig.server, port: 4000)
            while edge.next(milliseconds: 100) != nil {}
            device.send([1], to: theirs.source, port: theirs.port)
            neighbour.send([2], to: own.source, port: own.port)
            device.send([3], to: own.source, port: own.port)
            device.send([4], to: address("203.0.113.200"), port: 80)
            #expect(edge.next(milliseconds: 200) == nil)
            #expect(try rig.counter("device_to_device") == 4)
            #expect(device.receive(milliseconds: 50) == nil && neighbour.receive(milliseconds: 50) == nil)
        }

        // MARK: Lifetime

        /// RFC 4787 REQ-5 (2 minutes at least, 5 recommended), RFC 5382 REQ-5 (2 h 4 min, 4 min), RFC 5508 REQ-2 (60 s).
        @Test(arguments: [
            ("udp_timeout", 300), ("udp_timeout_stream", 300), ("icmp_timeout", 60),
            ("tcp_timeout_established", 7440), ("tcp_timeout_syn_sent", 240), ("tcp_timeout_syn_recv", 240),
            ("tcp_timeout_fin_wait", 240), ("tcp_timeout_close_wait", 240), ("tcp_timeout_last_ack", 240),
            ("tcp_timeout_time_wait", 240),
        ])
        func `an idle mapping lives as long as the RFCs ask`(_ name: String, _ seconds: Int) throws {
            let rig = try KernelRig()
            try rig.start([:], [])
            #expect(try rig.inGateway("cat /proc/sys/net/netfilter/nf_conntrack_\(name)") == "\(seconds)\n")
        }

        /// RFC 4787 REQ-6.
        @Test func `a packet of the device gives its mapping the whole time again`() throws {
            let rig = try openRig()
            let (device, server) = (try device(rig), try KernelUDP(in: rig.internet, KernelRig.server, port: 4000))
            let first = try source(of: device, to: server, at: KernelRig.server, port: 4000)
            let seconds = { () throws -> Int in
                let flow = try rig.inGateway("grep ^ipv4.*dport=4000 /proc/net/nf_conntrack")
                let fields = flow.split(separator: " ")
                return try #require(fields.count > 4 ? Int(fields[4]) : nil, "\(flow)")
            }
            usleep(2_100_000)
            #expect((290...298).contains(try seconds()))
            #expect(try source(of: device, to: server, at: KernelRig.server, port: 4000).port == first.port)
            #expect((299...300).contains(try seconds()))
        }

        // MARK: No helpers

        @Test func `what an FTP client says opens no port and is not rewritten`() throws {
            let rig = try openRig()
            let setting = shell("ip netns exec \(rig.gatewayName) cat /proc/sys/net/netfilter/nf_conntrack_helper")
            #expect(setting.status != 0 || setting.output == "0\n")
            let control = try KernelTCP(in: rig.internet, KernelRig.server, port: 21)
            control.listen()
            let client = try KernelTCP(in: rig.devices, address("100.64.0.1"), port: 5000)
            let data = try KernelTCP(in: rig.devices, address("100.64.0.1"), port: 10_009)
            data.listen()
            try #require(client.connect(KernelRig.server, port: 21))
            let (connection, _, _) = try control.accept()
            // Port 39 × 256 + 25 = 10,009, in the device's block.
            for command in ["PORT 100,64,0,1,39,25\r\n", "PORT 203,0,113,1,39,25\r\n"] {
                #expect(client.send(command) == command.utf8.count)
                #expect(connection.receive() == command)
                let active = try KernelTCP(in: rig.internet, KernelRig.server, port: 20)
                #expect(!active.connect(outside, port: 10_009))
            }
            #expect(try rig.counter("unsolicited") >= 2)
            #expect(try rig.inGateway("conntrack -L expect").contains("0 expectations"))
        }

        @Test func `what a SIP client says opens no port and is not rewritten`() throws {
            let rig = try openRig()
            let (client, server) = (
                try device(rig, port: 5060), try KernelUDP(in: rig.internet, KernelRig.server, port: 5060)
            )
            let register = Array(
                """
                REGISTER sip:192.0.2.10 SIP/2.0\r
                Via: SIP/2.0/UDP 100.64.0.1:5060;branch=z9hG4bK1\r
                From: <sip:a@192.0.2.10>;tag=1\r
                To: <sip:a@192.0.2.10>\r
                Call-ID: 1@100.64.0.1\r
                CSeq: 1 REGISTER\r
                Contact: <sip:a@100.64.0.1:5060>\r
                Content-Length: 0\r
                \r

                """.utf8)
            client.send(register, to: KernelRig.server, port: 5060)
            let request = try #require(server.receive())
            #expect(request.bytes == register)
            try KernelUDP(in: rig.internet, KernelRig.server, port: 5061).send([1], to: outside, port: request.port)
            #expect(client.receive(milliseconds: 100) == nil)
            #expect(try rig.inGateway("conntrack -L expect").contains("0 expectations"))
        }

        // MARK: Fragments

        /// RFC 4787 REQ-14: the orders of three fragments. Only the first of them has ports.
        @Test(arguments: [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]])
        func `fragments go both ways, in any order`(_ order: [Int]) throws {
            let rig = try openRig()
            let (device, server) = (try device(rig), try KernelUDP(in: rig.internet, KernelRig.server, port: 4000))
            let payload = (0..<4000).map { UInt8(truncatingIfNeeded: $0 / 7) }
            let up = KernelPacket.fragments(
                payload, from: address("100.64.0.1"), port: 5000, to: KernelRig.server, port: 4000, number: 77)
            let sender = try KernelRawSender(in: rig.devices)
            for index in order { sender.send(up[index], to: KernelRig.server) }
            let request = try #require(server.receive())
            #expect(request.bytes == payload && request.source == outside)
            let down = KernelPacket.fragments(
                payload.reversed(), from: KernelRig.server, port: 4000, to: outside, port: request.port, number: 78)
            let answerer = try KernelRawSender(in: rig.internet)
            for index in order { answerer.send(down[index], to: outside) }
            #expect(device.receive()?.bytes == payload.reversed())
            // As one host sends to another.
            device.send(payload, to: KernelRig.server, port: 4000)
            #expect(server.receive()?.bytes == payload)
            server.send(payload, to: outside, port: request.port)
            #expect(device.receive()?.bytes == payload)
        }

        @Test func `a fragment of nothing that a device asked for goes nowhere`() throws {
            let rig = try openRig()
            let (device, server) = (try device(rig), try KernelUDP(in: rig.internet, KernelRig.server, port: 4000))
            let port = try source(of: device, to: server, at: KernelRig.server, port: 4000).port
            let inside = try KernelCapture(in: rig.devices, interface: "dev0")
            let sender = try KernelRawSender(in: rig.internet)
            let whole = KernelPacket.fragments(
                [UInt8](repeating: 1, count: 4000), from: KernelRig.server, port: 4001, to: outside, port: port,
                number: 79)
            for fragment in whole { sender.send(fragment, to: outside) }
            // The later ones alone: they wait for the first, and it never comes.
            let rest = KernelPacket.fragments(
                [UInt8](repeating: 1, count: 4000), from: KernelRig.server, port: 4000, to: outside, port: port,
                number: 80)
            for fragment in rest.dropFirst() { sender.send(fragment, to: outside) }
            #expect(inside.next(milliseconds: 200) == nil)
            #expect(try rig.counter("unsolicited") == 1)
        }

        // MARK: Path MTU and ICMP

        /// RFC 5508 REQ-4: the error's destination and the packet within it are translated back.
        @Test func `a router beyond the gateway tells a device that its packet is too large`() throws {
            let rig = try openRig()
            let (device, server) = (try device(rig), try KernelUDP(in: rig.internet, KernelRig.server, port: 4000))
            device.setDontFragment()
            device.connect(KernelRig.server, port: 4000)
            #expect(device.pathMTU == 1500)
            #expect(device.sendConnected([UInt8](repeating: 1, count: 1400)) == 1400)
            let request = try #require(server.receive())
            let inside = try KernelCapture(in: rig.devices, interface: "dev0")

            var inner: [UInt8] = [0x45, 0] + KernelPacket.octets(UInt16(1428)) + [0, 9, 0x40, 0, 60, 17, 0, 0]
            inner += KernelPacket.octets(request.source.bits) + KernelPacket.octets(KernelRig.server.bits)
            inner.replaceSubrange(10..<12, with: KernelPacket.checksum(inner))
            inner += KernelPacket.octets(request.port) + KernelPacket.octets(UInt16(4000))
            inner += KernelPacket.octets(UInt16(1408)) + [0, 0]
            var error: [UInt8] = [3, 4, 0, 0, 0, 0] + KernelPacket.octets(UInt16(1280)) + inner
            error.replaceSubrange(2..<4, with: KernelPacket.checksum(error))
            let packet =
                [0x45, 0] + KernelPacket.octets(UInt16(20 + error.count)) + [0, 0, 0, 0, 64, 1, 0, 0]
                + KernelPacket.octets(other.bits) + KernelPacket.octets(request.source.bits) + error
            try KernelRawSender(in: rig.internet).send(packet, to: request.source)

            let told = try #require(inside.next())
            try #require(told.count == packet.count)
            #expect(Array(told[12..<20]) == KernelPacket.octets(other.bits) + [100, 64, 0, 1])
            #expect(Array(told[20..<22]) + told[26..<28] == [3, 4, 5, 0])
            // The whole and the header within it sum up to nothing (RFC 1071).
            #expect(KernelPacket.checksum(Array(told[20...])) == [0, 0])
            #expect(KernelPacket.checksum(Array(told[28..<48])) == [0, 0])
            #expect(Array(told[40..<48]) == [100, 64, 0, 1] + KernelPacket.octets(KernelRig.server.bits))
            #expect(Array(told[48..<52]) == KernelPacket.octets(UInt16(5000)) + KernelPacket.octets(UInt16(4000)))
            #expect(device.sendConnected([UInt8](repeating: 1, count: 1400)) == -1)
            #expect(device.pathMTU == 1280)
        }

        /// The first packet of a flow and a later one, which conntrack knows.
        @Test(arguments: [false, true])
        func `the gateway tells a device that its packet is too large`(isKnown: Bool) throws {
            let rig = try openRig()
            _ = try rig.inGateway("ip link set wan0 mtu 1400")
            let (device, server) = (try device(rig), try KernelUDP(in: rig.internet, KernelRig.server, port: 4000))
            device.setDontFragment()
            device.connect(KernelRig.server, port: 4000)
            if isKnown {
                #expect(device.sendConnected([1]) == 1)
                let request = try #require(server.receive())
                server.send([2], to: request.source, port: request.port)
                #expect(device.receive()?.bytes == [2])
            }
            #expect(device.sendConnected([UInt8](repeating: 1, count: 1450)) == 1450)
            #expect(device.receive() == nil && errno == EMSGSIZE)
            #expect(device.pathMTU == 1400)
            #expect(device.sendConnected([UInt8](repeating: 1, count: 1372)) == 1372)
            #expect(server.receive()?.bytes.count == 1372)
        }

        @Test func `a packet that may be cut is cut to what the link takes`() throws {
            let rig = try openRig()
            _ = try rig.inGateway("ip link set wan0 mtu 1400")
            let server = try KernelUDP(in: rig.internet, KernelRig.server, port: 4000)
            let payload = (0..<1450).map { UInt8(truncatingIfNeeded: $0) }
            // Without Don't Fragment: from a raw socket, whose packets the sender's host does not touch.
            let whole = KernelPacket.fragments(
                payload, from: address("100.64.0.1"), port: 5000, to: KernelRig.server, port: 4000, number: 81)
            try KernelRawSender(in: rig.devices).send(whole[0], to: KernelRig.server)
            #expect(server.receive()?.bytes == payload)
        }

        /// The other way: the packet has been translated when the gateway finds it too large, and the server must see
        /// in the error what it had sent.
        @Test func `the gateway tells a server that its answer is too large`() throws {
            let rig = try openRig()
            _ = try rig.inGateway("ip link set sgi0 mtu 1400")
            let (device, server) = (try device(rig), try KernelUDP(in: rig.internet, KernelRig.server, port: 4000))
            let request = try source(of: device, to: server, at: KernelRig.server, port: 4000)
            server.setDontFragment()
            server.connect(request.source, port: request.port)
            #expect(server.sendConnected([UInt8](repeating: 1, count: 1450)) == 1450)
            #expect(server.receive() == nil && errno == EMSGSIZE)
            #expect(server.pathMTU == 1400)
            #expect(server.sendConnected([UInt8](repeating: 1, count: 1372)) == 1372)
            #expect(device.receive()?.bytes.count == 1372)
        }

        /// RFC 5508 REQ-1: two devices that use the same identifier are told apart, each within its block.
        @Test func `echo requests of two devices with one identifier get each its answer`() throws {
            let rig = try openRig()
            let sender = try KernelRawSender(in: rig.devices)
            let edge = try KernelCapture(in: rig.internet, interface: "net0")
            let inside = try KernelCapture(in: rig.devices, interface: "dev0")
            for number in UInt32(1)...2 {
                sender.send(
                    KernelPacket(
                        source: IPv4Address(bits: KernelRig.pool.first.bits + number), destination: KernelRig.server,
                        protocol: 1, sourcePort: 77, sequence: number))
                let request = try #require(edge.next())
                let identifier = UInt16(request[24]) << 8 | UInt16(request[25])
                let first = 10_000 + UInt16(number) * 8
                #expect((first...first + 7).contains(identifier))
                let answer = try #require(inside.next())
                #expect(KernelPacket.sequence(in: answer) == number)
                #expect(Array(answer[16..<20]) == [100, 64, 0, UInt8(number)])
                #expect(Array(answer[20..<22]) + answer[24..<26] == [0, 0, 0, 77])
            }
        }
    }
}
