public import Domain
import Logging
import PolicyCompiler
import Store
import Synchronization

/// The states of a SIM beside suspension: terminated for good, and in a manufacturing test.
extension ControlPlane {
    /// Ends a SIM for good: as ``suspend(_:by:)``, and nothing undoes it. Its addresses go back with
    /// ``releaseAddresses(ofSIM:by:)``, its record with ``deleteSIM(_:by:)``.
    public func terminate(_ imsi: IMSI, by principal: Principal) async throws(ControlError) -> StateChange {
        try await stop(imsi, as: .terminated, by: principal)
    }

    /// Begins a manufacturing test: the SIM is used as an active one for so many days and octets, whichever is over first;
    /// then its sessions end and it is rejected until it is activated. Of a SIM in a test it begins another.
    public func beginTest(
        _ imsi: IMSI, _ terms: SIM.TestTerms, by principal: Principal
    ) async throws(ControlError) -> StateChange {
        guard terms.isWhole else {
            throw ControlError(.invalid, "a test lasts from 1 to 3650 days and takes one octet at least")
        }
        let allowance = terms.allowance(from: now())
        try await setTest(allowance, of: imsi, "sim.test", by: principal)
        var record = StepRecord()
        let volume = terms.octets.map { "\($0) octets" } ?? "any number of octets"
        record.note("state", "in test until \(allowance.until), for \(volume)")
        return StateChange(imsi: imsi, state: .test, steps: record.steps, isComplete: true)
    }

    /// Ends a manufacturing test: the SIM is active from then on.
    public func activate(_ imsi: IMSI, by principal: Principal) async throws(ControlError) -> StateChange {
        try await setTest(nil, of: imsi, "sim.activate", by: principal)
        var record = StepRecord()
        record.note("state", "active: access is accepted")
        return StateChange(imsi: imsi, state: .active, steps: record.steps, isComplete: true)
    }

    private func setTest(
        _ allowance: SIM.TestAllowance?, of imsi: IMSI, _ action: String, by principal: Principal
    ) async throws(ControlError) {
        try await write(action, "\(imsi)", by: principal) { store, now in
            let sim = try store.visibleSIM(imsi, to: principal)
            switch sim.state {
            case .active, .test: try store.setTest(allowance, of: sim.id)
            case .suspended: throw ControlError(.conflict, "SIM \(imsi) is suspended: resume it first")
            case .terminated: throw ControlError(.conflict, "SIM \(imsi) is terminated, which is for good")
            }
            try store.tellState(of: sim, by: principal.name, at: now)
        }
        try await Self.translating { try await self.refreshTests() }
    }

    func refreshTests() async throws {
        let sims = try await store.read { store in try store.simsInTest() }
        engine.simsInTest.withLock { $0 = sims }
    }

    /// Ends the sessions of SIMs whose test is over: their traffic at once, then their NAS are told.
    /// - Returns: how many ended.
    package func endTests() async throws -> Int {
        guard engine.simsInTest.withLock({ !$0.isEmpty }) else { return 0 }
        let now = now()
        let over = try await store.read { store in try store.sessionsAfterTest(at: now, limit: 500) }
        guard !over.isEmpty else { return 0 }
        let requests = await withTaskGroup(of: DisconnectRequest?.self) { group in
            for session in over { group.addTask { await self.request(for: session) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let count = try await engine.exclusively { try await self.endSessions(over.map(\.id), .testOver) }
        verdicts.forgetAll()
        let addresses = Set(over.flatMap(\.devices))
        _ = try dataPlane.deleteFlows(.ofDevices(addresses)) { _ in .denied }
        await withTaskGroup(of: Void.self) { group in
            for case let request? in requests { group.addTask { _ = await self.disconnecting.disconnect(request) } }
        }
        logger.notice("tests of SIMs are over", metadata: ["sessions": "\(count)"])
        return count
    }
}
