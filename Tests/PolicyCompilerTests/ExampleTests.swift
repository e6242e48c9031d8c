import Foundation
import PolicyCompiler
import Testing

/// What the documentation shows must be right: users copy it.
@Suite struct ExampleTests {
    /// The nearest directory above this file that holds a package.
    private static let root: URL? = {
        var directory = URL(filePath: #filePath).deletingLastPathComponent()
        while directory.path != "/" {
            if FileManager.default.fileExists(atPath: directory.appending(path: "Package.swift").path) {
                return directory
            }
            directory.deleteLastPathComponent()
        }
        return nil
    }()

    @Test func `the example policies compile without a warning, and each reaches something`() throws {
        let folder = try #require(Self.root).appending(path: "Examples").resolvingSymlinksInPath()
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "yaml" }
        try #require(!files.isEmpty)
        for file in files {
            let text = try String(contentsOf: file, encoding: .utf8)
            let policy = try PolicyDocument(parsing: text, file: file.lastPathComponent).validated()
            #expect(policy.warnings.isEmpty && compile(policy) != .blockAll, "\(file.lastPathComponent)")
            #expect("\(policy.name).yaml" == file.lastPathComponent)
        }
    }

    @Test func `the policies in the documentation compile without a warning`() throws {
        let root = try #require(Self.root)
        var blocks = 0
        for file in Self.markdownFiles(in: root) {
            for block in try Self.policies(in: String(contentsOf: file, encoding: .utf8)) {
                blocks += 1
                let policy = try PolicyDocument(parsing: block, file: file.lastPathComponent).validated()
                #expect(policy.warnings.isEmpty && compile(policy) != .blockAll, "\(file.lastPathComponent)")
            }
        }
        #expect(blocks > 0)
    }

    /// README.md, when there is one, and everything below docs/.
    private static func markdownFiles(in root: URL) -> [URL] {
        let docs = root.appending(path: "docs").resolvingSymlinksInPath()
        let below =
            FileManager.default.enumerator(at: docs, includingPropertiesForKeys: nil)?
            .compactMap { $0 as? URL }.filter { $0.pathExtension == "md" } ?? []
        let readme = root.appending(path: "README.md")
        return below + (FileManager.default.fileExists(atPath: readme.path) ? [readme] : [])
    }

    /// The fenced blocks of YAML that have a key `policy` at their left edge.
    private static func policies(in markdown: String) -> [String] {
        var policies: [String] = []
        var block: [Substring]?
        for line in markdown.split(separator: "\n", omittingEmptySubsequences: false) {
            if let lines = block, line.hasPrefix("```") {
                if lines.contains(where: { $0.hasPrefix("policy:") }) { policies.append(lines.joined(separator: "\n")) }
                block = nil
            } else if block != nil {
                block?.append(line)
            } else if line == "```yaml" || line == "```json" {
                block = []
            }
        }
        return policies
    }
}
