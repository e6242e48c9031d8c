import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import Testing

/// Traffic through the gateway for some time: TCP connections and UDP datagrams, all in one loop. Nobody waits for anybody.
final class UsageLoad {
    struct Flow: Hashable {
        /// Of the device `100.64.0.n`.
        let device: Int
        /// At the server; each flow has its own.
        let port: UInt16
        let kind: Kind
        /// From the server to the device.
        var isDown = false

        enum Kind: Hashable {
            /// By the name of its congestion control.
            case tcp(String)
            /// Bits of IP packets a second, and octets of a packet.
            case udp(rate: Int, size: Int)
        }
    }

    private struct Open {
        let flow: Flow
        let sender: Int32
        let receiver: Int32
        var sent = 0
        var received = 0
        var packets = 0
    }

    private var open: [Open] = []
    private var descriptors: [Int32] = []

    init(_ flows: [Flow], in rig: KernelRig) throws {
        for flow in flows { open.append(try make(flow, rig)) }
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    private func make(_ flow: Flow, _ rig: KernelRig) throws -> Open {
        let type: __socket_type
        if case .tcp = flow.kind { type = SOCK_STREAM } else { type = SOCK_DGRAM }
        let server = try rig.internet.run { socket(AF_INET, Int32(type.rawValue), 0) }
        let device = try rig.devices.run { socket(AF_INET, Int32(type.rawValue), 0) }
        descriptors += [server, device]
        try #require(server >= 0 && device >= 0)
        let address = IPv4Address(bits: KernelRig.pool.first.bits + UInt32(flow.device))
        var isBound = name(KernelRig.server, flow.port) { bind(server, $0, $1) } == 0
        isBound = name(address, flow.port) { bind(device, $0, $1) } == 0 && isBound
        try #require(isBound, "bind: \(errno)")
        var peer = server
        switch flow.kind {
        case .tcp(let control):
            for end in [server, device] {
                let isSet = setsockopt(end, Int32(IPPROTO_TCP), TCP_CONGESTION, control, socklen_t(control.utf8.count))
                try #require(isSet == 0, "\(control): \(errno)")
            }
            try #require(listen(server, 1) == 0)
            try #require(name(KernelRig.server, flow.port) { connect(device, $0, $1) } == 0, "connect: \(errno)")
            peer = accept(server, nil, nil)
            descriptors.append(peer)
            try #require(peer >= 0)
        case .udp:
            try #require(name(KernelRig.server, flow.port) { connect(device, $0, $1) } == 0)
            // So that the server knows whom to answer.
            _ = Glibc.send(device, [0], 1, 0)
            var source = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            var limit = timeval(tv_sec: 1, tv_usec: 0)
            setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            var byte: UInt8 = 0
            let isConnected = withUnsafeMutablePointer(to: &source) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(server, &byte, 1, 0, $0, &length) == 1 && connect(server, $0, length) == 0
                }
            }
            try #require(isConnected, "connect: \(errno)")
        }
        for end in [peer, device] { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        return Open(flow: flow, sender: flow.isDown ? peer : device, receiver: flow.isDown ? device : peer)
    }

    /// What came through.
    struct Result {
        /// Octets of IP packets: of TCP as many as its octets make in full segments.
        let octets: Int
        let packets: Int
    }

    func run(seconds: Double, until isDone: () throws -> Bool = { false }) throws -> [Flow: Result] {
        let start = now()
        let bytes = [UInt8](repeating: 7, count: 1 << 16)
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while now() - start < seconds, try !isDone() {
            let elapsed = now() - start
            var isIdle = true
            for index in open.indices {
                switch open[index].flow.kind {
                case .tcp:
                    let count = Glibc.send(open[index].sender, bytes, bytes.count, Int32(MSG_NOSIGNAL))
                    if count > 0 { (open[index].sent, isIdle) = (open[index].sent + count, false) }
                    while true {
                        let count = recv(open[index].receiver, &buffer, buffer.count, 0)
                        guard count > 0 else { break }
                        open[index].received += count
                        isIdle = false
                    }
                case .udp(let rate, let size):
                    while Double(open[index].sent) * 8 < Double(rate) * elapsed {
                        // One that finds no room is lost.
                        _ = Glibc.send(open[index].sender, bytes, size - 28, Int32(MSG_NOSIGNAL))
                        open[index].sent += size
                    }
                    while true {
                        let count = recv(open[index].receiver, &buffer, buffer.count, 0)
                        guard count >= 0 else { break }
                        open[index].received += count + 28
                        open[index].packets += 1
                    }
                }
            }
            if isIdle { usleep(300) }
        }
        var results: [Flow: Result] = [:]
        for flow in open {
            if case .tcp = flow.flow.kind {
                // 1,500 octets with 1,448 of data: the headers, and TCP's time stamps (RFC 7323).
                results[flow.flow] = Result(octets: flow.received * 1500 / 1448, packets: flow.received / 1448)
            } else {
                results[flow.flow] = Result(octets: flow.received, packets: flow.packets)
            }
        }
        return results
    }

    private let beginning = ContinuousClock.now

    private func now() -> Double { (ContinuousClock.now - beginning) / .seconds(1) }

    private func name<Success>(
        _ address: IPv4Address, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Success
    ) -> Success {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = address.bits.bigEndian
        name.sin_port = port.bigEndian
        return withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

/// With the least burst.
func rateLimit(_ bitsPerSecond: UInt64) -> RateLimit? { BitRate(bitsPerSecond: bitsPerSecond).map { RateLimit($0) } }
