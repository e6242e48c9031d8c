import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// The state of network interfaces.
struct Links {
    let socket: NetlinkSocket

    /// Those of the interfaces that are there, up, and have a link.
    func up(_ interfaces: Set<InterfaceName>) throws(DataPlaneError) -> Set<InterfaceName> {
        var found: Set<InterfaceName> = []
        for interface in interfaces {
            var request = NetlinkRequest()
            // ifinfomsg: family, type, index, flags, change.
            request.begin(
                type: UInt16(RTM_GETLINK), flags: NLM_F_REQUEST | NLM_F_ACK, sequence: socket.nextSequence(),
                header: Array(repeating: 0, count: 16))
            request.put(IFLA_IFNAME, interface.description)
            request.end()
            let operation = "reading the state of \(interface)"
            let failure = try socket.collect(request.bytes, operation: operation) { message in
                guard message.type == UInt16(RTM_NEWLINK), let flags = message.payload.native(UInt32.self, at: 8) else {
                    return
                }
                // IFF_UP, and IFF_RUNNING: a link.
                if flags & 0x41 == 0x41 { found.insert(interface) }
            }
            guard failure == 0 || failure == ENODEV else { throw DataPlaneError(errno: failure, operation: operation) }
        }
        return found
    }
}
