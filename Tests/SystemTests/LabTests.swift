import Domain
import Glibc
import Lab
import Testing

/// The whole product in the laboratory: real RADIUS, real kernel, the real command line. The laboratory is up, and the
/// demonstration's fleet attached, for the suite as a whole; each test leaves it so.
@Suite(.serialized, .withLaboratory) struct LabTests {
    @Test func `two tenants with 50 SIMs each are made, and all attach`() {
        let preparation = LaboratoryTrait.preparation
        #expect(preparation.count == 2)
        for observation in preparation { #expect(observation.isAsExpected, "\(observation)") }
    }

    @Test(arguments: Demonstration.Scene.allCases.filter { !$0.needsEnterprises })
    func `the scene shows what is expected`(_ scene: Demonstration.Scene) async throws {
        let observation = try await demonstration().run(scene)
        #expect(observation.isAsExpected, "\(observation)")
    }

    @Test func `a restarted daemon cuts nothing and knows every session`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let device = demonstration.fleet.acme[10]
        let download = try await Download.start(in: lab, by: device)
        let before = Self.withoutLastSeen(try await lab.cli.run(["session", "list"]))
        #expect(before.count >= 100)
        let octets = download.octets
        try await lab.restartGateway()
        let during = download.octets
        try await Task.sleep(for: .milliseconds(300))
        #expect(during > octets)
        #expect(download.octets > during)
        #expect(download.isRunning)
        #expect(Self.withoutLastSeen(try await lab.cli.run(["session", "list"])) == before)
        // What the new process does reaches the flows that the old one let in.
        try await lab.cli.run(["sim", "suspend", device.sim.imsi])
        _ = try await download.lastGrowth()
        try await download.stop()
        try await lab.cli.run(["sim", "resume", device.sim.imsi])
        #expect(try await PacketGateway(lab: lab).attach([device.sim]).map(\.address) == [device.address])
    }

    /// The rows of a list of sessions, without the times of last packets, which pass meanwhile.
    private static func withoutLastSeen(_ table: String) -> [[Substring]] {
        table.split(separator: "\n").dropFirst().map { row in
            var fields = row.split(separator: " ")
            if fields.count > 8 { fields.remove(at: 8) }
            return fields
        }
    }

    @Test func `a table removed by someone else is back within seconds, flows and all`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let download = try await Download.start(in: lab, by: demonstration.fleet.acme[11])
        let gateway = lab.layout.name(of: .gw)
        try output(of: "ip netns exec \(gateway) nft delete table inet cordon")
        var isBack = false
        for _ in 0..<100 where !isBack {
            try await Task.sleep(for: .milliseconds(100))
            isBack = (try? output(of: "ip netns exec \(gateway) nft list chain inet cordon filter_forward")) != nil
        }
        #expect(isBack)
        let octets = download.octets
        try await Task.sleep(for: .seconds(1))
        #expect(download.octets > octets)
        #expect(download.isRunning)
        try await download.stop()
        #expect(try await metric("cordon_kernel_repairs_total") > 0)
    }

    @Test func `who has a public port is told`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let device = demonstration.fleet.acme[12]
        let table = try await lab.cli.run(["nat", "blocks", "--csv"]).split(separator: "\n")
        #expect(table.first == "public_address,first_port,last_port,address,imsi,tenant,valid_from,valid_to")
        let row = try #require(table.last { $0.contains(",\(device.address),\(device.sim.imsi),acme,") })
        let fields = row.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        try #require(fields.count == 8 && fields[7].isEmpty, "\(row)")
        let question = ["--public-address", fields[0], "--port", fields[2], "--at", fields[6]]
        let answer = try await lab.cli.run(["nat", "blocks", "--csv"] + question).split(separator: "\n")
        #expect(answer.dropFirst() == [row])
    }

    @Test func `nothing is written and nothing is read without a token`() async throws {
        let url = try demonstration().lab.layout.apiURL
        for request in [
            "-X POST -d '{}' \(url)/v1/tenants", "\(url)/v1/sims", "-X POST \(url)/v1/sims/001010000010001/suspend",
        ] {
            let status = try output(of: "curl -s -o /dev/null -w '%{http_code}' \(request)")
            #expect(status == "401", "\(request)")
        }
    }

    @Test func `the exports are what a shell needs`() async throws {
        let layout = try demonstration().lab.layout
        let exports = "eval \"$(\(layout.cordon) lab env --prefix \(layout.prefix) --api-port \(layout.apiPort))\""
        let sessions = try output(
            of:
                "\(exports); curl -s -f -H \"Authorization: Bearer $CORDON_TOKEN\" \"$CORDON_URL/v1/sessions\"")
        #expect(sessions.contains("\"imsi\":\"001010000010001\""))
        #expect(try output(of: "\(exports); ip netns exec $CORDON_LAB_NS_GW ip -br link show sgi").contains("sgi"))
        #expect(try output(of: "\(exports); echo ${#CORDON_RADIUS_SECRET}") == "32")
    }

    func demonstration() throws -> Demonstration {
        try #require(LaboratoryTrait.demonstration, "the laboratory did not come up: \(LaboratoryTrait.preparation)")
    }

    /// The value of a metric without labels, or with exactly these.
    func metric(_ name: String) async throws -> Int {
        let layout = try demonstration().lab.layout
        let text = try output(
            of:
                "curl -s -f -H \"Authorization: Bearer $(cat \(layout.tokenFile))\" \(layout.apiURL)/metrics")
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return try #require(line?.split(separator: " ").last.flatMap { Int($0) }, "no metric \(name)")
    }
}

/// Brings a laboratory up around a suite, prepares the demonstration, and takes it down whatever happened.
struct LaboratoryTrait: SuiteTrait, TestScoping {
    let prefix: String
    let apiPort: UInt16
    var enterprises: [LabLayout.Enterprise] = []

    @TaskLocal static var demonstration: Demonstration?
    @TaskLocal static var preparation: [Observation] = []
    /// Few, so that a test can wait for the end of a name.
    static let nameSeconds = 5

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let lab = Laboratory(
            layout: try testLayout(
                prefix: prefix, apiPort: apiPort, nameSeconds: Self.nameSeconds, enterprises: enterprises))
        try await lab.down()
        _ = try await lab.up()
        do {
            var preparation: [Observation] = []
            let demonstration = try await Demonstration.prepare(lab) { preparation.append($0) }
            try await Self.$preparation.withValue(preparation) {
                try await Self.$demonstration.withValue(demonstration) { try await function() }
            }
        } catch {
            try await lab.down()
            throw error
        }
        try await lab.down()
        #expect(lab.remains() == [])
    }
}

extension Trait where Self == LaboratoryTrait {
    static var withLaboratory: Self { Self(prefix: "cordontest", apiPort: 18080) }
    static var withLaboratoryAndEnterprises: Self {
        Self(prefix: "cordondemo", apiPort: 18086, enterprises: LabLayout.Enterprise.allCases)
    }
}

/// The programs under test are the built ones beside the test program, unless the caller says where.
func testLayout(
    prefix: String, apiPort: UInt16, natPublic: String = "198.19.0.0/28", natCollectors: [String] = [],
    nameSeconds: Int = 300, deadPeerSeconds: Int = 10, retransmitMilliseconds: Int = 2000,
    enterprises: [LabLayout.Enterprise] = []
) throws -> LabLayout {
    let named = getenv("CORDON_BIN_DIR").map { String(cString: $0) }
    let directory = named ?? "\(String(cString: getcwd(nil, 0)))/.build/release"
    return try LabLayout(
        prefix: prefix, apiPort: apiPort, natPublic: natPublic, natCollectors: natCollectors,
        nameSeconds: nameSeconds, deadPeerSeconds: deadPeerSeconds, retransmitMilliseconds: retransmitMilliseconds,
        enterprises: enterprises, programs: directory)
}
