import CNetfilter
import Glibc
public import PolicyCompiler

/// A network namespace, kept alive by an open descriptor.
public final class NetworkNamespace: Sendable {
    private let descriptor: Int32
    private let device: UInt64
    private let inode: UInt64

    /// The namespace of the calling thread.
    public convenience init() throws(DataPlaneError) { try self.init(path: "/proc/thread-self/ns/net") }

    /// A namespace that `ip netns add` has made.
    public convenience init(named name: String) throws(DataPlaneError) { try self.init(path: "/run/netns/\(name)") }

    private init(path: String) throws(DataPlaneError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DataPlaneError(errno: errno, operation: "opening \(path)") }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let code = errno
            close(descriptor)
            throw DataPlaneError(errno: code, operation: "looking at \(path)")
        }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }

    deinit { close(descriptor) }

    /// Runs `body` in this namespace: on the calling thread when it is there already, otherwise on a thread of its own,
    /// which needs CAP_SYS_ADMIN. Sockets keep the namespace that they were opened in.
    public func run<Success>(_ body: () throws(DataPlaneError) -> Success) throws(DataPlaneError) -> Success {
        if isCurrent { return try body() }
        var outcome: Result<Success, DataPlaneError>?
        let code = withoutActuallyEscaping({ () in
            do throws(DataPlaneError) {
                outcome = .success(try body())
            } catch {
                outcome = .failure(error)
            }
        }) { work in
            let call = NamespaceCall(work)
            return cnf_run_in_namespace(
                descriptor,
                { context in
                    guard let context else { return }
                    Unmanaged<NamespaceCall>.fromOpaque(context).takeUnretainedValue().body()
                }, Unmanaged.passUnretained(call).toOpaque())
        }
        guard let outcome else { throw DataPlaneError(errno: code, operation: "entering a network namespace") }
        return try outcome.get()
    }

    private var isCurrent: Bool {
        var status = stat()
        guard stat("/proc/thread-self/ns/net", &status) == 0 else { return false }
        return UInt64(status.st_dev) == device && UInt64(status.st_ino) == inode
    }
}

private final class NamespaceCall {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
}
