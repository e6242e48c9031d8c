import Domain

/// Reads a response policy zone (draft-vixie-dnsop-dns-rpz-00) from a zone file (RFC 1035 §5), line by line.
struct ZoneReader {
    /// What stands between blanks; escapes (RFC 1035 §5.1) are as they were written.
    private struct Token {
        let range: Range<Int>
        let isQuoted: Bool
    }

    /// The words of a record that is not complete, one behind the other.
    private var text: [UInt8] = []
    private var tokens: [Token] = []
    private var depth = 0
    private var isQuoted = false
    /// Whether the record's first line began with a blank: its owner is the one before.
    private var hasOwner = false
    private var firstLine = 0

    /// Labels with their lengths, without the root; `nil` as long as the file has not said.
    private var origin: [UInt8]?
    /// The zone's own name, in front of which triggers stand.
    private var apex: [UInt8]?
    private var standardTTL: UInt32 = 60
    /// What the last record was about, without the zone's name.
    private var owner: [UInt8] = []
    private var isOwnerUsable = false

    /// The line in which a record began that has no end.
    var unfinishedLine: Int? { depth > 0 || isQuoted ? firstLine : nil }

    mutating func read(_ line: Span<UInt8>, into builder: inout NameList.Builder, _ report: inout NameListReport) {
        if depth == 0, !isQuoted {
            text.removeAll(keepingCapacity: true)
            tokens.removeAll(keepingCapacity: true)
            firstLine = report.lines
            hasOwner = line.count > 0 && line[0] != 0x20 && line[0] != 9
        }
        guard text.count + line.count <= NameListParser.maximumLine else {
            // Parentheses that are never closed would gather the whole file.
            (depth, isQuoted) = (0, false)
            text.removeAll(keepingCapacity: true)
            tokens.removeAll(keepingCapacity: true)
            report.note(.tooLong, line: firstLine, line)
            return
        }
        guard split(line) else {
            (depth, isQuoted) = (0, false)
            report.note(.wrongRecord, line: report.lines, line)
            return
        }
        guard depth == 0, !isQuoted, !tokens.isEmpty else { return }
        record(line, &builder, &report)
    }

    // MARK: Words

    /// - Returns: `false` when a parenthesis is closed that was not opened.
    private mutating func split(_ line: Span<UInt8>) -> Bool {
        var index = 0
        // A character string may go over the end of a line.
        if isQuoted {
            text.append(UInt8(ascii: "\n"))
            index = quoted(line, from: 0, start: tokens.popLast()?.range.lowerBound ?? text.count)
        }
        while index < line.count {
            switch line[index] {
            case 0x20, 9: index += 1
            case UInt8(ascii: ";"): return true
            case UInt8(ascii: "("):
                depth += 1
                index += 1
            case UInt8(ascii: ")"):
                guard depth > 0 else { return false }
                depth -= 1
                index += 1
            case UInt8(ascii: "\""):
                isQuoted = true
                index = quoted(line, from: index + 1, start: text.count)
            default:
                let start = text.count
                word: while index < line.count {
                    switch line[index] {
                    case 0x20, 9, UInt8(ascii: ";"), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "\""):
                        break word
                    case UInt8(ascii: "\\") where index + 1 < line.count:
                        text.append(line[index])
                        text.append(line[index + 1])
                        index += 2
                    default:
                        text.append(line[index])
                        index += 1
                    }
                }
                tokens.append(Token(range: start..<text.count, isQuoted: false))
            }
        }
        return true
    }

    /// Reads a character string from behind its first quotation mark.
    /// - Returns: where the line goes on.
    private mutating func quoted(_ line: Span<UInt8>, from first: Int, start: Int) -> Int {
        var index = first
        while index < line.count {
            switch line[index] {
            case UInt8(ascii: "\""):
                isQuoted = false
                tokens.append(Token(range: start..<text.count, isQuoted: true))
                return index + 1
            case UInt8(ascii: "\\") where index + 1 < line.count:
                text.append(line[index])
                text.append(line[index + 1])
                index += 2
            default:
                text.append(line[index])
                index += 1
            }
        }
        tokens.append(Token(range: start..<text.count, isQuoted: true))
        return index
    }

    private func isEqual(_ token: Int, _ word: StaticString) -> Bool {
        let range = tokens[token].range
        guard !tokens[token].isQuoted, range.count == word.utf8CodeUnitCount else { return false }
        return word.withUTF8Buffer { word in
            for index in 0..<range.count where WireName.lowered(text[range.lowerBound + index]) != word[index] {
                return false
            }
            return true
        }
    }

    private func string(_ token: Int) -> String { String(decoding: text[tokens[token].range], as: UTF8.self) }

    /// A number of seconds, or times with units such as `1h30m`.
    private func duration(_ token: Int) -> UInt32? {
        var (total, number, hasDigit) = (UInt64(0), UInt64(0), false)
        for byte in text[tokens[token].range] {
            if (0x30...0x39).contains(byte) {
                (number, hasDigit) = (number * 10 + UInt64(byte - 0x30), true)
            } else {
                guard hasDigit else { return nil }
                switch WireName.lowered(byte) {
                case UInt8(ascii: "s"): total += number
                case UInt8(ascii: "m"): total += number * 60
                case UInt8(ascii: "h"): total += number * 3600
                case UInt8(ascii: "d"): total += number * 86_400
                case UInt8(ascii: "w"): total += number * 604_800
                default: return nil
                }
                (number, hasDigit) = (0, false)
            }
            guard number < 1 << 32, total < 1 << 32 else { return nil }
        }
        total += number
        return total < 1 << 31 && !tokens[token].range.isEmpty ? UInt32(total) : nil
    }

    // MARK: Names

    private enum ReadName {
        case absolute, relative
        /// `@`
        case origin
    }

    /// Writes the labels of a name, in lower case and without the root.
    private func readName(_ token: Int, into wire: inout [UInt8]) -> ReadName? {
        let range = tokens[token].range
        wire.removeAll(keepingCapacity: true)
        guard !tokens[token].isQuoted, !range.isEmpty else { return nil }
        if isEqual(token, "@") { return .origin }
        if isEqual(token, ".") { return .absolute }
        var start = 0
        var index = range.lowerBound
        wire.append(0)
        while index < range.upperBound {
            var byte = text[index]
            index += 1
            if byte == UInt8(ascii: ".") {
                let count = wire.count - start - 1
                guard (1...WireName.maximumLabelOctets).contains(count) else { return nil }
                wire[start] = UInt8(count)
                if index == range.upperBound { return wire.count < WireName.maximumOctets ? .absolute : nil }
                start = wire.count
                wire.append(0)
                continue
            }
            if byte == UInt8(ascii: "\\") {
                guard let escaped = Self.escaped(text, &index, range.upperBound) else { return nil }
                byte = escaped
            }
            wire.append(WireName.lowered(byte))
            guard wire.count < WireName.maximumOctets else { return nil }
        }
        let count = wire.count - start - 1
        guard (1...WireName.maximumLabelOctets).contains(count) else { return nil }
        wire[start] = UInt8(count)
        return .relative
    }

    /// What stands behind a backslash: three digits, or a character for itself.
    private static func escaped(_ text: [UInt8], _ index: inout Int, _ end: Int) -> UInt8? {
        guard index < end else { return nil }
        guard (0x30...0x39).contains(text[index]) else {
            index += 1
            return text[index - 1]
        }
        guard end - index >= 3, text[index..<index + 3].allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        let value = text[index..<index + 3].reduce(0) { $0 * 10 + Int($1 - 0x30) }
        index += 3
        return UInt8(exactly: value)
    }

    /// The name without the zone's own behind it; `nil` when it does not stand in the zone.
    private static func removing(_ apex: [UInt8], from name: [UInt8]) -> [UInt8]? {
        let length = name.count - apex.count
        guard length >= 0, name[length...] == apex[...] else { return nil }
        var index = 0
        while index < length { index += 1 + Int(name[index]) }
        return index == length ? Array(name[..<length]) : nil
    }

    // MARK: Records

    private mutating func record(
        _ line: Span<UInt8>, _ builder: inout NameList.Builder, _ report: inout NameListReport
    ) {
        if !tokens[0].isQuoted, text[tokens[0].range.lowerBound...].first == UInt8(ascii: "$") {
            if !directive() { report.note(.wrongRecord, line: firstLine, line) }
            return
        }
        var next = 0
        var ownerName: (kind: ReadName, labels: [UInt8])?
        if hasOwner {
            var labels: [UInt8] = []
            guard let kind = readName(0, into: &labels) else {
                isOwnerUsable = false
                report.note(.notName, line: firstLine, line)
                return
            }
            ownerName = (kind, labels)
            next = 1
        }
        // The class and the time to live come in either order, or not at all.
        var timeToLive = standardTTL
        while next < tokens.count - 1 {
            if isEqual(next, "in") {
                next += 1
            } else if let seconds = duration(next) {
                timeToLive = seconds
                next += 1
            } else {
                break
            }
        }
        guard next < tokens.count else {
            report.note(.wrongRecord, line: firstLine, line)
            return
        }
        if isEqual(next, "soa") {
            beginZone(ownerName)
            return
        }
        if let ownerName {
            guard let trigger = trigger(ownerName.kind, ownerName.labels) else {
                isOwnerUsable = false
                report.note(.outsideZone, line: firstLine, line)
                return
            }
            owner = trigger
            isOwnerUsable = true
        }
        guard !isOfZone(next) else { return }
        // A record goes with its owner, which was reported when it was wrong.
        guard isOwnerUsable else { return }
        guard !owner.isEmpty else {
            report.note(.outsideZone, line: firstLine, line)
            return
        }
        switch outcome(type: next, timeToLive) {
        case .failure(let problem): report.note(problem.reason, line: firstLine, line)
        case .success(let outcome): insert(outcome, line, &builder, &report)
        }
    }

    /// `$TTL` and `$ORIGIN`.
    private mutating func directive() -> Bool {
        guard tokens.count == 2 else { return false }
        if isEqual(0, "$ttl") {
            guard let seconds = duration(1) else { return false }
            standardTTL = seconds
            return true
        }
        guard isEqual(0, "$origin") else { return false }
        var labels: [UInt8] = []
        switch readName(1, into: &labels) {
        case .absolute: origin = labels
        case .relative: origin = labels + (origin ?? [])
        case .origin: break
        case nil: return false
        }
        if apex == nil { apex = origin }
        return true
    }

    private mutating func beginZone(_ name: (kind: ReadName, labels: [UInt8])?) {
        switch name?.kind {
        case .absolute: apex = name?.labels
        case .relative: apex = (name?.labels ?? []) + (origin ?? [])
        case .origin, nil: apex = origin ?? []
        }
        if origin == nil { origin = apex }
        owner = []
        isOwnerUsable = true
    }

    /// What stands in front of the zone's own name.
    private func trigger(_ kind: ReadName, _ labels: [UInt8]) -> [UInt8]? {
        switch kind {
        case .absolute: Self.removing(apex ?? [], from: labels)
        case .relative where origin == apex: labels
        case .relative: Self.removing(apex ?? [], from: labels + (origin ?? []))
        case .origin: Self.removing(apex ?? [], from: origin ?? [])
        }
    }

    /// What a zone has for itself and its signatures (RFC 4034, RFC 5155, RFC 8078).
    private func isOfZone(_ type: Int) -> Bool {
        isEqual(type, "rrsig") || isEqual(type, "nsec") || isEqual(type, "nsec3") || isEqual(type, "nsec3param")
            || isEqual(type, "dnskey") || isEqual(type, "cds") || isEqual(type, "cdnskey")
            || (owner.isEmpty && isEqual(type, "ns"))
    }

    private struct Outcome {
        let action: NameList.Action
        var record: LocalRecord?
    }

    private struct Problem: Error { let reason: NameListReport.Reason }

    private func outcome(type: Int, _ timeToLive: UInt32) -> Result<Outcome, Problem> {
        let local = { (data: LocalRecord.Data) -> Result<Outcome, Problem> in
            .success(Outcome(action: .local, record: LocalRecord(data: data, timeToLive: timeToLive)))
        }
        let values = tokens.count - type - 1
        if isEqual(type, "txt") {
            let strings = (type + 1..<tokens.count).map(characters)
            guard values > 0, strings.allSatisfy({ $0 != nil }) else { return .failure(Problem(reason: .wrongRecord)) }
            return local(.text(strings.compactMap { $0 }))
        }
        guard isEqual(type, "cname") || isEqual(type, "a") || isEqual(type, "aaaa") else {
            return .failure(Problem(reason: .type))
        }
        guard values == 1 else { return .failure(Problem(reason: .wrongRecord)) }
        let value = type + 1
        if isEqual(type, "cname") { return alias(value, local) }
        let address: IPAddress?
        do throws(ParseError) {
            address =
                isEqual(type, "a")
                ? .v4(try IPv4Address(parsing: string(value))) : .v6(try IPv6Address(parsing: string(value)))
        } catch {
            address = nil
        }
        return address.map { local(.address($0)) } ?? .failure(Problem(reason: .wrongRecord))
    }

    private func alias(
        _ value: Int, _ local: (LocalRecord.Data) -> Result<Outcome, Problem>
    ) -> Result<Outcome, Problem> {
        if isEqual(value, ".") { return .success(Outcome(action: .nxdomain)) }
        if isEqual(value, "*.") { return .success(Outcome(action: .nodata)) }
        if isEqual(value, "rpz-passthru.") { return .success(Outcome(action: .passthru)) }
        if isEqual(value, "rpz-drop.") { return .success(Outcome(action: .drop)) }
        if isEqual(value, "rpz-tcp-only.") { return .success(Outcome(action: .tcpOnly)) }
        var labels: [UInt8] = []
        let kind = readName(value, into: &labels)
        switch kind {
        case nil: return .failure(Problem(reason: .notName))
        case .absolute: break
        case .relative, .origin: labels += origin ?? []
        }
        let isBelow = labels.starts(with: [1, UInt8(ascii: "*")])
        // An older way to write rpz-passthru: a name that is an alias of itself.
        if !isBelow, labels == owner { return .success(Outcome(action: .passthru)) }
        guard let name = WireName((isBelow ? Array(labels.dropFirst(2)) : labels) + [0]) else {
            return .failure(Problem(reason: .notName))
        }
        return local(isBelow ? .aliasBelow(name) : .alias(name))
    }

    /// A character string of a TXT record without its escapes.
    private func characters(_ token: Int) -> [UInt8]? {
        let range = tokens[token].range
        var bytes: [UInt8] = []
        var index = range.lowerBound
        while index < range.upperBound {
            var byte = text[index]
            index += 1
            if byte == UInt8(ascii: "\\") {
                guard let escaped = Self.escaped(text, &index, range.upperBound) else { return nil }
                byte = escaped
            }
            bytes.append(byte)
        }
        return bytes.count <= 255 ? bytes : nil
    }

    // MARK: Triggers

    private func insert(
        _ outcome: Outcome, _ line: Span<UInt8>, _ builder: inout NameList.Builder, _ report: inout NameListReport
    ) {
        switch lastLabel {
        case "rpz-ip":
            guard let prefix = Self.prefix(owner) else {
                report.note(.wrongPrefix, line: firstLine, line)
                return
            }
            report.note(inserted: builder.insert(prefix, outcome.action, outcome.record), line: firstLine, line)
        case "rpz-client-ip", "rpz-nsdname", "rpz-nsip":
            report.note(.trigger, line: firstLine, line)
        default:
            let isWildcard = owner.starts(with: [1, UInt8(ascii: "*")])
            let name = (isWildcard ? Array(owner.dropFirst(2)) : owner) + [0]
            report.note(
                inserted: builder.insert(name, isWildcard: isWildcard, outcome.action, outcome.record),
                line: firstLine,
                line)
        }
    }

    /// Of the trigger, when it begins as those that are not names do.
    private var lastLabel: String? {
        var start = 0
        var index = 0
        while index < owner.count {
            start = index
            index += 1 + Int(owner[index])
        }
        let label = owner[(start + 1)...]
        return label.starts(with: Array("rpz-".utf8)) ? String(decoding: label, as: UTF8.self) : nil
    }

    /// `24.0.2.0.192.rpz-ip`, `48.zz.2.db8.2001.rpz-ip` (draft §4.3): the length, then the address's parts, the last first.
    private static func prefix(_ owner: [UInt8]) -> PrefixTable.Prefix? {
        var labels: [String] = []
        var index = 0
        while index < owner.count {
            let end = index + 1 + Int(owner[index])
            labels.append(String(decoding: owner[index + 1..<end], as: UTF8.self))
            index = end
        }
        let parts = labels.dropLast().dropFirst().reversed().map { $0 }
        guard let first = labels.first, let length = UInt8(first), "\(length)" == first else { return nil }
        do throws(ParseError) {
            if parts.count == 4, !parts.contains("zz") {
                return .v4(try IPv4Prefix(parsing: parts.joined(separator: ".") + "/\(length)"))
            }
            guard (1...8).contains(parts.count) else { return nil }
            var text = parts.map { $0 == "zz" ? "" : $0 }.joined(separator: ":")
            if parts.first == "zz" { text = ":" + text }
            if parts.last == "zz" { text += ":" }
            return .v6(try IPv6Prefix(parsing: text + "/\(length)"))
        } catch {
            return nil
        }
    }
}
