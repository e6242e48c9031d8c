import Crypto
public import Domain
import Logging
import Metrics
import PolicyCompiler
import ServiceLifecycle
import Store

/// Asks over HTTP. `Servers` implements it.
public protocol ApprovalAsking: Sendable {
    /// Posts a JSON body.
    /// - Returns: status and body of the answer, of which at most 4 KiB are read.
    /// - Throws: whatever kept it from being answered in time.
    func post(_ request: ApprovalRequest) async throws -> (status: Int, body: [UInt8])
}

/// A question to the operator's billing.
public struct ApprovalRequest: Hashable, Sendable {
    public let address: HTTPSAddress
    public let body: [UInt8]
    /// `sha256=` and the HMAC-SHA-256 of the body under the hook's secret, in hexadecimal (RFC 2104).
    public let signature: String
    public let timeout: TimeSpan

    package init(address: HTTPSAddress, body: [UInt8], secret: Secret, timeout: TimeSpan) {
        self.address = address
        self.body = body
        let code = HMAC<SHA256>.authenticationCode(for: body, using: SymmetricKey(data: secret.bytes))
        signature = "sha256=" + code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        self.timeout = timeout
    }
}

/// Asks the approval hook about SIMs whose last answer is too old, and judges their sessions by what it says. Nothing waits
/// for it: until an answer is there, the rule's choice for none holds.
struct ApprovalKeeper: Service {
    let control: ControlPlane
    let asking: any ApprovalAsking
    private static let interval = Duration.milliseconds(100)
    /// Questions that are out at the same time.
    private static let width = 32
    private let answers = Counter(label: "cordon_approval_answers_total")
    private let failures = Counter(label: "cordon_approval_failures_total")

    init(control: ControlPlane, asking: any ApprovalAsking) {
        self.control = control
        self.asking = asking
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var waiting = Retries()
            while !Task.isCancelled {
                waiting.add(control.engine.followUp.takeQuestions(), at: .now)
                let due = waiting.take(Self.width, at: .now)
                if due.isEmpty {
                    // Cancelled at shutdown: the loop's condition ends it.
                    try? await Task.sleep(for: Self.interval)
                    continue
                }
                let failed = await ask(due)
                answers.increment(by: due.count - failed.count)
                failures.increment(by: failed.count)
                waiting.retry(failed, at: .now)
            }
        }
    }

    /// - Returns: those that were not answered.
    private func ask(_ sims: [SIM.ID]) async -> [SIM.ID] {
        await withTaskGroup(of: SIM.ID?.self) { group in
            for sim in sims { group.addTask { await isAnswered(sim) ? nil : sim } }
            return await group.reduce(into: []) { if let sim = $1 { $0.append(sim) } }
        }
    }

    private func isAnswered(_ sim: SIM.ID) async -> Bool {
        do {
            try await control.askApproval(of: sim, by: asking)
            return true
        } catch {
            control.logger.warning(
                "the approval hook did not answer; it is asked again", metadata: ["error": "\(error)"])
            return false
        }
    }

    /// Who is to be asked about, and when again after a failure: after 1 s, then after twice as long each time, 60 s at most.
    struct Retries {
        private struct Entry {
            var due: ContinuousClock.Instant
            var failures = 0
        }
        private var entries: [SIM.ID: Entry] = [:]
        private var asked: [SIM.ID: Int] = [:]

        mutating func add(_ sims: Set<SIM.ID>, at now: ContinuousClock.Instant) {
            for sim in sims where entries[sim] == nil { entries[sim] = Entry(due: now) }
        }

        mutating func take(_ count: Int, at now: ContinuousClock.Instant) -> [SIM.ID] {
            let due = entries.lazy.filter { $0.value.due <= now }.prefix(count).map { ($0.key, $0.value.failures) }
            asked = [:]
            for (sim, failures) in Array(due) {
                asked[sim] = failures
                entries[sim] = nil
            }
            return Array(asked.keys)
        }

        mutating func retry(_ sims: [SIM.ID], at now: ContinuousClock.Instant) {
            for sim in sims {
                let failures = (asked[sim] ?? 0) + 1
                entries[sim] = Entry(due: now + .seconds(min(60, 1 << min(failures - 1, 6))), failures: failures)
            }
        }
    }
}

extension ControlPlane {
    /// Asks about one SIM, remembers the answer and judges its sessions by it.
    func askApproval(of id: SIM.ID, by asking: any ApprovalAsking) async throws {
        let (sim, tenant, secret) = try await store.read { store in
            let sim = try store.sim(id)
            return (sim, try sim.flatMap { try store.tenant($0.tenant) }, try store.approvalHookSecret())
        }
        // One that is gone needs no answer, nor does anybody when the hook is.
        guard let sim, let tenant, let secret, let hook = sessionPolicies.hook else { return }
        // Digits, names and a time: nothing that JSON would want to be escaped.
        let body =
            #"{"imsi":"\#(sim.imsi)","iccid":"\#(sim.iccid)","tenant":"\#(tenant.name)","time":"\#(now())"}"#
        let (status, answer) = try await asking.post(
            ApprovalRequest(address: hook.address, body: Array(body.utf8), secret: secret, timeout: hook.timeout))
        guard status == 200, let isApproved = Self.approval(in: answer) else {
            throw ControlError(
                .unavailable,
                "the approval hook answered status \(status) without {\"approved\": true} or {\"approved\": false}")
        }
        try await engine.exclusively {
            let now = self.now()
            try await self.store.write { store in
                guard try store.sim(id) != nil else { return }
                var standing = try store.standing(of: id)
                standing.hookAnswer = .init(isApproved, at: now)
                try store.putStanding(standing, of: id)
            }
        }
        _ = try await rejudgeSessions(at: .sim(id, of: sim.tenant), .edit)
    }

    /// What an answer says: an object with the field `approved`, true or false; spaces and other fields of any kind may stand
    /// in it.
    static func approval(in body: [UInt8]) -> Bool? {
        let text = String(decoding: body, as: UTF8.self)
        guard let document = try? ApprovalAnswer(parsing: text) else { return nil }
        return document.isApproved
    }

    // MARK: The hook

    public func approvalHook(by principal: Principal) async throws(ControlError) -> ApprovalHook {
        try principal.requireOperator()
        guard let hook = try await read({ store in try store.approvalHook() }) else {
            throw ControlError(.notFound, "there is no approval hook")
        }
        return hook
    }

    public static let minimumHookSecret = 16

    public func setApprovalHook(
        _ address: HTTPSAddress, secret: Secret, timeout: TimeSpan, cache: TimeSpan, by principal: Principal
    ) async throws(ControlError) -> ApprovalHook {
        try principal.requireOperator()
        guard approvalAsking != nil else {
            throw ControlError(.conflict, "this daemon has nothing to ask a hook with")
        }
        guard secret.bytes.count >= Self.minimumHookSecret else {
            throw ControlError(
                .invalid, "the hook's secret is shorter than \(Self.minimumHookSecret) octets: use a long random one")
        }
        guard ApprovalHook.timeouts.contains(timeout), ApprovalHook.caches.contains(cache) else {
            throw ControlError(
                .invalid,
                "the time-out must be from 100 ms to 30 s, and the cache from 1 s to 30 d; it is \(timeout) and \(cache)"
            )
        }
        let hook = ApprovalHook(
            address: address, timeout: timeout, cache: cache, author: principal.name, updatedAt: now())
        try await change {
            try await self.store.write { store in
                try store.putApprovalHook(hook, secret: secret)
                try store.appendAudit(
                    actor: principal.name, action: "approval-hook.set", target: "\(address)", detail: "",
                    at: hook.updatedAt)
            }
            self.sessionPolicies.setHook(hook)
        }
        try await Self.translating { try await self.rejudgeEverything(.edit) }
        return hook
    }

    /// - Throws: `.conflict` while a session policy is by it.
    public func deleteApprovalHook(by principal: Principal) async throws(ControlError) {
        try principal.requireOperator()
        try await change {
            let now = self.now()
            try await self.store.write { store in
                if let record = try store.sessionPolicy(saying: { $0.approval?.by == .hook }) {
                    throw ControlError(
                        .conflict,
                        "a session policy (\(record.place.level.rawValue)) is by the approval hook; change that first")
                }
                try store.deleteApprovalHook()
                try store.appendAudit(
                    actor: principal.name, action: "approval-hook.delete", target: "", detail: "", at: now)
            }
            self.sessionPolicies.setHook(nil)
        }
    }
}
