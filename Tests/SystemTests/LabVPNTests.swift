import Lab
import Testing

/// The demonstration's VPNs, in a laboratory with all enterprises. Its scenes build on each other.
@Suite(.serialized, .withLaboratoryAndEnterprises) struct LabVPNTests {
    @Test(arguments: Demonstration.Scene.allCases.filter(\.needsEnterprises))
    func `the scene shows what is expected`(_ scene: Demonstration.Scene) async throws {
        let observation = try await demonstration().run(scene)
        #expect(observation.isAsExpected, "\(observation)")
    }

    @Test func `what stands at the enterprises runs, and the status says so`() throws {
        let lab = try demonstration().lab
        let running = Set(lab.status().filter { $0.state.hasPrefix("running, ") }.map(\.name))
        for place in ["acme", "acme-backup", "globex"] {
            let processes = ["charon", "broker", "subscriber", "coap"].map { "\($0)-\(place)" }
            #expect(running.isSuperset(of: processes), "\(place): \(running)")
        }
    }

    private func demonstration() throws -> Demonstration {
        try #require(LaboratoryTrait.demonstration, "the laboratory did not come up: \(LaboratoryTrait.preparation)")
    }
}
