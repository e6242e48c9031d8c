import Foundation
import Lab
import TestSupport
import Testing

/// Tenants, policies, lists, SIMs and sessions are made, changed at random under traffic and taken back, again and again.
/// What is there after each time must be what was there after the first: in the kernel, in the store, in the daemon.
@Suite(.serialized) struct SoakTests {
    /// `make soak` asks for more.
    private static var seconds: Int {
        ProcessInfo.processInfo.environment["SOAK_SECONDS"].flatMap { Int($0) } ?? 16
    }

    /// Cycles of one length each, four at least.
    private static var cycles: Int { max(4, seconds / 30) }

    /// How far cordond's resident memory may grow over the second half of the cycles, in KiB. It is looked at when
    /// everything has been taken back.
    private static let memoryGrowth = 8 * 1024

    @Test func `what is made and taken back leaves nothing behind`() async throws {
        let layout = try testLayout(prefix: "cordonsoak", apiPort: 18084)
        let lab = Laboratory(layout: layout)
        try await lab.down()
        _ = try await lab.up()
        do {
            try await soak(lab, layout)
        } catch {
            try await lab.down()
            throw error
        }
        try await lab.down()
        #expect(lab.remains() == [])
    }

    private func soak(_ lab: Laboratory, _ layout: LabLayout) async throws {
        let traffic = try SoakTraffic(layout)
        defer { traffic.stop() }
        var tally = SoakTally()
        var memory: [Int] = []
        var first: SoakState?
        let each = Duration.seconds(Self.seconds) / Self.cycles
        for cycle in 0..<Self.cycles {
            var fleet = SoakFleet(lab: lab, layout: layout, random: Generator(seed: UInt64(cycle)))
            try await fleet.make()
            try traffic.start(fleet.addresses)
            let end = ContinuousClock.now + each
            while ContinuousClock.now < end { await fleet.change(&tally) }
            tally.answers += try traffic.answers()
            traffic.pause()
            tally.connections += try SoakState.trackedConnections(layout)
            try await fleet.takeBack()
            let state = try await SoakState.settled(layout, like: first)
            #expect(try SoakState.trackedConnections(layout) == 0, "of devices that are no more, cycle \(cycle)")
            memory.append(try SoakState.residentKilobytes(layout))
            if let first { #expect(state.differences(from: first) == [], "after cycle \(cycle)") }
            first = first ?? state
        }
        let growth = (memory.last ?? 0) - memory[memory.count / 2 - 1]
        print(
            "\(Self.cycles) cycles: \(tally); cordond resident, KiB: \(memory.map(String.init).joined(separator: ", "))"
        )
        #expect(growth <= Self.memoryGrowth, "cordond has grown by \(growth) KiB: \(memory)")
        #expect(tally.done > Self.seconds && tally.done > 3 * tally.refused.count, "\(tally)")
        #expect(tally.connections > 100, "there was no traffic")
        #expect(tally.answers > 100, "nobody was told an address")
    }
}

/// What the cycles came to, so that a run in which nothing happened shows.
struct SoakTally: CustomStringConvertible {
    var done = 0
    /// What the daemon did not want to do, such as rolling back a first version.
    var refused: [String] = []
    /// Tracked connections of devices at the end of each cycle.
    var connections = 0
    /// Addresses that a device was told.
    var answers = 0

    var description: String {
        let kinds = Dictionary(grouping: refused, by: { $0 }).map { "\($0.value.count) \($0.key)" }.sorted()
        return "\(done) changes done, \(refused.count) refused (\(kinds.joined(separator: ", "))), "
            + "\(connections) tracked connections, \(answers) answers"
    }
}
