/// The configuration of a VPN's other end, ready to paste.
public struct PeerConfiguration: Hashable, Sendable {
    public let vendor: PeerVendor
    /// What works, but not as one may think.
    public let warnings: [String]
    /// What only the enterprise knows, and is left open in the files.
    public let blanks: [Blank]
    /// In the order to install them.
    public let files: [File]

    public var documentation: String { vendor.documentation }

    public struct File: Hashable, Sendable {
        /// Where it belongs on a device that has files, else a name to save it by.
        public let path: String
        /// Ends in a line's end.
        public let text: String
    }

    /// A placeholder, `<…>`, as it stands in a file.
    public struct Blank: Hashable, Sendable {
        public let placeholder: String
        public let meaning: String
        /// It is a key's place, and what begins with `0x` or `0s` there is decoded: see ``PeerSharedKey/undecodable``.
        public var isDecodedKey = false
    }

    /// All files in one, for people to read.
    public var text: String {
        guard files.count > 1 else { return files.map(\.text).joined() }
        let sign = vendor.guide.comment
        return files.map { "\(sign) ==== \($0.path) ====\n\($0.text)" }.joined(separator: "\n")
    }

    /// Writes the configuration of the other end.
    /// - Throws: ``PeerLimitations``, when the vendor cannot do what the VPN asks for.
    public init(of vendor: PeerVendor, for facts: PeerFacts) throws(PeerLimitations) {
        let guide = vendor.guide
        let limitations = PeerLimitation.ofEveryVendor(facts) + guide.limitations(facts)
        guard limitations.isEmpty else {
            throw PeerLimitations(vendor: vendor, limitations: limitations)
        }
        self.vendor = vendor
        warnings = facts.commonWarnings + guide.warnings(facts)
        blanks = guide.blanks(facts) + facts.keyBlank(isDecoded: guide.decodesKeys)
        let header = Self.header(vendor: vendor, facts: facts, warnings: warnings, blanks: blanks)
        files = guide.files(facts).enumerated().map { index, file in
            let lines = (index == 0 ? header : Array(header.prefix(1))).map { "\(guide.comment) \($0)" }
            return File(path: file.path, text: (lines + [""] + file.lines).map { $0 + "\n" }.joined())
        }
    }

    private static func header(
        vendor: PeerVendor, facts: PeerFacts, warnings: [String], blanks: [Blank]
    ) -> [String] {
        [
            "Cordon: VPN \(facts.vpn) of tenant \(facts.tenant), the enterprise's end (\(vendor.title)).",
            "Follows: \(vendor.documentation).",
        ]
            + blanks.map { "Fill in \($0.placeholder): \($0.meaning)." }
            + warnings.map { "Note: \($0)" }
    }
}

/// How one vendor's devices are told. Asked for files only where it has no limitations.
protocol PeerGuide: Sendable {
    var documentation: String { get }
    /// What a line of comment starts with.
    var comment: String { get }
    /// Whether a key that begins with `0x` or `0s` is taken for hexadecimal or base64.
    var decodesKeys: Bool { get }
    func limitations(_ facts: PeerFacts) -> [PeerLimitation]
    func warnings(_ facts: PeerFacts) -> [String]
    func blanks(_ facts: PeerFacts) -> [PeerConfiguration.Blank]
    func files(_ facts: PeerFacts) -> [PeerDraft]
}

extension PeerGuide {
    var decodesKeys: Bool { false }
}

/// A file before its header.
struct PeerDraft {
    let path: String
    let lines: [String]
}
