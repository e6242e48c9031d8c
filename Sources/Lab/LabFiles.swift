import Foundation
import Glibc

/// The few file operations that the laboratory needs, with its own error.
enum LabFiles {
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Makes the directory and its parents, readable by root only: configurations hold secrets.
    static func makeDirectory(_ path: String) throws(LabError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw LabError(.toolFailed, "\(path) could not be made", output: error.localizedDescription)
        }
    }

    static func write(_ text: String, to path: String, mode: Int = 0o600) throws(LabError) {
        do {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        } catch {
            throw LabError(.toolFailed, "\(path) could not be written", output: error.localizedDescription)
        }
    }

    /// The file's text, `nil` when there is no such file: a log or a record that is not there yet is no failure.
    static func read(_ path: String) -> String? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    static func lastLines(_ count: Int, of path: String) -> String {
        (read(path) ?? "").split(separator: "\n").suffix(count).joined(separator: "\n")
    }

    static func names(in directory: String) -> [String] {
        // An absent directory has no files.
        ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted()
    }

    static func remove(_ path: String) throws(LabError) {
        guard exists(path) else { return }
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            throw LabError(.toolFailed, "\(path) could not be removed", output: error.localizedDescription)
        }
    }

    /// Octets in the file, zero when there is none yet.
    static func size(of path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }
}

/// Held by a command that changes a laboratory. The lock is on the run directory itself, so no file outlives it, and
/// the kernel lets go of it when the process ends, however it ends.
final class LabLock: Sendable {
    private let descriptor: Int32

    init(directory: String) throws(LabError) {
        try LabFiles.makeDirectory(directory)
        descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw LabError(.toolFailed, "\(directory) could not be opened") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw LabError(.busy, "another command is using this laboratory (\(directory) is locked)")
        }
    }

    deinit { close(descriptor) }
}
