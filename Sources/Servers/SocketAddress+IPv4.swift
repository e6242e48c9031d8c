import Domain
import NIOCore

extension SocketAddress {
    /// The IPv4 address and port, `nil` for another family.
    var ipv4: (address: Domain.IPv4Address, port: UInt16)? {
        guard case .v4(let v4) = self else { return nil }
        // NIO's sockaddr_in is that of a C module which is not a product: family, port and address in network order
        // are its first eight octets on every Linux (ip(7)).
        return withUnsafeBytes(of: v4.address) { octets in
            (
                Domain.IPv4Address(bits: UInt32(bigEndian: octets.loadUnaligned(fromByteOffset: 4, as: UInt32.self))),
                UInt16(bigEndian: octets.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            )
        }
    }
}
