import Domain
import PeerGuides
import Testing

@Suite struct PeerConfigurationTests {
    @Test(arguments: GoldenCase.all)
    func `comes out as recorded`(_ golden: GoldenCase) throws {
        do throws(PeerLimitations) {
            let configuration = try PeerConfiguration(of: golden.vendor, for: golden.situation.facts)
            try record(configuration, golden)
        } catch {
            try golden.expect([("limitations.txt", "\(error)\n")])
        }
    }

    /// Apart, as an untyped error within would lose the other's type.
    private func record(_ configuration: PeerConfiguration, _ golden: GoldenCase) throws(PeerLimitations) {
        let files = configuration.files.map { file in
            (name: file.path.split(separator: "/").last.map(String.init) ?? file.path, text: file.text)
        }
        do { try golden.expect(files) } catch { Issue.record(error) }
    }

    @Test func `every recorded case is compared`() {
        #expect(GoldenCase.recorded == GoldenCase.all.map(\.name).sorted())
        #expect(GoldenCase.all.count == GoldenCase.expectedCount)
    }

    @Test(arguments: PeerVendor.allCases)
    func `each vendor has at least three configurations recorded`(_ vendor: PeerVendor) {
        #expect(Situation.all.count { Self.succeeds(vendor, $0.facts) } >= 3)
    }

    @Test(arguments: PeerVendor.allCases)
    func `says which documentation it follows, and what is to be filled in`(_ vendor: PeerVendor) throws {
        #expect(!vendor.documentation.isEmpty)
        for situation in Situation.all where Self.succeeds(vendor, situation.facts) {
            let configuration = try PeerConfiguration(of: vendor, for: situation.facts)
            let text = configuration.text
            #expect(text.contains("Follows: \(vendor.documentation)."))
            for blank in configuration.blanks {
                #expect(text.contains("Fill in \(blank.placeholder): "))
                #expect(text.components(of: blank.placeholder) >= 3, "\(blank.placeholder) stands nowhere")
            }
            for warning in configuration.warnings { #expect(text.contains("Note: \(warning)")) }
            for file in configuration.files { #expect(text.contains(file.text)) }
        }
    }

    @Test func `without the key the placeholder stands in its place, and the key never in a description`() throws {
        let situation = try #require(Situation.all.first { $0.name == "compatible-pairs" })
        for vendor in PeerVendor.allCases where Self.succeeds(vendor, situation.facts) {
            let text = try PeerConfiguration(of: vendor, for: situation.facts).text
            #expect(text.contains("<the key that was shown when the VPN was made>"))
        }
        #expect(!"\(try PeerSharedKey(parsing: Situation.key))".contains(Situation.key))
    }

    @Test(arguments: [
        "", "short", "has space in it", "quo\"te-quote", "line\nline-line", "dollar$dollar", "üüüüüüüüüü",
    ])
    func `keys that could end a string are refused, and not repeated`(_ text: String) {
        #expect {
            try PeerSharedKey(parsing: text)
        } throws: { error in
            text.isEmpty || !"\(error)".contains(text)
        }
    }

    static func succeeds(_ vendor: PeerVendor, _ facts: PeerFacts) -> Bool {
        do {
            _ = try PeerConfiguration(of: vendor, for: facts)
            return true
        } catch {
            return false
        }
    }
}

extension String {
    /// How many parts `separator` divides it into.
    func components(of separator: String) -> Int { split(separator: separator, omittingEmptySubsequences: false).count }
}
