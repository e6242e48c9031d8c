package import Domain
import Logging
import Metrics
import ServiceLifecycle
import Store
import Synchronization

/// How many attaches each NAS asks for, and whether that is a storm: a fleet that attaches again and again, since its
/// network came back or since it is rejected.
package final class StormWatch: Sendable {
    /// What was asked of one NAS in a window.
    package struct Count: Hashable, Sendable {
        package var attaches = 0
        /// Of these.
        package var rejects: [AttachRejection: Int] = [:]
        /// Of these, answered from memory.
        package var remembered = 0
    }

    /// A storm begins with so many attaches of a NAS in ten seconds, and ends when there are less than half as many.
    package static let threshold = 5000
    package static let window = Duration.seconds(10)

    package enum Change: Hashable, Sendable {
        case began(NAS.ID, Count)
        /// With all that came from its beginning on.
        case ended(NAS.ID, Count, seconds: Int)
    }

    private struct Storm {
        var count: Count
        var windows = 1
    }

    private struct State {
        var counts: [NAS.ID: Count] = [:]
        var storms: [NAS.ID: Storm] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    package func note(_ nas: NAS.ID, _ reason: AttachRejection?, isRemembered: Bool) {
        state.withLock { state in
            state.counts[nas, default: Count()].attaches += 1
            guard let reason else { return }
            state.counts[nas]?.rejects[reason, default: 0] += 1
            if isRemembered { state.counts[nas]?.remembered += 1 }
        }
    }

    /// Ends a window.
    package func turn() -> [Change] {
        state.withLock { state in
            var changes: [Change] = []
            for (nas, count) in state.counts where state.storms[nas] == nil && count.attaches >= Self.threshold {
                state.storms[nas] = Storm(count: count)
                changes.append(.began(nas, count))
                state.counts[nas] = nil
            }
            for (nas, storm) in state.storms where !changes.contains(where: { $0.nas == nas }) {
                let count = state.counts[nas] ?? Count()
                var all = storm
                all.count.add(count)
                all.windows += 1
                state.storms[nas] = all
                guard count.attaches < Self.threshold / 2 else { continue }
                state.storms[nas] = nil
                let seconds = all.windows * Int(Self.window.components.seconds)
                changes.append(.ended(nas, all.count, seconds: seconds))
            }
            state.counts = [:]
            return changes
        }
    }
}

extension StormWatch.Count {
    mutating func add(_ other: Self) {
        attaches += other.attaches
        remembered += other.remembered
        rejects.merge(other.rejects) { $0 + $1 }
    }

    /// The reason that was given most often.
    var mainReason: AttachRejection? {
        rejects.max { ($0.value, $1.key.rawValue) < ($1.value, $0.key.rawValue) }?.key
    }
}

extension StormWatch.Change {
    fileprivate var nas: NAS.ID {
        switch self {
        case .began(let nas, _), .ended(let nas, _, _): nas
        }
    }
}

/// Reports storms when they begin and when they are over.
struct StormKeeper: Service {
    let control: ControlPlane
    private let storms = Counter(label: "cordon_attach_storms_total")

    init(control: ControlPlane) { self.control = control }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                // Cancelled at shutdown: the loop's condition ends it.
                try? await Task.sleep(for: StormWatch.window)
                for change in control.storms.turn() {
                    let names = control.nasByID
                    switch change {
                    case .began(let nas, let count):
                        storms.increment()
                        control.logger.warning(
                            "a storm of attaches has begun", metadata: Self.metadata(names[nas]?.name, count))
                        await tell(.reattachStorm, names[nas]?.name, "a storm of attaches has begun", count)
                    case .ended(let nas, let count, let seconds):
                        var metadata = Self.metadata(names[nas]?.name, count)
                        metadata["seconds"] = "\(seconds)"
                        control.logger.notice("a storm of attaches is over", metadata: metadata)
                        await tell(.reattachStormOver, names[nas]?.name, "a storm of attaches is over", count)
                    }
                }
            }
        }
    }

    private func tell(_ code: Event.Code, _ nas: Name?, _ words: String, _ count: StormWatch.Count) async {
        var details = [
            Event.Detail("attaches", count.attaches), Event.Detail("rejected", count.rejects.values.reduce(0, +)),
            Event.Detail("from_memory", count.remembered),
        ]
        if let reason = count.mainReason { details.append(Event.Detail("reason", reason.rawValue)) }
        let news = Event.News(
            code, of: nil, about: Event.Subject(.nas, nas.map { "\($0)" } ?? "unknown"), at: control.now(),
            words: words,
            details: details)
        do {
            _ = try await control.store.write { store in try store.appendEvent(news) }
        } catch {
            control.logger.error("a storm could not be recorded as an event", metadata: ["error": "\(error)"])
        }
    }

    private static func metadata(_ nas: Name?, _ count: StormWatch.Count) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "nas": "\(nas.map { "\($0)" } ?? "?")", "attaches": "\(count.attaches)",
            "rejected": "\(count.rejects.values.reduce(0, +))", "from.memory": "\(count.remembered)",
        ]
        if let reason = count.mainReason { metadata["reason"] = "\(reason.rawValue)" }
        return metadata
    }
}
