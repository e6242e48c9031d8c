import Crypto
public import Domain
import Glibc

/// Texts that are too large for the database, each a file under the name of its SHA-256 digest. A text is there whole or
/// not at all, and is what its name says or is refused.
public struct TextDirectory: Sendable {
    private let path: String

    /// Made, with the directories above it, when it is missing.
    public init(path: String) throws(StoreError) {
        self.path = path
        try StoreFiles.makeDirectories(above: path + "/.")
    }

    /// Begins a text.
    public func draft() throws(StoreError) -> Draft {
        // 64 random bits: nobody else has this name.
        let name = "\(path)/draft-\(UInt64.random(in: 0 ... .max))"
        let file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, StoreFiles.fileMode)
        guard file >= 0 else { throw StoreFiles.failure("write in \(path)", errno) }
        return Draft(file: file, path: name, directory: path)
    }

    /// Reads a text from its beginning.
    public func reader(of digest: TextDigest) throws(StoreError) -> Reader {
        let file = open(name(of: digest), O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw StoreFiles.failure("open the text \(digest)", errno) }
        return Reader(file: file, digest: digest)
    }

    /// Removes what is not among these, when it is older than `seconds`: a younger one may be somebody's who has not
    /// written down yet that it is needed.
    public func removeAll(but kept: Set<TextDigest>, olderThan seconds: Int) throws(StoreError) {
        guard let directory = opendir(path) else { throw StoreFiles.failure("list \(path)", errno) }
        defer { closedir(directory) }
        let names = Set(kept.map(\.description))
        let limit = time(nil) - seconds
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            var status = stat()
            guard !names.contains(name), name != ".", name != "..", stat("\(path)/\(name)", &status) == 0,
                status.st_mtim.tv_sec <= limit
            else { continue }
            // Of other names than ours there are none in a directory of our own.
            guard unlink("\(path)/\(name)") == 0 || errno == ENOENT else {
                throw StoreFiles.failure("remove \(path)/\(name)", errno)
            }
        }
    }

    private func name(of digest: TextDigest) -> String { "\(path)/\(digest)" }

    /// A text that is being written. What is not committed is removed with it.
    public final class Draft {
        private let file: Int32
        private let path: String
        private let directory: String
        private var hash = SHA256()
        private var isCommitted = false
        public private(set) var octets: Int64 = 0

        fileprivate init(file: Int32, path: String, directory: String) {
            self.file = file
            self.path = path
            self.directory = directory
        }

        deinit {
            close(file)
            if !isCommitted { unlink(path) }
        }

        public func write(_ bytes: Span<UInt8>) throws(StoreError) {
            let reason: Int32? = bytes.withUnsafeBytes { buffer in
                hash.update(bufferPointer: buffer)
                var rest = buffer[...]
                while !rest.isEmpty {
                    let count = Glibc.write(file, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                    if count >= 0 {
                        rest = rest.dropFirst(count)
                    } else if errno != EINTR {
                        return errno
                    }
                }
                return nil
            }
            if let reason { throw StoreFiles.failure("write in \(directory)", reason) }
            octets += Int64(bytes.count)
        }

        /// The digest of what was written so far.
        public var digest: TextDigest { TextDigest(Array(hash.finalize())) }

        /// Makes the text one that is there under its digest, on the disk when this returns.
        public func commit() throws(StoreError) -> TextDigest {
            let digest = digest
            guard fsync(file) == 0 else { throw StoreFiles.failure("write in \(directory)", errno) }
            guard rename(path, "\(directory)/\(digest)") == 0 else {
                throw StoreFiles.failure("name a file in \(directory)", errno)
            }
            isCommitted = true
            let parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard parent >= 0 else { throw StoreFiles.failure("open \(directory)", errno) }
            defer { close(parent) }
            guard fsync(parent) == 0 else { throw StoreFiles.failure("write \(directory)", errno) }
            return digest
        }
    }

    /// Hands a text out piece by piece.
    public final class Reader {
        private let file: Int32
        private let digest: TextDigest
        private var hash = SHA256()
        private var chunk = [UInt8](repeating: 0, count: 1 << 18)

        fileprivate init(file: Int32, digest: TextDigest) {
            self.file = file
            self.digest = digest
        }

        deinit { close(file) }

        /// Calls `body` with the next octets.
        /// - Returns: `false` at the end.
        /// - Throws: ``StoreError`` when what was read up to the end is not what was written.
        public func next(_ body: (Span<UInt8>) -> Void) throws(StoreError) -> Bool {
            var count = 0
            repeat { count = read(file, &chunk, chunk.count) } while count < 0 && errno == EINTR
            guard count >= 0 else { throw StoreFiles.failure("read the text \(digest)", errno) }
            guard count > 0 else {
                guard TextDigest(Array(hash.finalize())) == digest else {
                    throw .unavailable("the text \(digest) is not what was written: bring it again")
                }
                return false
            }
            chunk.withUnsafeBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            let bytes = chunk
            body(bytes.span.extracting(0..<count))
            return true
        }
    }
}

extension TextDigest {
    fileprivate init(_ octets: [UInt8]) {
        guard let digest = TextDigest(octets: octets) else { preconditionFailure("SHA-256 has 32 octets") }
        self = digest
    }
}
