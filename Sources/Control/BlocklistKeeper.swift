import Domain
import Logging
import Metrics
import ServiceLifecycle
import Store
import Synchronization

/// Reads the texts of blocklists after a start, and fetches those that are due.
struct BlocklistKeeper: Service {
    let control: ControlPlane
    let support: BlocklistSupport
    private let fetched = Counter(label: "cordon_blocklist_fetches_total", dimensions: [("result", "fetched")])
    private let unchanged = Counter(label: "cordon_blocklist_fetches_total", dimensions: [("result", "unchanged")])
    private let failed = Counter(label: "cordon_blocklist_fetches_total", dimensions: [("result", "failed")])

    private static let interval = Duration.milliseconds(250)
    /// Texts that nobody needs any more are looked for so often.
    private static let sweepInterval = Duration.seconds(3600)
    /// Who brings a text writes it down within this time.
    private static let youth = 3600

    init(control: ControlPlane, support: BlocklistSupport) {
        self.control = control
        self.support = support
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Blocklist.ID?.self) { fetches in
                var underWay: [Blocklist.ID: Tenant.ID?] = [:]
                // Texts that could not be read: tried again when there is another, or with the next start.
                var unreadable: Set<TextDigest> = []
                var swept: ContinuousClock.Instant?
                while !Task.isCancelled {
                    await readTexts(but: &unreadable)
                    for list in control.blocklists.due(at: control.now()) where underWay[list.id] == nil {
                        let ofOwner = underWay.values.count { $0 == list.owner }
                        guard underWay.count < support.limits.fetches,
                            list.owner == nil || ofOwner < support.limits.tenantFetches
                        else { continue }
                        underWay[list.id] = list.owner
                        control.blocklists.begun(list.id)
                        fetches.addTask {
                            await fetch(list)
                            return list.id
                        }
                    }
                    if swept.map({ ContinuousClock.now - $0 > Self.sweepInterval }) ?? true {
                        swept = .now
                        await sweepTexts()
                    }
                    // Waits for a fetch as long as for the next look, so that its list may come again.
                    fetches.addTask {
                        // Cancelled at shutdown: the loop's condition ends it.
                        try? await Task.sleep(for: Self.interval)
                        return nil
                    }
                    while case .some(.some(let ended)) = await fetches.next() { underWay[ended] = nil }
                }
                fetches.cancelAll()
            }
        }
    }

    /// Those whose text in memory is not the one that holds.
    private func readTexts(but unreadable: inout Set<TextDigest>) async {
        for list in control.blocklists.unread {
            guard !Task.isCancelled, let text = list.status.text, !unreadable.contains(text.digest) else { continue }
            do {
                let loaded = try await control.readBlocklist(list, text.digest)
                try await control.change {
                    // What has changed meanwhile is read with the next look.
                    guard let current = try await control.store.read({ try $0.blocklist(list.id) }),
                        current.status.text?.digest == text.digest
                    else { return }
                    control.blocklists.put(current, loaded)
                }
            } catch {
                unreadable.insert(text.digest)
                control.logger.error(
                    "a blocklist's text cannot be read; it refuses nothing until there is another",
                    metadata: ["blocklist": "\(list.name)", "error": "\(error)"])
                await note("its text cannot be read: \(error)", at: list)
                control.blocklists.want(list.id)
            }
        }
    }

    private func fetch(_ list: Blocklist) async {
        guard case .web(let address, _) = list.settings.source else { return }
        do {
            let draft = try support.texts.draft()
            let isThere = control.blocklists.loaded(list.id)?.digest == list.status.text?.digest
            let request = BlocklistRequest(
                address: address, entityTag: isThere ? list.status.text?.entityTag : nil,
                reach: control.reach(of: list, support))
            let answer = try await support.fetching.fetch(request) { bytes throws(BlocklistFetchError) in
                guard draft.octets + Int64(bytes.count) <= list.settings.maximumOctets else {
                    throw BlocklistFetchError(
                        "the text is longer than the \(list.settings.maximumOctets) octets that the list may have")
                }
                do throws(StoreError) { try draft.write(bytes) } catch {
                    throw BlocklistFetchError("the text cannot be written: \(error)")
                }
            }
            switch answer {
            case .unchanged:
                unchanged.increment()
                await note(nil, at: list)
            case .text(let tag):
                _ = try await control.install(draft, entityTag: tag, in: list, for: nil)
                fetched.increment()
            }
        } catch {
            // What ends with the daemon has not failed.
            guard !Task.isCancelled else { return }
            failed.increment()
            control.logger.warning(
                "a blocklist could not be fetched; the last good text holds",
                metadata: ["blocklist": "\(list.name)", "error": "\(error)"])
            await note("\(error)", at: list)
        }
    }

    /// What has become of a try that brought no text; `nil`: the one that is there is still good.
    private func note(_ failure: String?, at list: Blocklist) async {
        do {
            try await control.change {
                let now = control.now()
                let stored: Blocklist? = try await control.store.write { store in
                    guard let current = try store.blocklist(list.id), current.settings == list.settings else {
                        return nil
                    }
                    var status = current.status
                    status.triedAt = now
                    status.error = failure
                    if failure == nil { status.goodAt = now }
                    try store.setStatus(status, of: list.id)
                    return try store.blocklist(list.id)
                }
                if let stored { control.blocklists.note(stored) }
            }
        } catch {
            control.logger.error(
                "what became of a blocklist's fetch could not be stored",
                metadata: ["blocklist": "\(list.name)", "error": "\(error)"])
        }
    }

    private func sweepTexts() async {
        do {
            let lists = try await control.store.read { try $0.allBlocklists() }
            try support.texts.removeAll(but: Set(lists.compactMap(\.status.text?.digest)), olderThan: Self.youth)
        } catch {
            guard !Task.isCancelled else { return }
            control.logger.warning(
                "texts of blocklists that nobody needs could not be removed", metadata: ["error": "\(error)"])
        }
    }
}

extension ControlPlane {
    /// Where a list may be fetched from: the operator's from anywhere, tenants' from where nobody trusts the gateway.
    fileprivate func reach(of list: Blocklist, _ support: BlocklistSupport) -> BlocklistRequest.Reach {
        guard list.owner != nil, !support.allowsPrivateAddresses else { return .anywhere }
        return .internet(except: Set(forbiddenPrefixes.map(IPPrefix.v4) + forbiddenPrefixes6.map(IPPrefix.v6)))
    }
}
