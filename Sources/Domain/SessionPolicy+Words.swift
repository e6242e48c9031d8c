// What sections say, on one line each, for people.

extension IMEILock {
    public var words: String {
        var text = "mode \(mode.name)"
        if case .list(let imeis, let tacs, let lists) = mode {
            var parts: [String] = []
            if !imeis.isEmpty { parts.append("\(imeis.count) IMEI(s)") }
            if !tacs.isEmpty { parts.append("\(tacs.count) model(s)") }
            if !lists.isEmpty { parts.append("lists \(lists.sorted().map(\.description).joined(separator: ", "))") }
            text += " of \(parts.joined(separator: ", "))"
        }
        return mode == .off ? text : "\(text); on-violation \(onViolation.rawValue), on-missing \(onMissing.rawValue)"
    }
}

extension LocationLock {
    public var words: String {
        var parts: [String] = []
        if let allow { parts.append("allow \(allow.words)") }
        if let deny { parts.append("deny \(deny.words)") }
        if let fence {
            parts.append("fence of \(fence.days) day(s)\(fence.withNeighbours ? " with neighbours" : "")")
        }
        if !homeNetworks.isEmpty { parts.append("home networks \(Places.list(homeNetworks))") }
        if let afterReports { parts.append("after \(afterReports) report(s)") }
        if let after { parts.append("after \(after)") }
        parts.append("max-age \(maximumAge)")
        parts.append("on-violation \(onViolation.rawValue), on-unknown \(onUnknown.rawValue)")
        return parts.joined(separator: "; ")
    }
}

extension LocationLock.Places {
    public var words: String {
        var parts: [String] = []
        if !networks.isEmpty { parts.append("networks \(Self.list(networks))") }
        if !countries.isEmpty { parts.append("countries \(Self.list(countries))") }
        if !areas.isEmpty { parts.append("tracking areas \(Self.list(areas))") }
        if !cells.isEmpty { parts.append("cells \(Self.list(cells))") }
        return parts.joined(separator: ", ")
    }

    /// The first of them, and how many more there are.
    static func list<Value: Comparable & CustomStringConvertible>(_ values: Set<Value>) -> String {
        let shown = values.sorted().prefix(8).map(\.description).joined(separator: " ")
        return values.count > 8 ? "\(shown) and \(values.count - 8) more" : shown
    }
}

extension ServiceHours {
    public var words: String {
        var parts = windows.map(\.description)
        if !dates.isEmpty { parts.append("\(dates.count) date(s) of their own") }
        parts.append("at-end \(atEnd.rawValue)\(grace.map { " after \($0)" } ?? "")")
        parts.append("on-violation \(onViolation.rawValue)")
        return parts.joined(separator: "; ")
    }
}

extension ApprovalRule {
    public var words: String {
        "by \(by.rawValue); on-violation \(onViolation.rawValue)"
            + (by == .hook ? ", on-no-answer \(onNoAnswer.rawValue)" : "")
    }
}

extension DataLimit {
    public var words: String {
        let end =
            switch onReached {
            case .block: "block"
            case .quarantine: "quarantine"
            case .slow(let rate): "slow to \(rate)"
            }
        let per =
            switch period {
            case .day: "per day in \(zone)"
            case .week: "per week in \(zone)"
            case .month(let day): "per month from day \(day) in \(zone)"
            case .prepaid: "prepaid"
            }
        let warnings = warnAt.isEmpty ? "" : "; warn at \(warnAt.map { "\($0) %" }.joined(separator: ", "))"
        return "\(DataVolume(octets: volume)) \(per), of the \(pool.rawValue)\(warnings); on-reached \(end)"
    }
}
