import ArgumentParser
import CLoad
import Glibc

struct Names: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answers DNS queries for any name, until it is ended.",
        discussion: """
            Every name has one IPv4 address, always the same; a name that begins with n has another at each answer, \
            which nobody has been told before. An authority that costs little, so that resolvers are measured.
            """)

    @Option(help: "The address to listen on, port 53.") var listen: String
    @Option(help: "How long answers may be kept, in seconds.") var lifetime: UInt32 = 86_400

    func run() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var roomy: Int32 = 8 << 20
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &roomy, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(53).bigEndian
        guard inet_pton(AF_INET, listen, &address.sin_addr) == 1 else {
            throw ValidationError("\(listen) is no IPv4 address")
        }
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard descriptor >= 0, isBound == 0 else { throw ValidationError("no socket: error \(errno)") }
        print("ready")
        fflush(nil)
        _ = cload_answer_names(descriptor, lifetime)
        throw ValidationError("the socket ended: error \(errno)")
    }
}
