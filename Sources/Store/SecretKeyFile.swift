public import Domain
import Glibc

/// The file with the key that encrypts secrets in the store: 32 random bytes, readable by its owner alone. Without it
/// the secrets in the store are lost, so it belongs in the backup, and not beside the database's copy.
public enum SecretKeyFile {
    /// Of AES-256, in bytes.
    public static let keyLength = 32

    /// Reads the key; makes a new one when there is no file.
    /// - Throws: ``StoreError`` `.unavailable` when the file cannot be read or made, has another length than
    ///   ``keyLength``, or may be read or written by others than its owner.
    public static func loadOrCreate(_ path: String) throws(StoreError) -> Secret {
        if let key = try load(path) { return key }
        try StoreFiles.makeDirectories(above: path)
        try create(path)
        guard let key = try load(path) else { throw StoreFiles.failure("read the key file \(path)", ENOENT) }
        return key
    }

    private static func load(_ path: String) throws(StoreError) -> Secret? {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            guard errno == ENOENT else { throw StoreFiles.failure("read the key file \(path)", errno) }
            return nil
        }
        defer { Glibc.close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw StoreFiles.failure("read the key file \(path)", errno) }
        guard status.st_mode & 0o077 == 0 else {
            throw .unavailable("the key file \(path) is open to others: chmod 600 it, and replace its secrets")
        }
        // One byte more than a key, to see a file that is too long.
        var bytes = [UInt8](repeating: 0, count: keyLength + 1)
        let count = Glibc.read(file, &bytes, bytes.count)
        guard count >= 0 else { throw StoreFiles.failure("read the key file \(path)", errno) }
        guard count == keyLength else {
            throw .unavailable("the key file \(path) is not \(keyLength) bytes long: restore it from the backup")
        }
        return Secret(bytes: Array(bytes.prefix(keyLength)))
    }

    /// Writes a whole file beside `path` and links it there: a file with half a key is never seen under `path`, and of
    /// two processes that do this at once, both then read the first one's key.
    private static func create(_ path: String) throws(StoreError) {
        var generator = SystemRandomNumberGenerator()
        let key = (0..<keyLength).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        let draft = "\(path).\(getpid()).\(UInt64.random(in: .min ... .max, using: &generator))"
        let file = Glibc.open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, StoreFiles.fileMode)
        guard file >= 0 else { throw StoreFiles.failure("make the key file \(path)", errno) }
        defer {
            Glibc.close(file)
            unlink(draft)
        }
        guard Glibc.write(file, key, key.count) == key.count, fsync(file) == 0 else {
            throw StoreFiles.failure("write the key file \(path)", errno)
        }
        guard link(draft, path) == 0 || errno == EEXIST else {
            throw StoreFiles.failure("make the key file \(path)", errno)
        }
        // The name has to survive a power cut, too: secrets may be sealed with this key from now on.
        let parent = path.lastIndex(of: "/").map { path[..<$0].isEmpty ? "/" : String(path[..<$0]) } ?? "."
        let directory = Glibc.open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw StoreFiles.failure("open the directory \(parent)", errno) }
        defer { Glibc.close(directory) }
        guard fsync(directory) == 0 else { throw StoreFiles.failure("write the directory \(parent)", errno) }
    }
}
