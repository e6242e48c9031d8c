public import Domain

extension DataPlane {
    /// None, unless the data plane says otherwise.
    public var enforcedLimits: Set<SessionPolicy.Section> { [] }
}
