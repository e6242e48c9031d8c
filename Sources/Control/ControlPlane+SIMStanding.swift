public import Domain
import PolicyCompiler
import Store

/// What holds for one SIM: its effective session policy, what it has learned, quarantine and approval.
extension ControlPlane {
    /// What holds for a SIM, from where, and what is found of it now.
    public struct EffectivePolicyView: Sendable {
        public let imsi: IMSI
        public let tenant: Name
        public let group: Name?
        public let effective: EffectiveSessionPolicy
        public let standing: SIMStanding
        /// Its open sessions, as they were last judged.
        public let sessions: [(session: Session, restriction: SessionRestriction?)]
        /// What is found now, by the first of the sessions; without one, by what the SIM was last seen to be.
        public let violations: [Violation]
        /// Its volumes of data as they are.
        public let volumes: [VolumeView]
        /// Whether the gateway enforces limits.
        public let isLimiting: Bool
    }

    public func effectivePolicy(
        of imsi: IMSI, by principal: Principal
    ) async throws(ControlError) -> EffectivePolicyView {
        let judging = judging(at: now())
        return try await read { store in
            let sim = try store.visibleSIM(imsi, to: principal)
            guard let subscriber = try store.subscriber(imsi: imsi), let tenant = try store.tenant(sim.tenant) else {
                throw ControlError.notFound("SIM", imsi)
            }
            let standing = try store.standing(of: sim.id)
            let sessions = try store.activeSessions(of: sim.id).map { ($0, try store.restriction(of: $0.id)) }
            let effective = judging.effective(for: subscriber)
            let volumes = try judging.limits.volumes(of: subscriber.who, effective, store)
            let used = volumes.usedVolumes
            let judged: SessionJudging.Judged?
            if let session = sessions.first?.0 {
                judged = try judging.judge(session, subscriber, report: nil, moment: .clock, used: used, store)
            } else {
                let request = AttachRequest(
                    nas: NAS.ID(0), imsi: imsi, apn: nil, accountingSessionID: nil,
                    equipment: Equipment(imei: standing.lastIMEI?.value))
                judged = try judging.judge(request, subscriber, used: used, store)
            }
            return EffectivePolicyView(
                imsi: imsi, tenant: tenant.name, group: try sim.group.flatMap { try store.group($0) }?.name,
                effective: effective, standing: standing,
                sessions: sessions.map { (session: $0.0, restriction: $0.1) },
                violations: judged?.judgement.violations ?? [], volumes: volumes, isLimiting: self.limits.isEnforcing)
        }
    }

    public func restriction(
        of session: Session.ID, by principal: Principal
    ) async throws(ControlError) -> SessionRestriction? {
        try await read { store in
            guard let found = try store.session(session), principal.maySee(found.tenant) else { return nil }
            return try store.restriction(of: session)
        }
    }

    public func standing(of imsi: IMSI, by principal: Principal) async throws(ControlError) -> SIMStanding {
        try await read { store in try store.standing(of: try store.visibleSIM(imsi, to: principal).id) }
    }

    /// The places that are remembered for the SIM's fence.
    public func fence(of imsi: IMSI, by principal: Principal) async throws(ControlError) -> [FencePlace: Timestamp] {
        try await read { store in try store.fence(of: try store.visibleSIM(imsi, to: principal).id, among: nil) }
    }

    /// Changes what is remembered of a SIM, and judges its sessions anew.
    private func changeStanding(
        _ action: String, of imsi: IMSI, detail: String = "", by principal: Principal,
        _ body: @escaping @Sendable (inout SIMStanding, SIM, any StoreTransaction, Timestamp) throws -> Void
    ) async throws(ControlError) -> EnforcementReport {
        let started = ContinuousClock.now
        let sim = try await change {
            let now = self.now()
            let (sim, isHeld) = try await self.store.write { store in
                let sim = try store.visibleSIM(imsi, to: principal)
                var standing = try store.standing(of: sim.id)
                try body(&standing, sim, store, now)
                try store.putStanding(standing, of: sim.id)
                try store.appendAudit(
                    actor: principal.name, action: action, target: "\(imsi)", detail: detail, at: now)
                return (sim, standing.quarantine != nil)
            }
            self.sessionPolicies.setHeld(isHeld, sim.id)
            return sim
        }
        return try await rejudged(at: .sim(sim.id, of: sim.tenant), since: started)
    }

    // MARK: Equipment and places

    /// Forgets the first IMEI: the next that is seen is the first.
    public func resetIMEI(of imsi: IMSI, by principal: Principal) async throws(ControlError) -> EnforcementReport {
        try await changeStanding("sim.imei-reset", of: imsi, by: principal) { standing, _, _, _ in
            standing.firstIMEI = nil
            standing.imeiChanges = 0
        }
    }

    /// Forgets the fence: its first days begin anew.
    public func resetFence(of imsi: IMSI, by principal: Principal) async throws(ControlError) -> EnforcementReport {
        try await changeStanding("sim.fence-reset", of: imsi, by: principal) { standing, sim, store, _ in
            standing.fenceSince = nil
            standing.crossings = [:]
            try store.deleteFence(of: sim.id)
        }
    }

    // MARK: Quarantine

    public static let maximumReasonOctets = 200

    /// Puts a SIM into quarantine by hand. Its sessions stay up.
    /// - Parameter until: `nil`: until somebody releases it.
    public func quarantine(
        _ imsi: IMSI, reason: String, until: Timestamp?, by principal: Principal
    ) async throws(ControlError) -> EnforcementReport {
        let reason = reason.split(whereSeparator: \.isNewline).joined(separator: " ")
        guard !reason.isEmpty, reason.utf8.count <= Self.maximumReasonOctets else {
            throw ControlError(.invalid, "give a reason of 1 to \(Self.maximumReasonOctets) octets")
        }
        if let until, until <= now() {
            throw ControlError(.invalid, "the end of the quarantine, \(until), has passed; give a later one")
        }
        return try await changeStanding(
            "sim.quarantine", of: imsi, detail: reason, by: principal
        ) { standing, sim, store, now in
            let isNew = standing.quarantine == nil
            standing.quarantine = .init(
                since: standing.quarantine?.since ?? now, until: until, reason: reason, by: principal.name)
            standing.toleratedUntil = nil
            if isNew { try store.tellQuarantine(of: sim, standing.quarantine, by: principal.name, at: now) }
        }
    }

    /// Ends a quarantine by hand. One that a violation or a new SIM has led to lasts as long as that, unless it is tolerated
    /// for a time.
    /// - Parameter tolerating: so long violations with quarantine are only reported.
    public func release(
        _ imsi: IMSI, tolerating: TimeSpan?, by principal: Principal
    ) async throws(ControlError) -> EnforcementReport {
        try await changeStanding(
            "sim.release", of: imsi, detail: tolerating.map { "for \($0)" } ?? "", by: principal
        ) { standing, sim, store, now in
            if standing.quarantine != nil {
                try store.tellQuarantine(of: sim, nil, by: principal.name, at: now)
            }
            standing.quarantine = nil
            standing.toleratedUntil = tolerating.map { now + $0 }
        }
    }

    // MARK: Approval

    /// Says whether a SIM is approved for service.
    public func setApproved(
        _ isApproved: Bool, _ imsi: IMSI, by principal: Principal
    ) async throws(ControlError) -> EnforcementReport {
        try await changeStanding(
            isApproved ? "sim.approve" : "sim.disapprove", of: imsi, by: principal
        ) { standing, _, _, now in
            standing.approval = isApproved ? standing.approval ?? .init(at: now, by: principal.name) : nil
        }
    }

    /// Approves every SIM of a tenant or a group.
    /// - Returns: how many were not approved before.
    public func approveAll(
        of tenant: Name, group: Name?, by principal: Principal
    ) async throws(ControlError) -> (sims: Int, report: EnforcementReport) {
        let started = ContinuousClock.now
        let place = try await read { store in
            try store.place(
                of: group.map { .group($0, of: tenant) } ?? .tenant(tenant), for: principal, isChange: true)
        }
        guard let owner = place.tenant else { throw ControlError.notFound("tenant", tenant) }
        var member: SIMGroup.ID?
        if case .group(let id, _) = place { member = id }
        var approved = 0
        var after: IMSI?
        repeat {
            let (last, chosen) = (after, member)
            let (page, count) = try await change {
                let now = self.now()
                return try await self.store.write { store in
                    let sims = try store.sims(of: owner, group: chosen, after: last, limit: Self.sessionsAtOnce)
                    var count = 0
                    for sim in sims {
                        var standing = try store.standing(of: sim.id)
                        guard standing.approval == nil else { continue }
                        standing.approval = .init(at: now, by: principal.name)
                        try store.putStanding(standing, of: sim.id)
                        count += 1
                    }
                    return (sims, count)
                }
            }
            approved += count
            after = page.last?.imsi
        } while after != nil
        let target = group.map { "\(tenant)/\($0)" } ?? "\(tenant)"
        let detail = "\(approved) SIM(s)"
        try await Self.translating {
            try await self.audit("sim.approve-all", target, detail: detail, by: principal)
        }
        return (approved, try await rejudged(at: place, since: started))
    }
}
