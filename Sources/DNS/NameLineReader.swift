import Domain

/// Reads lines that stand for themselves: of hosts files and of plain lists.
struct NameLineReader {
    /// The name that is read, as in a message.
    private var wire: [UInt8] = []

    init() { wire.reserveCapacity(WireName.maximumOctets) }

    // MARK: Lines

    mutating func readHosts(
        _ line: Span<UInt8>, into builder: inout NameList.Builder, _ report: inout NameListReport
    ) {
        var index = 0
        guard let address = Self.word(line, &index) else { return }
        let isBlocking = Self.isNull(line.extracting(address))
        guard isBlocking || Self.looksLikeAddress(line.extracting(address)) else {
            report.note(.wrongRecord, line: report.lines, line)
            return
        }
        var isNoted = false
        while let word = Self.word(line, &index) {
            let name = line.extracting(word)
            guard !Self.isOfHost(name) else { continue }
            // One line is counted once.
            guard !isNoted else { continue }
            guard isBlocking else {
                report.note(.notBlocking, line: report.lines, line)
                isNoted = true
                continue
            }
            guard Self.readName(name, into: &wire) else {
                report.note(.notName, line: report.lines, line)
                isNoted = true
                continue
            }
            report.note(inserted: builder.insert(wire, isWildcard: false, .block), line: report.lines, line)
        }
    }

    mutating func readPlain(
        _ line: Span<UInt8>, into builder: inout NameList.Builder, _ report: inout NameListReport
    ) {
        // Titles and comments of ad blockers' lists.
        if line.count > 0, line[0] == UInt8(ascii: "!") || line[0] == UInt8(ascii: "[") { return }
        var index = 0
        guard let word = Self.word(line, &index) else { return }
        guard Self.word(line, &index) == nil else {
            report.note(.notName, line: report.lines, line)
            return
        }
        var name = line.extracting(word)
        var isWildcard = false
        var isBoth = false
        let star = UInt8(ascii: "*")
        let bar = UInt8(ascii: "|")
        if name.count > 2, name[0] == star, name[1] == UInt8(ascii: ".") {
            isWildcard = true
            name = name.extracting(2..<name.count)
        } else if name.count > 3, name[0] == bar, name[1] == bar, name[name.count - 1] == UInt8(ascii: "^") {
            isBoth = true
            name = name.extracting(2..<name.count - 1)
        }
        guard Self.readName(name, into: &wire) else {
            let isRule = (0..<name.count).contains { "|@/$^#".utf8.contains(name[$0]) }
            report.note(isRule ? .moreThanName : .notName, line: report.lines, line)
            return
        }
        report.note(inserted: builder.insert(wire, isWildcard: isWildcard, .block), line: report.lines, line)
        if isBoth {
            report.note(inserted: builder.insert(wire, isWildcard: true, .block), line: report.lines, line)
        }
    }

    /// What a line shows a list to be; `nil` for a comment or an empty line.
    static func format(of line: Span<UInt8>) -> BlocklistFormat? {
        guard line.count > 0 else { return nil }
        switch line[0] {
        case UInt8(ascii: "$"): return .rpz
        case UInt8(ascii: "!"), UInt8(ascii: "["): return .plain
        default: break
        }
        var index = 0
        guard let first = Self.word(line, &index) else { return nil }
        if line[first.lowerBound] == UInt8(ascii: ";") { return nil }
        guard var word = Self.word(line, &index) else { return .plain }
        if looksLikeAddress(line.extracting(first)) { return .hosts }
        let known = ["in", "soa", "ns", "cname", "a", "aaaa", "txt"]
        while true {
            if known.contains(where: { isEqual(line.extracting(word), $0) }) { return .rpz }
            guard let next = Self.word(line, &index) else { return .plain }
            word = next
        }
    }

    // MARK: Words

    /// What stands between blanks from `index` on, up to a comment.
    private static func word(_ line: Span<UInt8>, _ index: inout Int) -> Range<Int>? {
        while index < line.count, line[index] == 0x20 || line[index] == 9 { index += 1 }
        guard index < line.count, line[index] != UInt8(ascii: "#") else { return nil }
        let start = index
        while index < line.count, line[index] != 0x20, line[index] != 9, line[index] != UInt8(ascii: "#") {
            index += 1
        }
        return start..<index
    }

    /// Whether it is one of the addresses that blocking hosts files send names to.
    private static func isNull(_ word: Span<UInt8>) -> Bool {
        isEqual(word, "0.0.0.0") || isEqual(word, "127.0.0.1") || isEqual(word, "::") || isEqual(word, "::1")
            || isEqual(word, "0")
    }

    private static func looksLikeAddress(_ word: Span<UInt8>) -> Bool {
        var separators = 0
        for index in 0..<word.count {
            switch word[index] {
            case UInt8(ascii: "."), UInt8(ascii: ":"): separators += 1
            case 0x30...0x39, 0x41...0x46, 0x61...0x66: break
            // The zone of an address.
            case UInt8(ascii: "%"): return separators > 1
            default: return false
            }
        }
        return separators > 1 || isEqual(word, "0")
    }

    /// Names that hosts files have for the machine itself.
    private static func isOfHost(_ name: Span<UInt8>) -> Bool {
        switch name.count {
        case 5: isEqual(name, "local")
        case 7: isEqual(name, "0.0.0.0")
        case 9: isEqual(name, "localhost")
        case 12:
            isEqual(name, "ip6-loopback") || isEqual(name, "ip6-localnet") || isEqual(name, "ip6-allnodes")
                || isEqual(name, "ip6-allhosts")
        case 13: isEqual(name, "broadcasthost") || isEqual(name, "ip6-localhost")
        case 14: isEqual(name, "ip6-allrouters")
        case 15: isEqual(name, "ip6-mcastprefix")
        case 21: isEqual(name, "localhost.localdomain")
        default: false
        }
    }

    /// - Parameter text: in lower case.
    private static func isEqual(_ word: Span<UInt8>, _ text: StaticString) -> Bool {
        guard word.count == text.utf8CodeUnitCount else { return false }
        return text.withUTF8Buffer { text in
            for index in 0..<word.count where WireName.lowered(word[index]) != text[index] { return false }
            return true
        }
    }

    private static func isEqual(_ word: Span<UInt8>, _ text: String) -> Bool {
        word.count == text.utf8.count && zip(0..., text.utf8).allSatisfy { WireName.lowered(word[$0]) == $1 }
    }

    /// Writes a host name (letters, digits, hyphens, underscores) as it stands in messages.
    /// - Returns: `false` when it is none, as addresses are not.
    static func readName(_ text: Span<UInt8>, into wire: inout [UInt8]) -> Bool {
        var end = text.count
        if end > 0, text[end - 1] == UInt8(ascii: ".") { end -= 1 }
        guard (1...DomainName.maximumOctets).contains(end) else { return false }
        wire.removeAll(keepingCapacity: true)
        wire.append(0)
        var start = 0
        var isNumber = true
        for index in 0..<end {
            let byte = WireName.lowered(text[index])
            switch byte {
            case UInt8(ascii: "."):
                guard close(start, &wire) else { return false }
                start = wire.count
                wire.append(0)
                isNumber = true
            case 0x30...0x39: wire.append(byte)
            case 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "_"):
                isNumber = false
                wire.append(byte)
            default: return false
            }
        }
        guard close(start, &wire), !isNumber else { return false }
        wire.append(0)
        return true
    }

    /// Writes the length in front of the last label.
    private static func close(_ start: Int, _ wire: inout [UInt8]) -> Bool {
        let count = wire.count - start - 1
        guard (1...WireName.maximumLabelOctets).contains(count) else { return false }
        wire[start] = UInt8(truncatingIfNeeded: count)
        return true
    }
}
