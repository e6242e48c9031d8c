/// What a vici packet says: named values, lists and sections, in the sender's order (strongSwan, `vici/README.md`,
/// "Message format").
///
/// Order matters to charon (the first of two local authentications is done first), and a name should occur once; the
/// subscripts give the first.
package struct Message: Hashable, Sendable {
    package private(set) var elements: [Element]

    package struct Element: Hashable, Sendable {
        /// 1 to 255 octets of UTF-8 in a message that can be sent.
        package let key: String
        package let content: Content
    }

    package enum Content: Hashable, Sendable {
        /// At most 65535 octets.
        case value([UInt8])
        case list([[UInt8]])
        case section(Message)
    }

    /// charon's deepest is five: `child-rekey`'s association, `child-sas`, the child, `old`.
    package static let maximumDepth = 16

    package init() { elements = [] }

    package var isEmpty: Bool { elements.isEmpty }
    package var keys: [String] { elements.map(\.key) }

    /// The named sections, in order.
    package var sections: [(key: String, section: Message)] {
        elements.compactMap { element in
            guard case .section(let section) = element.content else { return nil }
            return (element.key, section)
        }
    }

    // MARK: Reading

    /// What stands under the key first.
    package subscript(content key: String) -> Content? { elements.first { $0.key == key }?.content }

    /// A value's text: `nil` when there is none, or it is no UTF-8.
    package subscript(_ key: String) -> String? {
        guard case .value(let octets) = self[content: key] else { return nil }
        return String(validating: octets, as: UTF8.self)
    }

    package subscript(octets key: String) -> [UInt8]? {
        guard case .value(let octets) = self[content: key] else { return nil }
        return octets
    }

    /// Empty when there is no such list; items that are no UTF-8 are left out.
    package subscript(list key: String) -> [String] {
        guard case .list(let items) = self[content: key] else { return [] }
        return items.compactMap { String(validating: $0, as: UTF8.self) }
    }

    package subscript(section key: String) -> Message? {
        guard case .section(let section) = self[content: key] else { return nil }
        return section
    }

    /// A decimal number; charon writes every number so.
    package subscript<Number: FixedWidthInteger>(number key: String, as type: Number.Type = Number.self) -> Number? {
        self[key].flatMap { Number($0) }
    }

    /// A number in hexadecimal digits, as SPIs are written.
    package subscript<Number: FixedWidthInteger>(hexadecimal key: String, as type: Number.Type = Number.self) -> Number?
    {
        self[key].flatMap { Number($0, radix: 16) }
    }

    /// Whether the value is `yes`; charon leaves out what is not.
    package subscript(flag key: String) -> Bool { self[key] == "yes" }

    // MARK: Writing

    package mutating func append(_ key: String, _ text: String) {
        elements.append(Element(key: key, content: .value(Array(text.utf8))))
    }

    package mutating func append(_ key: String, octets: [UInt8]) {
        elements.append(Element(key: key, content: .value(octets)))
    }

    package mutating func append(_ key: String, flag: Bool) { append(key, flag ? "yes" : "no") }

    package mutating func append(_ key: String, list: [String]) {
        elements.append(Element(key: key, content: .list(list.map { Array($0.utf8) })))
    }

    package mutating func append(_ key: String, octetLists list: [[UInt8]]) {
        elements.append(Element(key: key, content: .list(list)))
    }

    package mutating func append(_ key: String, section: Message) {
        elements.append(Element(key: key, content: .section(section)))
    }

    /// Nothing when there is no text.
    package mutating func append(_ key: String, ifAny text: String?) {
        if let text { append(key, text) }
    }
}

extension Message: CustomStringConvertible, CustomDebugStringConvertible {
    /// For people: `vpn-17 { version = 2 local_addrs = [192.0.2.1] }`. Of `data`, where secrets and keys are, and of
    /// what is no text, only how long it is.
    package var description: String {
        elements.map { element in
            switch element.content {
            case .value(let octets): "\(element.key) = \(Self.text(octets, of: element.key))"
            case .list(let items):
                "\(element.key) = [\(items.map { Self.text($0, of: element.key) }.joined(separator: ", "))]"
            case .section(let section): "\(element.key) { \(section) }"
            }
        }.joined(separator: " ")
    }

    package var debugDescription: String { description }

    private static func text(_ octets: [UInt8], of key: String) -> String {
        guard key != "data", let text = String(validating: octets, as: UTF8.self),
            text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f })
        else { return "(\(octets.count) octets)" }
        return text
    }
}
