import Domain
import Store

/// What there is to tell of a session.
extension Event.News {
    private init(
        _ code: Event.Code, _ session: Session, at time: Timestamp, _ words: String, _ details: [Event.Detail]
    ) {
        self.init(
            code, of: session.tenant, about: Event.Subject(.sim, session.imsi), at: time, imsi: session.imsi,
            session: session.id, words: words, details: details)
    }

    /// - Parameters:
    ///   - replaced: the SIM's session on the same APN that has ended thereby. Its end is no event of its own.
    ///   - continued: one that had been given up, and that its NAS goes on with.
    static func began(_ session: Session, replacing replaced: Session? = nil, continuing continued: Session? = nil)
        -> Self
    {
        var details = [Event.Detail("apn", session.apn)] + session.addressDetails
        let equipment = session.equipment
        if let imei = equipment.imei { details.append(Event.Detail("imei", imei)) }
        if let rat = equipment.rat { details.append(Event.Detail("rat", rat)) }
        if let network = equipment.visitedNetwork { details.append(Event.Detail("visited_network", network)) }
        if let replaced {
            details.append(Event.Detail("replaced", replaced.id))
            details.append(Event.Detail("octets_up", replaced.usage.octetsUp))
            details.append(Event.Detail("octets_down", replaced.usage.octetsDown))
            return Self(
                .sessionReplaced, session, at: session.startedAt,
                "attached anew to \(session.apn) as \(session.place), without having ended session \(replaced.id)",
                details)
        }
        if let continued {
            details.append(Event.Detail("continued", continued.id))
            return Self(
                .sessionStarted, session, at: session.startedAt,
                "session \(continued.id) on \(session.apn) had been given up; its NAS goes on with it", details)
        }
        return Self(
            .sessionStarted, session, at: session.startedAt, "attached to \(session.apn) as \(session.place)", details
        )
    }

    /// - Parameter session: as it is after its end.
    static func ended(_ session: Session) -> Self {
        let (cause, usage) = (session.endCause ?? .stopped, session.usage)
        let time = session.endedAt ?? session.updatedAt
        return Self(
            .sessionEnded, session, at: time, "the session on \(session.apn) has ended: \(cause.words)",
            [
                Event.Detail("cause", cause.rawValue), Event.Detail("apn", session.apn),
            ] + session.addressDetails + [
                Event.Detail("octets_up", usage.octetsUp), Event.Detail("octets_down", usage.octetsDown),
                Event.Detail("seconds", max(0, time.milliseconds - session.startedAt.milliseconds) / 1000),
            ])
    }

    /// What a report says that was otherwise before: another area or network, another IMEI. What was not known before has
    /// not changed, and a cell of the same area is no move.
    static func changes(of session: Session, from before: Equipment, at time: Timestamp) -> [Self] {
        let after = session.equipment
        var news: [Self] = []
        if let old = before.imei, let new = after.imei, old != new {
            news.append(
                Self(
                    .sessionEquipmentChanged, session, at: time, "the IMEI is \(new), and was \(old)",
                    [Event.Detail("imei", new), Event.Detail("before", old)]))
        }
        let places = [before, after].map { DevicePlace($0.location, visitedNetwork: $0.visitedNetwork) }
        let (old, new) = (places[0], places[1])
        let isElsewhere =
            old.network != nil && new.network != nil && old.network != new.network
            || old.area != nil && new.area != nil && old.area != new.area
        if isElsewhere {
            news.append(
                Self(
                    .sessionMoved, session, at: time, "moved from \(old.areaWords) to \(new.areaWords)",
                    [Event.Detail("place", new.areaWords), Event.Detail("before", old.areaWords)]))
        }
        return news
    }
}

extension DevicePlace {
    fileprivate var areaWords: String {
        area.map { "tracking area \($0)" } ?? network.map { "network \($0)" } ?? "an unknown place"
    }
}

extension Session.EndCause {
    fileprivate var words: String {
        switch self {
        case .stopped: "its NAS reported the end"
        case .replaced: "the SIM attached anew"
        case .nasStarted: "its NAS has started anew"
        case .nasStopped: "its NAS is stopping"
        case .stale: "neither a report nor a packet for as long as its NAS's profile allows"
        case .unknownToNAS: "its NAS does not have it"
        case .testOver: "the SIM's manufacturing test is over"
        }
    }
}

/// What there is to tell of a SIM's state.
extension Event.News {
    /// - Returns: `nil` when the state is as it was.
    static func changed(_ sim: SIM, to after: SIM?, by principal: String, at time: Timestamp) -> Self? {
        guard let after, after.state != sim.state || after.test != sim.test else { return nil }
        let (code, words): (Event.Code, String) =
            switch after.state {
            case .suspended: (.suspended, "the SIM is suspended: nothing passes, and access is rejected")
            case .terminated: (.terminated, "the SIM is terminated, which is for good")
            case .active where sim.state == .test: (.activated, "the SIM's test has ended by hand: it is active")
            case .test where sim.state != .suspended:
                (.testBegun, "the SIM is in a test until \(after.test.map { "\($0.until)" } ?? "its end")")
            case .active, .test: (.resumed, "the SIM is suspended no more: access is accepted again")
            }
        return Self(
            code, of: sim.tenant, about: Event.Subject(.sim, sim.imsi), at: time, imsi: sim.imsi, words: words,
            details: [Event.Detail("by", principal), Event.Detail("before", sim.state.rawValue)])
    }
}

extension StoreTransaction {
    /// Tells what has become of a SIM's state in this transaction.
    /// - Parameter sim: as it was before.
    func tellState(of sim: SIM, by principal: String, at time: Timestamp) throws(StoreError) {
        if let news = Event.News.changed(sim, to: try self.sim(sim.id), by: principal, at: time) {
            try appendEvent(news)
        }
    }

    /// Which policy judges a tenant's SIMs, or a group's.
    /// - Parameter group: `nil`: those without a group's policy.
    func tellAssignment(
        of policy: Name?, toGroup group: Name?, of tenant: Tenant, by principal: String, at time: Timestamp
    ) throws(StoreError) {
        let whom = group.map { "SIMs of group \($0)" } ?? "SIMs whose group has no policy"
        let what =
            policy.map { "policy \($0)" }
            ?? (group == nil ? "no policy: they reach nothing" : "the tenant's default policy")
        var details = [Event.Detail("by", principal)]
        if let policy { details.append(Event.Detail("policy", policy)) }
        try appendEvent(
            Event.News(
                .policyAssigned, of: tenant.id,
                about: group.map { Event.Subject(.group, $0) } ?? Event.Subject(.tenant, tenant.name), at: time,
                words: "\(whom) have \(what)", details: details))
    }

    /// - Parameter before: the version that was in force.
    func tell(applied policy: Policy, before: Policy?, by principal: String, at time: Timestamp) throws(StoreError) {
        var details = [Event.Detail("version", policy.version), Event.Detail("by", principal)]
        if let before { details.append(Event.Detail("before", before.version)) }
        if !policy.comment.isEmpty { details.append(Event.Detail("comment", policy.comment)) }
        try appendEvent(
            Event.News(
                .policyApplied, of: policy.tenant, about: Event.Subject(.policy, policy.name), at: time,
                words: "version \(policy.version) of policy \(policy.name) is applied", details: details))
    }

    func tell(
        _ code: Event.Code, at target: ControlPlane.SessionPolicyTarget, _ place: SessionPolicyPlace,
        _ sections: String, by principal: String, time: Timestamp
    ) throws(StoreError) {
        var details = [Event.Detail("at", target), Event.Detail("by", principal)]
        if !sections.isEmpty { details.append(Event.Detail("sections", sections)) }
        var imsi: IMSI?
        if case .sim(let one) = target { imsi = one }
        let isSet = code == .sessionPolicySet
        try appendEvent(
            Event.News(
                code, of: place.tenant, about: Event.Subject(.policy, target), at: time, imsi: imsi,
                words: isSet
                    ? "the session policy at \(target) says: \(sections)"
                    : "there is no session policy at \(target) any more",
                details: details))
    }

    /// Quarantine by hand of a SIM that has no session; of others, what becomes of the sessions is told.
    func tellQuarantine(of sim: SIM, _ quarantine: SIMStanding.Quarantine?, by principal: String, at time: Timestamp)
        throws(StoreError)
    {
        guard try activeSessions(of: sim.id).isEmpty else { return }
        var details = [Event.Detail("by", principal)]
        if let quarantine {
            details.append(Event.Detail("reason", ViolationReason.byHand.rawValue))
            if let until = quarantine.until { details.append(Event.Detail("until", until)) }
        }
        try appendEvent(
            Event.News(
                quarantine == nil ? .quarantineLeft : .quarantineEntered, of: sim.tenant,
                about: Event.Subject(.sim, sim.imsi), at: time, imsi: sim.imsi,
                words: quarantine.map { "the SIM is in quarantine: \($0.reason)" }
                    ?? "the SIM is in quarantine no more",
                details: details))
    }
}

extension Session {
    /// What its device is given, for people.
    fileprivate var place: String {
        guard let prefixes else { return "\(address)" }
        return hasIPv4 ? "\(address) and \(prefixes.link)" : "\(prefixes.link)"
    }

    fileprivate var addressDetails: [Event.Detail] {
        (ipv4.map { [Event.Detail("address", $0)] } ?? [])
            + (prefixes.map { [Event.Detail("prefix", $0.link)] } ?? [])
            + (prefixes?.delegated.map { [Event.Detail("delegated_prefix", $0)] } ?? [])
    }
}
