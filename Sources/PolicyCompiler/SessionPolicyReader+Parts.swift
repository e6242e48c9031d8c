import Domain

extension SessionPolicyReader {
    // MARK: Hours

    mutating func hours(_ node: SourceNode, _ field: FieldPath) -> ServiceHours? {
        let before = diagnostics.count
        guard let entries = entries(of: node, field: field, known: SessionPolicyKeys.hours) else { return nil }
        var zone: String?
        if let node = required("zone", in: entries, of: node, field: field, example: "zone: Europe/Zurich") {
            let isTimeZone = scope.isTimeZone
            zone = self.zone(node, field: field["zone"], isKnown: isTimeZone)
        }
        guard let zone else { return nil }
        let windows = items(entries, "windows", field, "{days: [mon-fri], from: \"06:00\", to: \"20:00\"}") {
            $0.window($1, $2, zone: zone)
        }
        let dates = items(entries, "dates", field, "{date: 2026-12-25, closed: true}") { $0.date($1, $2) }
        guard entries["windows"] != nil || entries["dates"] != nil else {
            report(node.place, field, "the hours do not say when: write windows: or dates:")
            return nil
        }
        let atEnd = entries["at-end"].flatMap {
            choice($0, field: field["at-end"], kind: "an end", of: ServiceHours.End.self)
        }
        let grace = span(entries, "grace", field)
        if let grace, let node = entries["grace"], grace > TimeSpan(milliseconds: 86_400_000) {
            report(node.place, field["grace"], "a grace time of more than a day is none: write one up to 24h")
        }
        let action = entries["on-violation"].flatMap {
            choice($0, field: field["on-violation"], kind: "an action", of: ViolationAction.self)
        }
        guard diagnostics.count == before else { return nil }
        return ServiceHours(
            windows: windows.map { $0 }, dates: dates.flatMap { $0 }, zone: zone, atEnd: atEnd ?? .cut, grace: grace,
            onViolation: action ?? .block)
    }

    private mutating func items<Value>(
        _ entries: MappingEntries, _ key: String, _ field: FieldPath, _ example: String,
        _ read: (inout Self, SourceNode, FieldPath) -> Value?
    ) -> [Value] {
        guard let node = entries[key] else { return [] }
        guard case .sequence(let nodes) = node.content else {
            report(node.place, field[key], "expected a list, found \(node.kind): write - \(example)")
            return []
        }
        guard nodes.count <= Self.maximumItems else {
            report(node.place, field[key], "\(nodes.count) items; at most \(Self.maximumItems) are allowed")
            return []
        }
        var values: [Value] = []
        for (index, node) in nodes.enumerated() {
            if let value = read(&self, node, field[key][index]) { values.append(value) }
        }
        return values
    }

    private static let maximumItems = 366

    private mutating func window(_ node: SourceNode, _ field: FieldPath, zone: String) -> Schedule? {
        let before = diagnostics.count
        guard let entries = entries(of: node, field: field, known: SessionPolicyKeys.window) else { return nil }
        let days = entries["days"].map { self.days($0, field: field["days"]) } ?? Set(Weekday.allCases)
        let (from, to) = span(entries, field)
        guard diagnostics.count == before else { return nil }
        guard let window = Schedule(days: days, from: from, to: to, zone: zone) else {
            report((entries["to"] ?? node).place, field, "from and to are equal: leave both out for all of the day")
            return nil
        }
        return window
    }

    /// Minutes of the day; all of it unless said.
    private mutating func span(_ entries: MappingEntries, _ field: FieldPath) -> (from: Int, to: Int) {
        let from = entries["from"].flatMap { minute($0, field: field["from"], isEnd: false) } ?? 0
        let to = entries["to"].flatMap { minute($0, field: field["to"], isEnd: true) } ?? Schedule.minutesPerDay
        return (from, to == 0 && from != 0 ? Schedule.minutesPerDay : to)
    }

    private mutating func date(_ node: SourceNode, _ field: FieldPath) -> [ServiceHours.DateHours]? {
        let before = diagnostics.count
        guard let entries = entries(of: node, field: field, known: SessionPolicyKeys.date),
            let dateNode = required("date", in: entries, of: node, field: field, example: "date: 2026-12-25"),
            let first = value(dateNode, field: field["date"], example: "2026-12-25", by: CivilDate.init(parsing:))
        else { return nil }
        let last = entries["until"].flatMap {
            value($0, field: field["until"], example: "2026-12-26", by: CivilDate.init(parsing:))
        }
        let isClosed = entries["closed"].flatMap { flag($0, field: field["closed"]) } ?? false
        let (from, to) = span(entries, field)
        guard diagnostics.count == before else { return nil }
        let days = first.day...max(first.day, last?.day ?? first.day)
        if let last, last < first {
            report(dateNode.place, field, "until is before date: write the first day as date, the last as until")
            return nil
        }
        guard days.count <= Self.maximumItems else {
            report(dateNode.place, field, "\(days.count) days; at most \(Self.maximumItems) are allowed")
            return nil
        }
        if isClosed {
            if entries["from"] != nil || entries["to"] != nil {
                report(node.place, field, "closed: true has no hours: leave out from and to, or closed")
                return nil
            }
        } else if from >= to {
            report(node.place, field, "the hours of a date begin and end on it: write a from that is before to")
            return nil
        }
        return days.map { ServiceHours.DateHours(date: CivilDate(day: $0), open: isClosed ? nil : from..<to) }
    }

    // MARK: Limits

    private enum Period: String, CaseIterable { case day, week, month, prepaid }
    private enum Reached: String, CaseIterable { case block, quarantine, slow }

    mutating func dataLimit(_ node: SourceNode, _ field: FieldPath) -> DataLimit? {
        guard checkEnforced(.dataLimit, node, field) else { return nil }
        let before = diagnostics.count
        guard let entries = entries(of: node, field: field, known: SessionPolicyKeys.dataLimit),
            let volumeNode = required("volume", in: entries, of: node, field: field, example: "volume: 50MB"),
            let volume = value(volumeNode, field: field["volume"], example: "50MB", by: DataVolume.init(parsing:)),
            let perNode = required("per", in: entries, of: node, field: field, example: "per: month"),
            let per = choice(perNode, field: field["per"], kind: "a period", of: Period.self)
        else { return nil }
        let anchor = entries["anchor-day"].flatMap { number($0, field: field["anchor-day"], of: 1...28) }
        if per != .month, let node = entries["anchor-day"] {
            report(node.place, field["anchor-day"], "only a month begins on a day of its own: write per: month")
        }
        let isTimeZone = scope.isTimeZone
        let zone = entries["zone"].flatMap { self.zone($0, field: field["zone"], isKnown: isTimeZone) } ?? "UTC"
        var warnings: Set<Int> = []
        if let node = entries["warn-at"] {
            let items = list(node, field: field["warn-at"], atMost: 10, example: "[80, 95]", empty: nil) ?? []
            for item in items {
                if let percent = number(item.node, field: item.field, of: 1...99) { warnings.insert(Int(percent)) }
            }
        }
        let pool = entries["pooled"].flatMap {
            choice($0, field: field["pooled"], kind: "a pool", of: DataLimit.Pool.self)
        }
        if let pool, let node = entries["pooled"], !pool.isWithin(scope.level) {
            report(
                node.place, field["pooled"],
                "a \(scope.level.rawValue)'s session policy has no say in a volume of more than the \(scope.level.rawValue): "
                    + "write pooled: \(scope.level.rawValue), or set it for the tenant")
        }
        let reached = entries["on-reached"].flatMap {
            choice($0, field: field["on-reached"], kind: "an action", of: Reached.self)
        }
        let slow = rate(entries, "slow-rate", field)
        if reached == .slow, slow == nil, entries["slow-rate"] == nil {
            report(node.place, field, "on-reached: slow needs a rate: write slow-rate: 64kbit/s")
        }
        if reached != .slow, let node = entries["slow-rate"] {
            report(node.place, field["slow-rate"], "slow-rate belongs to on-reached: slow")
        }
        guard diagnostics.count == before else { return nil }
        let period: DataLimit.Period =
            switch per {
            case .day: .day
            case .week: .week
            case .month: .month(anchorDay: Int(anchor ?? 1))
            case .prepaid: .prepaid
            }
        let end: DataLimit.Reached =
            switch (reached ?? .block, slow) {
            case (.slow, let rate?): .slow(rate)
            case (.quarantine, _): .quarantine
            case (.block, _), (.slow, nil): .block
            }
        return DataLimit(
            volume: volume.octets, period: period, zone: zone, warnAt: warnings.sorted(), pool: pool ?? .sim,
            onReached: end)
    }

    mutating func bandwidth(_ node: SourceNode, _ field: FieldPath) -> Bandwidth? {
        guard checkEnforced(.bandwidth, node, field),
            let entries = entries(of: node, field: field, known: SessionPolicyKeys.bandwidth)
        else { return nil }
        guard entries["up"] != nil || entries["down"] != nil else {
            report(node.place, field, "no rate is said: write up:, down: or both, such as up: 64kbit/s")
            return nil
        }
        let burst = entries["burst"].flatMap {
            value($0, field: field["burst"], example: "16KB", by: DataVolume.init(parsing:))
        }
        return Bandwidth(
            up: rate(entries, "up", field), down: rate(entries, "down", field), burst: burst?.octets)
    }

    private mutating func rate(_ entries: MappingEntries, _ key: String, _ field: FieldPath) -> BitRate? {
        entries[key].flatMap { value($0, field: field[key], example: "64kbit/s", by: BitRate.init(parsing:)) }
    }

    /// A limit that nothing enforces is refused, and not taken for one.
    private mutating func checkEnforced(
        _ section: SessionPolicy.Section, _ node: SourceNode, _ field: FieldPath
    ) -> Bool {
        guard !isEnforced(section) else { return true }
        report(
            node.place, field,
            "this gateway's data plane does not enforce \(section.rawValue), as its log says at its start: leave it out"
        )
        return false
    }
}

extension DataLimit.Pool {
    /// Whether the volume is of no more SIMs than a document at a level is for.
    fileprivate func isWithin(_ level: SessionPolicyLevel) -> Bool {
        switch level {
        case .ceiling, .tenantCeiling, .tenant: true
        case .group: self != .tenant
        case .sim: self == .sim
        }
    }
}
