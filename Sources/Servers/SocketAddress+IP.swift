import Domain
import NIOCore

extension SocketAddress {
    /// The address and port of either family, `nil` for a Unix socket. An IPv4 address that a socket of IPv6 shows as
    /// mapped is one of IPv4.
    var ip: (address: IPAddress, port: UInt16)? {
        switch self {
        case .v4: return ipv4.map { (.v4($0.address), $0.port) }
        case .v6(let v6):
            // As for IPv4: family, port, flow and sixteen octets of address on every Linux (ipv6(7)).
            return withUnsafeBytes(of: v6.address) { octets in
                let high = UInt64(bigEndian: octets.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                let low = UInt64(bigEndian: octets.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
                let address = Domain.IPv6Address(bits: UInt128(high) << 64 | UInt128(low))
                let port = UInt16(bigEndian: octets.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
                return address.isIPv4Mapped
                    ? (.v4(Domain.IPv4Address(bits: UInt32(truncatingIfNeeded: low))), port) : (.v6(address), port)
            }
        case .unixDomainSocket: return nil
        }
    }

    init(_ address: IPAddress, port: UInt16) throws {
        var octets = ByteBuffer()
        switch address {
        case .v4(let address): octets.writeInteger(address.bits)
        case .v6(let address):
            octets.writeInteger(UInt64(truncatingIfNeeded: address.bits >> 64))
            octets.writeInteger(UInt64(truncatingIfNeeded: address.bits))
        }
        try self.init(packedIPAddress: octets, port: Int(port))
    }
}
