/// A subscription: what sits in a device and belongs to one tenant.
public struct SIM: Hashable, Sendable {
    public typealias ID = Identifier<SIM>
    public let id: ID
    public let tenant: Tenant.ID
    public let imsi: IMSI
    public let iccid: ICCID
    public let msisdn: MSISDN?
    public var group: SIMGroup.ID?
    /// Free text of the tenant, 100 characters at most.
    public var label: String
    public var state: State
    /// There as long as the SIM is in a manufacturing test, suspended or not.
    public var test: TestAllowance?
    public let createdAt: Timestamp

    /// The administrative state.
    public enum State: String, Hashable, Sendable, CaseIterable {
        case active
        /// By an administrator; undone by resume. Access is rejected.
        case suspended
        /// For good. Access is rejected.
        case terminated
        /// Active, but only for a manufacturing test: see ``TestAllowance``.
        case test
    }

    public init(
        id: ID, tenant: Tenant.ID, imsi: IMSI, iccid: ICCID, msisdn: MSISDN?, group: SIMGroup.ID?, label: String,
        state: State, createdAt: Timestamp, test: TestAllowance? = nil
    ) {
        self.test = test
        self.id = id
        self.tenant = tenant
        self.imsi = imsi
        self.iccid = iccid
        self.msisdn = msisdn
        self.group = group
        self.label = label
        self.state = state
        self.createdAt = createdAt
    }
}

/// A SIM as an administrator names it, before the store gives it a row.
public struct NewSIM: Hashable, Sendable {
    public let imsi: IMSI
    public let iccid: ICCID
    public let msisdn: MSISDN?
    public let group: SIMGroup.ID?
    public let label: String

    public init(imsi: IMSI, iccid: ICCID, msisdn: MSISDN?, group: SIMGroup.ID?, label: String) {
        self.imsi = imsi
        self.iccid = iccid
        self.msisdn = msisdn
        self.group = group
        self.label = label
    }
}
