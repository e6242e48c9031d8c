public import Domain

/// What somebody wants a shared list to hold.
public struct SharedListItems: Hashable, Sendable {
    /// Each once, in their order; at most ``SharedList/maximumItems``.
    public let items: [ListItem]

    /// One item a line; `#` and what follows it is a comment.
    /// - Throws: `.invalid` with the line of every item that is none.
    public init(lines text: some StringProtocol) throws(ControlError) {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        var given: [Given] = []
        for (index, line) in lines.enumerated() {
            let item = line.prefix { $0 != "#" }.drop { $0.isWhitespace }
            guard let last = item.lastIndex(where: { !$0.isWhitespace }) else { continue }
            given.append(Given(line: index + 1, field: "items", text: String(item[...last])))
        }
        try self.init(given)
    }

    /// - Throws: `.invalid` with the place of every item that is none.
    public init(_ texts: [String]) throws(ControlError) {
        try self.init(texts.enumerated().map { Given(line: nil, field: "items[\($0)]", text: $1) })
    }

    private struct Given {
        let line: Int?
        let field: String
        let text: String
    }

    private init(_ given: [Given]) throws(ControlError) {
        guard given.count <= SharedList.maximumItems else {
            throw ControlError(
                .invalid, "the list has \(given.count) items; at most \(SharedList.maximumItems) are allowed")
        }
        var items: [ListItem] = []
        var known: Set<ListItem> = []
        var problems: [ControlError.Problem] = []
        for one in given {
            do throws(ParseError) {
                let item = try ListItem(parsing: one.text)
                if known.insert(item).inserted { items.append(item) }
            } catch {
                problems.append(.init(line: one.line, field: one.field, message: error.description))
            }
        }
        guard problems.isEmpty else {
            throw ControlError(
                .invalid, "the list has \(problems.count) error(s); nothing was changed", problems: problems)
        }
        self.items = items
    }
}
