/// The store refused or could not be reached.
public struct StoreError: Error, CustomStringConvertible {
    public let code: Code
    /// What is wrong and what to do, one sentence.
    public let message: String

    public enum Code: Hashable, Sendable {
        /// What was named does not exist.
        case notFound
        /// The change contradicts what is stored.
        case conflict
        /// No address block is left.
        case exhausted
        /// The disk is full, the file read-only, locked or damaged, or the store closed.
        case unavailable
    }

    public init(code: Code, message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
