public import Domain

/// What was found in the text of a list, beside the list.
public struct NameListReport: Hashable, Sendable {
    /// As which it was read: never `auto` but for a text that says nothing.
    public internal(set) var format: BlocklistFormat
    public internal(set) var lines = 0
    public internal(set) var count = NameList.Count()
    /// What was there more than once.
    public internal(set) var repeated = 0
    /// Lines that say nothing that could be done. The others hold all the same.
    public internal(set) var junkCount = 0
    /// The first of them, ``maximumJunk`` at most.
    public internal(set) var junk: [Junk] = []

    public static let maximumJunk = 10
    static let maximumText = 80

    public struct Junk: Hashable, Sendable {
        /// From 1.
        public let line: Int
        /// How it begins, without what no terminal should be sent.
        public let text: String
        public let reason: Reason

        public init(line: Int, text: String, reason: Reason) {
            self.line = line
            self.text = text
            self.reason = reason
        }
    }

    public enum Reason: String, Hashable, Sendable, CaseIterable {
        case notName = "not a host name"
        case tooLong = "the line is too long"
        case notBlocking = "the address is neither 0.0.0.0 nor loopback, so nothing would be blocked"
        case moreThanName = "a rule that is about more than a name"
        case outsideZone = "not below the zone's own name"
        case wrongPrefix = "not LENGTH and the address's parts in reverse order"
        case trigger = "rpz-client-ip, rpz-nsdname and rpz-nsip are not supported"
        case type = "only CNAME, A, AAAA and TXT records are supported"
        case wrongRecord = "not a record of a zone file"
        case contradicts = "another line says something else about it, and holds"
        case full = "there are too many names or different answers"
        case unfinished = "the text ends inside parentheses or quotation marks"
    }

    init(format: BlocklistFormat) { self.format = format }

    mutating func note(_ reason: Reason, line: Int, _ text: Span<UInt8>) {
        junkCount += 1
        guard junk.count < Self.maximumJunk else { return }
        let shown = (0..<min(text.count, Self.maximumText)).map { index in
            (0x20...0x7e).contains(text[index]) ? text[index] : text[index] == 9 ? 0x20 : UInt8(ascii: "?")
        }
        junk.append(Junk(line: line, text: String(decoding: shown, as: UTF8.self), reason: reason))
    }

    mutating func note(inserted insertion: NameList.Builder.Insertion, line: Int, _ text: Span<UInt8>) {
        switch insertion {
        case .added: break
        case .repeated: repeated += 1
        case .contradicts: note(Reason.contradicts, line: line, text)
        case .full: note(Reason.full, line: line, text)
        }
    }
}
