/// Why an upstream's answer is not used.
public enum AnswerError: Error, Hashable, Sendable {
    case message(MessageError)
    /// More names than a chain of aliases may have.
    case tooManyAliases

    /// The reason in counters.
    public var label: String {
        switch self {
        case .message(let error): error.label
        case .tooManyAliases: "too-many-aliases"
        }
    }
}
