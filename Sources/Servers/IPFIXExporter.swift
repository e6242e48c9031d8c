public import Control
import Domain
import IPFIX
public import Logging
import NIOCore
public import NIOPosix
public import ServiceLifecycle
import Synchronization

/// Tells collectors what NAT 1 does (RFC 7011, RFC 8158). Beside the engine: it reads from the store what is there, and
/// keeps there, once a second, how far each collector has been told.
public struct IPFIXExporter: Service {
    public struct Settings: Sendable {
        public let collectors: [IPFIXCollector]
        public let observationDomain: UInt32
        /// Octets of a message at most, of ``messageLimits``: the path must carry them in one packet with 28 (IPv4) or 48
        /// (IPv6) more.
        public let messageLimit: Int
        /// Over UDP, templates are sent again after so long.
        public let templateSeconds: Int64

        public static let messageLimits = ExportSession.smallestMessageLimit...1400

        public init(
            collectors: [IPFIXCollector], observationDomain: UInt32, messageLimit: Int, templateSeconds: Int64
        ) {
            self.collectors = collectors
            self.observationDomain = observationDomain
            self.messageLimit = messageLimit
            self.templateSeconds = templateSeconds
        }
    }

    private let control: ControlPlane
    private let feeds: [IPFIXFeed]
    private let told: ToldPositions
    private let logger: Logger

    /// Registers the collectors with the log, so that from here on nothing is missed. Before anything is served.
    public static func register(
        _ settings: Settings, with control: ControlPlane, group: MultiThreadedEventLoopGroup, logger: Logger
    ) async throws -> IPFIXExporter {
        let positions = try await control.natLog.register(Set(settings.collectors.map(\.description)))
        let told = ToldPositions(positions)
        return IPFIXExporter(
            control: control,
            feeds: settings.collectors.map { collector in
                IPFIXFeed(
                    collector: collector, settings: settings, log: control.natLog, now: control.now, told: told,
                    group: group, logger: logger)
            }, told: told, logger: logger)
    }

    /// Whether there is anybody to tell.
    public var hasCollectors: Bool { !feeds.isEmpty }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { tasks in
                for feed in feeds { tasks.addTask { await feed.run() } }
                tasks.addTask { await keepPositions() }
            }
        }
        // For the next start; what it does not know is told twice.
        await savePositions()
    }

    private func keepPositions() async {
        while !Task.isCancelled {
            // Cancelled at shutdown: the loop's condition ends it.
            try? await Task.sleep(for: .seconds(1))
            await savePositions()
        }
    }

    private func savePositions() async {
        let changed = told.takeChanged()
        guard !changed.isEmpty else { return }
        do {
            try await control.natLog.save(changed)
        } catch {
            told.putBack(changed)
            if Task.isCancelled { return }
            logger.error(
                "how far collectors have been told of NAT events cannot be stored; after a restart they are told again",
                metadata: ["error": "\(error)"])
        }
    }
}

/// How far each collector has been told, shared by the feeds and by what stores it.
final class ToldPositions: Sendable {
    private struct Positions {
        var all: [String: NATLogPosition]
        var changed: Set<String> = []
    }

    private let positions: Mutex<Positions>

    init(_ positions: [String: NATLogPosition]) { self.positions = Mutex(Positions(all: positions)) }

    subscript(collector: String) -> NATLogPosition? { positions.withLock { $0.all[collector] } }

    func set(_ position: NATLogPosition, of collector: String) {
        positions.withLock { positions in
            guard positions.all.updateValue(position, forKey: collector) != position else { return }
            positions.changed.insert(collector)
        }
    }

    func takeChanged() -> [String: NATLogPosition] {
        positions.withLock { positions in
            defer { positions.changed = [] }
            return positions.all.filter { positions.changed.contains($0.key) }
        }
    }

    func putBack(_ collectors: [String: NATLogPosition]) {
        positions.withLock { $0.changed.formUnion(collectors.keys) }
    }
}
