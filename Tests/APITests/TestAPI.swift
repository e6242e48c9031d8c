import Control
import Domain
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import PolicyCompiler
import ServiceLifecycle
import Store
import Synchronization
import Testing

import API

/// The API over a real control plane and store, and a kernel that takes everything.
struct TestAPI {
    let control: ControlPlane
    let server: APIServer
    let registry: PrometheusRegistry
    /// The operator's token.
    let token: String
    let socketPath: String

    struct Answer {
        let status: Int
        let headers: HTTPFields
        let text: String

        /// The body as a JSON object; empty when it is none.
        var json: [String: Any] {
            // What is not JSON fails the expectation on its fields.
            (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any] ?? [:]
        }

        var items: [[String: Any]] { json["items"] as? [[String: Any]] ?? [] }
        var problemFields: [String] {
            (json["problems"] as? [[String: Any]] ?? []).compactMap { $0["field"] as? String }
        }
    }

    /// Runs `body` against an API that has been started unless told otherwise.
    static func run(
        started: Bool = true, kernel: WillingKernel = WillingKernel(),
        _ body: @escaping @Sendable (TestAPI) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "cordon-api-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer {
            // What is left in the temporary directory harms nothing.
            try? FileManager.default.removeItem(at: directory)
        }
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let store = try SQLiteStore.open(
            path: directory.appending(path: "cordon.db").path,
            key: Secret(bytes: Array(repeating: 7, count: 32)))
        let plan = try NATPlan(publicPrefixes: [try IPv4Prefix(parsing: "198.18.1.64/28")])
        let control = ControlPlane(
            store: store, dataPlane: kernel, disconnecting: SilentNAS(), changing: SilentNAS(), tracing: QuietTracing(),
            blocklists: BlocklistSupport(
                texts: try TextDirectory(path: directory.appending(path: "texts").path), fetching: EmptyWeb()),
            tunnels: try QuietDaemon.support(), approval: NoHook(), settings: ControlSettings(natPlan: plan),
            logger: logger
        ) { Timestamp(milliseconds: 1_800_000_000_000) }
        if started { try await control.start() }
        let token = try await control.createToken(try Name(parsing: "first"), tenant: nil, by: .system).secret
        let registry = PrometheusRegistry()
        let socketPath = directory.appending(path: "api.sock").path
        let server = APIServer(
            control: control, registry: registry,
            settings: APIServer.Settings(socketPath: socketPath, address: nil), logger: logger)
        let api = TestAPI(
            control: control, server: server, registry: registry, token: token, socketPath: socketPath)
        let services = ServiceGroup(services: control.services, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await services.run() }
            do {
                try await body(api)
            } catch {
                await services.triggerGracefulShutdown()
                throw error
            }
            await services.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        try await store.close()
    }

    /// One request through the router. Without a `token` it carries the operator's; `nil` sends none. Unless told
    /// otherwise, the request if it was taken, and the answer, have to be as the API's description says.
    func send(
        _ method: HTTPRequest.Method, _ path: String, token: String?? = .none, type: String? = nil,
        headers: HTTPFields = [:], body: String = "", isDescribed: Bool = true
    ) async throws -> Answer {
        var head = HTTPRequest(method: method, scheme: nil, authority: "test", path: path, headerFields: headers)
        if let token = token ?? self.token { head.headerFields[.authorization] = "Bearer \(token)" }
        head.headerFields[.contentType] = type
        let request = Request(head: head, body: RequestBody(buffer: ByteBuffer(string: body)))
        let context = APIContext(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let response = try await server.responder.respond(to: request, context: context)
        let collector = BodyCollector()
        try await response.body.write(collector)
        let answer = Answer(
            status: response.status.code, headers: response.headers, text: String(buffer: collector.buffer))
        if isDescribed, method != .head {
            let complaint = DescribedAPI.shared.complaint(about: answer, to: method, path, type: type, body: body)
            #expect(complaint == nil, "\(method) \(path): \(answer.text.prefix(500))")
        }
        return answer
    }

    func post(_ path: String, token: String?? = .none, _ json: String) async throws -> Answer {
        try await send(.post, path, token: token, type: "application/json", body: json)
    }

    func put(_ path: String, token: String?? = .none, _ json: String) async throws -> Answer {
        try await send(.put, path, token: token, type: "application/json", body: json)
    }

    func apply(_ document: String, to tenant: String, headers: HTTPFields = [:]) async throws -> Answer {
        try await send(
            .post, "/v1/tenants/\(tenant)/policies", type: "application/yaml", headers: headers, body: document)
    }

    /// A token for one tenant.
    func tenantToken(_ tenant: String) async throws -> String {
        try await control.createToken(
            try Name(parsing: "of-\(tenant)"), tenant: try Name(parsing: tenant), by: .system
        ).secret
    }
}

private final class BodyCollector: ResponseBodyWriter {
    private(set) var buffer = ByteBuffer()
    func write(_ part: ByteBuffer) async throws { buffer.writeImmutableBuffer(part) }
    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}

/// A hook that approves everything.
struct NoHook: ApprovalAsking {
    func post(_ request: ApprovalRequest) async throws -> (status: Int, body: [UInt8]) {
        (200, Array(#"{"approved": true}"#.utf8))
    }
}

/// A kernel that takes every change, and holds no flow and has noted nothing unless told otherwise.
struct WillingKernel: DataPlane {
    var flows: [Flow] = []
    var noted: [Observation] = []
    var counted: [UsageReading] = []
    private let counting = CountingRules()

    func reconcile(to state: EnforcementState) -> ReconcileReport {
        ReconcileReport(devicesAdded: state.devices.count, devicesRemoved: 0, devicesKept: 0)
    }
    func apply(_ changes: [DeviceChange]) {}
    func install(_ rulesets: [PolicyMark: Ruleset], removing removed: Set<PolicyMark>) { counting.note(rulesets) }
    func setNames(_ changes: [NamedAddress]) {}
    func setNamesAtOnce(_ changes: [NamedAddress]) -> Bool { true }
    func setNAS(_ addresses: Set<IPv4Address>) {}
    func setPools(_ prefixes: Set<IPv4Prefix>) {}
    func setPools(_ prefixes: Set<IPv6Prefix>) {}
    func changeVPNs(_ changes: [VPNNumber: VPNEntry?]) throws(DataPlaneError) {}
    func tunnelPath() throws(DataPlaneError) -> TunnelPath { .userSpace }
    func attachTunnels(to interface: InterfaceName) throws(DataPlaneError) {}
    func tunnelCounters(of vpns: Set<VPNNumber>?) throws(DataPlaneError) -> [VPNNumber: TunnelCounters] { [:] }
    func setVPNs(_ vpns: [VPNNumber: VPNEntry]) {}
    func upInterfaces(_ interfaces: Set<InterfaceName>) -> Set<InterfaceName> { interfaces }
    func deleteFlows(_ selection: FlowSelection, judging judge: (TrackedFlow) -> FlowJudgement) -> Int { 0 }
    func flows(
        _ selection: FlowSelection, listing limit: Int, judging judge: (TrackedFlow) -> FlowJudgement
    ) -> (count: Int, listed: [TrackedFlow]) {
        (
            flows.count,
            flows.prefix(limit).map {
                TrackedFlow(flow: $0, policy: nil, isToDevice: false, group: nil, way: nil)
            }
        )
    }
    func hits(of policy: PolicyMark) -> [RuleHits] { [] }
    func observations() -> [Observation] { noted }
    func routeMark(of vpn: VPNNumber) -> UInt32 { vpn.rawValue }
    func verify() -> RepairReport? { nil }
    func counters() -> [DataPlaneCounter] { [DataPlaneCounter(name: "spoofed", packets: 3, octets: 180)] }
    func usage(after cursor: UsageCursor?) -> UsagePart { UsagePart(readings: counted, next: nil) }
    func forgetUsage(_ readings: [UsageReading]) -> [UsageReading] { [] }
    func ruleUsage() -> [RuleUsageReading] { counting.readings }
    func forgetRuleUsage(_ readings: [RuleUsageReading]) -> [RuleUsageReading] { [] }
    var enforcedLimits: Set<SessionPolicy.Section> { [.dataLimit, .bandwidth] }
    func setLimits(_ changes: [LimitNumber: DeviceLimit?]) {}
    func setQuotas(_ changes: [QuotaNumber: Quota?]) {}
    func quotas(_ numbers: [QuotaNumber]) -> [QuotaReading?] { numbers.map { _ in nil } }
    func quotas() -> [QuotaNumber: QuotaReading] { [:] }
    func takeQuotaNotices() -> [QuotaNotice] { [] }
}

/// Each rule that is counted has had a thousand octets up, the second of its policy two thousand, and so on.
private final class CountingRules: Sendable {
    private let rules = Mutex<[CountedRule.ID: Int]>([:])

    func note(_ rulesets: [PolicyMark: Ruleset]) {
        for rate in rulesets.values.flatMap({ $0.ways.compactMap(\.rate) }) {
            if let counted = rate.counted { rules.withLock { $0[counted] = rate.rule } }
        }
    }

    var readings: [RuleUsageReading] {
        rules.withLock { $0 }.map { number, rule in
            RuleUsageReading(
                rule: number, counter: 1,
                counts: UsageCounts(octetsUp: 1000 * UInt64(rule + 1), packetsUp: 2, octetsDown: 17, packetsDown: 1),
                isInUse: true)
        }
    }
}

/// Nothing passes by.
private struct QuietTracing: PacketTracing {
    func trace(_ devices: Set<IPAddress>) {}
    func tracedPackets() -> [TracedPacket] { [] }
    func tracedCounts() -> [IPAddress: UInt64] { [:] }
}

private struct SilentNAS: SessionDisconnecting, SessionChanging {
    func change(_ request: DisconnectRequest, to changes: [SessionChange]) async -> DisconnectOutcome {
        DisconnectOutcome(result: .noAnswer, attempts: 1)
    }

    func disconnect(_ request: DisconnectRequest) async -> DisconnectOutcome {
        DisconnectOutcome(result: .noAnswer, attempts: 1)
    }
}

/// Where there is nothing.
struct EmptyWeb: BlocklistFetching {
    func fetch(
        _ request: BlocklistRequest, _ body: (Span<UInt8>) throws(BlocklistFetchError) -> Void
    ) async throws(BlocklistFetchError) -> BlocklistAnswer { throw BlocklistFetchError("there is nothing") }
}
