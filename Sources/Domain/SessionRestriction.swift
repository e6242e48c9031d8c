/// One way in which a session does not fit what is said of its SIM.
public struct Violation: Hashable, Sendable {
    public let reason: ViolationReason
    /// Who said so.
    public let level: SessionPolicyLevel
    public let action: ViolationAction
    /// What was found, in words.
    public let detail: String

    public init(reason: ViolationReason, level: SessionPolicyLevel, action: ViolationAction, detail: String) {
        self.reason = reason
        self.level = level
        self.action = action
        self.detail = detail
    }
}

/// The raw value is the reason code of answers, events and stored restrictions.
public enum ViolationReason: String, Hashable, Sendable, CaseIterable {
    /// Another than the first that was seen.
    case imeiChanged = "imei-changed"
    case imeiNotListed = "imei-not-listed"
    case imeiMissing = "imei-missing"
    case imeiAllZeros = "imei-all-zeros"
    case locationNotAllowed = "location-not-allowed"
    case locationDenied = "location-denied"
    case locationOutsideFence = "location-outside-fence"
    /// Not sent, too old, or not precise enough for what is asked.
    case locationUnknown = "location-unknown"
    case homeNetworkNotAllowed = "home-network-not-allowed"
    case outsideHours = "outside-hours"
    case notApproved = "not-approved"
    case approvalUnanswered = "approval-unanswered"
    case newSIM = "new-sim"
    /// Put into quarantine by somebody.
    case byHand = "by-hand"
    /// The volume of data is used.
    case dataLimitReached = "data-limit-reached"

    public var section: SessionPolicy.Section {
        switch self {
        case .imeiChanged, .imeiNotListed, .imeiMissing, .imeiAllZeros: .imeiLock
        case .locationNotAllowed, .locationDenied, .locationOutsideFence, .locationUnknown, .homeNetworkNotAllowed:
            .locationLock
        case .outsideHours: .hours
        case .notApproved, .approvalUnanswered: .approval
        case .newSIM, .byHand: .quarantine
        case .dataLimitReached: .dataLimit
        }
    }
}

/// What a session may not do beyond its policy, and why.
public struct SessionRestriction: Hashable, Sendable {
    /// The strongest of the violations'.
    public let action: ViolationAction
    /// Judges the session in quarantine; `nil`: it gets nowhere.
    public let policy: Policy.ID?
    /// Never empty.
    public let violations: [Violation]
    /// Since when it has this action.
    public let since: Timestamp
    /// When it ends by itself, as far as is known.
    public let until: Timestamp?

    public init(
        action: ViolationAction, policy: Policy.ID?, violations: [Violation], since: Timestamp, until: Timestamp?
    ) {
        self.action = action
        self.policy = policy
        self.violations = violations
        self.since = since
        self.until = until
    }

    /// Whether the kernel does the same for a session with each.
    public static func areEnforcedAlike(_ a: Self?, _ b: Self?) -> Bool {
        switch (a?.action ?? .report, b?.action ?? .report) {
        case (.report, .report), (.block, .block), (.reject, .reject): true
        case (.quarantine, .quarantine): a?.policy == b?.policy
        default: false
        }
    }
}
