import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// Whether the kernel does ESP: it is asked to, with an interface and a state that are removed again. A modular kernel
/// loads what it needs for that. The caller is in the gateway's namespace.
struct TunnelProbe {
    let routes: NetlinkSocket

    func path() throws(DataPlaneError) -> TunnelPath {
        guard try hasInterfaces() else { return .userSpace }
        return try hasStates() ? .kernel : .userSpace
    }

    /// A number that no VPN has.
    private static let ifID: UInt32 = 0x7fff_fff1

    private func hasInterfaces() throws(DataPlaneError) -> Bool {
        // Whatever the text says, it is a name.
        guard let name = try? InterfaceName(parsing: "cordon-probe") else { return false }
        let links = TunnelLinks(socket: routes)
        // One that somebody was killed over.
        if let left = try links.link(name), left.kind == "xfrm" { try links.remove(left.index) }
        do throws(DataPlaneError) {
            try links.makeXFRM(name, ifID: Self.ifID)
        } catch {
            switch error.code {
            case .unsupported, .refused: return false
            case .notPermitted, .connectionLost: throw error
            }
        }
        if let link = try links.link(name) { try links.remove(link.index) }
        return true
    }

    /// An SA between addresses that are nobody's (RFC 5737), by AES-GCM.
    private func hasStates() throws(DataPlaneError) -> Bool {
        let socket: NetlinkSocket
        do throws(DataPlaneError) {
            socket = try NetlinkSocket(bus: NETLINK_XFRM)
        } catch {
            guard error.code == .unsupported else { throw error }
            return false
        }
        var id = xfrm_id()
        id.daddr.a4 = UInt32(0xC000_0201).bigEndian
        id.spi = UInt32(0x0000_c0de).bigEndian
        id.proto = UInt8(IPPROTO_ESP)
        var state = xfrm_usersa_info()
        state.id = id
        state.saddr.a4 = UInt32(0xC000_0202).bigEndian
        state.family = UInt16(AF_INET)
        state.mode = UInt8(XFRM_MODE_TUNNEL)
        let limits = [\xfrm_lifetime_cfg.soft_byte_limit, \.hard_byte_limit, \.soft_packet_limit, \.hard_packet_limit]
        for limit in limits { state.lft[keyPath: limit] = .max }

        var request = NetlinkRequest()
        request.begin(
            type: UInt16(XFRM_MSG_NEWSA), flags: NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
            sequence: socket.nextSequence(), header: withUnsafeBytes(of: state) { Array($0) })
        // The name, the lengths of the key and of the check value in bits, and the key with its salt.
        let algorithm = Array("rfc4106(gcm(aes))".utf8)
        request.put(
            XFRMA_ALG_AEAD.rawValue,
            algorithm + Array(repeating: 0, count: 64 - algorithm.count) + UInt32(288).nativeOctets
                + UInt32(128).nativeOctets + Array(repeating: 7, count: 36))
        request.put(XFRMA_IF_ID.rawValue, native: Self.ifID)
        request.end()
        let operation = "asking whether the kernel does ESP"
        let (errors, _) = try socket.exchange(request.bytes, operation: operation)
        if let error = errors.first {
            if error.code == EPERM { throw DataPlaneError(errno: error.code, operation: operation) }
            // One that is left over says the same.
            if error.code != EEXIST { return false }
        }
        var removal = NetlinkRequest()
        // xfrm_usersa_id: address, SPI, family, protocol.
        removal.begin(
            type: UInt16(XFRM_MSG_DELSA), flags: NLM_F_REQUEST | NLM_F_ACK, sequence: socket.nextSequence(),
            header: withUnsafeBytes(of: id.daddr) { Array($0) } + id.spi.nativeOctets + UInt16(AF_INET).nativeOctets
                + [id.proto, 0])
        removal.end()
        let (left, _) = try socket.exchange(removal.bytes, operation: operation)
        if let error = left.first { throw DataPlaneError(errno: error.code, operation: operation) }
        return true
    }
}
