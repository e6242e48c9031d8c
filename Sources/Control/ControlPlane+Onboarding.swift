import Domain
import Logging
import PolicyCompiler
import Store

/// A tenant with everything that it is to have, from one document and in one transaction.
extension ControlPlane {
    /// Says what the document would make, and changes nothing.
    public func planOnboarding(
        _ text: String, file: String, by principal: Principal
    ) async throws(ControlError) -> OnboardingPlan {
        let document = try onboardingDocument(text, file: file, by: principal)
        let now = now()
        return try await Self.translating {
            do {
                return try await self.store.write { store in
                    var transaction = OnboardingTransaction(
                        document, isDry: true, by: principal, at: now, in: store, of: self)
                    throw TakenBack(plan: try transaction.run())
                }
            } catch let error as TakenBack {
                return error.plan
            }
        }
    }

    /// Undoes what was done to find out.
    private struct TakenBack: Error {
        let plan: OnboardingPlan
    }

    /// Makes what the document says, all of it or nothing: stored, policies in the kernel, and tunnels being made when it
    /// returns. Nothing is deleted; done twice, it does nothing.
    /// - Parameter digest: of the plan that was agreed to; `nil`: whatever it is. With another, nothing is changed.
    public func onboard(
        _ text: String, file: String, expecting digest: String? = nil, by principal: Principal
    ) async throws(ControlError) -> OnboardingResult {
        let started = ContinuousClock.now
        let document = try onboardingDocument(text, file: file, by: principal)
        let (plan, made, delays, swept) = try await change {
            let now = self.now()
            let (plan, made) = try await self.enact { store in
                var transaction = OnboardingTransaction(
                    document, isDry: false, by: principal, at: now, in: store, of: self)
                let plan = try transaction.run()
                guard digest == nil || digest == plan.digest else {
                    throw ControlError(
                        .changed, "what there is has changed since the plan was made: look at the plan again")
                }
                return ((plan, transaction.result), transaction.result.policies.mapValues(\.ruleset))
            }
            let present = self.book.snapshot()
            let swept = made.policies.filter { present[$0.key] != nil }.mapValues(\.ruleset)
            return (plan, made, await self.bring(made), swept)
        }
        let inForce = ContinuousClock.now - started
        let (cut, late) = sweep(swept, made)
        await refreshPeers(of: made.tunnels.map(\.vpn.id))
        return OnboardingResult(
            plan: plan, tokens: made.tokens, vpns: try await handovers(made, of: plan.tenant, by: principal),
            nextSteps: Self.nextSteps(document, plan, made), delays: delays + late,
            report: EnforcementReport(
                sessions: made.sessions.count, inForce: inForce, flowsCut: cut, total: ContinuousClock.now - started))
    }

    private func onboardingDocument(
        _ text: String, file: String, by principal: Principal
    ) throws(ControlError) -> OnboardingDocument {
        try principal.requireOperator()
        do throws(PolicyError) {
            return try OnboardingDocument(parsing: text, file: file)
        } catch {
            throw ControlError(
                .invalid, "the document has \(error.diagnostics.count) error(s); nothing was changed",
                problems: error.diagnostics.map { diagnostic in
                    ControlError.Problem(
                        line: diagnostic.line, column: diagnostic.column,
                        file: diagnostic.file == file ? nil : diagnostic.file, field: diagnostic.field,
                        message: diagnostic.message)
                })
        }
    }

    // MARK: Into force

    /// Brings what is stored to the books, the kernel and the daemon. On the engine's loop. What fails is told, not
    /// thrown: keys that are shown once must come to who asked for them.
    private func bring(_ made: OnboardingTransaction.Made) async -> [String] {
        guard let tenant = made.tenant else { return [] }
        accessPointBook.replaceAll(made.accessPoints)
        if made.isScopeNew { book.noteChangeOfScope(of: tenant) }
        for (mark, compiled) in made.policies {
            names.setOwner(tenant, of: mark)
            book.set(compiled, for: mark)
        }
        var delays: [String] = []
        for site in made.tunnels {
            await attempt("VPN \(site.vpn.name)", &delays) { try await bringTunnel(site.vpn.id) }
        }
        if made.areBlocksNew {
            await attempt("the address blocks of VPNs", &delays) { try await bringTunnels(of: tenant) }
        }
        if !made.sessions.isEmpty {
            await attempt("the policies of devices", &delays) { try await enforce(made.sessions) }
        }
        return delays
    }

    private func attempt(_ what: String, _ delays: inout [String], _ body: () async throws -> Void) async {
        do { try await body() } catch {
            logger.error("an onboarding is not in force whole", metadata: ["part": "\(what)", "error": "\(error)"])
            delays.append("\(what): stored, but not in force yet; it will be tried again (\(error))")
        }
    }

    /// Cuts flows that are not allowed any more.
    private func sweep(
        _ rulesets: [PolicyMark: Ruleset], _ made: OnboardingTransaction.Made
    ) -> (cut: Int, delays: [String]) {
        do throws(DataPlaneError) {
            var cut = rulesets.isEmpty ? 0 : try sweep(rulesets)
            if !made.sessions.isEmpty {
                cut += try dataPlane.deleteFlows(.ofDevices(Set(made.sessions.flatMap(\.devices))), judging: judge())
            }
            return (cut, [])
        } catch {
            return (0, ["flows that are not allowed any more: they will be cut later (\(error))"])
        }
    }

    // MARK: What is handed over

    private func handovers(
        _ made: OnboardingTransaction.Made, of tenant: Name, by principal: Principal
    ) async throws(ControlError) -> [OnboardingResult.Handover] {
        var handovers: [OnboardingResult.Handover] = []
        for site in made.tunnels {
            // Who deletes the VPN at this moment needs no steps; who asked still gets the key.
            let steps = (try? await nextSteps(of: site.vpn.name, tenant, by: principal)) ?? []
            handovers.append(
                OnboardingResult.Handover(
                    tunnel: TunnelHandover(vpn: view(site.vpn), made: site.secrets, warnings: site.warnings),
                    nextSteps: steps))
        }
        return handovers
    }

    private static func nextSteps(
        _ document: OnboardingDocument, _ plan: OnboardingPlan, _ made: OnboardingTransaction.Made
    ) -> [String] {
        var steps: [String] = []
        let hasNewDevices = plan.steps.contains { $0.action == .create && [.apn, .sim].contains($0.kind) }
        if hasNewDevices, let apn = document.accessPoint?.value.apn {
            steps.append("Set the APN of your devices to \(apn), without a user name or a password.")
        }
        if !made.tokens.isEmpty {
            steps.append(
                "Keep the tokens that are shown here, each where only its user reads it: they are not shown again.")
        }
        return steps
    }
}
