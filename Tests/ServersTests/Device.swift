import Glibc

/// A device's sockets, blocking, on an address of loopback.
struct Device {
    let address: String
    let port: UInt16

    init(_ address: String = "127.0.0.2", port: UInt16) {
        self.address = address
        self.port = port
    }

    /// A connected socket; who asks for it closes it.
    func socket(_ kind: __socket_type, timeoutMilliseconds: Int = 8000) -> Int32 {
        let isIPv6 = address.contains(":")
        let descriptor = Glibc.socket(isIPv6 ? AF_INET6 : AF_INET, Int32(kind.rawValue), 0)
        var timeout = timeval(tv_sec: timeoutMilliseconds / 1000, tv_usec: timeoutMilliseconds % 1000 * 1000)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var size: Int32 = 4 << 20
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        if isIPv6 {
            connectIPv6(descriptor)
        } else {
            Self.with(address, 0) { _ = Glibc.bind(descriptor, $0, $1) }
            Self.with("127.0.0.1", port) { _ = Glibc.connect(descriptor, $0, $1) }
        }
        return descriptor
    }

    /// From and to the device's own address: loopback has one of IPv6.
    private func connectIPv6(_ descriptor: Int32) {
        var name = sockaddr_in6()
        name.sin6_family = sa_family_t(AF_INET6)
        name.sin6_port = port.bigEndian
        inet_pton(AF_INET6, address, &name.sin6_addr)
        withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
    }

    private static func with(_ address: String, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Void) {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        inet_pton(AF_INET, address, &name.sin_addr)
        withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Asks over UDP; `nil` when there is no answer in time.
    func ask(_ query: [UInt8], timeoutMilliseconds: Int = 8000) -> [UInt8]? {
        askAll([query], timeoutMilliseconds: timeoutMilliseconds).first
    }

    /// Sends all, then takes answers until there are as many or none comes in time.
    func askAll(_ queries: [[UInt8]], timeoutMilliseconds: Int = 8000) -> [[UInt8]] {
        let descriptor = socket(SOCK_DGRAM, timeoutMilliseconds: timeoutMilliseconds)
        defer { close(descriptor) }
        for query in queries { send(descriptor, query, query.count, 0) }
        var answers: [[UInt8]] = []
        while answers.count < queries.count, let answer = Self.receive(descriptor) { answers.append(answer) }
        return answers
    }

    static func receive(_ descriptor: Int32) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count > 0 ? Array(buffer.prefix(count)) : nil
    }

    /// Reads one message with its length in front; `nil` at the end or when none comes in time.
    static func receiveFramed(_ descriptor: Int32) -> [UInt8]? {
        guard let head = receive(descriptor, exactly: 2) else { return nil }
        return receive(descriptor, exactly: Int(head[0]) << 8 | Int(head[1]))
    }

    private static func receive(_ descriptor: Int32, exactly count: Int) -> [UInt8]? {
        var octets: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: count)
        while octets.count < count {
            let got = recv(descriptor, &buffer, count - octets.count, 0)
            guard got > 0 else { return nil }
            octets += buffer.prefix(got)
        }
        return octets
    }

    static func sendFramed(_ descriptor: Int32, _ queries: [[UInt8]]) {
        let octets = queries.flatMap { Wire.u16($0.count) + $0 }
        send(descriptor, octets, octets.count, Int32(MSG_NOSIGNAL))
    }

    /// Asks over TCP.
    func askStream(_ queries: [[UInt8]], timeoutMilliseconds: Int = 8000) -> [[UInt8]] {
        let descriptor = socket(SOCK_STREAM, timeoutMilliseconds: timeoutMilliseconds)
        defer { close(descriptor) }
        Self.sendFramed(descriptor, queries)
        var answers: [[UInt8]] = []
        while answers.count < queries.count, let answer = Self.receiveFramed(descriptor) { answers.append(answer) }
        return answers
    }
}

/// Waits without giving the thread away: other suites hold threads for many seconds, and it would not come back in time.
func pause(milliseconds: Int) { usleep(UInt32(milliseconds) * 1000) }
