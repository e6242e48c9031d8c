/// What an approval hook says: a JSON object with `approved`, true or false. Other fields are its own affair.
public struct ApprovalAnswer: Hashable, Sendable {
    public let isApproved: Bool

    /// 4 KiB.
    public static let maximumOctets = 4096

    public init(parsing text: String) throws(PolicyError) {
        let root = try SourceNode.root(of: text, file: "answer", atMost: Self.maximumOctets, empty: "write approved")
        let wrong = PolicyError([
            Diagnostic(
                file: "answer", place: root.place, field: .document, message: "approved is neither true nor false")
        ])
        guard case .mapping(let pairs) = root.content,
            case .scalar(let text) = pairs.last(where: { $0.key == "approved" })?.value.content,
            let isApproved = Bool(text)
        else { throw wrong }
        self.isApproved = isApproved
    }
}
