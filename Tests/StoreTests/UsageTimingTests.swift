import Domain
import Foundation
import GRDB
import Store
import TestSupport
import Testing

/// Prints how fast usage is stored and read here, and how much room it takes; asserts only that it is right. Figures count
/// with `-c release` alone.
@Suite(.serialized) struct UsageTimingTests {
    private static let sims = 10_000
    private static let days = 30

    @Test func `times and sizes of a month of one tenant with 10,000 SIMs`() async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let path = directory.file("cordon.db")
        let store = try SQLiteStore.open(path: path, key: StoreUnderTest.key)
        let (tenant, sessions) = try await Self.attach(store)
        var random = Generator(seed: 1)
        var counts = [UsageCounts](repeating: UsageCounts(), count: Self.sims)
        let first = UsageLevel.day.start(of: UsageLevel.day.bucket(of: noon) + 1)
        var written = Duration.zero
        for day in 0..<Self.days {
            // Each SIM in one of three readings of the same five minutes, as devices are that send now and then.
            let turns = (0..<Self.sims).map { _ in Int.random(in: 0..<3, using: &random) }
            for turn in 0..<3 {
                let time = first.plus(seconds: Int64(day) * 86_400 + Int64(turn) * 60 + 60)
                var samples: [UsageSample] = []
                for index in turns.indices where turns[index] == turn {
                    counts[index] =
                        counts[index]
                        + UsageCounts(
                            octetsUp: .random(in: 5_000...80_000, using: &random), packetsUp: 60,
                            octetsDown: .random(in: 5_000...400_000, using: &random), packetsDown: 70)
                    samples.append(
                        UsageSample(
                            counter: UInt64(index) << 16, way: .internet, session: sessions[index],
                            counts: counts[index]))
                }
                let all = samples
                written += try await ContinuousClock().measure {
                    for start in stride(from: 0, to: all.count, by: 500) {
                        let part = Array(all[start..<min(start + 500, all.count)])
                        _ = try await store.write { store in
                            try store.addUsage(
                                part, from: Timestamp(milliseconds: time.milliseconds - 60_000), at: time)
                        }
                    }
                }
            }
        }
        let added = Self.sims * Self.days
        print(
            "Usage timing: \(added) readings stored in transactions of 500: \(Int(Double(added) / written.inSeconds)) /s"
        )
        let same = counts.indices.map {
            UsageSample(counter: UInt64($0) << 16, way: .internet, session: sessions[$0], counts: counts[$0])
        }
        let looked = try await ContinuousClock().measure {
            let addition = try await store.write { store in try store.addUsage(same, from: noon, at: noon) }
            #expect(addition.records == 0)
        }
        print("Usage timing: readings that say nothing new looked up: \(Int(Double(Self.sims) / looked.inSeconds)) /s")
        let expected = counts.reduce(UsageCounts(), +)
        let month = UsageLevel.day.bucket(of: first)..<UsageLevel.day.bucket(of: first) + Int64(Self.days)
        for _ in 0..<3 {
            let time = try await ContinuousClock().measure {
                let buckets = try await store.read { store in
                    try store.usage(of: .tenant(tenant), .day, buckets: month)
                }
                #expect(buckets.reduce(UsageCounts()) { $0 + $1.counts } == expected)
            }
            print("Usage timing: month total of \(Self.sims) SIMs: \(time)")
        }
        let time = try await ContinuousClock().measure {
            let found = try await store.read { store in
                try store.sims(of: tenant, group: nil, after: nil, limit: 1000).flatMap { sim in
                    try store.usage(of: .sim(sim.id, of: tenant), .day, buckets: month)
                }
            }
            #expect(found.count == 1000 * Self.days)
        }
        print("Usage timing: month total of each of 1,000 SIMs: \(time)")
        try await store.close()
        try Self.printSizes(of: path)
    }

    private static func attach(_ store: any Store) async throws -> (Tenant.ID, [Session.ID]) {
        try await store.write { store in
            _ = try store.insertPool(prefix: .test("100.64.0.0/10"), blockLength: 24)
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            let nas = try store.insertTestNAS()
            let sessions = try (0..<Self.sims).map { number in
                let sim = try store.insertSIM(.test(number), of: tenant.id, at: noon)
                return try store.attach(sim, nas: nas.id, apn: .test()).id
            }
            return (tenant.id, sessions)
        }
    }

    /// Octets of the file for each row, where this SQLite can say.
    private static func printSizes(of path: String) throws {
        try DatabaseQueue(path: path).read { database in
            let tables = ["usage_counters", "usage_fives", "usage_hours", "usage_days", "usage_records"]
            for table in tables {
                let rows = try Int.fetchOne(database, sql: "SELECT count(*) FROM \(table)") ?? 0
                #expect(rows > 0)
                let octets = try? Int.fetchOne(
                    database,
                    sql: "SELECT sum(pgsize) FROM dbstat WHERE name = ?1 OR name LIKE ?1 || '_tenant'",
                    arguments: [table])
                if let octets {
                    print("Usage timing: \(table): \(rows) rows, \(Double(octets) / Double(rows)) octets each")
                }
            }
        }
    }
}

extension Duration {
    fileprivate var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
