/// The place of a piece inside a document, as `rules[1].ports[0]`. Spelled out only where a message needs it: of a large
/// document that is right nothing but the places themselves is made.
enum FieldPath: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The document as a whole.
    case document
    indirect case key(String, in: FieldPath)
    indirect case item(Int, in: FieldPath)

    /// A place that every document has: `dns.answer`.
    init(stringLiteral text: String) { self = .key(text, in: .document) }

    /// Of a mapping.
    subscript(key: String) -> FieldPath { .key(key, in: self) }

    /// Of a list.
    subscript(index: Int) -> FieldPath { .item(index, in: self) }

    var description: String {
        switch self {
        case .document: ""
        case .key(let key, let parent): parent.description.path(to: key)
        case .item(let index, let parent): "\(parent)[\(index)]"
        }
    }
}
