import Domain
import Logging
import Metrics
import PolicyCompiler
import ServiceLifecycle
import Synchronization

/// Opens and closes rules at the times their schedules name.
///
/// A policy's chain holds the rules that are open. When a minute begins in which another set of them is, the policy gets
/// the chain for that, as it does with a new version, and flows that it does not allow any more are cut. Without the
/// daemon the rules stay as they were.
struct ScheduleKeeper: Service {
    let control: ControlPlane
    /// How late a rule opens or closes at most, apart from the change itself.
    private static let interval = Duration.milliseconds(200)
    private let edges = Counter(label: "cordon_schedule_edges_total")

    init(control: ControlPlane) { self.control = control }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var minute: Int64?
            while !Task.isCancelled {
                // Also after the clock was set, whichever way.
                let present = control.now().milliseconds / 60_000
                if present != minute || control.isSweepDue {
                    do {
                        let changed = try await control.keepSchedules()
                        edges.increment(by: changed)
                        minute = present
                    } catch {
                        if Task.isCancelled { return }
                        control.logger.error(
                            "rules could not be opened or closed at their time; it is tried again",
                            metadata: ["error": "\(error)"])
                    }
                }
                // Cancelled at shutdown: the loop's condition ends it.
                try? await Task.sleep(for: Self.interval)
            }
        }
    }
}

extension ControlPlane {
    /// Whether a sweep has failed, and is to be tried again.
    fileprivate var isSweepDue: Bool { unswept.withLock { !$0.isEmpty } }

    /// Gives policies the chains for the rules that are open now. Only those are compiled for which that has changed, apart
    /// from the engine's loop; they are put in force some at a time, so that requests are answered in between.
    /// - Returns: how many policies had others.
    @discardableResult
    package func keepSchedules() async throws -> Int {
        let time = now()
        var minutes: [String: Int?] = [:]
        let isOpen = { (schedule: Schedule) -> Bool in
            let minute = minutes[schedule.zone] ?? self.wallClock.minuteOfWeek(schedule.zone, time)
            minutes[schedule.zone] = minute
            return minute.map(schedule.isOpen(atLocal:)) ?? false
        }
        var due: [(mark: PolicyMark, compiled: CompiledPolicy)] = []
        for (mark, compiled) in book.scheduled() {
            guard let policy = compiled.policy else { continue }
            let open = policy.schedules.filter(isOpen)
            if open != compiled.open { due.append((mark, CompiledPolicy(policy, open: open))) }
        }
        var changed = 0
        while !due.isEmpty {
            let some = due.suffix(Self.policiesAtOnce)
            due.removeLast(some.count)
            let marks = try await engine.exclusively { try self.install(some) }
            changed += marks.count
            unswept.withLock { $0.formUnion(marks) }
        }
        let marks = unswept.withLock { $0 }
        guard !marks.isEmpty else { return 0 }
        let cut = try dataPlane.deleteFlows(.ofPolicies(marks), judging: judge())
        unswept.withLock { $0.subtract(marks) }
        logger.info(
            "rules opened or closed at their time", metadata: ["policies": "\(marks.count)", "flows.cut": "\(cut)"])
        return changed
    }

    private static let policiesAtOnce = 100

    /// On the engine's loop. A policy that has got another version in between is that version's already.
    private func install(_ due: ArraySlice<(mark: PolicyMark, compiled: CompiledPolicy)>) throws -> [PolicyMark] {
        let present = book.scheduled()
        let still = due.filter { present[$0.mark]?.policy == $0.compiled.policy }
        let rulesets = Dictionary(still.map { ($0.mark, $0.compiled.ruleset) }) { first, _ in first }
        guard !rulesets.isEmpty else { return [] }
        try dataPlane.install(rulesets, removing: [])
        for (mark, compiled) in still { book.set(compiled, for: mark) }
        return still.map(\.mark)
    }

    func isOpen(_ schedule: Schedule, at time: Timestamp) -> Bool {
        wallClock.minuteOfWeek(schedule.zone, time).map(schedule.isOpen(atLocal:)) ?? false
    }
}
