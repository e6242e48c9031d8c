public import Domain
public import Logging
import Metrics
public import PolicyCompiler
public import ServiceLifecycle
public import Store
import Synchronization

/// The use cases of Cordon, as the API, the RADIUS servers and the tests call them.
///
/// Reads go to the store directly. Whatever changes both store and kernel runs on the engine's loop, in order.
public final class ControlPlane: Sendable {
    public let settings: ControlSettings
    let store: any Store
    let dataPlane: any DataPlane
    let disconnecting: any SessionDisconnecting
    /// `nil` where no NAS can be asked to change a session.
    let changing: (any SessionChanging)?
    let activity: ActivityBook
    let verdicts = VerdictBook()
    let refusals = RefusalBook()
    let differences = DifferenceBook()
    let events: EventHub
    let storms = StormWatch()
    /// Whether bulk operations may have something left to do.
    let hasBulk = Atomic<Bool>(true)
    private let remembered = Counter(label: "cordon_attach_answered_from_memory_total")
    let engine: Engine
    let names: NameRegistry
    let book: PolicyBook
    let hitBook = HitBook()
    let vpnBook = VPNBook()
    package let tunnels = TunnelBook()
    let accessPointBook = AccessPointBook()
    let sessionPolicies = SessionPolicyBook()
    let limits: LimitBook
    /// `nil` where nobody can ask an approval hook.
    let approvalAsking: (any ApprovalAsking)?
    /// `nil` where the gateway makes no tunnels.
    let tunnelSupport: TunnelSupport?
    /// Who encrypts; known from the start on.
    var tunnelPath: TunnelPath? { knownTunnelPath.withLock { $0 } }
    private let knownTunnelPath = Mutex<TunnelPath?>(nil)
    /// What filters of names are made of, beside policies.
    public let blocklists = BlocklistBook()
    /// `nil` where there are no files for texts: there are no blocklists then.
    let blocklistSupport: BlocklistSupport?
    /// Texts of blocklists that are being brought, by whose they are.
    let uploads = Mutex<[Tenant.ID?: Int]>([:])
    /// Whether the kernel knows which of them are up.
    let areVPNsSet = Atomic<Bool>(true)
    /// Policies that have changed, until the flows that they do not allow any more are cut.
    let unswept = Mutex<Set<PolicyMark>>([])
    /// `nil` on a gateway that cannot trace.
    let traceHub: TraceHub?
    let logger: Logger
    let wallClock: WallClock
    /// The clock of records and reports.
    public let now: @Sendable () -> Timestamp
    private let clients = Mutex<[IPv4Address: RADIUSClient]>([:])
    private let readiness = Atomic<Bool>(false)
    /// The operator's pools, as the kernel has them.
    let pools = Mutex<[IPv4Prefix]>([])
    let pools6 = Mutex<[IPv6Prefix]>([])

    /// A NAS with its secret, as the RADIUS servers need it for every packet.
    public struct RADIUSClient: Sendable {
        public let nas: NAS
        public let secret: Secret
    }

    public init(
        store: any Store, dataPlane: any DataPlane, disconnecting: any SessionDisconnecting,
        changing: (any SessionChanging)? = nil, packets: (any PacketWatching)? = nil,
        tracing: (any PacketTracing)? = nil, blocklists: BlocklistSupport? = nil, tunnels: TunnelSupport? = nil,
        approval: (any ApprovalAsking)? = nil, settings: ControlSettings,
        logger: Logger, wallClock: WallClock = .utc,
        now: @escaping @Sendable () -> Timestamp
    ) {
        events = EventHub(limits: settings.eventFollowers)
        let store = TellingStore(base: store, hub: events)
        self.store = store
        names = NameRegistry(limits: settings.names, blocklists: self.blocklists, now: now)
        book = PolicyBook(names: names)
        self.dataPlane = ObservedDataPlane(base: dataPlane, devices: names.devices)
        limits = LimitBook(dataPlane: self.dataPlane)
        names.setDataPlane(self.dataPlane)
        self.wallClock = wallClock
        approvalAsking = approval
        self.disconnecting = disconnecting
        self.changing = changing
        activity = ActivityBook(packets: packets)
        blocklistSupport = blocklists
        tunnelSupport = tunnels
        self.settings = settings
        self.logger = logger
        self.now = now
        traceHub = tracing.map { TraceHub(tracing: $0, limits: settings.traces, now: now, logger: logger) }
        engine = Engine(
            store: store, dataPlane: self.dataPlane, settings: settings, tunnels: self.tunnels,
            accessPoints: accessPointBook, sessionPolicies: sessionPolicies, limits: limits, verdicts: verdicts,
            refusals: refusals,
            wallClock: wallClock, now: now, logger: logger)
    }

    /// The long-lived parts: the engine's loop, the watch over the kernel, what keeps schedules and looks at counters, and
    /// what hands on traced packets. Run after ``start()``.
    public var services: [any Service] {
        [
            engine, KernelWatch(control: self), ScheduleKeeper(control: self), HitKeeper(control: self),
            VPNKeeper(control: self), NameKeeper(control: self), SessionKeeper(control: self),
            StaleSessionKeeper(control: self), BulkKeeper(control: self), StormKeeper(control: self),
            EventKeeper(control: self), LimitKeeper(control: self), UsageKeeper(control: self),
        ] + (traceHub.map { [$0] } ?? [])
            + (blocklistSupport.map { [BlocklistKeeper(control: self, support: $0)] } ?? [])
            + (tunnelSupport.map { [TunnelKeeper(control: self, support: $0)] } ?? [])
            + (approvalAsking.map { [ApprovalKeeper(control: self, asking: $0)] } ?? [])
    }

    /// Store and kernel are together and requests are answered.
    public var isReady: Bool { readiness.load(ordering: .acquiring) }

    // MARK: RADIUS

    /// All of them, by number.
    var nasByID: [NAS.ID: NAS] {
        clients.withLock { clients in
            Dictionary(clients.values.map { ($0.nas.id, $0.nas) }) { first, _ in first }
        }
    }

    /// The NAS with this source address, `nil` when none is registered.
    public func radiusClient(at address: IPv4Address) -> RADIUSClient? { clients.withLock { $0[address] } }

    /// Asks for admission. The completion runs once, on the engine's loop, or before this returns when the same was rejected a
    /// moment ago, unless `false` is returned (shed).
    public func attach(_ request: AttachRequest, completion: @escaping @Sendable (AttachVerdict) -> Void) -> Bool {
        let received = ContinuousClock.now
        if let reason = verdicts.rejection(of: request, at: received) {
            remembered.increment()
            storms.note(request.nas, reason, isRemembered: true)
            refusals.noteRepeated(request, reason)
            completion(.reject(reason))
            return true
        }
        return engine.submit(
            Request(question: .attach(request), received: received) { [storms] answer in
                switch answer {
                case .attach(let verdict):
                    storms.note(request.nas, verdict.rejection, isRemembered: false)
                    completion(verdict)
                case .accounted, .dropped: completion(.noAnswer)
                }
            })
    }

    /// Reports accounting. The completion gets `true` when the report is durable. `false` is returned when shed.
    public func account(_ report: AccountingReport, completion: @escaping @Sendable (Bool) -> Void) -> Bool {
        engine.submit(
            Request(question: .accounting(report), received: .now) { answer in completion(answer == .accounted) })
    }

    // MARK: Start

    /// Brings the kernel to what the store says, keeping every flow that is still allowed.
    public func start() async throws {
        let plan = settings.natPlan
        events.note(last: try await store.read { store in try store.lastEvent() })
        let (policies, scopes, sessions, nas, pools, pools6, learned) = try await store.read { store in
            (
                try store.allPolicies(), try self.scopes(store), try store.enforcedSessions(), try store.allNAS(),
                try store.pools(), try store.prefixPools().map(\.pool.prefix), try store.allNames()
            )
        }
        if tunnelSupport != nil {
            let path = try dataPlane.tunnelPath()
            knownTunnelPath.withLock { $0 = path }
            tunnels.begin(isExclusive: path == .userSpace)
            logger.info("tunnels are encrypted", metadata: ["by": "\(path.rawValue)"])
        }
        try await bringAllVPNs()
        try await beginBlocklists()
        let compiled = await compiled(policies, in: scopes)
        var owners: [PolicyMark: Tenant.ID] = [:]
        for policy in policies { if let mark = policy.mark { owners[mark] = policy.tenant } }
        book.replaceAll(compiled, owners: owners)
        restoreNames(learned, of: owners.keys)
        hitBook.begin(with: Set(compiled.keys))
        self.pools.withLock { $0 = pools.map(\.pool.prefix) }
        self.pools6.withLock { $0 = pools6 }
        try await beginSessionPolicies()
        let limited = try await beginLimits(of: sessions)
        let report = try dataPlane.reconcile(
            to: EnforcementState(
                rulesets: compiled.mapValues(\.ruleset),
                devices: sessions.compactMap { $0.entry(plan, limited.numbers[$0.sim]) },
                devices6: sessions.flatMap { $0.entries6(limited.numbers[$0.sim]) }, nas: Set(nas.map(\.address)),
                pools: Set(pools.map(\.pool.prefix)), pools6: Set(pools6), vpns: vpnBook.entries,
                names: names.book.all(),
                limits: limited.limits, quotas: limited.quotas))
        logger.info(
            "kernel and store are together",
            metadata: [
                "devices.added": "\(report.devicesAdded)", "devices.removed": "\(report.devicesRemoved)",
                "devices.kept": "\(report.devicesKept)", "policies": "\(policies.count)",
            ])
        try await refreshClients()
        try await refreshTests()
        accessPointBook.replaceAll(try await store.read { store in try store.accessPoints() })
        try await bringTenantDNS()
        readiness.store(true, ordering: .releasing)
        // What a change left half done when the process ended is finished here: flows that are not allowed any more.
        let swept = try dataPlane.deleteFlows(.all, judging: judge())
        if swept > 0 { logger.info("flows that no policy allows were cut", metadata: ["flows": "\(swept)"]) }
    }

    /// What the stored documents compile to.
    private func compiled(_ policies: [Policy], in scopes: PolicyScopes) async -> [PolicyMark: CompiledPolicy] {
        let all = await inParallel(policies) { policy in
            policy.mark.map { ($0, self.compiled(policy, in: scopes[policy.tenant])) }
        }
        return all.reduce(into: [.blockAll: .blockAll]) { result, one in
            if let (mark, compiled) = one { result[mark] = compiled }
        }
    }

    /// Calls `body` for each on all cores, and gives what it returned in the same order: thousands of documents to
    /// compile are most of a start's work.
    func inParallel<Element: Sendable, Value: Sendable>(
        _ elements: [Element], _ body: @escaping @Sendable (Element) -> Value
    ) async -> [Value] {
        let share = 250
        return await withTaskGroup(of: (start: Int, values: [Value]).self) { group in
            for start in stride(from: 0, to: elements.count, by: share) {
                group.addTask { (start, elements[start..<min(start + share, elements.count)].map(body)) }
            }
            var shares: [Int: [Value]] = [:]
            for await (start, values) in group { shares[start] = values }
            return stride(from: 0, to: elements.count, by: share).flatMap { shares[$0] ?? [] }
        }
    }

    private func compiled(_ policy: Policy, in scope: PolicyScope) -> CompiledPolicy {
        do {
            return try compiled(policy.document, named: "\(policy.name).yaml", in: scope).inForce
        } catch {
            // Stored documents were valid when they were stored; one that is not any more blocks its devices.
            logger.critical(
                "a stored policy cannot be compiled; its devices are blocked until it is applied again",
                metadata: ["policy": "\(policy.name)", "error": "\(error)"])
            return .blockAll
        }
    }

    func refreshClients() async throws {
        let all = try await store.read { store in
            try store.allNAS().compactMap { nas in
                try store.secret(of: nas.id).map { RADIUSClient(nas: nas, secret: $0) }
            }
        }
        clients.withLock { $0 = Dictionary(all.map { ($0.nas.address, $0) }) { _, last in last } }
    }

    // MARK: Shared by the facets

    /// Says of flows what policies say of them.
    /// - Parameter rulesets: those of policies whose flows are looked at; `nil`: all that are in force.
    func judge(_ rulesets: [PolicyMark: Ruleset]? = nil) -> (TrackedFlow) -> FlowJudgement {
        let rulesets = rulesets ?? book.snapshot()
        let (pools, pools6) = (self.pools.withLock { $0 }, self.pools6.withLock { $0 })
        let (names, isResolving) = (names, settings.isResolving)
        let forbidden = pools + settings.protectedPrefixes + settings.natPlan.publicPrefixes
        let forbidden6 = pools6 + settings.protectedPrefixes6
        return { flow in
            let isAt = { (prefixes: [IPv4Prefix], prefixes6: [IPv6Prefix], address: IPAddress) in
                switch address {
                case .v4(let address): prefixes.contains { $0.contains(address) }
                case .v6(let address): prefixes6.contains { $0.contains(address) }
                }
            }
            guard let policy = flow.policy else {
                // What has no session any more.
                let isOfDevice = isAt(pools, pools6, flow.flow.source) || isAt(pools, pools6, flow.flow.destination)
                return isOfDevice ? .denied : .notOurs
            }
            // Redirected questions are nobody's policy's.
            if isResolving, flow.flow.destinationPort == 53, [6, 17].contains(flow.flow.protocol), !flow.isToDevice {
                return .notOurs
            }
            let names = names.names(of: flow.flow.destination, for: policy)
            guard let way = rulesets[policy]?.way(of: flow, names: names) else { return .denied }
            // The kernel looks at these for new flows only.
            switch way.route {
            case .internet, .vpns, .limited:
                return isAt(forbidden, forbidden6, flow.flow.destination) ? .denied : .way(way)
            case .group, .access, .timeServer: return .way(way)
            }
        }
    }

    /// Runs a change on the engine's loop and turns lower errors into ours.
    func change<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws(ControlError) -> Value {
        // Whatever it was: what was decided before it does not hold any more.
        defer { verdicts.forgetAll() }
        return try await Self.translating { try await self.engine.exclusively(body) }
    }

    /// Reads, with lower errors turned into ours.
    func read<Value: Sendable>(
        _ body: @escaping @Sendable (any StoreReader) throws -> Value
    ) async throws(ControlError) -> Value {
        try await Self.translating { try await self.store.read(body) }
    }

    static func translating<Value: Sendable>(_ body: () async throws -> Value) async throws(ControlError) -> Value {
        do { return try await body() } catch {
            switch error {
            case let error as ControlError: throw error
            case let error as StoreError: throw ControlError(error)
            case let error as DataPlaneError: throw ControlError(error)
            default: throw ControlError(.unavailable, "the change could not be made: \(error)")
            }
        }
    }
}

extension StoreReader {
    /// The tenant of that name when `principal` may see it. Another's looks exactly like one that does not exist.
    func visibleTenant(_ name: Name, to principal: Principal) throws -> Tenant {
        guard let tenant = try tenant(named: name), principal.maySee(tenant.id) else {
            throw ControlError.notFound("tenant", name)
        }
        return tenant
    }

    func visibleSIM(_ imsi: IMSI, to principal: Principal) throws -> SIM {
        guard let sim = try sim(imsi: imsi), principal.maySee(sim.tenant) else {
            throw ControlError.notFound("SIM", imsi)
        }
        return sim
    }
}

extension AttachVerdict {
    fileprivate var rejection: AttachRejection? { if case .reject(let reason) = self { reason } else { nil } }
}
