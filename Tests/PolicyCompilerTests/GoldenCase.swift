import Foundation
import PolicyCompiler
import TestSupport
import Testing

/// A directory with a document and the chain that it is known to compile to.
struct GoldenCase: CustomTestStringConvertible {
    let name: String
    /// Where the resources lie; recordings go to the sources instead.
    private let directory: URL
    private static let isRecording = ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1"

    /// Whoever adds a case raises this: an empty list of arguments would be skipped, and the run pass.
    static let expectedCount = 22

    var testDescription: String { name }

    /// Empty when the directory cannot be read: a test counts the cases.
    static let all: [GoldenCase] = {
        guard let root = Bundle.module.url(forResource: "Golden", withExtension: nil) else { return [] }
        // Unreadable is the same as empty, see above.
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        return names.sorted().map { GoldenCase(name: $0, directory: root.appending(path: $0)) }
    }()

    func text(_ file: String) throws -> String {
        try String(contentsOf: directory.appending(path: file), encoding: .utf8)
    }

    func policy() throws -> ValidatedPolicy {
        try PolicyDocument(parsing: text("policy.yaml"), file: "policy.yaml").validated(in: RandomPolicy.scope)
    }

    /// Compares with the recorded file, or records it when the environment has `UPDATE_GOLDEN=1`.
    func expect(_ text: String, in file: String) throws {
        guard Self.isRecording else {
            let recorded = try self.text(file)
            #expect(text == recorded, "run UPDATE_GOLDEN=1 swift test, and look at the difference")
            return
        }
        let source = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Golden").appending(path: name).appending(path: file)
        try text.write(to: source, atomically: true, encoding: .utf8)
    }
}
