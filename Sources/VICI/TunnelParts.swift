import Domain

/// The CHILD_SAs that a tunnel has.
struct TunnelChildren: Hashable, Sendable {
    private struct Child: Hashable, Sendable {
        var sa: UInt32
        let name: String
        let local: [String]
        let remote: [String]
    }

    private var all: [Child] = []
    static let maximum = 256

    var isEmpty: Bool { all.isEmpty }
    /// Of different names: two of one name do the work of one.
    var count: Int { Set(all.map(\.name)).count }
    func isThere(sa: UInt32) -> Bool { all.contains { $0.sa == sa } }

    mutating func add(sa: UInt32, name: String, local: [String], remote: [String]) {
        if all.count == Self.maximum { all.removeFirst() }
        all.append(
            Child(sa: sa, name: shown(name), local: Array(local.prefix(64)), remote: Array(remote.prefix(64))))
    }

    mutating func remove(sa: UInt32) { all.removeAll { $0.sa == sa } }

    mutating func remove(sa: UInt32, name: String) {
        if let place = all.firstIndex(where: { $0.sa == sa && $0.name == shown(name) }) { all.remove(at: place) }
    }

    mutating func move(from old: UInt32, to new: UInt32) {
        for place in all.indices where all[place].sa == old { all[place].sa = new }
    }

    /// What of the terms' networks and devices no CHILD_SA is for; empty also when charon's words for them are not
    /// read.
    func missing(_ terms: TunnelTerms) -> [IPv4Prefix] {
        guard let local = Self.prefixes(all.flatMap(\.local)), let remote = Self.prefixes(all.flatMap(\.remote)) else {
            return []
        }
        return terms.devices.filter { wanted in !local.contains { $0.contains(wanted) } }
            + terms.networks.filter { wanted in !remote.contains { $0.contains(wanted) } }
    }

    private static func prefixes(_ texts: [String]) -> [IPv4Prefix]? {
        var result: [IPv4Prefix] = []
        for text in texts {
            do { result.append(try IPv4Prefix(parsing: text)) } catch { return nil }
        }
        return result
    }
}

/// Where the peer's last connections came from.
struct TunnelCallers: Hashable, Sendable {
    private struct Call: Hashable, Sendable {
        let place: String
        let time: Timestamp
    }

    private var calls: [Call] = []
    /// When one place took over from another that had taken over from it, and both.
    private var contest: [String] = []
    private var contestedAt: Timestamp?

    mutating func note(_ place: String, at time: Timestamp) {
        calls.removeAll { $0.time.milliseconds < time.milliseconds - TunnelRecord.duplicateWindow }
        if let last = calls.last, last.place != place, calls.contains(where: { $0.place == place }) {
            contest = [place, last.place].sorted()
            contestedAt = time
        }
        calls = calls.suffix(7) + [Call(place: place, time: time)]
    }

    /// The places that replace each other, while they do.
    func contest(at time: Timestamp) -> [String]? {
        guard let contestedAt, time.milliseconds - contestedAt.milliseconds < TunnelRecord.duplicateWindow else {
            return nil
        }
        return contest
    }
}

/// Octets of each direction, and since when what goes out is not answered.
struct TunnelTraffic: Hashable, Sendable {
    private var lastIn: UInt64 = 0
    private var lastOut: UInt64 = 0
    private var unansweredSince: Timestamp?

    struct Growth {
        let bytesIn: UInt64
        let bytesOut: UInt64
        /// Went on sending, with nothing coming in, for the record's patience.
        let isUnanswered: Bool
    }

    mutating func take(bytesIn: UInt64, bytesOut: UInt64, at time: Timestamp) -> Growth {
        // A new CHILD_SA counts from zero.
        let grownIn = bytesIn >= lastIn ? bytesIn - lastIn : bytesIn
        let grownOut = bytesOut >= lastOut ? bytesOut - lastOut : bytesOut
        (lastIn, lastOut) = (bytesIn, bytesOut)
        guard grownIn == 0, grownOut > 0 else {
            if grownIn > 0 { unansweredSince = nil }
            return Growth(bytesIn: grownIn, bytesOut: grownOut, isUnanswered: false)
        }
        let start = unansweredSince ?? time
        unansweredSince = start
        return Growth(
            bytesIn: 0, bytesOut: grownOut,
            isUnanswered: time.milliseconds.subtractingReportingOverflow(start.milliseconds).partialValue
                >= TunnelRecord.patience)
    }

    mutating func startAnew() { (lastIn, lastOut, unansweredSince) = (0, 0, nil) }
}
