public import Domain
import Glibc
import NIOPosix

/// Host names, as the gateway's own host resolves them.
public enum HostLookUp {
    /// - Returns: in their order; none when the name stands for nothing, or nobody can say.
    public static func addresses(of name: DomainName) async -> [IPAddress] {
        // The pool fails only when the process ends.
        let found = (try? await NIOThreadPool.singleton.runIfActive { resolve("\(name)") }) ?? []
        return Set(found).sorted()
    }

    /// Waits for the resolver.
    private static func resolve(_ name: String) -> [IPAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        return sequence(first: list, next: { $0?.pointee.ai_next }).compactMap { entry in
            entry.flatMap { $0.pointee.ai_addr }.flatMap(IPAddress.init(socketAddress:))
        }
    }
}
