extension PolicyDocument {
    /// Makes a policy of the document.
    /// - Parameter scope: what the document may name that is not in it.
    /// - Throws: ``PolicyError`` with everything that is wrong, not only the first.
    public func validated(in scope: PolicyScope) throws(PolicyError) -> ValidatedPolicy {
        var reader = PolicyReader(file: file, scope: scope)
        let policy = reader.policy(root)
        guard let policy, reader.diagnostics.isEmpty else { throw PolicyError(reader.diagnostics) }
        return policy
    }

    /// The same for a document that names nothing outside it but the standard services.
    public func validated() throws(PolicyError) -> ValidatedPolicy { try validated(in: .empty) }
}
