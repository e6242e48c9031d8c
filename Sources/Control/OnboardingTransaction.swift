import Domain
import PKI
import PolicyCompiler
import Store

/// Makes what an onboarding document says inside one store transaction, noting each step and everything that is wrong. A
/// plan is made by the same, and taken back: it cannot differ from what is done.
struct OnboardingTransaction {
    typealias Plan = ControlPlane.OnboardingPlan

    let control: ControlPlane
    let document: OnboardingDocument
    let principal: Principal
    /// Whether it will be taken back: nothing is made then that would be told once.
    let isDry: Bool
    let now: Timestamp
    let store: any StoreTransaction

    var steps: [Plan.Step] = []
    var others: [Plan.Other] = []
    var problems: [ControlError.Problem] = []
    var warnings: [ControlError.Problem] = []
    var result = Made()

    /// What is to be brought to the kernel and the daemon when it is stored.
    struct Made: Sendable {
        var tenant: Tenant.ID?
        var policies: [PolicyMark: CompiledPolicy] = [:]
        var tunnels: [Site] = []
        var tokens: [ControlPlane.NewToken] = []
        var accessPoints: [AccessPoint] = []
        var areBlocksNew = false
        var isScopeNew = false
        /// Sessions whose policy is another now, or may be.
        var sessions: [EnforcedSession] = []
        /// Whether somebody's policy may be another.
        var isRejudged = false

        struct Site: Sendable {
            let vpn: VPN
            let secrets: ControlPlane.TunnelMade?
            let warnings: [TunnelChecks.Finding]
        }
    }

    init(
        _ document: OnboardingDocument, isDry: Bool, by principal: Principal, at now: Timestamp,
        in store: any StoreTransaction,
        of control: ControlPlane
    ) {
        self.control = control
        self.document = document
        self.principal = principal
        self.isDry = isDry
        self.now = now
        self.store = store
    }

    /// - Throws: `.invalid` with everything that is wrong.
    mutating func run() throws -> Plan {
        let owner = try tenant()
        result.tenant = owner.id
        try accessPoint(owner)
        try limit(owner)
        try blocks(owner)
        try lists(owner)
        try groups(owner)
        try vpns(owner)
        try policies(owner)
        try assignments(owner)
        try sims(owner)
        try users(owner)
        guard problems.isEmpty else {
            throw ControlError(
                .invalid, "the document has \(problems.count) error(s); nothing was changed",
                problems: Array(problems.prefix(Self.maximumProblems)))
        }
        try findOthers(owner)
        if result.isRejudged { result.sessions = try store.enforcedSessions(ofTenant: owner.id) }
        result.accessPoints = try store.accessPoints()
        let plan = Plan(tenant: owner.name, steps: steps, others: others, warnings: warnings)
        if !isDry, !plan.changesNothing { try audit(plan) }
        return plan
    }

    private static let maximumProblems = 100

    // MARK: Notes

    mutating func note(
        _ action: Plan.Step.Action, _ kind: Plan.Kind, _ name: some CustomStringConvertible, _ detail: String = "",
        _ changes: [Plan.FieldChange] = []
    ) {
        steps.append(Plan.Step(action: action, kind: kind, name: "\(name)", detail: detail, changes: changes))
    }

    mutating func report(_ diagnostic: Diagnostic) { problems.append(placed(diagnostic)) }

    func placed(_ diagnostic: Diagnostic) -> ControlError.Problem {
        ControlError.Problem(
            line: diagnostic.line, column: diagnostic.column,
            file: diagnostic.file == document.file ? nil : diagnostic.file,
            field: diagnostic.field, message: diagnostic.message)
    }

    private func audit(_ plan: Plan) throws {
        var counts: [Plan.Step.Action: Int] = [:]
        for step in plan.steps {
            counts[step.action, default: 0] += 1
            guard step.action != .keep else { continue }
            let word = step.action == .create ? "create" : "update"
            try store.appendAudit(
                actor: principal.name, action: "\(step.kind.rawValue).\(word)",
                target: step.kind == .tenant ? step.name : "\(plan.tenant)/\(step.name)", detail: step.detail, at: now)
        }
        try store.appendAudit(
            actor: principal.name, action: "tenant.onboard", target: "\(plan.tenant)",
            detail: "\(counts[.create] ?? 0) made, \(counts[.change] ?? 0) changed, \(counts[.keep] ?? 0) as they were",
            at: now)
    }

    // MARK: The tenant, and what it has of the operator's

    private mutating func tenant() throws -> Tenant {
        let name = document.tenant.value
        if let tenant = try store.tenant(named: name) {
            note(.keep, .tenant, name)
            return tenant
        }
        note(.create, .tenant, name)
        return try store.insertTenant(name: name, at: now)
    }

    private mutating func accessPoint(_ owner: Tenant) throws {
        guard let placed = document.accessPoint else { return }
        let (apn, kind, place) = (placed.value.apn, placed.value.kind, placed.place)
        let known = try store.accessPoint(apn)
        switch (known?.owner, kind) {
        case (let other?, _) where other != owner.id:
            report(place["name"].diagnostic("the APN \(apn) is not this tenant's: choose another"))
        case (nil, .private?) where known != nil:
            report(
                place["kind"].diagnostic("the APN \(apn) is registered as shared: choose another for this tenant alone")
            )
        case (_?, .shared?):
            report(place["kind"].diagnostic("the APN \(apn) is this tenant's alone: write private, or leave kind out"))
        case (nil, .private?):
            do {
                _ = try store.makeAccessPoint(apn, owner: owner.id, at: now)
                note(.create, .apn, apn, "private: only SIMs of \(owner.name) come in by it")
            } catch let error as ControlError where error.code == .conflict {
                report(place["name"].diagnostic(error.detail))
            }
        case (_?, _): note(.keep, .apn, apn, "private")
        case (nil, _):
            note(.keep, .apn, apn, known == nil ? "not registered: SIMs of every tenant may come in by it" : "shared")
        }
    }

    private mutating func limit(_ owner: Tenant) throws {
        guard let wanted = document.vpnLimit?.value else { return }
        let before = try store.vpnLimit(of: owner.id)
        guard before != wanted else { return note(.keep, .limit, "vpns", "\(wanted)") }
        try store.setVPNLimit(wanted, of: owner.id)
        note(
            before == nil ? .create : .change, .limit, "vpns", "\(wanted)",
            before.map { [Plan.FieldChange(field: "vpns", before: "\($0)", after: "\(wanted)")] } ?? [])
    }

    private mutating func blocks(_ owner: Tenant) throws {
        guard let placed = document.space else { return }
        let before = try store.blocks(of: owner.id)
        var blocks = before
        do throws(StoreError) {
            while Self.isTooSmall(blocks, for: placed.value) {
                try store.addBlock(of: owner.id)
                blocks = try store.blocks(of: owner.id)
            }
        } catch {
            guard error.code == .exhausted else { throw error }
            return report(placed.place.diagnostic(error.message))
        }
        let room = blocks.reduce(0) { $0 + Self.addresses(in: $1) }
        let new = blocks.filter { !before.contains($0) }
        let detail = "\(Self.listing(blocks)): \(room) addresses"
        guard !new.isEmpty else { return note(.keep, .blocks, "\(blocks.count)", detail) }
        result.areBlocksNew = true
        note(
            before.isEmpty ? .create : .change, .blocks, "\(blocks.count)", detail,
            before.isEmpty
                ? []
                : [
                    Plan.FieldChange(
                        field: "blocks", before: Self.listing(before), after: Self.listing(blocks))
                ])
    }

    private static func isTooSmall(_ blocks: [IPv4Prefix], for space: OnboardingDocument.AddressSpace) -> Bool {
        switch space {
        case .blocks(let count): blocks.count < count
        case .addresses(let count): blocks.reduce(0) { $0 + addresses(in: $1) } < UInt64(count)
        }
    }

    private static func listing(_ items: [some CustomStringConvertible]) -> String {
        items.prefix(10).map(\.description).joined(separator: ", ")
            + (items.count > 10 ? " and \(items.count - 10) more" : "")
    }

    /// The first and the last are not given out.
    private static func addresses(in block: IPv4Prefix) -> UInt64 { 1 << UInt64(32 - block.length) - 2 }

    // MARK: What it has itself

    private mutating func lists(_ owner: Tenant) throws {
        for placed in document.lists {
            let (name, items) = (placed.value.name, placed.value.items)
            let before = try store.list(named: name, of: owner.id)
            let size = "\(items.count) items"
            guard before?.items != items else {
                note(.keep, .list, name, size)
                continue
            }
            if before == nil, try store.lists(of: owner.id).count >= SharedList.maximumCount {
                report(
                    placed.place.diagnostic(
                        "the tenant has \(SharedList.maximumCount) lists already, which is the most: delete one first"))
                continue
            }
            try store.putList(
                SharedList(tenant: owner.id, name: name, items: items, author: principal.name, updatedAt: now))
            result.isScopeNew = true
            guard let before else {
                note(.create, .list, name, size)
                continue
            }
            let (old, new) = (Set(before.items), Set(items))
            let text = { (items: [ListItem]) in items.isEmpty ? nil : Self.listing(items) }
            note(
                .change, .list, name, size,
                [
                    Plan.FieldChange(
                        field: "items", before: text(before.items.filter { !new.contains($0) }),
                        after: text(items.filter { !old.contains($0) }))
                ])
        }
    }

    /// Their policies are given to them when there are policies.
    private mutating func groups(_ owner: Tenant) throws {
        for placed in document.groups where try store.group(named: placed.value.name, of: owner.id) == nil {
            _ = try store.insertGroup(name: placed.value.name, of: owner.id, policy: nil)
            result.isScopeNew = true
            newGroups.insert(placed.value.name)
        }
    }

    var newGroups: Set<Name> = []

    private mutating func users(_ owner: Tenant) throws {
        let tokens = document.users.isEmpty ? [] : try store.tokens()
        for placed in document.users {
            let name = placed.value
            if let known = tokens.first(where: { $0.name == name }) {
                if known.role == .tenant(owner.id) {
                    note(.keep, .user, name)
                } else {
                    // Whose it is, is not said.
                    report(placed.place["name"].diagnostic("there is a token \(name) already: choose another name"))
                }
                continue
            }
            let secret = ControlPlane.randomSecret()
            let token = APIToken(name: name, role: .tenant(owner.id), createdAt: now)
            try store.insertToken(token, digest: ControlPlane.digest(of: secret))
            result.tokens.append(ControlPlane.NewToken(token: token, secret: secret))
            note(.create, .user, name, "a token of the tenant's, shown once")
        }
    }

    private mutating func findOthers(_ owner: Tenant) throws {
        let add = { (others: inout [Plan.Other], kind: Plan.Kind, names: [Name], known: Set<Name>) in
            others += names.filter { !known.contains($0) }.sorted().map { Plan.Other(kind: kind, name: "\($0)") }
        }
        let points = try store.accessPoints().filter {
            $0.owner == owner.id && $0.apn != document.accessPoint?.value.apn
        }
        others += points.map { Plan.Other(kind: .apn, name: "\($0.apn)") }
        add(&others, .list, try store.lists(of: owner.id).map(\.name), Set(document.lists.map(\.value.name)))
        add(&others, .group, try store.groups(of: owner.id).map(\.name), Set(document.groups.map(\.value.name)))
        add(&others, .vpn, try store.vpns(of: owner.id).map(\.name), Set(document.vpns.map(\.value.name)))
        add(&others, .policy, try store.policies(of: owner.id).map(\.name), Set(document.policies.map(\.name)))
        let limit = 1000
        let sims = try store.sims(of: owner.id, group: nil, after: nil, limit: seenSIMs.count + limit)
        let count = sims.count { !seenSIMs.contains($0.imsi) }
        if count > 0 {
            others.append(Plan.Other(kind: .sim, name: count < limit ? "\(count) SIMs" : "\(count) SIMs or more"))
        }
        let tokens = try store.tokens().filter { $0.role == .tenant(owner.id) }.map(\.name)
        add(&others, .user, tokens, Set(document.users.map(\.value)))
    }

    var seenSIMs: Set<IMSI> = []
}
