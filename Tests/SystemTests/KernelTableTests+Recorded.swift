extension KernelTests.Table {
    /// `nft list ruleset` of version 1.0.6, without indentation and counters' values.
    static let recorded = """
        RECORDED
        """
}
