import Crypto
public import Domain

extension ControlPlane {
    /// What an onboarding document makes of what there is.
    public struct OnboardingPlan: Sendable {
        public let tenant: Name
        /// In the order in which they are done.
        public let steps: [Step]
        /// What the tenant has that the document does not name: it is left alone.
        public let others: [Other]
        public let warnings: [ControlError.Problem]

        public struct Step: Hashable, Sendable {
            public let action: Action
            public let kind: Kind
            public let name: String
            public let detail: String
            /// Of what changes: what differs.
            public var changes: [FieldChange] = []

            public enum Action: String, CaseIterable, Sendable {
                case create, change, keep
            }
        }

        public enum Kind: String, CaseIterable, Sendable {
            case tenant, apn, limit, blocks, list, group, vpn, policy
            case defaultPolicy = "default-policy"
            case sim, user
        }

        /// `nil`: nothing.
        public struct FieldChange: Hashable, Sendable {
            public let field: String
            public let before: String?
            public let after: String?
        }

        public struct Other: Hashable, Sendable {
            public let kind: Kind
            public let name: String
        }

        /// Whether everything is as the document says.
        public var changesNothing: Bool { steps.allSatisfy { $0.action == .keep } }

        /// The same for plans that do the same: what was agreed to can be held against what would be done.
        public var digest: String {
            var text = "\(tenant)\n"
            for step in steps where step.action != .keep {
                text += "\(step.action.rawValue) \(step.kind.rawValue) \(step.name)\n\(step.detail)\n"
                for change in step.changes {
                    text += "\(change.field)\n\(change.before ?? "")\n\(change.after ?? "")\n"
                }
            }
            let octets = Array(SHA256.hash(data: Array(text.utf8)))
            return TextDigest(octets: octets)?.description ?? ""
        }
    }

    /// What an onboarding did, with everything that is told once and never again.
    public struct OnboardingResult: Sendable {
        public let plan: OnboardingPlan
        public let tokens: [NewToken]
        /// Of the VPNs that were made or changed.
        public let vpns: [Handover]
        /// What the customer has to do beside its VPNs.
        public let nextSteps: [String]
        /// What is stored, and could not be brought into force at once: it will be tried again.
        public let delays: [String]
        public let report: EnforcementReport

        public struct Handover: Sendable {
            public let tunnel: TunnelHandover
            /// What the customer has to do at its end.
            public let nextSteps: [String]
        }
    }
}
