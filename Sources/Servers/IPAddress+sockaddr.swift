import Domain
import Glibc

extension IPAddress {
    /// `nil` for another family's.
    init?(socketAddress: UnsafeMutablePointer<sockaddr>) {
        // Family, port and address stand there on every Linux (ip(7), ipv6(7)); in IPv6, the flow is before the address.
        let start = UnsafeRawPointer(socketAddress)
        switch Int32(start.loadUnaligned(as: UInt16.self)) {
        case AF_INET:
            self = .v4(IPv4Address(bits: UInt32(bigEndian: start.loadUnaligned(fromByteOffset: 4, as: UInt32.self))))
        case AF_INET6:
            self = .v6(IPv6Address(bits: UInt128(bigEndian: start.loadUnaligned(fromByteOffset: 8, as: UInt128.self))))
        default: return nil
        }
    }
}
