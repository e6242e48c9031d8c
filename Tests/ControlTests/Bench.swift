import Control
import Domain
import Foundation
import Logging
import PolicyCompiler
import ServiceLifecycle
import Store
import Synchronization

/// A control plane on a real store in a directory of its own, with a recording data plane and a scripted NAS.
/// Everything is gone when the body has returned.
struct Bench: Sendable {
    let control: ControlPlane
    let store: any Store
    let kernel: RecordingDataPlane
    let tracing: RecordingTracing
    let nas: ScriptedNAS
    let nasID: NAS.ID
    let web: ScriptedFetching
    /// Where the store and the texts of blocklists are.
    let directory: String

    static let plan = try? NATPlan(publicPrefixes: [IPv4Prefix(containing: IPv4Address(bits: 0xC613_0000), length: 28)])

    static func run(
        pool: String = "100.64.0.0/16", blockLength: UInt8 = 24,
        now: @escaping @Sendable () -> Timestamp = {
            Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        },
        settings: ((inout ControlSettings) -> Void)? = nil,
        blocklists: ((inout BlocklistSupport) -> Void)? = nil, tunnels: TunnelSupport? = nil,
        tunnelPath: TunnelPath = .userSpace, approval: (any ApprovalAsking)? = nil,
        packets: (any PacketWatching)? = nil, isLimiting: Bool = false, wallClock: WallClock = .utc,
        logger given: Logger? = nil,
        storedIn wrap: (any Store) -> any Store = { $0 },
        _ body: @escaping @Sendable (Bench) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("cordon-control-\(UUID())").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let key = try SecretKeyFile.loadOrCreate(directory + "/key")
        let store = wrap(try SQLiteStore.open(path: directory + "/cordon.db", key: key))
        let kernel = RecordingDataPlane()
        kernel.change {
            $0.path = tunnelPath
            $0.isLimiting = isLimiting
        }
        let tracing = RecordingTracing()
        let nas = ScriptedNAS()
        guard let plan else { throw Missing() }
        var chosen = ControlSettings(natPlan: plan, stopConfirmationWait: .milliseconds(300))
        // Tests run side by side on few cores: nothing here is late.
        chosen.maximumWait = .seconds(600)
        settings?(&chosen)
        let logger = given ?? quietLogger
        let web = ScriptedFetching()
        var support = BlocklistSupport(texts: try TextDirectory(path: directory + "/texts"), fetching: web)
        blocklists?(&support)
        let control = ControlPlane(
            store: store, dataPlane: kernel, disconnecting: nas, changing: nas, packets: packets, tracing: tracing,
            blocklists: support, tunnels: tunnels, approval: approval, settings: chosen, logger: logger,
            wallClock: wallClock, now: now)
        try await control.start()
        let group = ServiceGroup(services: control.services, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            do {
                let pgw = try await control.createNAS(
                    Name(parsing: "pgw"), address: IPv4Address(parsing: "198.18.0.2"),
                    secret: Secret(bytes: Array("a secret of some length".utf8)), by: .system)
                _ = try await control.createPool(IPv4Prefix(parsing: pool), blockLength: blockLength, by: .system)
                try await body(
                    Bench(
                        control: control, store: store, kernel: kernel, tracing: tracing, nas: nas, nasID: pgw.id,
                        web: web, directory: directory))
            } catch {
                await group.triggerGracefulShutdown()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        try await store.close()
    }

    struct Missing: Error {}

    /// Waits until it is so, five minutes at most: other tests run beside, and each step waits for all of theirs. What is not
    /// so then, the test finds.
    static func wait(until isSo: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(300)
        while ContinuousClock.now < deadline {
            if try await isSo() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Runs `body` beside a control plane's services.
    static func running(_ control: ControlPlane, _ body: () async throws -> Void) async throws {
        let group = ServiceGroup(services: control.services, logger: quietLogger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            do { try await body() } catch {
                await group.triggerGracefulShutdown()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    static var quietLogger: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    // MARK: Shorthand

    func tenant(_ name: String, sims: Int = 0, prefix: String = "99970") async throws -> Tenant {
        let tenant = try await control.createTenant(Name(parsing: name), by: .system)
        for number in 0..<sims {
            _ = try await control.createSIM(
                imsi: Self.imsi(number, prefix), iccid: ICCID(parsing: "8999\(prefix)\(Self.padded(number, 9))"),
                msisdn: nil, group: nil, label: "", of: tenant.name, by: .system)
        }
        return tenant
    }

    static func imsi(_ number: Int, _ prefix: String = "99970") throws -> IMSI {
        try IMSI(parsing: prefix + padded(number, 10))
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        String(repeating: "0", count: width - String(number).count) + String(number)
    }

    /// - Parameter nas: the bench's own unless given.
    func attach(
        _ imsi: IMSI?, apn: String? = "iot.example", accountingSessionID: String? = "A1", through nas: NAS.ID? = nil,
        equipment: Equipment = Equipment(nsapi: 5), type: PDNType = .ipv4
    ) async throws -> AttachVerdict {
        let apn = try apn.map { try APN(parsing: $0) }
        let request = AttachRequest(
            nas: nas ?? nasID, imsi: imsi, apn: apn, accountingSessionID: accountingSessionID,
            equipment: equipment, pdnType: type)
        return await withCheckedContinuation { continuation in
            let isQueued = control.attach(request) { continuation.resume(returning: $0) }
            if !isQueued { continuation.resume(returning: .noAnswer) }
        }
    }

    func account(
        _ kind: AccountingReport.Kind, token: SessionToken? = nil, imsi: IMSI? = nil, nsapi: UInt8? = 5,
        isLast: Bool = false, accountingSessionID: String? = "A1", usage: SessionUsage = SessionUsage(),
        equipment: Equipment? = nil, address: IPv4Address? = nil, delay: UInt32 = 0, through nas: NAS.ID? = nil,
        apn: String = "iot.example"
    ) async throws -> Bool {
        let apn = try APN(parsing: apn)
        let report = AccountingReport(
            nas: nas ?? nasID, kind: kind, token: token, imsi: imsi, apn: apn, address: address,
            accountingSessionID: accountingSessionID, equipment: equipment ?? Equipment(nsapi: nsapi), usage: usage,
            terminateCause: nil, isLastBearer: isLast, time: control.now(),
            delaySeconds: delay)
        return await withCheckedContinuation { continuation in
            let isQueued = control.account(report) { continuation.resume(returning: $0) }
            if !isQueued { continuation.resume(returning: false) }
        }
    }
}

/// A NAS that answers Disconnect-Requests as the test says, and CoA-Requests in the same way.
final class ScriptedNAS: SessionDisconnecting, SessionChanging {
    private let noted = Mutex<[[SessionChange]]>([])

    /// What it was asked to change.
    var changes: [[SessionChange]] { noted.withLock { $0 } }

    func change(_ request: DisconnectRequest, to changes: [SessionChange]) async -> DisconnectOutcome {
        noted.withLock { $0.append(changes) }
        return await disconnect(request)
    }

    private let script = Mutex<(@Sendable (DisconnectRequest) async -> DisconnectOutcome)?>(nil)

    func answer(_ script: @escaping @Sendable (DisconnectRequest) async -> DisconnectOutcome) {
        self.script.withLock { $0 = script }
    }

    func disconnect(_ request: DisconnectRequest) async -> DisconnectOutcome {
        guard let script = script.withLock({ $0 }) else { return DisconnectOutcome(result: .noAnswer, attempts: 3) }
        return await script(request)
    }
}
