public import Domain

/// Reads the text of a blocklist piece by piece, as it comes from a file or a connection. What cannot be used is counted and
/// the first of it reported; the rest holds.
public struct NameListParser: ~Copyable {
    /// Of a line, without its end. The longest that a list needs is a TXT record.
    public static let maximumLine = 65_536
    /// Names, wildcards and prefixes of a list, when who reads it says nothing else.
    public static let standardLimit = 10_000_000

    private var report: NameListReport
    private var builder: NameList.Builder
    private var zone = ZoneReader()
    private var names = NameLineReader()
    /// The beginning of a line whose end has not come yet.
    private var pending: [UInt8] = []
    /// Whether the line is too long, so that its rest is skipped.
    private var isSkipping = false

    public init(format: BlocklistFormat, limit: Int = standardLimit) {
        report = NameListReport(format: format)
        builder = NameList.Builder(limit: limit)
    }

    public mutating func consume(_ bytes: Span<UInt8>) {
        var start = 0
        for index in 0..<bytes.count where bytes[index] == UInt8(ascii: "\n") {
            let piece = bytes.extracting(start..<index)
            if pending.isEmpty, !isSkipping {
                line(piece)
            } else {
                endPending(with: piece)
            }
            start = index + 1
        }
        keep(bytes.extracting(start..<bytes.count))
    }

    public consuming func finish() -> (list: NameList, report: NameListReport) {
        if !pending.isEmpty || isSkipping { endPending(with: [UInt8]().span) }
        if let line = zone.unfinishedLine { report.note(.unfinished, line: line, [UInt8]().span) }
        let list = builder.finished()
        report.count = list.count
        return (list, report)
    }

    private mutating func keep(_ piece: Span<UInt8>) {
        guard !isSkipping else { return }
        guard pending.count + piece.count <= Self.maximumLine else {
            isSkipping = true
            return
        }
        for index in 0..<piece.count { pending.append(piece[index]) }
    }

    private mutating func endPending(with piece: Span<UInt8>) {
        keep(piece)
        let whole = pending
        pending.removeAll(keepingCapacity: true)
        guard !isSkipping else {
            isSkipping = false
            report.lines += 1
            report.note(.tooLong, line: report.lines, whole.span)
            return
        }
        line(whole.span)
    }

    private mutating func line(_ whole: Span<UInt8>) {
        report.lines += 1
        var text = whole
        if text.count > 0, text[text.count - 1] == UInt8(ascii: "\r") { text = text.extracting(0..<text.count - 1) }
        // A byte order mark.
        if report.lines == 1, text.count >= 3, text[0] == 0xef, text[1] == 0xbb, text[2] == 0xbf {
            text = text.extracting(3..<text.count)
        }
        guard text.count <= Self.maximumLine else {
            report.note(.tooLong, line: report.lines, text)
            return
        }
        if report.format == .auto {
            guard let format = NameLineReader.format(of: text) else { return }
            report.format = format
        }
        switch report.format {
        case .rpz: zone.read(text, into: &builder, &report)
        case .hosts: names.readHosts(text, into: &builder, &report)
        case .plain, .auto: names.readPlain(text, into: &builder, &report)
        }
    }
}
