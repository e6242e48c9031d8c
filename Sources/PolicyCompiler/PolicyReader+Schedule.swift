import Domain

extension PolicyReader {
    /// `nil` after something was reported.
    mutating func schedule(_ node: SourceNode, field: FieldPath) -> Schedule?? {
        let before = diagnostics.count
        guard let entries = entries(of: node, field: field, known: PolicyKeys.schedule) else { return nil }
        guard entries["days"] != nil || entries["from"] != nil || entries["to"] != nil else {
            report(
                node.place, field, "the schedule does not say when: write days: [mon-fri], or from: \"01:00\" and to")
            return nil
        }
        let days = entries["days"].map { self.days($0, field: field["days"]) } ?? Set(Weekday.allCases)
        let from = entries["from"].flatMap { minute($0, field: field["from"], isEnd: false) } ?? 0
        let to = entries["to"].flatMap { minute($0, field: field["to"], isEnd: true) } ?? Schedule.minutesPerDay
        let zone = entries["zone"].flatMap { self.zone($0, field: field["zone"], isKnown: scope.isTimeZone) } ?? "UTC"
        guard diagnostics.count == before else { return nil }
        // Midnight at the end of a day is 24:00, as which it may be written.
        let end = to == 0 && from != 0 ? Schedule.minutesPerDay : to
        guard let schedule = Schedule(days: days, from: from, to: end, zone: zone) else {
            report(
                (entries["to"] ?? node).place, field,
                "from and to are equal: write to: \"24:00\" for the end of the day, or leave both out for all of it")
            return nil
        }
        return schedule
    }

}

extension PieceReader {
    mutating func days(_ node: SourceNode, field: FieldPath) -> Set<Weekday> {
        let example = "days such as sat, or ranges such as mon-fri"
        let items = list(node, field: field, atMost: 7, example: example, empty: "so the rule could never match")
        var days: Set<Weekday> = []
        for item in items ?? [] {
            let ends = item.text.split(separator: "-", omittingEmptySubsequences: false)
            let known = ends.compactMap { Weekday(short: $0) }
            guard known.count == ends.count, known.count <= 2, let first = known.first, let last = known.last else {
                let hint = Suggestion.text(for: item.text, among: Weekday.allCases.map(\.description))
                report(item.node.place, item.field, "\(item.text.quoted) is not a day\(hint): write \(example)")
                continue
            }
            // A range may go over Sunday: sat-mon.
            let count = (last.rawValue - first.rawValue + 7) % 7
            days.formUnion((0...count).compactMap { Weekday(rawValue: (first.rawValue + $0) % 7) })
        }
        return days
    }

    /// The minute of the day; 24:00 only at the end of a span.
    mutating func minute(_ node: SourceNode, field: FieldPath, isEnd: Bool) -> Int? {
        let example =
            isEnd ? "a time from 00:01 to 24:00, such as \"05:00\"" : "a time from 00:00 to 23:59, such as \"01:00\""
        guard let text = text(node, field: field, example: example) else { return nil }
        let bytes = Array(text.utf8)
        let digits = [0, 1, 3, 4].compactMap { (index: Int) -> Int? in
            guard bytes.count == 5, (0x30...0x39).contains(bytes[index]) else { return nil }
            return Int(bytes[index]) - 0x30
        }
        guard digits.count == 4, bytes[2] == UInt8(ascii: ":") else {
            report(node.place, field, "\(text.quoted) is not a time: write \(example)")
            return nil
        }
        let (hour, minute) = (digits[0] * 10 + digits[1], digits[2] * 10 + digits[3])
        guard minute < 60, hour < 24 || isEnd && hour == 24 && minute == 0 else {
            report(node.place, field, "\(text.quoted) is not a time: write \(example)")
            return nil
        }
        return hour * 60 + minute
    }

    mutating func zone(_ node: SourceNode, field: FieldPath, isKnown: (String) -> Bool) -> String? {
        let example = "a name of the IANA database, such as Europe/Zurich, or UTC"
        guard let text = text(node, field: field, example: example) else { return nil }
        let isWritable =
            text.utf8.count <= 64
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7a).contains($0 | 0x20) || "_+-/".utf8.contains($0)
            }
        guard isWritable, isKnown(text) else {
            report(node.place, field, "\(text.quoted) is not a time zone: write \(example)")
            return nil
        }
        return text
    }
}
