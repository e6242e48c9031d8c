import Domain
import Foundation
import PolicyCompiler
import TestSupport
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

    /// What the examples and the documentation name outside the document.
    private static func scope() throws -> PolicyScope {
        PolicyScope(
            lists: [
                try Name(parsing: "payment-network"): [
                    .ipv4(try IPv4Prefix(parsing: "203.0.113.128/26")),
                    .ipv6(try IPv6Prefix(parsing: "2001:db8:9::/48")),
                ]
            ],
            groups: PolicyScope.groups(try ["cameras", "gateways", "recorders"].map { try Name(parsing: $0) }),
            vpns: PolicyScope.vpns(try ["hq", "backup", "maintenance"].map { try Name(parsing: $0) }),
            blocklists: [try Name(parsing: "malware")],
            isTimeZone: { TimeZone(identifier: $0) != nil })
    }

    /// Validates, and refuses every warning but that names have no addresses yet.
    private static func policy(_ text: String, file: String) throws -> ValidatedPolicy {
        let policy = try PolicyDocument(parsing: text, file: file).validated(in: scope())
        let warnings = policy.warnings.filter { !$0.message.contains("until the gateway's resolver") }
        #expect(warnings.isEmpty, "\(file)")
        #expect(policy.rules.contains { $0.action != .block }, "\(file)")
        return policy
    }

    private static func examples() throws -> [(file: String, text: String)] {
        let folder = try #require(root).appending(path: "Examples").resolvingSymlinksInPath()
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "yaml" }
            .map { ($0.lastPathComponent, try String(contentsOf: $0, encoding: .utf8)) }
    }

    @Test func `the example policies are right without a doubt, and each reaches something`() throws {
        let examples = try Self.examples()
        #expect(examples.count == 8)
        var rules: [ValidatedPolicy.Rule] = []
        for (file, text) in examples {
            let policy = try Self.policy(text, file: file)
            #expect("\(policy.name).yaml" == file)
            rules += policy.rules
        }
        // Together they show everything.
        #expect(rules.contains { $0.direction != .fromDevice } && rules.contains { !$0.groups.isEmpty })
        #expect(rules.contains { !$0.hosts.isEmpty } && rules.contains { !$0.ipv6.isEmpty })
        #expect(rules.contains { $0.schedule != nil } && rules.contains { $0.log })
    }

    @Test func `the examples have only keys that the schema has, and together all of them`() throws {
        let schema = try JSONSerialization.jsonObject(with: Data(PolicySchema.json.utf8))
        let known = SchemaChecker(root: try #require(schema as? [String: Any])).paths
        var used: Set<String> = []
        for (file, text) in try Self.examples() {
            let paths = try PolicyDocument(parsing: text, file: file).paths
            #expect(paths.isSubset(of: known), "\(file)")
            used.formUnion(paths)
        }
        #expect(used == known)
    }

    @Test func `the policies in the documentation are right without a doubt`() throws {
        let root = try #require(Self.root)
        var blocks = 0
        for file in Self.markdownFiles(in: root) {
            for block in try Self.policies(in: String(contentsOf: file, encoding: .utf8)) {
                blocks += 1
                _ = try Self.policy(block, file: file.lastPathComponent)
            }
        }
        #expect(blocks > 1)
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
