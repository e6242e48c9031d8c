import Glibc

/// How files of the store lie on the disk: for the process's own user alone, in directories that are made for it when
/// they are missing (mode 0700; directories that are there are left as they are).
enum StoreFiles {
    static let fileMode: mode_t = 0o600
    static let directoryMode: mode_t = 0o700

    /// Makes the directories above `path`.
    static func makeDirectories(above path: String) throws(StoreError) {
        let isAbsolute = path.hasPrefix("/")
        var directory = isAbsolute ? "" : "."
        for part in path.split(separator: "/").dropLast() {
            directory += "/\(part)"
            guard mkdir(directory, directoryMode) != 0, errno != EEXIST else { continue }
            // A directory that is there on a read-only or foreign file system gives another error than EEXIST.
            let reason = errno
            guard access(directory, F_OK) != 0 else { continue }
            throw failure("make the directory \(directory)", reason)
        }
    }

    /// Makes the file when it is missing, and takes away what others may do with it and with what SQLite puts beside
    /// it. SQLite gives its WAL and shared memory the mode of the database.
    static func prepareDatabase(_ path: String) throws(StoreError) {
        try makeDirectories(above: path)
        let file = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, fileMode)
        guard file >= 0 else { throw failure("open the database \(path)", errno) }
        defer { Glibc.close(file) }
        guard fchmod(file, fileMode) == 0 else { throw failure("protect the database \(path)", errno) }
        for suffix in ["-wal", "-shm"] where chmod(path + suffix, fileMode) != 0 && errno != ENOENT {
            throw failure("protect the file \(path)\(suffix)", errno)
        }
    }

    static func failure(_ what: String, _ reason: Int32) -> StoreError {
        .unavailable("cannot \(what): \(String(cString: strerror(reason)))")
    }
}
