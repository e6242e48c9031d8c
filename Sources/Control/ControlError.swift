import PolicyCompiler
import Store

/// Why a use case was refused or failed, in words for the person who asked. `API` turns it into problem+json, in one
/// place. Never holds a secret, nor anything of another tenant.
public struct ControlError: Error, CustomStringConvertible {
    public let code: Code
    /// What is wrong and what to do, a sentence or two.
    public let detail: String
    /// Places in a document or a file that are wrong, when the input was one.
    public let problems: [Problem]

    public enum Code: String, Hashable, Sendable, CaseIterable {
        case invalid
        case notFound = "not-found"
        case conflict
        /// The version in force is not the one that the change was made for.
        case changed = "precondition-failed"
        case forbidden
        case exhausted
        /// It was there, and is not kept any more.
        case gone
        /// As many do it as may at the same time.
        case tooMany = "too-many"
        case unavailable
    }

    /// One wrong place in an input.
    public struct Problem: Hashable, Sendable {
        /// Line from 1, `nil` when the input has no lines.
        public let line: Int?
        /// From 1, in Unicode scalars; `nil` when only the line is known.
        public let column: Int?
        /// What the input was made of, when it was several texts and this is not the first.
        public let file: String?
        public let field: String
        public let message: String
        public init(line: Int?, column: Int? = nil, file: String? = nil, field: String, message: String) {
            self.line = line
            self.column = column
            self.file = file
            self.field = field
            self.message = message
        }
    }

    public init(_ code: Code, _ detail: String, problems: [Problem] = []) {
        self.code = code
        self.detail = detail
        self.problems = problems
    }

    public var description: String { detail }

    static func notFound(_ kind: String, _ name: some CustomStringConvertible) -> Self {
        Self(.notFound, "there is no \(kind) \(name)")
    }
}

extension ControlError {
    init(_ error: StoreError) {
        let code: Code =
            switch error.code {
            case .notFound: .notFound
            case .conflict: .conflict
            case .exhausted: .exhausted
            case .unavailable: .unavailable
            }
        self.init(code, error.message)
    }

    init(_ error: DataPlaneError) {
        self.init(.unavailable, "the kernel did not take the change (\(error)); it is stored and will be tried again")
    }
}
