import Control
import Domain
import PolicyCompiler
import Store
import Synchronization
import Testing

@Suite struct AdmissionTests {
    @Test func `an accepted session is in the store and in the kernel before the answer`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let imsi = try Bench.imsi(0)
            guard case .accept(let address, let token) = try await bench.attach(imsi) else {
                Issue.record("not accepted")
                return
            }
            #expect(bench.kernel.now.devices[address]?.policy == .blockAll)
            #expect(bench.kernel.now.devices[address]?.nat?.firstPort == 1024)
            let session = try await bench.store.read { try $0.session(token: token) }
            #expect(session?.address == address)
            #expect(session?.imsi == imsi)
            #expect(session?.endedAt == nil)
        }
    }

    @Test func `each reason to reject has its code`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 2)
            #expect(try await bench.attach(nil) == .reject(.imsiMissing))
            #expect(try await bench.attach(try Bench.imsi(99)) == .reject(.simUnknown))
            #expect(try await bench.attach(try Bench.imsi(0), apn: nil) == .reject(.apnMissing))
            _ = try await bench.control.suspend(try Bench.imsi(1), by: .system)
            #expect(try await bench.attach(try Bench.imsi(1)) == .reject(.simSuspended))
            #expect(bench.kernel.now.devices.isEmpty)
        }
    }

    @Test func `a full pool rejects with its own code and those who have an address keep it`() async throws {
        // One block of /24: 254 addresses.
        try await Bench.run(pool: "100.64.0.0/24") { bench in
            _ = try await bench.tenant("acme", sims: 255)
            var first: AttachVerdict?
            for number in 0..<254 {
                let verdict = try await bench.attach(try Bench.imsi(number))
                if number == 0 { first = verdict }
                guard case .accept = verdict else {
                    Issue.record("SIM \(number): \(verdict)")
                    return
                }
            }
            #expect(try await bench.attach(try Bench.imsi(254)) == .reject(.addressPoolExhausted))
            guard case .accept(let again, _) = try await bench.attach(try Bench.imsi(0)),
                case .accept(let before, _) = first
            else {
                Issue.record("a SIM with an address was rejected")
                return
            }
            #expect(again == before)
        }
    }

    @Test func `a second attach replaces the session and the late stop of the first does not end the second`()
        async throws
    {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let imsi = try Bench.imsi(0)
            guard case .accept(let address, let old) = try await bench.attach(imsi),
                case .accept(let same, let new) = try await bench.attach(imsi)
            else {
                Issue.record("not accepted")
                return
            }
            #expect(address == same)
            #expect(old != new)
            #expect(try await bench.account(.stop, token: old, imsi: imsi, isLast: true))
            #expect(bench.kernel.now.devices[address] != nil)
            #expect(try await bench.account(.stop, token: new, imsi: imsi, isLast: true))
            #expect(bench.kernel.now.devices[address] == nil)
        }
    }

    @Test func `a stop of a secondary bearer leaves the session and the default bearer's ends it`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            guard case .accept(let address, let token) = try await bench.attach(try Bench.imsi(0)) else {
                Issue.record("not accepted")
                return
            }
            #expect(try await bench.account(.stop, token: token, nsapi: 6))
            #expect(bench.kernel.now.devices[address] != nil)
            #expect(try await bench.account(.stop, token: token, nsapi: 5))
            #expect(bench.kernel.now.devices[address] == nil)
        }
    }

    @Test func `without Class the IMSI and APN name the session and another Acct-Session-Id does not`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let imsi = try Bench.imsi(0)
            guard case .accept(let address, _) = try await bench.attach(imsi) else {
                Issue.record("not accepted")
                return
            }
            #expect(try await bench.account(.stop, imsi: imsi, isLast: true, accountingSessionID: "other"))
            #expect(bench.kernel.now.devices[address] != nil)
            #expect(try await bench.account(.stop, imsi: imsi, isLast: true))
            #expect(bench.kernel.now.devices[address] == nil)
        }
    }

    @Test func `interim counters are kept and never go back`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            guard case .accept(_, let token) = try await bench.attach(try Bench.imsi(0)) else {
                Issue.record("not accepted")
                return
            }
            let most = UInt64(UInt32.max) + 10
            #expect(try await bench.account(.interim, token: token, usage: SessionUsage(octetsUp: most)))
            #expect(try await bench.account(.interim, token: token, usage: SessionUsage(octetsUp: 5, octetsDown: 7)))
            let session = try await bench.store.read { try $0.session(token: token) }
            #expect(session?.usage.octetsUp == most)
            #expect(session?.usage.octetsDown == 7)
        }
    }

    @Test func `Accounting-On ends every session through that NAS`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 3)
            for number in 0..<3 { _ = try await bench.attach(try Bench.imsi(number)) }
            #expect(bench.kernel.now.devices.count == 3)
            #expect(try await bench.account(.on))
            #expect(bench.kernel.now.devices.isEmpty)
        }
    }

    @Test func `when the kernel refuses nothing is answered and the next request succeeds`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            bench.kernel.change { $0.refusals = 1 }
            #expect(try await bench.attach(try Bench.imsi(0)) == .noAnswer)
            guard case .accept(let address, _) = try await bench.attach(try Bench.imsi(0)) else {
                Issue.record("not accepted")
                return
            }
            #expect(bench.kernel.now.devices[address] != nil)
        }
    }

    @Test func `when the store is gone nothing is answered`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            try await bench.store.close()
            #expect(try await bench.attach(try Bench.imsi(0)) == .noAnswer)
            #expect(try await bench.account(.interim) == false)
            #expect(bench.kernel.now.devices.isEmpty)
        }
    }

    @Test func `requests that wait together share batches and none is lost`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 200)
            let before = bench.kernel.now.batches
            let accepted = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        if case .accept = try await bench.attach(try Bench.imsi(number)) { true } else { false }
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(accepted == 200)
            #expect(bench.kernel.now.devices.count == 200)
            #expect(bench.kernel.now.batches - before < 200)
        }
    }

    @Test func `one request at fault takes back its own changes, and those beside it are answered`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 200)
            // A NAS that was deleted while its request was waiting: the store refuses the session.
            let gone = NAS.ID(999)
            let verdicts = try await withThrowingTaskGroup(of: (Int, AttachVerdict).self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let nas = number % 50 == 7 ? gone : nil
                        return (number, try await bench.attach(try Bench.imsi(number), through: nas))
                    }
                }
                return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
            for (number, verdict) in verdicts {
                if number % 50 == 7 {
                    #expect(verdict == .noAnswer, "\(number)")
                } else if case .accept = verdict {
                } else {
                    Issue.record("\(number): \(verdict)")
                }
            }
            #expect(bench.kernel.now.devices.count == 196)
            let leased = try await bench.store.read { try $0.pools() }.map(\.addressesLeased)
            #expect(leased == [196])
        }
    }

    @Test func `a full queue sheds instead of growing`() async throws {
        try await Bench.run(settings: { $0.queueCapacity = 0 }) { bench in
            _ = try await bench.tenant("acme", sims: 1)
            #expect(try await bench.attach(try Bench.imsi(0)) == .noAnswer)
            #expect(try await bench.account(.interim) == false)
        }
    }

    /// Times in records are what the clock said; nothing is decided by them.
    @Test(arguments: [-86_400_000, 86_400_000 * 3650, -2_000_000_000_000] as [Int64])
    func `a clock that is stepped changes times and no decision`(step: Int64) async throws {
        let clock = Mutex<Int64>(1_700_000_000_000)
        try await Bench.run(now: { Timestamp(milliseconds: clock.withLock { $0 }) }) { bench in
            _ = try await bench.tenant("acme", sims: 3)
            guard case .accept(let address, let token) = try await bench.attach(try Bench.imsi(0)) else {
                Issue.record("not admitted")
                return
            }
            clock.withLock { $0 += step }
            #expect(try await bench.account(.interim, token: token, usage: SessionUsage(octetsUp: 7)))
            guard case .accept(let other, let otherToken) = try await bench.attach(try Bench.imsi(1)) else {
                Issue.record("not admitted after the step")
                return
            }
            #expect(other != address && otherToken != token)
            // Again, so that the old session is replaced at a time before its start.
            guard case .accept(let again, let newToken) = try await bench.attach(try Bench.imsi(0)) else {
                Issue.record("not admitted again")
                return
            }
            #expect(again == address && newToken != token)
            #expect(try await bench.account(.stop, token: token))
            #expect(bench.kernel.now.devices[address] != nil, "the late stop of the old session ended the new one")
            #expect(try await bench.account(.stop, token: newToken))
            #expect(bench.kernel.now.devices[address] == nil)
            let active = try await bench.store.read {
                try $0.sessions(of: nil, activeOnly: true, after: nil, limit: 10)
            }
            #expect(active.map(\.address) == [other])
        }
    }
}
