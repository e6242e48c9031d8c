import ArgumentParser
import Glibc

struct Respond: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answers every datagram that comes to one of the servers, until it is ended.")

    func run() throws {
        var sockets: [pollfd] = []
        for index in 0..<Servers.count {
            let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            var roomy: Int32 = 8 << 20
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &roomy, socklen_t(MemoryLayout<Int32>.size))
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = Servers.address(index).bigEndian
            address.sin_port = Servers.port.bigEndian
            let isBound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard descriptor >= 0, isBound == 0 else { throw ValidationError("no socket: error \(errno)") }
            sockets.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
        }
        print("ready")
        fflush(nil)
        var buffer = [UInt8](repeating: 0, count: 2048)
        while poll(&sockets, nfds_t(sockets.count), -1) > 0 {
            for socket in sockets where socket.revents != 0 {
                var peer = sockaddr_storage()
                var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
                withUnsafeMutablePointer(to: &peer) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { peer in
                        let count = recvfrom(
                            socket.fd, &buffer, buffer.count, Int32(MSG_DONTWAIT), peer, &length)
                        if count >= 0 { sendto(socket.fd, buffer, count, 0, peer, length) }
                    }
                }
            }
        }
    }
}
