import CNetfilter
import Glibc
import PolicyCompiler

/// One netlink socket, in the network namespace of the thread that opened it.
final class NetlinkSocket {
    private let socket: OpaquePointer
    private var sequence: UInt32 = 0
    /// The kernel writes at most 32 KiB of a dump at once.
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)
    private var sendBuffer: Int32 = 0

    /// - Parameter bus: `NETLINK_NETFILTER` or `NETLINK_ROUTE`.
    init(bus: Int32) throws(DataPlaneError) {
        guard let socket = mnl_socket_open2(bus, Int32(SOCK_CLOEXEC.rawValue)) else {
            throw DataPlaneError(errno: errno, operation: "opening a netlink socket")
        }
        guard mnl_socket_bind(socket, 0, 0) == 0 else {
            let code = errno
            mnl_socket_close(socket)
            throw DataPlaneError(errno: code, operation: "binding a netlink socket")
        }
        self.socket = socket
        // Without it every error answer repeats the whole request.
        var on: Int32 = 1
        mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, 4)
        set(SO_RCVBUFFORCE, 8 << 20)
        // The kernel answers while it takes the request, so what takes longer than this will never come.
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { mnl_socket_close(socket) }

    func nextSequence() -> UInt32 {
        sequence &+= 1
        return sequence
    }

    private func set(_ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, option, &value, 4)
    }

    func send(_ bytes: [UInt8], operation: String) throws(DataPlaneError) {
        // A message must fit the send buffer whole; the kernel counts some overhead.
        let needed = Int32(clamping: bytes.count + (1 << 16))
        if needed > sendBuffer {
            set(SO_SNDBUFFORCE, needed)
            sendBuffer = needed
        }
        let sent = bytes.withUnsafeBytes { mnl_socket_sendto(socket, $0.baseAddress, $0.count) }
        guard sent == bytes.count else { throw DataPlaneError(errno: errno, operation: operation) }
    }

    /// Reads one datagram and hands over its messages.
    /// - Returns: false when `isWaiting` is not set and nothing is there.
    @discardableResult
    private func receive(
        waiting isWaiting: Bool, operation: String, _ body: (NetlinkMessage) -> Void
    ) throws(DataPlaneError) -> Bool {
        let code = read(waiting: isWaiting, body)
        if code == EAGAIN && !isWaiting { return false }
        guard code == 0 else { throw DataPlaneError(errno: code == EAGAIN ? ENOBUFS : code, operation: operation) }
        return true
    }

    /// Reads one datagram and hands over its messages. - Returns: 0, or an `errno` value.
    private func read(waiting isWaiting: Bool, _ body: (NetlinkMessage) -> Void) -> Int32 {
        let flags = isWaiting ? 0 : Int32(MSG_DONTWAIT)
        var count: Int
        repeat {
            count = buffer.withUnsafeMutableBytes { recv(mnl_socket_get_fd(socket), $0.baseAddress, $0.count, flags) }
        } while count < 0 && errno == EINTR
        guard count > 0 else { return count == 0 ? EPIPE : errno }
        buffer.withUnsafeBytes { whole in
            var rest = whole[range: 0..<min(count, whole.count)]
            while let length = rest.native(UInt32.self, at: 0), length >= 16, Int(length) <= rest.count,
                let type = rest.native(UInt16.self, at: 4), let flags = rest.native(UInt16.self, at: 6),
                let sequence = rest.native(UInt32.self, at: 8)
            {
                body(
                    NetlinkMessage(
                        type: type, flags: flags, sequence: sequence, payload: rest[range: 16..<Int(length)]))
                rest = rest[range: min((Int(length) + 3) & ~3, rest.count)..<rest.count]
            }
        }
        return 0
    }

    // MARK: Groups

    /// From now on the socket gets what the kernel tells the group, a `NFNLGRP_` number. It is for that alone then.
    func join(group: UInt32) throws(DataPlaneError) {
        var group = group
        guard mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, 4) == 0 else {
            throw DataPlaneError(errno: errno, operation: "joining the netlink group \(group)")
        }
    }

    /// Hands over what groups were told since the last call, without waiting.
    /// - Returns: false when there was more than the socket has room for, and the kernel left some out.
    func readNotices(
        limit: Int, operation: String, _ body: (NetlinkMessage) -> Void
    ) throws(DataPlaneError) -> Bool {
        var isWhole = true
        for _ in 0..<limit {
            switch read(waiting: false, body) {
            case 0: break
            case EAGAIN: return isWhole
            case ENOBUFS: isWhole = false
            case let code: throw DataPlaneError(errno: code, operation: operation)
            }
        }
        return isWhole
    }

    /// Sends a request whose answers all come while it is sent (a batch, or several with acknowledgements), and reads
    /// them. - Returns: the errors with the sequence numbers they are for, and how many were acknowledged.
    func exchange(
        _ bytes: [UInt8], operation: String
    ) throws(DataPlaneError) -> (errors: [(sequence: UInt32, code: Int32)], acknowledged: Int) {
        try discardPending(operation: operation)
        try send(bytes, operation: operation)
        var errors: [(sequence: UInt32, code: Int32)] = []
        var acknowledged = 0
        var isFirst = true
        while try receive(
            waiting: isFirst, operation: operation,
            { message in
                guard message.type == UInt16(NLMSG_ERROR), let code = message.payload.native(Int32.self, at: 0) else {
                    return
                }
                if code == 0 { acknowledged += 1 } else { errors.append((message.sequence, -code)) }
            })
        {
            isFirst = false
        }
        return (errors, acknowledged)
    }

    /// What an earlier, failed exchange has left.
    private func discardPending(operation: String) throws(DataPlaneError) {
        while try receive(waiting: false, operation: operation, { _ in }) {}
    }

    /// Asks for a dump, or for one thing, and hands over each message of the answer.
    /// - Returns: false when a change came between and the answer may be torn.
    func ask(
        _ bytes: [UInt8], isDump: Bool, operation: String, _ body: (NetlinkMessage) -> Void
    ) throws(DataPlaneError) -> Bool {
        try discardPending(operation: operation)
        try send(bytes, operation: operation)
        var isDone = false
        var isWhole = true
        var failure: Int32 = 0
        while !isDone {
            try receive(waiting: true, operation: operation) { message in
                if message.flags & UInt16(NLM_F_DUMP_INTR) != 0 { isWhole = false }
                if message.type == UInt16(NLMSG_DONE) || message.type == UInt16(NLMSG_ERROR) {
                    isDone = true
                    failure = -(message.payload.native(Int32.self, at: 0) ?? 0)
                } else {
                    body(message)
                    if !isDump { isDone = true }
                }
            }
        }
        if failure == EINTR { return false }
        guard failure == 0 else { throw DataPlaneError(errno: failure, operation: operation) }
        return isWhole
    }

    /// Asks for several things with one acknowledgement behind them, and hands over each message of the answer.
    /// - Returns: the error that ended the answer, 0 when it is whole.
    func collect(
        _ bytes: [UInt8], operation: String, _ body: (NetlinkMessage) -> Void
    ) throws(DataPlaneError) -> Int32 {
        try discardPending(operation: operation)
        try send(bytes, operation: operation)
        var result: Int32?
        while result == nil {
            try receive(waiting: true, operation: operation) { message in
                if message.type == UInt16(NLMSG_ERROR) {
                    result = -(message.payload.native(Int32.self, at: 0) ?? -EPROTO)
                } else {
                    body(message)
                }
            }
        }
        return result ?? 0
    }
}
