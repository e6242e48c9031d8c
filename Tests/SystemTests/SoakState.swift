import Foundation
import Lab
import Testing

/// What there is, one thing a line: in the gateway's kernel, in the store, and open in the daemon.
struct SoakState {
    private let lines: [String]
    private let sockets: Int

    /// The resolver gives those towards upstreams up after half a minute, one after the other, and takes others.
    private static let socketsInTurn = 16

    /// The state as soon as it is like the one given, or after some seconds in any case: connections to the API end, and
    /// the kernel frees what it has taken out, a little after the last answer.
    static func settled(_ layout: LabLayout, like first: SoakState?) async throws -> SoakState {
        var state = try SoakState(layout)
        for _ in 0..<20 {
            try await Task.sleep(for: .milliseconds(250))
            let next = try SoakState(layout)
            let isAtRest = next.differences(from: first ?? state).isEmpty
            state = next
            if isAtRest { break }
        }
        return state
    }

    /// What is there and was not, and the other way round.
    func differences(from first: SoakState) -> [String] {
        let change = lines.difference(from: first.lines)
        let sockets = self.sockets - first.sockets
        return change.insertions.map { "now: \(Self.text($0))" } + change.removals.map { "before: \(Self.text($0))" }
            + (sockets > Self.socketsInTurn ? ["now: \(sockets) sockets more"] : [])
    }

    private static func text(_ change: CollectionDifference<String>.Change) -> String {
        switch change {
        case .insert(_, let line, _), .remove(_, let line, _): line
        }
    }

    private init(_ layout: LabLayout) throws {
        let gateway = "ip netns exec \(layout.name(of: .gw))"
        let daemon = try Self.daemon(layout)
        let sections = [
            try Self.table("\(gateway) nft list table inet cordon"),
            try output(of: "\(gateway) nft list tables"),
            try output(of: "ip -n \(layout.name(of: .gw)) rule; ip -n \(layout.name(of: .gw)) route show table all"),
            try output(of: Self.connections(layout)),
            // Sockets and the like by their kind: each has a number of its own.
            try output(
                of: "ls -l /proc/\(daemon)/fd | awk 'NR > 1 { sub(/\\[[0-9]+\\]/, \"\"); print \"open: \" $NF }' | sort"
            ),
            try Self.rows(layout.stateDirectory + "/cordon.sqlite"),
        ]
        let all = sections.flatMap { $0.split(separator: "\n").map(String.init) }
        lines = all.filter { $0 != "open: socket:" }
        sockets = all.count - lines.count
    }

    /// The table without what only counts, without notes (`observed` keeps them for an hour by design) and the rates of
    /// the last minute, and without the numbers in chains' names.
    private static func table(_ command: String) throws -> String {
        var text = try output(of: command)
        text.replace(/(packets|bytes) [0-9]+/) { "\($0.1)" }
        text.replace(/policy_[0-9]+/) { _ in "policy_N" }
        text.replace(/set (observed|block_rates|nas_rates) \{[^{}]*(elements = \{[^{}]*\})?[^{}]*\}/) { "set \($0.1)" }
        return text
    }

    /// All tables but those that are history: each session, report, event and change that there was, and what they have
    /// used. A pool gives blocks that
    /// nobody has had before those that somebody has had, so that it is their sum that tells.
    private static func rows(_ path: String) throws -> String {
        let names = try output(
            of: "sqlite3 -readonly \(path) \"SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE "
                + "'sqlite%' AND name NOT LIKE 'usage%' AND name NOT IN ('sessions', 'accounting', 'audit', "
                + "'freed_blocks', 'events', 'events_forgotten') ORDER BY name\"")
        let counts = names.split(separator: "\n").map { "SELECT 'rows: \($0) ' || count(*) FROM \($0);" }
        let open = "SELECT 'active sessions: ' || count(*) FROM sessions WHERE ended_at IS NULL;"
        let blocks =
            "SELECT 'blocks: ' || ((next_block - first >> 32 - block_length) - (SELECT count(*) FROM freed_blocks "
            + "WHERE pool = pools.id)) FROM pools;"
        return try output(of: "sqlite3 -readonly \(path) \"\(counts.joined(separator: " ")) \(open) \(blocks)\"")
    }

    private static func connections(_ layout: LabLayout) -> String {
        "ip netns exec \(layout.name(of: .gw)) conntrack -L 2>/dev/null | grep -o 'src=100\\.[0-9.]*' | sort || true"
    }

    static func trackedConnections(_ layout: LabLayout) throws -> Int {
        try output(of: connections(layout)).split(separator: "\n").count
    }

    static func residentKilobytes(_ layout: LabLayout) throws -> Int {
        let text = try output(of: "awk '$1 == \"VmRSS:\" { print $2 }' /proc/\(try daemon(layout))/status")
        return try #require(Int(text))
    }

    private static func daemon(_ layout: LabLayout) throws -> String {
        try output(of: "cut -d' ' -f1 \(layout.runDirectory)/processes/cordond")
    }
}
