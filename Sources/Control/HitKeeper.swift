import Domain
import PolicyCompiler
import ServiceLifecycle
import Synchronization

/// When each rule last decided on a packet. The kernel counts and keeps no time, so its counters are looked at in turn.
final class HitBook: Sendable {
    private struct Page {
        var packets: [UInt64]
        var last: [Timestamp?]
    }

    private struct Pages {
        var all: [PolicyMark: Page] = [:]
        /// Whose counters may have grown before the daemon began.
        var older: Set<PolicyMark> = []
    }

    private let pages = Mutex(Pages())

    /// At the start: when these rules decided before, nobody knows.
    func begin(with policies: Set<PolicyMark>) { pages.withLock { $0 = Pages(older: policies) } }

    /// - Returns: when each of the rules was last seen to count.
    func note(_ hits: [RuleHits], of policy: PolicyMark, at time: Timestamp) -> [Timestamp?] {
        let packets = hits.map(\.packets)
        return pages.withLock { pages in
            let isOlder = pages.older.remove(policy) != nil
            let new = Page(packets: packets, last: packets.map { $0 > 0 && !isOlder ? time : nil })
            var page = pages.all[policy] ?? new
            // Counters that went back are another version's.
            if page.packets.count != packets.count || zip(packets, page.packets).contains(where: { $0 < $1 }) {
                page = new
            } else {
                for (index, count) in packets.enumerated() where count > page.packets[index] {
                    page.packets[index] = count
                    page.last[index] = time
                }
            }
            pages.all[policy] = page
            return page.last
        }
    }

    func keep(only policies: Set<PolicyMark>) {
        pages.withLock { pages in
            pages.all = pages.all.filter { policies.contains($0.key) }
            pages.older.formIntersection(policies)
        }
    }
}

/// Looks at policies' counters in turn, some each second.
struct HitKeeper: Service {
    let control: ControlPlane
    /// 200 took a twentieth of a core, whether anything had changed or not. Who asks for a policy's counters has them read; with
    /// a thousand policies this is once a minute for each.
    private static let policiesASecond = 20
    private static let pause: Duration = .milliseconds(2)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var rest: [PolicyMark] = []
            while !Task.isCancelled {
                // Cancelled at shutdown: the loop's condition ends it.
                try? await Task.sleep(for: .seconds(1))
                if rest.isEmpty {
                    let rulesets = control.book.snapshot()
                    control.hitBook.keep(only: Set(rulesets.keys))
                    // Very large ones are looked at only when somebody asks.
                    rest = rulesets.filter { $0.value.layers.allSatisfy { $0.count < 4096 } }.map(\.key)
                }
                for policy in rest.suffix(Self.policiesASecond) {
                    // Each takes the kernel for a part of a millisecond: others, such as an answer's addresses, come between.
                    try? await Task.sleep(for: Self.pause)
                    // A kernel that does not answer is the watch's to report.
                    guard let hits = try? control.dataPlane.hits(of: policy) else { break }
                    _ = control.hitBook.note(hits, of: policy, at: control.now())
                }
                rest.removeLast(min(Self.policiesASecond, rest.count))
            }
        }
    }
}
