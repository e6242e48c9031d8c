import Domain
import Glibc
import Lab
import LinuxNet
import Testing

/// NAT 2, which is the laboratory's edge, on packets that pass NAT 1 before it: what `KernelTests.NAT` has for the
/// gateway alone (RFC 4787, 5382, 5508).
@Suite(.serialized) struct NAT2Tests {
    private let outside = NAT2Rig.outside
    private let server = NAT2Rig.server

    private func device(_ rig: NAT2Rig, _ number: UInt32 = 1, port: UInt16 = 5000) throws -> KernelUDP {
        try KernelUDP(in: rig.devices, NAT2Rig.device(number), port: port)
    }

    private func source(
        of device: KernelUDP, to server: KernelUDP, at destination: IPv4Address = NAT2Rig.server, port: UInt16 = 4000
    ) throws -> KernelUDP.Datagram {
        device.send([1], to: destination, port: port)
        return try #require(server.receive())
    }

    /// What an ICMP error that comes to the devices says, with the packet inside it.
    private struct Told {
        let source: IPv4Address
        let destination: IPv4Address
        let type: UInt8
        let code: UInt8
        /// Of the path, in "fragmentation needed".
        let mtu: UInt16
        /// Source and destination of the packet inside, each with its port.
        let inner: [String]

        init(_ packet: [UInt8]) throws {
            try #require(packet.count >= 52 && packet[9] == 1, "\(packet)")
            let address = { (place: Int) in
                IPv4Address(bits: packet[place..<place + 4].reduce(0) { $0 << 8 | UInt32($1) })
            }
            let number = { (place: Int) in UInt16(packet[place]) << 8 | UInt16(packet[place + 1]) }
            (source, destination) = (address(12), address(16))
            (type, code, mtu) = (packet[20], packet[21], number(26))
            inner = ["\(address(40)):\(number(48))", "\(address(44)):\(number(50))"]
            // The whole and the header within it sum up to nothing (RFC 1071).
            #expect(KernelPacket.checksum(Array(packet[20...])) == [0, 0])
            #expect(KernelPacket.checksum(Array(packet[28..<48])) == [0, 0])
        }
    }

    // MARK: Mapping and filtering

    @Test func `the internet sees one address, and each device gets its own answers`() async throws {
        let rig = try await NAT2Rig()
        let server = try KernelUDP(in: rig.internet, server, port: 4000)
        // Both devices' blocks begin with the same port, at two addresses.
        let devices = [try device(rig, 1, port: 10_008), try device(rig, 2, port: 10_008)]
        let requests = try devices.map { try source(of: $0, to: server) }
        #expect(requests.map(\.source) == [outside, outside])
        #expect(requests[0].port != requests[1].port)
        for (number, request) in requests.enumerated() {
            server.send([UInt8(number)], to: request.source, port: request.port)
        }
        for (number, device) in devices.enumerated() {
            #expect(device.receive()?.bytes == [UInt8(number)])
            #expect(device.receive(milliseconds: 50) == nil)
        }
    }

    @Test func `the outside port answers only to whom its device has sent`() async throws {
        let rig = try await NAT2Rig()
        let (device, server) = (try device(rig), try KernelUDP(in: rig.internet, server, port: 4000))
        let request = try source(of: device, to: server)
        let gateway = try KernelCapture(in: rig.devices, interface: "sgi")
        for stranger in [
            try KernelUDP(in: rig.internet, self.server, port: 4001),
            try KernelUDP(in: rig.internet, address(LabLayout.otherWeb), port: 4000),
        ] {
            stranger.send([9], to: request.source, port: request.port)
        }
        #expect(gateway.next(milliseconds: 200) == nil)
        server.send([2], to: request.source, port: request.port)
        #expect(device.receive()?.bytes == [2])
    }

    // MARK: Fragments

    /// RFC 4787 REQ-14, through both.
    @Test(arguments: [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]])
    func `fragments go both ways, in any order`(_ order: [Int]) async throws {
        let rig = try await NAT2Rig()
        let (device, server) = (try device(rig), try KernelUDP(in: rig.internet, server, port: 4000))
        let payload = (0..<4000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        let up = KernelPacket.fragments(
            payload, from: NAT2Rig.device(1), port: 5000, to: self.server, port: 4000, number: 77)
        let sender = try KernelRawSender(in: rig.devices)
        for index in order { sender.send(up[index], to: self.server) }
        let request = try #require(server.receive())
        #expect(request.bytes == payload && request.source == outside)
        let down = KernelPacket.fragments(
            payload.reversed(), from: self.server, port: 4000, to: outside, port: request.port, number: 78)
        let answerer = try KernelRawSender(in: rig.internet)
        for index in order { answerer.send(down[index], to: outside) }
        #expect(device.receive()?.bytes == payload.reversed())
    }

    // MARK: Path MTU and ICMP

    /// RFC 5508 REQ-4, twice: the error is about a packet that two NATs have translated.
    @Test func `a router of the internet tells a device that its packet is too large`() async throws {
        let rig = try await NAT2Rig()
        let server = try KernelUDP(in: rig.far, NAT2Rig.farHost, port: 4000)
        let device = try device(rig)
        device.setDontFragment()
        device.connect(NAT2Rig.farHost, port: 4000)
        #expect(device.pathMTU == 1500)
        let inside = try KernelCapture(in: rig.devices, interface: "sgi")
        #expect(device.sendConnected([UInt8](repeating: 1, count: 1400)) == 1400)
        let told = try Told(try #require(inside.next()))
        #expect(told.source == NAT2Rig.router && told.destination == NAT2Rig.device(1))
        #expect(told.type == 3 && told.code == 4 && told.mtu == 1280)
        #expect(told.inner == ["\(NAT2Rig.device(1)):5000", "\(NAT2Rig.farHost):4000"])
        #expect(device.receive(milliseconds: 100) == nil)
        #expect(device.pathMTU == 1280)
        #expect(device.sendConnected([UInt8](repeating: 1, count: 1252)) == 1252)
        #expect(server.receive()?.bytes.count == 1252)
    }

    @Test(arguments: [LabLayout.Namespace.gw, .edge])
    func `each NAT tells a device that its packet is too large for the link behind it`(
        _ place: LabLayout.Namespace
    ) async throws {
        let rig = try await NAT2Rig()
        try rig.run("ip link set \(place == .gw ? "wan" : "outside") mtu 1400", in: place)
        let (device, server) = (try device(rig), try KernelUDP(in: rig.internet, server, port: 4000))
        device.setDontFragment()
        device.connect(self.server, port: 4000)
        let inside = try KernelCapture(in: rig.devices, interface: "sgi")
        #expect(device.sendConnected([UInt8](repeating: 1, count: 1450)) == 1450)
        let told = try Told(try #require(inside.next()))
        #expect(told.type == 3 && told.code == 4 && told.mtu == 1400)
        #expect(told.inner == ["\(NAT2Rig.device(1)):5000", "\(self.server):4000"])
        #expect(device.receive(milliseconds: 100) == nil)
        #expect(device.pathMTU == 1400)
        #expect(device.sendConnected([UInt8](repeating: 1, count: 1372)) == 1372)
        #expect(server.receive()?.bytes.count == 1372)
    }

    /// Both have translated the answer's destination when it turns out too large, and the server must see what it had sent.
    @Test(arguments: [LabLayout.Namespace.edge, .gw])
    func `each NAT tells a server that its answer is too large for the link behind it`(
        _ place: LabLayout.Namespace
    ) async throws {
        let rig = try await NAT2Rig()
        try rig.run("ip link set \(place == .gw ? "sgi" : "inside") mtu 1400", in: place)
        let (device, server) = (try device(rig), try KernelUDP(in: rig.internet, server, port: 4000))
        let request = try source(of: device, to: server)
        server.setDontFragment()
        server.connect(request.source, port: request.port)
        let outer = try KernelCapture(in: rig.internet, interface: "internet")
        #expect(server.sendConnected([UInt8](repeating: 1, count: 1450)) == 1450)
        let told = try Told(try #require(outer.next()))
        #expect(told.type == 3 && told.code == 4 && told.mtu == 1400 && told.source == outside)
        #expect(told.inner == ["\(self.server):4000", "\(outside):\(request.port)"])
        #expect(server.receive(milliseconds: 100) == nil)
        #expect(server.pathMTU == 1400)
        #expect(server.sendConnected([UInt8](repeating: 1, count: 1372)) == 1372)
        #expect(device.receive()?.bytes.count == 1372)
    }

    @Test func `that a port is closed is told in both directions`() async throws {
        let rig = try await NAT2Rig()
        let device = try device(rig)
        device.connect(server, port: 4444)
        let inside = try KernelCapture(in: rig.devices, interface: "sgi")
        #expect(device.sendConnected([1]) == 1)
        let told = try Told(try #require(inside.next()))
        #expect(told.type == 3 && told.code == 3 && told.source == server && told.destination == NAT2Rig.device(1))
        #expect(told.inner == ["\(NAT2Rig.device(1)):5000", "\(server):4444"])
        #expect(device.receive(milliseconds: 100) == nil && errno == ECONNREFUSED)

        let server = try KernelUDP(in: rig.internet, server, port: 4000)
        var request: KernelUDP.Datagram?
        do {
            let brief = try self.device(rig, port: 5001)
            request = try source(of: brief, to: server)
        }
        let asked = try #require(request)
        server.connect(asked.source, port: asked.port)
        let outer = try KernelCapture(in: rig.internet, interface: "internet")
        #expect(server.sendConnected([2]) == 1)
        let answer = try Told(try #require(outer.next()))
        #expect(answer.type == 3 && answer.code == 3 && answer.source == outside)
        #expect(answer.inner == ["\(self.server):4000", "\(outside):\(asked.port)"])
        #expect(server.receive(milliseconds: 100) == nil && errno == ECONNREFUSED)
    }

    private struct Hop: Sendable {
        let number: Int32
        let router: String
    }

    @Test(arguments: [
        Hop(number: 2, router: LabLayout.edgeInside), Hop(number: 3, router: LabLayout.internetRouter),
    ])
    private func `that a packet's time is exceeded on the way is told to its device`(_ hop: Hop) async throws {
        let rig = try await NAT2Rig()
        let device = try device(rig)
        device.setTimeToLive(hop.number)
        device.connect(NAT2Rig.farHost, port: 4000)
        let inside = try KernelCapture(in: rig.devices, interface: "sgi")
        #expect(device.sendConnected([1]) == 1)
        let told = try Told(try #require(inside.next()))
        #expect(told.type == 11 && told.code == 0)
        #expect(told.source == address(hop.router) && told.destination == NAT2Rig.device(1))
        #expect(told.inner == ["\(NAT2Rig.device(1)):5000", "\(NAT2Rig.farHost):4000"])
        #expect(device.receive(milliseconds: 100) == nil && errno == EHOSTUNREACH)
    }

    // MARK: No helpers

    private func expectNoExpectations(_ rig: NAT2Rig) throws {
        for place in [LabLayout.Namespace.gw, .edge] {
            #expect(try rig.run("conntrack -L expect", in: place).contains("0 expectations"))
            // Newer kernels attach helpers by rules only, and have no setting.
            let setting = (try? rig.run("cat /proc/sys/net/netfilter/nf_conntrack_helper", in: place)) ?? "0"
            #expect(setting == "0", "\(place)")
        }
    }

    @Test func `what an FTP client says opens no port and is not rewritten`() async throws {
        let rig = try await NAT2Rig()
        let control = try KernelTCP(in: rig.internet, server, port: 21)
        control.listen()
        let client = try KernelTCP(in: rig.devices, NAT2Rig.device(1), port: 5000)
        let data = try KernelTCP(in: rig.devices, NAT2Rig.device(1), port: 10_009)
        data.listen()
        try #require(client.connect(server, port: 21))
        let (connection, source, _) = try control.accept()
        #expect(source == outside)
        // The device's address, NAT 1's and NAT 2's. Port 39 × 256 + 25 = 10,009, in the device's block.
        for host in ["100,64,0,1", "198,19,0,1", "203,0,113,1"] {
            let command = "PORT \(host),39,25\r\n"
            #expect(client.send(command) == command.utf8.count)
            #expect(connection.receive() == command)
            let active = try KernelTCP(in: rig.internet, server, port: 20)
            #expect(!active.connect(outside, port: 10_009))
        }
        try expectNoExpectations(rig)
    }

    @Test func `what a SIP client says opens no port and is not rewritten`() async throws {
        let rig = try await NAT2Rig()
        let (client, server) = (
            try device(rig, port: 5060), try KernelUDP(in: rig.internet, server, port: 5060)
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
        client.send(register, to: self.server, port: 5060)
        let request = try #require(server.receive())
        #expect(request.bytes == register && request.source == outside)
        try KernelUDP(in: rig.internet, self.server, port: 5061).send([1], to: outside, port: request.port)
        #expect(client.receive(milliseconds: 100) == nil)
        try expectNoExpectations(rig)
    }
}
