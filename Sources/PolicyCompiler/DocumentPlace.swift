public import Domain

/// Where something stands in a document, for what is found to be wrong with it after the document was read.
public struct DocumentPlace: Hashable, Sendable {
    let file: String
    let node: SourceNode
    let field: FieldPath

    /// What stands under `key` there; the place itself when nothing does.
    public subscript(key: String) -> DocumentPlace {
        guard case .mapping(let pairs) = node.content, let pair = pairs.last(where: { $0.key == key }) else {
            return DocumentPlace(
                file: file, node: SourceNode(place: node.place, content: .scalar("")), field: field[key])
        }
        return DocumentPlace(file: file, node: pair.value, field: field[key])
    }

    public func diagnostic(_ message: String) -> Diagnostic {
        Diagnostic(file: file, place: node.place, field: field, message: message)
    }

    /// Of a name that stands for nothing.
    public func diagnostic(unknown kind: String, _ name: Name, known: some Sequence<Name>) -> Diagnostic {
        let names = known.map(\.description).sorted()
        let listing =
            switch names.count {
            case 0: ": none is known here"
            case 1...8: ": known here are \(names.joined(separator: ", "))"
            default: ""
            }
        return diagnostic(
            "there is no \(kind) \"\(name)\"\(Suggestion.text(for: "\(name)", among: names))\(listing)")
    }
}

/// A value, and where it stands in a document.
public struct Placed<Value: Sendable>: Sendable {
    public let value: Value
    public let place: DocumentPlace
}

extension Placed: Equatable where Value: Equatable {}
extension Placed: Hashable where Value: Hashable {}
