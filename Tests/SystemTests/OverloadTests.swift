import Foundation
import Lab
import Testing

/// What a NAS that floods costs another: admissions one at a time through one P-GW, while a second one sends as much
/// as it can.
@Suite(.serialized) struct OverloadTests {
    private static let sims = 41_000
    private static let flooded = 40_000

    private struct Flood: CustomTestStringConvertible, Sendable {
        let name: String
        /// What the flooding NAS is registered with; `nil` when it is not registered.
        let isRegistered: Bool
        let hasRightSecret: Bool
        /// The flood's SIMs: ours are below.
        let firstSIM: Int
        var testDescription: String { name }
    }

    private static let floods = [
        Flood(name: "valid requests of SIMs that exist", isRegistered: true, hasRightSecret: true, firstSIM: 1000),
        Flood(name: "valid requests of unknown SIMs", isRegistered: true, hasRightSecret: true, firstSIM: 1_000_000),
        Flood(name: "wrong authenticators", isRegistered: true, hasRightSecret: false, firstSIM: 1000),
        Flood(name: "an unknown NAS", isRegistered: false, hasRightSecret: true, firstSIM: 1000),
    ]

    @Test func `one NAS floods, and another's admissions stay within bounds`() async throws {
        let layout = try testLayout(prefix: "cordonflood", apiPort: 18083)
        let lab = Laboratory(layout: layout)
        try await lab.down()
        _ = try await lab.up()
        do {
            try await prepare(lab, layout)
            let alone = try measure(layout)
            print("without a flood: \(alone)")
            for flood in Self.floods { try await check(flood, lab, layout) }
        } catch {
            try await lab.down()
            throw error
        }
        try await lab.down()
        #expect(lab.remains() == [])
    }

    private func prepare(_ lab: Laboratory, _ layout: LabLayout) async throws {
        try await lab.cli.run(["tenant", "create", "fleet"])
        let rows = (0..<Self.sims).map { number in
            let digits = String(repeating: "0", count: 10 - String(number).count) + String(number)
            return "898800000\(digits),00101\(digits),,,"
        }
        let csv = (["iccid,imsi,msisdn,group,name"] + rows).joined(separator: "\n") + "\n"
        try await lab.cli.run(["sim", "import", "-", "--tenant", "fleet", "--atomic"], input: csv)
        let (ran, gateway) = (layout.name(of: .ran), layout.name(of: .gw))
        try output(of: "ip -n \(ran) addr add 198.18.3.2/32 dev lo")
        try output(of: "ip -n \(gateway) route add 198.18.3.2/32 via 198.18.0.2")
        try "right secret of the flood\n".write(
            toFile: layout.runDirectory + "/flood.right", atomically: true, encoding: .utf8)
        try "wrong secret of the flood\n".write(
            toFile: layout.runDirectory + "/flood.wrong", atomically: true, encoding: .utf8)
    }

    private func load(_ layout: LabLayout, _ arguments: String) -> String {
        "nsenter --net=/run/netns/\(layout.name(of: .ran)) \(layout.programs)/RADIUSLoad --server "
            + "\(LabLayout.gatewaySGi) --phases auth \(arguments)"
    }

    /// 1,000 admissions, one at a time. - Returns: the generator's line.
    private func measure(_ layout: LabLayout) throws -> String {
        try output(
            of: load(
                layout, "--secret-file \(layout.runDirectory)/radius.secret --count 1000 --in-flight 1 --patience 1000")
        )
    }

    /// How many packets have come to the gateway from the side of the P-GW.
    private func received(_ layout: LabLayout) throws -> Int {
        let gateway = layout.name(of: .gw)
        let text = try output(of: "ip netns exec \(gateway) awk '$1 == \"sgi:\" { print $3 }' /proc/net/dev")
        return try #require(Int(text))
    }

    private func check(_ flood: Flood, _ lab: Laboratory, _ layout: LabLayout) async throws {
        if flood.isRegistered {
            try await lab.cli.run([
                "nas", "create", "flood", "--address", "198.18.3.2", "--secret-file",
                layout.runDirectory + "/flood.right",
            ])
        }
        let secret = layout.runDirectory + (flood.hasRightSecret ? "/flood.right" : "/flood.wrong")
        // An open loop, far above what is admitted in a second, and no second try.
        let flooding = load(
            layout,
            "--source 198.18.3.2 --secret-file \(secret) --first \(flood.firstSIM) --count \(Self.flooded) "
                + "--rate 200000 --attempts 1 --patience 100")
        let end = "\(layout.runDirectory)/flood.end"
        // Two, so that one sends while the other makes its requests.
        let loop = "while [ ! -e \(end) ]; do \(flooding) >/dev/null 2>&1; done"
        async let running: Void = { _ = shell("(\(loop)) & sleep 0.3; \(loop); wait") }()
        try await Task.sleep(for: .seconds(1))
        let before = try received(layout)
        let measured = Result { try measure(layout) }
        let floodPackets = try received(layout) - before
        shell("touch \(end)")
        await running
        shell("rm \(end)")
        let line = try measured.get()
        print("\(flood.name): \(floodPackets) packets at the gateway beside \(line)")
        #expect(floodPackets > 5000, "that was no flood")
        let worst = try #require(line.firstMatch(of: /p99_ms=([0-9.]+)/).flatMap { Double($0.1) })
        // Nothing lost (the generator's exit code says so), and no more than this on a machine where the flood's own
        // generator takes a core.
        #expect(worst < 250, "\(flood.name): \(line)")
        if flood.isRegistered { try await lab.cli.run(["nas", "delete", "flood"]) }
    }
}
