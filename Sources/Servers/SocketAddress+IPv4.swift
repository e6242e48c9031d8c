import Domain
import NIOCore

extension SocketAddress {
    /// The IPv4 address and port, `nil` for another family.
    var ipv4: (address: IPv4Address, port: UInt16)? {
        guard case .v4(let v4) = self else { return nil }
        return (
            IPv4Address(bits: UInt32(bigEndian: v4.address.sin_addr.s_addr)), UInt16(bigEndian: v4.address.sin_port)
        )
    }
}
