extension Event {
    /// What sort of thing happened. The raw value is what filters take.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// A session began, ended or changed.
        case session
        /// An attach was refused.
        case verdict
        /// A session does not fit what its SIM's policies say.
        case violation
        case quarantine
        case limit
        case vpn
        case policy
        case storm
        case nas
        /// A SIM's state was changed.
        case sim
    }

    /// Why there is an event. The raw value is the reason code that the API, the command line and metrics show; it is stored,
    /// so it never changes, and a code that is not used any more stays here.
    ///
    /// A new code is a case here and a line in ``kind``; tests hold the rest.
    public enum Code: String, Hashable, Sendable, CaseIterable {
        // Sessions.
        case sessionStarted = "session-started"
        case sessionEnded = "session-ended"
        /// Its NAS asked for it anew without having ended it.
        case sessionReplaced = "session-replaced"
        /// The visited network, or the tracking, location or routing area, is another.
        case sessionMoved = "session-moved"
        /// The IMEI is another.
        case sessionEquipmentChanged = "session-equipment-changed"
        /// It has ended, and its NAS has reported other octets than were counted here.
        case usageDiffers = "usage-differs"

        // Verdicts of admission: the raw values are those of ``AttachRejection``.
        case imsiMissing = "imsi-missing"
        case apnMissing = "apn-missing"
        case apnNotAllowed = "apn-not-allowed"
        case simUnknown = "sim-unknown"
        case simSuspended = "sim-suspended"
        case simTerminated = "sim-terminated"
        case simTestOver = "sim-test-over"
        case addressPoolExhausted = "address-pool-exhausted"
        case pdnTypeNotServed = "pdn-type-not-served"
        case imeiNotAllowed = "imei-not-allowed"
        case attachLocationNotAllowed = "attach-location-not-allowed"
        case attachOutsideHours = "attach-outside-hours"
        case attachNotApproved = "attach-not-approved"
        case attachDataLimitReached = "attach-data-limit-reached"

        // Violations of session policies: the raw values are those of ``ViolationReason``.
        case imeiChanged = "imei-changed"
        case imeiNotListed = "imei-not-listed"
        case imeiMissing = "imei-missing"
        case imeiAllZeros = "imei-all-zeros"
        case locationNotAllowed = "location-not-allowed"
        case locationDenied = "location-denied"
        case locationOutsideFence = "location-outside-fence"
        case locationUnknown = "location-unknown"
        case homeNetworkNotAllowed = "home-network-not-allowed"
        case outsideHours = "outside-hours"
        case notApproved = "not-approved"
        case approvalUnanswered = "approval-unanswered"
        case newSIM = "new-sim"
        case byHand = "by-hand"
        case dataLimitReached = "data-limit-reached"
        /// The session fits again.
        case violationOver = "violation-over"

        // Quarantine.
        case quarantineEntered = "quarantine-entered"
        case quarantineLeft = "quarantine-left"

        // Limits.
        case limitWarned = "limit-warned"
        case limitReached = "limit-reached"

        // VPNs.
        case vpnUp = "vpn-up"
        case vpnDown = "vpn-down"
        /// It does not come up, or does only part of its work, and why is known, or is another reason than before.
        case vpnFailed = "vpn-failed"
        /// The certificate that was issued to its peer ends soon.
        case vpnCertificateExpiring = "vpn-certificate-expiring"

        // Policies.
        case policyApplied = "policy-applied"
        case policyDeleted = "policy-deleted"
        case policyAssigned = "policy-assigned"
        case sessionPolicySet = "session-policy-set"
        case sessionPolicyCleared = "session-policy-cleared"

        // States of SIMs.
        case suspended
        case resumed
        case terminated
        case testBegun = "test-begun"
        /// A test has ended by hand.
        case activated

        // Storms.
        case reattachStorm = "reattach-storm"
        case reattachStormOver = "reattach-storm-over"

        // NAS.
        case nasOn = "nas-accounting-on"
        case nasOff = "nas-accounting-off"

        public var kind: Kind {
            switch self {
            case .sessionStarted, .sessionEnded, .sessionReplaced, .sessionMoved, .sessionEquipmentChanged,
                .usageDiffers:
                .session
            case .imsiMissing, .apnMissing, .apnNotAllowed, .simUnknown, .simSuspended, .simTerminated, .simTestOver,
                .addressPoolExhausted, .pdnTypeNotServed, .imeiNotAllowed, .attachLocationNotAllowed,
                .attachOutsideHours, .attachNotApproved, .attachDataLimitReached:
                .verdict
            case .imeiChanged, .imeiNotListed, .imeiMissing, .imeiAllZeros, .locationNotAllowed, .locationDenied,
                .locationOutsideFence, .locationUnknown, .homeNetworkNotAllowed, .outsideHours, .notApproved,
                .approvalUnanswered, .newSIM, .byHand, .dataLimitReached, .violationOver:
                .violation
            case .quarantineEntered, .quarantineLeft: .quarantine
            case .limitWarned, .limitReached: .limit
            case .vpnUp, .vpnDown, .vpnFailed, .vpnCertificateExpiring: .vpn
            case .policyApplied, .policyDeleted, .policyAssigned, .sessionPolicySet, .sessionPolicyCleared: .policy
            case .suspended, .resumed, .terminated, .testBegun, .activated: .sim
            case .reattachStorm, .reattachStormOver: .storm
            case .nasOn, .nasOff: .nas
            }
        }

        public init(_ rejection: AttachRejection) {
            self =
                switch rejection {
                case .imsiMissing: .imsiMissing
                case .apnMissing: .apnMissing
                case .apnNotAllowed: .apnNotAllowed
                case .simUnknown: .simUnknown
                case .simSuspended: .simSuspended
                case .simTerminated: .simTerminated
                case .simTestOver: .simTestOver
                case .addressPoolExhausted: .addressPoolExhausted
                case .pdnTypeNotServed: .pdnTypeNotServed
                case .imeiNotAllowed: .imeiNotAllowed
                case .locationNotAllowed: .attachLocationNotAllowed
                case .outsideHours: .attachOutsideHours
                case .notApproved: .attachNotApproved
                case .dataLimitReached: .attachDataLimitReached
                }
        }

        public init(_ reason: ViolationReason) {
            self =
                switch reason {
                case .imeiChanged: .imeiChanged
                case .imeiNotListed: .imeiNotListed
                case .imeiMissing: .imeiMissing
                case .imeiAllZeros: .imeiAllZeros
                case .locationNotAllowed: .locationNotAllowed
                case .locationDenied: .locationDenied
                case .locationOutsideFence: .locationOutsideFence
                case .locationUnknown: .locationUnknown
                case .homeNetworkNotAllowed: .homeNetworkNotAllowed
                case .outsideHours: .outsideHours
                case .notApproved: .notApproved
                case .approvalUnanswered: .approvalUnanswered
                case .newSIM: .newSIM
                case .byHand: .byHand
                case .dataLimitReached: .dataLimitReached
                }
        }
    }
}
