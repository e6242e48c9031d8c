import ArgumentParser
import CLoad
import Glibc

/// Sends packets of a list, 64 at a time.
protocol Sender {
    /// - Returns: how many the kernel took, beginning with `first`; less than 0 when none.
    func send(from first: Int) -> Int
}

/// Whole frames, by a packet socket.
final class FrameSender: Sender {
    private let frames: Frames
    private let descriptor: Int32

    init(_ frames: Frames, interface: String) throws {
        self.frames = frames
        descriptor = cload_open_link(interface)
        guard descriptor >= 0 else { throw ValidationError("\(interface): error \(errno)") }
    }

    deinit { close(descriptor) }

    func send(from first: Int) -> Int {
        let count = min(64, frames.count - first)
        return frames.bytes.withUnsafeBufferPointer { bytes in
            frames.offsets.withUnsafeBufferPointer { offsets in
                frames.lengths.withUnsafeBufferPointer { lengths in
                    guard let bytes = bytes.baseAddress, let offsets = offsets.baseAddress,
                        let lengths = lengths.baseAddress
                    else { return 0 }
                    return Int(cload_send(descriptor, bytes, offsets + first, lengths + first, Int32(count)))
                }
            }
        }
    }
}

/// Datagrams, by one UDP socket, from addresses that need not be the host's. All flows have the same
/// source port, so that a later sender of the same flows sends on those.
final class SocketSender: Sender {
    private let sources: [UInt32]
    private let destinations: [UInt32]
    private let port: UInt16
    private let payload = [UInt8](repeating: 0, count: Frames.length - 42)
    private let descriptor: Int32

    init(_ flows: [Frames.Flow], from sourcePort: UInt16) throws {
        sources = flows.map(\.source)
        destinations = flows.map(\.destination)
        port = flows.first?.destinationPort ?? 0
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var yes: Int32 = 1
        let isOpen = setsockopt(descriptor, SOL_IP, IP_TRANSPARENT, &yes, 4) == 0
        var roomy: Int32 = 8 << 20
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &roomy, 4)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = sourcePort.bigEndian
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard descriptor >= 0, isOpen, isBound == 0 else { throw ValidationError("no socket: error \(errno)") }
    }

    deinit { close(descriptor) }

    func send(from first: Int) -> Int {
        let count = min(64, sources.count - first)
        return sources.withUnsafeBufferPointer { sources in
            destinations.withUnsafeBufferPointer { destinations in
                guard let sources = sources.baseAddress, let destinations = destinations.baseAddress else { return 0 }
                return Int(
                    cload_send_from(
                        descriptor, sources + first, destinations + first, port, payload, Int32(payload.count),
                        Int32(count)))
            }
        }
    }
}
