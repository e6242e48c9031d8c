/// The records of a CSV text (RFC 4180), one at a time: fields set off by commas, quoted where they hold commas,
/// quotation marks or line ends. Lines may end in CRLF or LF; empty lines and a byte order mark are passed over.
struct CSVRecords {
    struct Record {
        /// Where the record begins, from 1.
        let line: Int
        var fields: [String] = []
        /// A quotation mark stood inside an unquoted field, or a quoted one did not end.
        var isWellFormed = true
    }

    private let bytes: [UInt8]
    private var place: Int
    private var line = 1

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        place = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
    }

    mutating func next() -> Record? {
        while place < bytes.count, bytes[place] == newline || bytes[place] == carriageReturn {
            if bytes[place] == newline { line += 1 }
            place += 1
        }
        guard place < bytes.count else { return nil }
        var record = Record(line: line)
        repeat { record.fields.append(field(&record.isWellFormed)) } while take(comma)
        // What follows a closing quotation mark up to the end of the line belongs to no field.
        while place < bytes.count, bytes[place] != newline {
            if bytes[place] != carriageReturn { record.isWellFormed = false }
            place += 1
        }
        return record
    }

    private mutating func field(_ isWellFormed: inout Bool) -> String {
        if take(quote) { return quotedField(&isWellFormed) }
        let start = place
        while place < bytes.count, bytes[place] != comma, bytes[place] != newline, bytes[place] != carriageReturn {
            if bytes[place] == quote { isWellFormed = false }
            place += 1
        }
        return Self.text(bytes[start..<place])
    }

    private mutating func quotedField(_ isWellFormed: inout Bool) -> String {
        var content: [UInt8] = []
        while place < bytes.count {
            if take(quote) {
                guard take(quote) else { return Self.text(content[...]) }
                content.append(quote)
            } else {
                if bytes[place] == newline { line += 1 }
                content.append(bytes[place])
                place += 1
            }
        }
        isWellFormed = false
        return Self.text(content[...])
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard place < bytes.count, bytes[place] == byte else { return false }
        place += 1
        return true
    }

    /// Without spaces at the ends: spreadsheets add them.
    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        var trimmed = bytes
        while trimmed.first == 0x20 { trimmed.removeFirst() }
        while trimmed.last == 0x20 { trimmed.removeLast() }
        return String(decoding: trimmed, as: UTF8.self)
    }

    private var comma: UInt8 { UInt8(ascii: ",") }
    private var quote: UInt8 { UInt8(ascii: "\"") }
    private var newline: UInt8 { UInt8(ascii: "\n") }
    private var carriageReturn: UInt8 { UInt8(ascii: "\r") }
}
