import Domain
import Logging
import Metrics
import PolicyCompiler
import ServiceLifecycle

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
                if present != minute {
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
    /// Gives policies the chains for the rules that are open now.
    /// - Returns: how many policies had others.
    @discardableResult
    package func keepSchedules() async throws -> Int {
        guard !book.scheduled().isEmpty else { return 0 }
        let changed = try await engine.exclusively {
            let time = self.now()
            let rulesets = self.book.snapshot()
            var changed: [PolicyMark: Ruleset] = [:]
            for (mark, policy) in self.book.scheduled() {
                let ruleset = compile(policy) { self.isOpen($0, at: time) }
                if rulesets[mark] != ruleset { changed[mark] = ruleset }
            }
            guard !changed.isEmpty else { return Set<PolicyMark>() }
            try self.dataPlane.install(changed, removing: [])
            for (mark, ruleset) in changed { self.book.set(ruleset, for: mark) }
            return Set(changed.keys)
        }
        guard !changed.isEmpty else { return 0 }
        let isDenied = denial()
        let cut = try dataPlane.deleteFlows(.ofPolicies(changed)) { flow, owner in
            owner.map(changed.contains) == true && isDenied(flow, owner)
        }
        logger.info(
            "rules opened or closed at their time", metadata: ["policies": "\(changed.count)", "flows.cut": "\(cut)"])
        return changed.count
    }

    func isOpen(_ schedule: Schedule, at time: Timestamp) -> Bool {
        wallClock.minuteOfWeek(schedule.zone, time).map(schedule.isOpen(atLocal:)) ?? false
    }
}
