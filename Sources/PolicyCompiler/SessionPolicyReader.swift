import Domain

/// Reads the parts of a session policy from a document, noting what is wrong as it goes on.
struct SessionPolicyReader: PieceReader {
    let file: String
    let scope: SessionPolicyScope
    var diagnostics: [Diagnostic] = []

    init(file: String, scope: SessionPolicyScope) {
        self.file = file
        self.scope = scope
    }

    /// `nil` only after something was reported.
    mutating func policy(_ root: SourceNode) -> SessionPolicy? {
        guard let entries = entries(of: root, field: .document, known: SessionPolicyKeys.document) else { return nil }
        guard !entries.pairs.isEmpty else {
            report(root.place, .document, "the document has no section: write one, such as imei-lock: {mode: locked}")
            return nil
        }
        return SessionPolicy(
            imeiLock: section(.imeiLock, entries) { $0.imeiLock($1, $2) },
            locationLock: section(.locationLock, entries) { $0.locationLock($1, $2) },
            hours: section(.hours, entries) { $0.hours($1, $2) },
            approval: section(.approval, entries) { $0.approval($1, $2) },
            dataLimit: section(.dataLimit, entries) { $0.dataLimit($1, $2) },
            bandwidth: section(.bandwidth, entries) { $0.bandwidth($1, $2) },
            quarantine: section(.quarantine, entries) { $0.quarantine($1, $2) })
    }

    private mutating func section<Value>(
        _ section: SessionPolicy.Section, _ entries: MappingEntries,
        _ read: (inout Self, SourceNode, FieldPath) -> Value?
    ) -> Value? {
        entries[section.rawValue].flatMap { read(&self, $0, FieldPath.document[section.rawValue]) }
    }

    private mutating func action(
        _ entries: MappingEntries, _ key: String, _ field: FieldPath, default value: ViolationAction
    ) -> ViolationAction {
        entries[key].flatMap { choice($0, field: field[key], kind: "an action", of: ViolationAction.self) } ?? value
    }

    // MARK: IMEI lock

    private enum IMEIMode: String, CaseIterable { case off, learn, locked, list }

    private mutating func imeiLock(_ node: SourceNode, _ field: FieldPath) -> IMEILock? {
        guard let entries = entries(of: node, field: field, known: SessionPolicyKeys.imeiLock),
            let modeNode = required("mode", in: entries, of: node, field: field, example: "mode: locked"),
            let mode = choice(modeNode, field: field["mode"], kind: "a mode", of: IMEIMode.self)
        else { return nil }
        let onViolation = action(entries, "on-violation", field, default: .quarantine)
        let onMissing = action(entries, "on-missing", field, default: mode == .learn ? .report : onViolation)
        let lists = ["imeis", "tacs", "lists"]
        guard mode == .list else {
            for key in lists {
                if let node = entries[key] {
                    report(node.place, field[key], "\(key) belong to mode: list, and the mode is \(mode.rawValue)")
                }
            }
            if mode == .learn, let node = entries["on-violation"], onViolation != .report {
                report(
                    node.place, field["on-violation"],
                    "mode: learn only reports that the IMEI has changed: write mode: locked for more")
            }
            let plain: IMEILock.Mode = mode == .off ? .off : mode == .learn ? .learn : .locked
            return IMEILock(mode: plain, onViolation: onViolation, onMissing: onMissing)
        }
        guard lists.contains(where: { entries[$0] != nil }) else {
            report(node.place, field, "mode: list without a list: write imeis:, tacs: or lists:")
            return nil
        }
        let imeis = values(entries, "imeis", field, example: "35123456000001", by: IMEI.init(parsing:))
        let tacs = values(entries, "tacs", field, example: "35123456", by: TypeAllocationCode.init(parsing:))
        let names = self.names(entries, "lists", field, kind: "IMEI list", among: scope.imeiLists)
        return IMEILock(
            mode: .list(imeis: imeis, tacs: tacs, lists: names), onViolation: onViolation, onMissing: onMissing)
    }

    // MARK: Location lock

    private mutating func locationLock(_ node: SourceNode, _ field: FieldPath) -> LocationLock? {
        guard let entries = entries(of: node, field: field, known: SessionPolicyKeys.locationLock) else { return nil }
        let hasPart = ["allow", "deny", "fence", "home-networks"].contains { entries[$0] != nil }
        guard hasPart else {
            report(node.place, field, "the lock says nothing of places: write allow:, deny:, fence: or home-networks:")
            return nil
        }
        let allow = entries["allow"].flatMap { places($0, field["allow"]) }
        let deny = entries["deny"].flatMap { places($0, field["deny"]) }
        let fence = entries["fence"].flatMap { self.fence($0, field["fence"]) }
        let home = values(entries, "home-networks", field, example: "22801", by: PLMN.init(parsing:))
        let after = span(entries, "after", field)
        var reports: Int?
        if let node = entries["after-reports"] {
            reports = number(node, field: field["after-reports"], of: 1...1000).map(Int.init)
        } else if after == nil {
            reports = 1
        }
        return LocationLock(
            allow: allow, deny: deny, fence: fence, homeNetworks: home, afterReports: reports, after: after,
            maximumAge: span(entries, "max-age", field) ?? TimeSpan(milliseconds: 86_400_000),
            onViolation: action(entries, "on-violation", field, default: .quarantine),
            onUnknown: action(entries, "on-unknown", field, default: .report))
    }

    private mutating func places(_ node: SourceNode, _ field: FieldPath) -> LocationLock.Places? {
        guard let entries = entries(of: node, field: field, known: SessionPolicyKeys.places) else { return nil }
        let places = LocationLock.Places(
            networks: values(entries, "networks", field, example: "22801", by: PLMN.init(parsing:)),
            countries: values(entries, "countries", field, example: "CH", by: Country.init(parsing:)),
            areas: values(entries, "tracking-areas", field, example: "22801-4660", by: TrackingArea.init(parsing:)),
            cells: values(entries, "cells", field, example: "22801-19088743", by: Cell.init(parsing:)))
        if entries.pairs.isEmpty {
            report(node.place, field, "no place is named: write networks:, countries:, tracking-areas: or cells:")
            return nil
        }
        return places
    }

    private mutating func fence(_ node: SourceNode, _ field: FieldPath) -> LocationLock.Fence? {
        guard let entries = entries(of: node, field: field, known: SessionPolicyKeys.fence),
            let days = required("days", in: entries, of: node, field: field, example: "days: 7")
        else { return nil }
        let range = UInt32(LocationLock.Fence.days.lowerBound)...UInt32(LocationLock.Fence.days.upperBound)
        let withNeighbours = entries["neighbours"].flatMap { flag($0, field: field["neighbours"]) } ?? true
        return number(days, field: field["days"], of: range).map {
            LocationLock.Fence(days: Int($0), withNeighbours: withNeighbours)
        }
    }

    // MARK: Approval, quarantine

    private mutating func approval(_ node: SourceNode, _ field: FieldPath) -> ApprovalRule? {
        guard let entries = entries(of: node, field: field, known: SessionPolicyKeys.approval),
            let byNode = required("by", in: entries, of: node, field: field, example: "by: flag"),
            let by = choice(byNode, field: field["by"], kind: "who approves", of: ApprovalRule.Approver.self)
        else { return nil }
        if by == .hook, !scope.hasApprovalHook {
            report(
                byNode.place, field["by"], "the operator has no approval hook: it is set with cordon approval-hook set")
        }
        let answer = entries["on-no-answer"].flatMap {
            choice($0, field: field["on-no-answer"], kind: "a choice", of: ApprovalRule.WithoutAnswer.self)
        }
        if by == .flag, let node = entries["on-no-answer"] {
            report(node.place, field["on-no-answer"], "a flag always answers: on-no-answer belongs to by: hook")
        }
        return ApprovalRule(
            by: by, onViolation: action(entries, "on-violation", field, default: .quarantine),
            onNoAnswer: answer ?? .keep)
    }

    private mutating func quarantine(_ node: SourceNode, _ field: FieldPath) -> QuarantineRule? {
        guard let entries = entries(of: node, field: field, known: SessionPolicyKeys.quarantine) else { return nil }
        var policy: Name?
        if let node = entries["policy"] {
            if let known = scope.policies {
                policy = names([(node, field["policy"])], kind: "policy", among: known).first
            } else {
                report(
                    node.place, field["policy"],
                    "a ceiling for all tenants can name no policy, since each has its own: leave it out")
            }
        }
        return QuarantineRule(
            policy: policy, newSIMs: entries["new-sims"].flatMap { flag($0, field: field["new-sims"]) } ?? false)
    }

    // MARK: Pieces

    func isEnforced(_ section: SessionPolicy.Section) -> Bool { scope.enforced.contains(section) }

    mutating func span(_ entries: MappingEntries, _ key: String, _ field: FieldPath) -> TimeSpan? {
        entries[key].flatMap { value($0, field: field[key], example: "15m", by: TimeSpan.init(parsing:)) }
    }

    mutating func values<Value: Hashable>(
        _ entries: MappingEntries, _ key: String, _ field: FieldPath, example: String,
        by read: (String) throws(ParseError) -> Value
    ) -> Set<Value> {
        guard let node = entries[key] else { return [] }
        let items = list(
            node, field: field[key], atMost: IMEILock.maximumItems, example: example, empty: "so nothing would fit it")
        var values: Set<Value> = []
        for item in items ?? [] {
            if let value = parsed(item.text, item.node, field: item.field, by: read) { values.insert(value) }
        }
        return values
    }

    private mutating func names(
        _ entries: MappingEntries, _ key: String, _ field: FieldPath, kind: String, among known: Set<Name>
    ) -> Set<Name> {
        guard let node = entries[key] else { return [] }
        let items = list(node, field: field[key], atMost: 16, example: "a name", empty: "so nothing would fit it") ?? []
        return names(items.map { ($0.node, $0.field) }, kind: kind, among: known)
    }

    private mutating func names(
        _ items: [(SourceNode, FieldPath)], kind: String, among known: Set<Name>
    ) -> Set<Name> {
        var names: Set<Name> = []
        for (node, field) in items {
            guard let text = text(node, field: field, example: "a name") else { continue }
            let isStored = scope.isStored
            let name = reference(
                text, kind: kind, among: known, isKnown: { isStored || known.contains($0) }, node, field: field)
            if let name { names.insert(name) }
        }
        return names
    }
}
