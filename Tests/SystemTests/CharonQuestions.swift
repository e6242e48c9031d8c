import Glibc
import Testing
import VICI

/// Asks a charon over its vici socket, one question at a time, as nobody else would: what it has of everything.
final class CharonQuestions {
    private let descriptor: Int32
    private var conversation = Conversation()
    private var nextID: Conversation.RequestID = 0

    /// - Parameter uri: `unix://PATH`.
    init(_ uri: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        try #require(descriptor >= 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array(uri.dropFirst("unix://".count).utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(connected == 0, "\(uri): error \(errno)")
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func ask<Question: Command>(_ question: Question) throws -> Question.Answer {
        nextID += 1
        var actions = conversation.submit(question.request, as: nextID)
        while true {
            for action in actions {
                switch action {
                case .send(let octets): try #require(write(descriptor, octets, octets.count) == octets.count)
                case .complete(_, let result): return try question.answer(in: try result.get())
                case .deliver: break
                case .close(let error): throw error
                }
            }
            var octets = [UInt8](repeating: 0, count: 65_536)
            let count = read(descriptor, &octets, octets.count)
            try #require(count > 0, "charon does not answer: error \(errno)")
            actions = conversation.receive(octets[..<count])
        }
    }
}
