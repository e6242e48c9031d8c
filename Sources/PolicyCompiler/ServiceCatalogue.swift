public import Domain

/// Services by name: the protocols and ports that a rule means with it.
public struct ServiceCatalogue: Hashable, Sendable {
    public private(set) var services: [Name: [ProtocolPorts]]

    /// A service that is none of packets is left out.
    public init(_ services: [Name: [ProtocolPorts]]) {
        self.services = services.filter { !$0.value.isEmpty }
    }

    public subscript(name: Name) -> [ProtocolPorts]? { services[name] }

    /// This catalogue with `others` added; theirs replace those of the same name.
    public func adding(_ others: ServiceCatalogue) -> ServiceCatalogue {
        ServiceCatalogue(services.merging(others.services) { $1 })
    }
}

extension ServiceCatalogue {
    /// The ports that IANA's "Service Name and Transport Protocol Port Number Registry" gives, for the transports on
    /// which a service is used today: HTTPS on UDP too (RFC 9114), CoAP on TCP too (RFC 8323). The names are those of
    /// daily use where the registry's are not (`mqtts` is its `secure-mqtt`). Names without a port of their own there:
    /// LwM2M uses CoAP's ports, its bootstrap servers by habit those that Eclipse Leshan chose.
    public static let standard = ServiceCatalogue(
        literal: [
            // Web and files.
            "http": [tcp(80)], "https": [tcp(443), udp(443)], "ftp-control": [tcp(21)], "tftp": [udp(69)],
            "ipp": [tcp(631)], "rsync": [tcp(873)],
            // Machines.
            "mqtt": [tcp(1883)], "mqtts": [tcp(8883)], "coap": [udp(5683), tcp(5683)],
            "coaps": [udp(5684), tcp(5684)], "lwm2m": [udp(5683), tcp(5683)], "lwm2ms": [udp(5684), tcp(5684)],
            "lwm2m-bootstrap": [udp(5683), tcp(5683), udp(5783)],
            "lwm2ms-bootstrap": [udp(5684), tcp(5684), udp(5784)],
            "amqp": [tcp(5672)], "amqps": [tcp(5671)], "modbus": [tcp(502)], "modbus-tls": [tcp(802)],
            "opcua": [tcp(4840)], "opcua-tls": [tcp(4843)], "dnp3": [tcp(20_000), udp(20_000)], "iec-104": [tcp(2404)],
            "dlms": [tcp(4059), udp(4059)], "bacnet": [udp(47_808)],
            "knxnet-ip": [udp(3671), tcp(3671)], "iso-tsap": [tcp(102)], "ethernet-ip": [tcp(44_818), udp(44_818)],
            // Names and time.
            "dns": [udp(53), tcp(53)], "dot": [tcp(853)], "mdns": [udp(5353)], "ntp": [udp(123)], "nts": [tcp(4460)],
            "ptp": [udp(319...320)],
            // Access and management.
            "ssh": [tcp(22)], "telnet": [tcp(23)], "rdp": [tcp(3389), udp(3389)], "vnc": [tcp(5900)],
            "snmp": [udp(161)], "snmp-trap": [udp(162)], "syslog": [udp(514)], "syslog-tls": [tcp(6514)],
            "netconf-ssh": [tcp(830)], "cwmp": [tcp(7547)], "ldap": [tcp(389)], "ldaps": [tcp(636)],
            "radius": [udp(1812...1813)], "radsec": [tcp(2083)],
            // Mail.
            "smtp": [tcp(25)], "submission": [tcp(587)], "submissions": [tcp(465)], "imap": [tcp(143)],
            "imaps": [tcp(993)], "pop3": [tcp(110)], "pop3s": [tcp(995)],
            // Voice and pictures.
            "sip": [udp(5060), tcp(5060)], "sips": [tcp(5061)], "rtsp": [tcp(554)], "rtsps": [tcp(322)],
            "stun": [udp(3478), tcp(3478)], "stuns": [tcp(5349), udp(5349)],
            // Tunnels, and what shows whether somebody is there.
            "ipsec": [udp(500), udp(4500), ProtocolPorts(protocol: 50, ports: [])], "openvpn": [udp(1194), tcp(1194)],
            "ping": [
                ProtocolPorts(protocol: IPProtocol.icmp, ports: []),
                ProtocolPorts(protocol: IPProtocol.icmpv6, ports: []),
            ],
        ])

    /// - Precondition: the names are names, and each is there once.
    private init(literal: KeyValuePairs<String, [ProtocolPorts]>) {
        var services: [Name: [ProtocolPorts]] = [:]
        for (text, ports) in literal {
            // A test reads them all.
            guard let name = try? Name(parsing: text) else { preconditionFailure("\(text) is no name") }
            precondition(services.updateValue(ports, forKey: name) == nil, "\(text) is there twice")
        }
        self.init(services)
    }

    private static func tcp(_ port: UInt16) -> ProtocolPorts {
        ProtocolPorts(protocol: IPProtocol.tcp, ports: [port...port])
    }

    private static func udp(_ port: UInt16) -> ProtocolPorts { udp(port...port) }

    private static func udp(_ ports: ClosedRange<UInt16>) -> ProtocolPorts {
        ProtocolPorts(protocol: IPProtocol.udp, ports: [ports])
    }
}
