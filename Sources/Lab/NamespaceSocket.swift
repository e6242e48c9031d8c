public import Domain
import Glibc
import Synchronization

/// A UDP socket or listening TCP socket inside a namespace, held by this process. A socket stays in the namespace it
/// was made in, so the thread visits the namespace only for the moment of making it.
public final class NamespaceSocket: Sendable {
    private let descriptor: Int32

    public enum Kind: Sendable {
        case udp
        case tcpListener
    }

    /// - Parameter address: bound to it; it need not exist (`IP_TRANSPARENT`, which lets packets leave with it as well),
    ///   and that is how a source is spoofed.
    public init(
        _ kind: Kind, in namespace: String, address: IPv4Address, port: UInt16
    ) throws(LabError) {
        let type = Int32((kind == .udp ? SOCK_DGRAM : SOCK_STREAM).rawValue)
        let descriptor = try Self.visiting(namespace) {
            socket(AF_INET, type | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        }
        guard descriptor >= 0 else { throw LabError(.toolFailed, "no socket in \(namespace): error \(errno)") }
        self.descriptor = descriptor
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_IP), IP_TRANSPARENT, &one, socklen_t(MemoryLayout<Int32>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var roomy: Int32 = 4 << 20
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &roomy, socklen_t(MemoryLayout<Int32>.size))
        let bound = Self.with(address, port) { bind(descriptor, $0, $1) }
        guard bound == 0, kind == .udp || listen(descriptor, 16) == 0 else {
            throw LabError(.toolFailed, "\(address):\(port) in \(namespace) could not be bound: error \(errno)")
        }
    }

    deinit { close(descriptor) }

    /// Sends one datagram. A refusal is no error: a blocked sender goes on sending.
    public func send(_ bytes: [UInt8], to address: IPv4Address, port: UInt16) {
        _ = Self.with(address, port) {
            sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, $1)
        }
    }

    /// The next datagram that waits, `nil` when none does.
    public func receive() -> (source: IPv4Address, port: UInt16, bytes: [UInt8])? {
        var source = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        var bytes = [UInt8](repeating: 0, count: 2048)
        let count = withUnsafeMutablePointer(to: &source) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                recvfrom(descriptor, &bytes, bytes.count, 0, address, &length)
            }
        }
        guard count >= 0 else { return nil }
        return (
            IPv4Address(bits: UInt32(bigEndian: source.sin_addr.s_addr)), UInt16(bigEndian: source.sin_port),
            Array(bytes.prefix(count))
        )
    }

    private static func with<Result>(
        _ address: IPv4Address, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        target.sin_addr.s_addr = address.bits.bigEndian
        return withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Swift's Glibc module does not show `setns` (it is a GNU extension), so it is looked up by name.
    private static let setns: (@convention(c) (Int32, Int32) -> Int32)? = {
        guard let symbol = dlsym(nil, "setns") else { return nil }
        return unsafeBitCast(symbol, to: (@convention(c) (Int32, Int32) -> Int32).self)
    }()

    /// Runs `body` with this thread inside the namespace. `body` must not suspend or hand work to other threads.
    private static func visiting(_ namespace: String, _ body: () -> Int32) throws(LabError) -> Int32 {
        guard let setns else { throw LabError(.unsupported, "this C library has no setns") }
        let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        let target = open("/run/netns/\(namespace)", O_RDONLY | O_CLOEXEC)
        defer {
            if home >= 0 { close(home) }
            if target >= 0 { close(target) }
        }
        guard home >= 0, target >= 0, setns(target, 0) == 0 else {
            throw LabError(.notUp, "the namespace \(namespace) cannot be entered: error \(errno)")
        }
        let result = body()
        // A thread of the pool that stays in the wrong namespace would run unrelated work there.
        precondition(setns(home, 0) == 0, "this thread cannot return to its network namespace")
        return result
    }
}
