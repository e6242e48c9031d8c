import Domain
import Foundation
import PeerGuides
import Testing

/// A vendor, a VPN, and a directory with the files that are known to come out, or with what the vendor cannot do.
struct GoldenCase: CustomTestStringConvertible {
    let vendor: PeerVendor
    let situation: Situation

    /// Whoever adds a situation raises this: a directory that nobody compares would go unseen.
    static let expectedCount = 81

    private static let isRecording = ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1"

    var testDescription: String { name }
    var name: String { "\(vendor.rawValue)-\(situation.name)" }

    static let all = PeerVendor.allCases.flatMap { vendor in
        Situation.all.map { GoldenCase(vendor: vendor, situation: $0) }
    }

    /// What is recorded: empty when the directory cannot be read, which a test sees.
    static let recorded: [String] = {
        guard let root = Bundle.module.url(forResource: "Golden", withExtension: nil) else { return [] }
        // Unreadable is the same as empty, see above.
        return ((try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []).sorted()
    }()

    /// Compares with the recorded files, or records them when the environment has `UPDATE_GOLDEN=1`.
    func expect(_ files: [(name: String, text: String)]) throws {
        guard Self.isRecording else {
            let root = try #require(Bundle.module.url(forResource: "Golden", withExtension: nil))
            let directory = root.appending(path: name)
            let found = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
            #expect(found == files.map(\.name).sorted())
            for file in files {
                let text = try String(contentsOf: directory.appending(path: file.name), encoding: .utf8)
                #expect(file.text == text, "run UPDATE_GOLDEN=1 swift test, and look at the difference")
            }
            return
        }
        let source = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")
            .appending(path: name)
        if FileManager.default.fileExists(atPath: source.path) { try FileManager.default.removeItem(at: source) }
        try FileManager.default.createDirectory(at: source, withIntermediateDirectories: true)
        for file in files {
            try file.text.write(to: source.appending(path: file.name), atomically: true, encoding: .utf8)
        }
    }
}
