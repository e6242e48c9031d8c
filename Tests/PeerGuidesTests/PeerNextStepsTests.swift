import Domain
import PeerGuides
import Testing

@Suite struct PeerNextStepsTests {
    @Test(arguments: Situation.all.map(\.name))
    func `tells of ports, routes, the segment size and the configuration`(_ name: String) throws {
        let facts = try #require(Situation.all.first { $0.name == name }).facts
        let text = facts.nextSteps().joined(separator: "\n")
        for part in ["500 and 4500", "203.0.113.1", "peer-config hq", "100.64.0.0/20", "1350", "source NAT"] {
            #expect(text.contains(part), "\(part)")
        }
        #expect(facts.nextSteps(for: .fortigate).joined().contains("--for fortigate"))
    }

    @Test func `says who starts, and which address has to answer`() throws {
        let steps = { (name: String) in
            try #require(Situation.all.first { $0.name == name }).facts.nextSteps().joined(separator: "\n")
        }
        #expect(try steps("dynamic").contains("the gateway waits for it"))
        #expect(try steps("nat").contains("the gateway waits for it"))
        #expect(try !steps("default").contains("the gateway waits for it"))
        #expect(try steps("compatible-pairs").contains("Let 10.0.0.1 answer"))
        #expect(try steps("certificate").contains("cordon-hq-key.pem"))
    }
}
