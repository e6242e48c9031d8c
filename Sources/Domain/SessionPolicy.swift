/// What is said of a SIM beyond its packets: who may use it, where, when, how much and how fast, and what happens when that
/// does not fit. Each section may be missing.
public struct SessionPolicy: Hashable, Sendable {
    public var imeiLock: IMEILock?
    public var locationLock: LocationLock?
    public var hours: ServiceHours?
    public var approval: ApprovalRule?
    public var dataLimit: DataLimit?
    public var bandwidth: Bandwidth?
    public var quarantine: QuarantineRule?

    public init(
        imeiLock: IMEILock? = nil, locationLock: LocationLock? = nil, hours: ServiceHours? = nil,
        approval: ApprovalRule? = nil, dataLimit: DataLimit? = nil, bandwidth: Bandwidth? = nil,
        quarantine: QuarantineRule? = nil
    ) {
        self.imeiLock = imeiLock
        self.locationLock = locationLock
        self.hours = hours
        self.approval = approval
        self.dataLimit = dataLimit
        self.bandwidth = bandwidth
        self.quarantine = quarantine
    }

    /// The raw value is the section's key in a document.
    public enum Section: String, Hashable, Sendable, CaseIterable {
        case imeiLock = "imei-lock"
        case locationLock = "location-lock"
        case hours
        case approval
        case dataLimit = "data-limit"
        case bandwidth
        case quarantine
    }

    /// Those that it has.
    public var sections: Set<Section> {
        var sections: Set<Section> = []
        if imeiLock != nil { sections.insert(.imeiLock) }
        if locationLock != nil { sections.insert(.locationLock) }
        if hours != nil { sections.insert(.hours) }
        if approval != nil { sections.insert(.approval) }
        if dataLimit != nil { sections.insert(.dataLimit) }
        if bandwidth != nil { sections.insert(.bandwidth) }
        if quarantine != nil { sections.insert(.quarantine) }
        return sections
    }
}

/// Who has said something: the operator for all or for one tenant, which holds whatever the tenant says, or the tenant for
/// all its SIMs, a group or one SIM, of which the nearest holds.
public enum SessionPolicyLevel: String, Hashable, Sendable, CaseIterable, Comparable {
    /// The operator's, for every tenant.
    case ceiling
    /// The operator's, for this tenant.
    case tenantCeiling = "tenant-ceiling"
    case tenant
    case group
    case sim

    public static func < (a: Self, b: Self) -> Bool { a.order < b.order }
    private var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// What a violation does, weakest first. Of several the strongest holds.
public enum ViolationAction: String, Hashable, Sendable, CaseIterable, Comparable {
    /// It is told, and nothing else.
    case report
    /// The session stays up, and only the quarantine policy's destinations are reachable.
    case quarantine
    /// The session stays up, and nothing passes.
    case block
    /// Access is rejected; of a session that is on, traffic stops and the NAS is told to end it.
    case reject

    public static func < (a: Self, b: Self) -> Bool { a.order < b.order }
    private var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// Which equipment a SIM may be in.
public struct IMEILock: Hashable, Sendable {
    public var mode: Mode
    public var onViolation: ViolationAction
    /// For an IMEI that the NAS did not send or that is all zeros.
    public var onMissing: ViolationAction

    public enum Mode: Hashable, Sendable {
        case off
        /// The first that was seen is remembered; another is reported.
        case learn
        /// Only the first that was seen.
        case locked
        /// Only these, these device models (TAC), and what is in these lists.
        case list(imeis: Set<IMEI>, tacs: Set<TypeAllocationCode>, lists: Set<Name>)

        public var name: String {
            switch self {
            case .off: "off"
            case .learn: "learn"
            case .locked: "locked"
            case .list: "list"
            }
        }
    }

    public init(mode: Mode, onViolation: ViolationAction, onMissing: ViolationAction) {
        self.mode = mode
        self.onViolation = onViolation
        self.onMissing = onMissing
    }

    /// IMEIs and models in a document; more go into a list.
    public static let maximumItems = 1000
}

/// A device model: the first eight digits of an IMEI (3GPP TS 23.003 §6.2).
public struct TypeAllocationCode: Hashable, Comparable, Sendable, CustomStringConvertible {
    let digits: Digits

    public init(parsing text: some StringProtocol) throws(ParseError) {
        guard let digits = Digits(text.utf8, count: 8...8) else {
            throw ParseError(kind: "a TAC", text: text, expected: "write the first eight digits of an IMEI")
        }
        self.digits = digits
    }

    init(digits: Digits) { self.digits = digits }

    public static func < (a: Self, b: Self) -> Bool { a.digits < b.digits }
    public var description: String { digits.text }
}

extension IMEI {
    /// The device model.
    public var model: TypeAllocationCode {
        TypeAllocationCode(digits: Digits(value: digits.value / 1_000_000, count: 8))
    }
}

/// Whether somebody has to have approved the SIM for service.
public struct ApprovalRule: Hashable, Sendable {
    public var by: Approver
    public var onViolation: ViolationAction
    /// While the hook has given no answer, or one too old.
    public var onNoAnswer: WithoutAnswer

    public enum Approver: String, Hashable, Sendable, CaseIterable {
        /// The SIM's own flag.
        case flag
        /// The operator's HTTP hook.
        case hook
    }

    public enum WithoutAnswer: String, Hashable, Sendable, CaseIterable {
        /// The last answer holds, however old; without one the SIM is in quarantine.
        case keep
        case allow
        case quarantine
    }

    public init(by: Approver, onViolation: ViolationAction, onNoAnswer: WithoutAnswer) {
        self.by = by
        self.onViolation = onViolation
        self.onNoAnswer = onNoAnswer
    }
}

/// Where sessions in quarantine get to, and whether new SIMs begin in it.
public struct QuarantineRule: Hashable, Sendable {
    /// Of the tenant's policies; `nil`: they get nowhere.
    public var policy: Name?
    /// A SIM is in quarantine until it is approved.
    public var newSIMs: Bool

    public init(policy: Name?, newSIMs: Bool) {
        self.policy = policy
        self.newSIMs = newSIMs
    }
}
