import Glibc
import PolicyCompiler

extension DataPlaneError {
    /// - Parameter code: a value of `errno`, as system calls and netlink answers have it.
    init(errno code: Int32, operation: String, detail: String? = nil) {
        let kind: Code =
            switch code {
            case EPERM, EACCES: .notPermitted
            case EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT: .unsupported
            case EBADF, ENOTSOCK, ENOTCONN, ENOBUFS, EPIPE, ECONNREFUSED, ECONNRESET: .connectionLost
            default: .refused
            }
        self.init(code: kind, operation: operation, detail: detail ?? Self.text(code))
    }

    private static func text(_ code: Int32) -> String { strerror(code).map { String(cString: $0) } ?? "error \(code)" }
}
