public import Domain
public import PolicyCompiler
import Synchronization

/// Counting and limiting (docs/decisions/0028). Programs and maps are safe to use from several threads: readings do not
/// wait for changes, nor changes for them.
extension Kernel {
    private func usagePrograms() throws(DataPlaneError) -> UsagePrograms? {
        let usage = core.withLock { $0.usage }
        if let programs = usage.programs { return programs }
        if let problem = usage.problem { throw problem }
        return nil
    }

    /// Both, or none where the kernel lacks what they need; known when the host is prepared.
    public var enforcedLimits: Set<SessionPolicy.Section> {
        core.withLock { $0.usage.programs == nil ? [] : [.dataLimit, .bandwidth] }
    }

    public func usage(after cursor: UsageCursor?) throws(DataPlaneError) -> UsagePart {
        try usagePrograms()?.usage(after: cursor) ?? UsagePart(readings: [], next: nil)
    }

    /// In parts, so that changes come between them.
    public func forgetUsage(_ readings: [UsageReading]) throws(DataPlaneError) -> [UsageReading] {
        var gone: [UsageReading] = []
        for start in stride(from: 0, to: readings.count, by: 1000) {
            let part = Array(readings[start..<min(start + 1000, readings.count)])
            gone += try core.withLock { core throws(DataPlaneError) in try core.forgetUsage(part) }
        }
        return gone
    }

    public func ruleUsage() throws(DataPlaneError) -> [RuleUsageReading] {
        guard let programs = try usagePrograms() else { return [] }
        // Before what they say: one that is in use no more then is counted for no more.
        let inUse = core.withLock { $0.chains.leads.countedRules }
        return try programs.ruleUsage(inUse: inUse)
    }

    public func forgetRuleUsage(_ readings: [RuleUsageReading]) throws(DataPlaneError) -> [RuleUsageReading] {
        guard !readings.isEmpty else { return [] }
        return try core.withLock { core throws(DataPlaneError) in try core.forgetRuleUsage(readings) }
    }

    public func setLimits(_ changes: [LimitNumber: DeviceLimit?]) throws(DataPlaneError) {
        try core.withLock { core throws(DataPlaneError) in try core.setLimits(changes) }
    }

    public func setQuotas(_ changes: [QuotaNumber: Quota?]) throws(DataPlaneError) {
        try core.withLock { core throws(DataPlaneError) in try core.setQuotas(changes) }
    }

    public func quotas(_ numbers: [QuotaNumber]) throws(DataPlaneError) -> [QuotaReading?] {
        try usagePrograms()?.quotas(numbers) ?? numbers.map { _ in nil }
    }

    public func quotas() throws(DataPlaneError) -> [QuotaNumber: QuotaReading] { try usagePrograms()?.quotas() ?? [:] }

    public func takeQuotaNotices() throws(DataPlaneError) -> [QuotaNotice] {
        try usagePrograms()?.takeNotices() ?? []
    }
}
