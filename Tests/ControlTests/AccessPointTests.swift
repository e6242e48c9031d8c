import Control
import Domain
import Store
import Testing

@Suite struct AccessPointTests {
    @Test func `on a private APN only its tenant's SIMs come in, on others everyone's`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme", sims: 1)
            _ = try await bench.tenant("globex", sims: 1, prefix: "99971")
            let (own, theirs) = (try Bench.imsi(0), try Bench.imsi(0, "99971"))
            let apn = try APN(parsing: "acme.iot")
            _ = try await bench.control.createAccessPoint(apn, owner: acme.name, by: .system)
            _ = try await bench.control.createAccessPoint(APN(parsing: "shared.iot"), owner: nil, by: .system)
            for name in ["acme.iot", "shared.iot", "unknown.iot"] {
                let isForeign = name == "acme.iot"
                let verdict = try await bench.attach(theirs, apn: name)
                #expect((verdict == .reject(.apnNotAllowed)) == isForeign, "\(name): \(verdict)")
                guard case .accept = try await bench.attach(own, apn: name) else {
                    Issue.record("\(name) not accepted")
                    return
                }
            }
            // However the NAS writes it.
            #expect(try await bench.attach(theirs, apn: "ACME.iot.mnc001.mcc001.gprs") == .reject(.apnNotAllowed))
            try await bench.control.deleteAccessPoint(apn, by: .system)
            guard case .accept = try await bench.attach(theirs, apn: "acme.iot") else {
                Issue.record("not accepted")
                return
            }
            // Whoever comes in by it today is not shut out.
            let error = await #expect(throws: ControlError.self) {
                try await bench.control.createAccessPoint(apn, owner: acme.name, by: .system)
            }
            #expect(error?.code == .conflict)
        }
    }

    @Test func `a tenant sees shared ones and its own, and changes none`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme")
            let globex = try await bench.tenant("globex")
            _ = try await bench.control.createAccessPoint(APN(parsing: "acme.iot"), owner: acme.name, by: .system)
            _ = try await bench.control.createAccessPoint(APN(parsing: "shared.iot"), owner: nil, by: .system)
            let principal = Principal(name: "globex", role: .tenant(globex.id))
            let seen = try await bench.control.accessPoints(by: principal)
            #expect(seen.map(\.point.apn.description) == ["shared.iot"])
            let error = await #expect(throws: ControlError.self) {
                try await bench.control.createAccessPoint(APN(parsing: "globex.iot"), owner: globex.name, by: principal)
            }
            #expect(error?.code == .forbidden)
            try await bench.control.deleteTenant(acme.name, by: .system)
            #expect(try await bench.control.accessPoints(by: .system).map(\.point.apn.description) == ["shared.iot"])
        }
    }
}
