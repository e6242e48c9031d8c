/// One action on many SIMs, with what became of each.
public struct BulkOperation: Hashable, Sendable {
    public typealias ID = Identifier<BulkOperation>
    public let id: ID
    /// Whose it is; `nil`: the operator's.
    public let tenant: Tenant.ID?
    public let action: Action
    /// Which SIMs were meant, in words.
    public let filter: String
    public let author: String
    public let state: State
    public let createdAt: Timestamp
    /// When the last SIM had been changed in store and kernel: no packet passes that must not, from then on.
    public let appliedAt: Timestamp?
    /// When every NAS that was to be told had been.
    public let finishedAt: Timestamp?

    public enum Action: Hashable, Sendable {
        case suspend
        case resume
        case terminate
        /// Ends a manufacturing test.
        case activate
        case test(SIM.TestTerms)
        case setGroup(Name?)
        case setLabel(String)

        public var kind: Kind {
            switch self {
            case .suspend: .suspend
            case .resume: .resume
            case .terminate: .terminate
            case .activate: .activate
            case .test: .test
            case .setGroup: .setGroup
            case .setLabel: .setLabel
            }
        }
    }

    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case suspend
        case resume
        case terminate
        case activate
        case test
        case setGroup = "set-group"
        case setLabel = "set-label"
    }

    public enum State: String, Hashable, Sendable, CaseIterable {
        case running
        case finished
        /// Somebody stopped it: what had not been done by then was left. NAS may still be told of what had.
        case cancelled
    }

    /// SIMs that one operation takes at most.
    public static let maximumCount = 250_000

    public init(
        id: ID, tenant: Tenant.ID?, action: Action, filter: String, author: String, state: State,
        createdAt: Timestamp, appliedAt: Timestamp?, finishedAt: Timestamp?
    ) {
        self.id = id
        self.tenant = tenant
        self.action = action
        self.filter = filter
        self.author = author
        self.state = state
        self.createdAt = createdAt
        self.appliedAt = appliedAt
        self.finishedAt = finishedAt
    }
}

/// What became of one SIM of a bulk operation.
public struct BulkItem: Hashable, Sendable {
    /// Its place, from 1.
    public let number: Int64
    /// The IMSI; what was named where there is no such SIM.
    public let subject: String
    public let sim: SIM.ID?
    public var state: State
    /// Why, where that is not plain.
    public var detail: String

    public enum State: String, Hashable, Sendable, CaseIterable {
        case waiting
        /// In force in store and kernel; its NAS is still to be told.
        case applied
        case done
        /// It was so already.
        case unchanged
        /// In force, but its NAS has not confirmed the end of a session.
        case unconfirmed
        case failed
    }

    public init(number: Int64, subject: String, sim: SIM.ID?, state: State, detail: String) {
        self.number = number
        self.subject = subject
        self.sim = sim
        self.state = state
        self.detail = detail
    }
}

/// Which SIMs; each condition narrows it.
public struct SIMFilter: Hashable, Sendable {
    public var tenant: Tenant.ID?
    public var group: SIMGroup.ID?
    public var state: SIM.State?
    /// With `*` for any characters and `?` for one.
    public var label: String?
    /// IMSIs or ICCIDs.
    public var names: [String]?

    public init(
        tenant: Tenant.ID? = nil, group: SIMGroup.ID? = nil, state: SIM.State? = nil, label: String? = nil,
        names: [String]? = nil
    ) {
        self.tenant = tenant
        self.group = group
        self.state = state
        self.label = label
        self.names = names
    }
}
