/// Ethernet frames of 60 octets, one behind the other: IPv4 (RFC 791), UDP (RFC 768), 18 octets of payload.
struct Frames {
    static let length = 60
    private(set) var bytes: [UInt8] = []
    private(set) var offsets: [UInt32] = []
    private(set) var lengths: [UInt16] = []

    struct Flow {
        let source: UInt32
        let destination: UInt32
        let sourcePort: UInt16
        let destinationPort: UInt16
    }

    var count: Int { offsets.count }

    mutating func append(_ flow: Flow, from: [UInt8], to: [UInt8]) {
        offsets.append(UInt32(bytes.count))
        lengths.append(UInt16(Self.length))
        let datagram = Self.length - 34
        var ip: [UInt8] = [0x45, 0] + Self.octets(UInt16(datagram + 20)) + [0, 0, 0x40, 0, 64, 17, 0, 0]
        ip += Self.octets(flow.source) + Self.octets(flow.destination)
        let checksum = Self.octets(Self.checksum(ip))
        (ip[10], ip[11]) = (checksum[0], checksum[1])
        var udp = Self.octets(flow.sourcePort) + Self.octets(flow.destinationPort)
        udp += Self.octets(UInt16(datagram)) + [0, 0] + [UInt8](repeating: 0, count: datagram - 8)
        let pseudoHeader = Array(ip[12..<20]) + [0, 17] + Self.octets(UInt16(datagram))
        let sum = Self.checksum(pseudoHeader + udp)
        let written = Self.octets(sum == 0 ? 0xffff : sum)
        (udp[6], udp[7]) = (written[0], written[1])
        bytes += to + from + [8, 0] + ip + udp
    }

    /// RFC 1071.
    private static func checksum(_ octets: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: octets.count, by: 2) {
            sum += UInt32(octets[index]) << 8 | UInt32(index + 1 < octets.count ? octets[index + 1] : 0)
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return ~UInt16(truncatingIfNeeded: sum)
    }

    private static func octets(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }
}

/// The servers: 16 addresses of TEST-NET-1 (RFC 5737).
enum Servers {
    static let count = 16
    static let port: UInt16 = 7000
    static func address(_ index: Int) -> UInt32 { 192 << 24 | 0 << 16 | 2 << 8 | UInt32(10 + index % count) }
}
