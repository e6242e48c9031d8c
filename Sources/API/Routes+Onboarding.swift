import Control
import Domain
import Hummingbird
import PolicyCompiler

/// A tenant with everything that it is to have.
extension RouteTable {
    func addOnboarding() {
        post("/v1/onboardings") { call in
            let query = try call.query("dry_run", "file", "plan")
            let isDry = try query.flag("dry_run", default: false)
            let file = query.text("file") ?? "onboarding"
            let text = try await call.text(
                limit: OnboardingDocument.maximumOctets, types: ["application/yaml", "application/json"])
            guard !isDry else {
                let plan = try await call.control.planOnboarding(text, file: file, by: call.principal)
                return .json(OnboardingAnswer(plan: OnboardingPlanAnswer(plan), result: nil))
            }
            let result = try await call.control.onboard(
                text, file: file, expecting: query.text("plan"), by: call.principal)
            return .json(
                OnboardingAnswer(plan: OnboardingPlanAnswer(result.plan), result: OnboardingResultAnswer(result)))
        }
    }
}

struct OnboardingAnswer: Encodable {
    let plan: OnboardingPlanAnswer
    /// `nil`: nothing was done.
    let result: OnboardingResultAnswer?
}

struct OnboardingPlanAnswer: Encodable {
    let tenant: String
    let digest: String
    let changesNothing: Bool
    let steps: [StepAnswer]
    let others: [OtherAnswer]
    let warnings: [Problem.Place]

    struct StepAnswer: Encodable {
        let action: String
        let kind: String
        let name: String
        let detail: String
        let changes: [ChangeAnswer]
    }

    struct ChangeAnswer: Encodable {
        let field: String
        let before: String?
        let after: String?
    }

    struct OtherAnswer: Encodable {
        let kind: String
        let name: String
    }

    init(_ plan: ControlPlane.OnboardingPlan) {
        tenant = "\(plan.tenant)"
        digest = plan.digest
        changesNothing = plan.changesNothing
        steps = plan.steps.map { step in
            StepAnswer(
                action: step.action.rawValue, kind: step.kind.rawValue, name: step.name, detail: step.detail,
                changes: step.changes.map { ChangeAnswer(field: $0.field, before: $0.before, after: $0.after) })
        }
        others = plan.others.map { OtherAnswer(kind: $0.kind.rawValue, name: $0.name) }
        warnings = plan.warnings.map(Problem.Place.init)
    }
}

struct OnboardingResultAnswer: Encodable {
    /// Their secrets are never told again, and neither is what the VPNs have.
    let tokens: [NewTokenAnswer]
    let vpns: [SiteAnswer]
    let nextSteps: [String]
    let delays: [String]
    let enforcement: EnforcementAnswer

    struct SiteAnswer: Encodable {
        let handover: HandoverAnswer
        let nextSteps: [String]
    }

    init(_ result: ControlPlane.OnboardingResult) {
        let tenant = "\(result.plan.tenant)"
        tokens = result.tokens.map {
            NewTokenAnswer(token: TokenAnswer($0.token, tenant: tenant), secret: $0.secret)
        }
        vpns = result.vpns.map { SiteAnswer(handover: HandoverAnswer($0.tunnel), nextSteps: $0.nextSteps) }
        nextSteps = result.nextSteps
        delays = result.delays
        enforcement = EnforcementAnswer(result.report)
    }
}
