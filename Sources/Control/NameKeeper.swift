import Domain
import Logging
import Metrics
package import PolicyCompiler
import ServiceLifecycle
import Store

/// Gives the kernel what the resolver has learned, as soon as it has; the store some moments later; and ends what nobody
/// uses any more.
struct NameKeeper: Service {
    let control: ControlPlane
    private let batchTime = Timer(label: "cordon_names_kernel_seconds", preferredDisplayUnit: .seconds)
    private let failures = Counter(label: "cordon_names_kernel_failures_total")
    private let alarms = Counter(label: "cordon_names_dropped_total")

    private static let savingInterval: Duration = .milliseconds(20)
    /// In one transaction: the store's work must not keep answers from leaving.
    fileprivate static let savedAtOnce = 128
    /// Conntrack is read for what is over: seldom, since there may be a million flows.
    private static let endingTurns = 750

    init(control: ControlPlane) { self.control = control }

    func run() async throws {
        let names = control.names
        await withGracefulShutdownHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.keepKernel() }
                group.addTask { await self.keepStore() }
                await group.waitForAll()
            }
        } onGracefulShutdown: {
            names.stop()
        }
    }

    private func keepKernel() async {
        for await _ in control.names.wakeUps {
            while control.names.isWork {
                let started = ContinuousClock.now
                do {
                    try control.names.give()
                    batchTime.recordNanoseconds((ContinuousClock.now - started).nanoseconds)
                } catch {
                    failures.increment()
                    control.logger.error(
                        "the kernel did not take addresses of names; they are given again",
                        metadata: ["error": "\(error)"])
                    // What is learned meanwhile is given from where it is learned, with all of this.
                    do { try await Task.sleep(for: .milliseconds(500)) } catch { return }
                }
            }
        }
    }

    private func keepStore() async {
        await cancelWhenGracefulShutdown {
            var turn = 0
            while !Task.isCancelled {
                do { try await Task.sleep(for: Self.savingInterval) } catch { break }
                turn += 1
                _ = await control.saveNames()
                if turn % Self.endingTurns == 0 {
                    do {
                        try control.endNames()
                    } catch {
                        control.logger.warning(
                            "flows could not be read to see which names are over; tried again",
                            metadata: ["error": "\(error)"])
                    }
                }
                noteAlarms()
            }
        }
        while await control.saveNames() {}
    }

    private func noteAlarms() {
        for alarm in Set(control.names.book.takeAlarms()) {
            alarms.increment()
            control.logger.warning(
                "more addresses than are kept: the oldest were dropped; a name like this is better allowed by its prefixes",
                metadata: ["policy": "\(alarm.policy)", "name": "\(alarm.name?.description ?? "all names")"])
        }
    }
}

extension Duration {
    fileprivate var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}

extension ControlPlane {
    /// What the resolver that devices get asks, and tells.
    public var nameService: any NameService { names }

    /// - Returns: whether there may be more.
    func saveNames() async -> Bool {
        let (new, gone) = names.book.takeUnsaved(limit: NameKeeper.savedAtOnce)
        guard !new.isEmpty || !gone.isEmpty else { return false }
        let (present, time) = (names.seconds, now())
        do {
            try await store.write { store in
                try store.putNames(
                    new.compactMap { fact in
                        fact.policy.policy.map { policy in
                            LearnedName(
                                number: fact.number, policy: policy, address: fact.address, name: fact.name,
                                until: Timestamp(milliseconds: time.milliseconds + (fact.until - present) * 1000))
                        }
                    })
                try store.deleteNames(gone)
            }
        } catch {
            names.book.putBack(new, gone)
            logger.warning(
                "learned addresses of names could not be stored; tried again", metadata: ["error": "\(error)"])
            return false
        }
        return true
    }

    /// At a start: what devices may still hold for true.
    func restoreNames(_ stored: [LearnedName], of policies: some Sequence<PolicyMark>) {
        let (present, time, policies) = (names.seconds, now().milliseconds, Set(policies))
        names.book.restore(
            stored.compactMap { one in
                PolicyMark(policy: one.policy).map { mark in
                    NameBook.Fact(
                        number: one.number, policy: mark, address: one.address, name: one.name, device: nil,
                        // What was over while nobody looked may be in use by a flow.
                        until: present + max(60, (one.until.milliseconds - time) / 1000))
                }
            }, of: policies)
    }

    /// Ends what is over and no flow uses.
    package func endNames() throws(DataPlaneError) {
        let present = names.seconds
        let over = names.book.over(at: present)
        guard !over.isEmpty else { return }
        var used: Set<NamedAddress> = []
        _ = try dataPlane.flows(.ofPolicies(Set(over.map(\.policy))), listing: 0) { flow in
            if let policy = flow.policy, !flow.isToDevice {
                used.insert(NamedAddress(policy: policy, address: flow.flow.destination, names: []))
            }
            return .notOurs
        }
        names.book.end(over, at: present) { policy, address in
            used.contains(NamedAddress(policy: policy, address: address, names: []))
        }
        names.wake()
    }
}
