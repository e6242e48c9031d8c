extension Message {
    /// Element types of the README.
    private enum Tag {
        static let sectionStart: UInt8 = 1
        static let sectionEnd: UInt8 = 2
        static let keyValue: UInt8 = 3
        static let listStart: UInt8 = 4
        static let listItem: UInt8 = 5
        static let listEnd: UInt8 = 6
    }

    /// Decodes what is in `bytes` from `offset` to their end.
    package init(decoding bytes: Span<UInt8>, from offset: Int = 0) throws(WireError) {
        var cursor = Cursor(offset: offset)
        self = try Self.section(of: bytes, &cursor, depth: 0)
    }

    private static func section(
        of bytes: Span<UInt8>, _ cursor: inout Cursor, depth: Int
    ) throws(WireError) -> Message {
        var message = Message()
        while !cursor.isAtEnd(of: bytes) {
            let start = cursor.offset
            let tag = try cursor.octet(of: bytes)
            switch tag {
            case Tag.sectionStart:
                guard depth < maximumDepth else { throw .depth(at: start) }
                let key = try cursor.name(of: bytes)
                message.append(key, section: try section(of: bytes, &cursor, depth: depth + 1))
            case Tag.sectionEnd:
                guard depth > 0 else { throw .element(tag, at: start) }
                return message
            case Tag.keyValue:
                let key = try cursor.name(of: bytes)
                message.append(key, octets: try cursor.value(of: bytes))
            case Tag.listStart:
                let key = try cursor.name(of: bytes)
                message.append(key, octetLists: try list(of: bytes, &cursor))
            default: throw .element(tag, at: start)
            }
        }
        guard depth == 0 else { throw .unclosed(at: cursor.offset) }
        return message
    }

    private static func list(of bytes: Span<UInt8>, _ cursor: inout Cursor) throws(WireError) -> [[UInt8]] {
        var items: [[UInt8]] = []
        while !cursor.isAtEnd(of: bytes) {
            let start = cursor.offset
            switch try cursor.octet(of: bytes) {
            case Tag.listItem: items.append(try cursor.value(of: bytes))
            case Tag.listEnd: return items
            case let other: throw .element(other, at: start)
            }
        }
        throw .unclosed(at: cursor.offset)
    }

    /// Appends the message to a packet.
    package func encode(into packet: inout [UInt8], depth: Int = 0) throws(WireError) {
        for element in elements {
            switch element.content {
            case .value(let octets):
                packet.append(Tag.keyValue)
                try packet.append(name: element.key)
                try packet.append(value: octets)
            case .list(let items):
                packet.append(Tag.listStart)
                try packet.append(name: element.key)
                for item in items {
                    packet.append(Tag.listItem)
                    try packet.append(value: item)
                }
                packet.append(Tag.listEnd)
            case .section(let section):
                guard depth < Self.maximumDepth else { throw .depth(at: packet.count) }
                packet.append(Tag.sectionStart)
                try packet.append(name: element.key)
                try section.encode(into: &packet, depth: depth + 1)
                packet.append(Tag.sectionEnd)
            }
        }
    }
}

extension [UInt8] {
    /// One octet of length and the name.
    mutating func append(name: String) throws(WireError) {
        guard let count = UInt8(exactly: name.utf8.count), count > 0 else { throw .nameLength(name.utf8.count) }
        append(count)
        append(contentsOf: name.utf8)
    }

    /// Two octets of length and the value.
    fileprivate mutating func append(value: [UInt8]) throws(WireError) {
        guard let count = UInt16(exactly: value.count) else { throw .valueLength(value.count) }
        append(UInt8(truncatingIfNeeded: count >> 8))
        append(UInt8(truncatingIfNeeded: count))
        append(contentsOf: value)
    }
}
