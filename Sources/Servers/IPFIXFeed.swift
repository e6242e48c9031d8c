import Control
import Domain
import Glibc
import IPFIX
import Logging
import Metrics
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization

/// One collector: connects, sends what it has not been told, and goes back when that may not have arrived.
struct IPFIXFeed: Sendable {
    let collector: IPFIXCollector
    let settings: IPFIXExporter.Settings
    let log: NATLog
    let now: @Sendable () -> Timestamp
    let told: ToldPositions
    let group: MultiThreadedEventLoopGroup
    let logger: Logger
    private let metrics: IPFIXMetrics

    init(
        collector: IPFIXCollector, settings: IPFIXExporter.Settings, log: NATLog,
        now: @escaping @Sendable () -> Timestamp,
        told: ToldPositions, group: MultiThreadedEventLoopGroup, logger: Logger
    ) {
        self.collector = collector
        self.settings = settings
        self.log = log
        self.now = now
        self.told = told
        self.group = group
        self.logger = logger
        metrics = IPFIXMetrics(collector: "\(collector)")
    }

    /// Sessions in one reading of the store. With a pause of ten milliseconds after each this is 50,000 in a second, more
    /// than attach and fewer than would fill a collector's socket.
    private static let pageLimit = 500
    private static let pause = Duration.milliseconds(10)
    /// Between two looks at the store when there is nothing to tell.
    private static let idle = Duration.milliseconds(500)
    private static let retryInterval = Duration.seconds(2)
    /// How long the first message, which has only the templates, has for an answer that nobody listens.
    private static let probe = Duration.milliseconds(200)
    /// What was sent before this time, without an error since, counts as told. TCP ends a connection whose octets have not
    /// been acknowledged for ten seconds (``unacknowledged``). UDP knows of no loss, only that nobody listens.
    private var confirmation: Duration { collector.transport == .tcp ? .seconds(15) : .seconds(2) }
    /// Milliseconds.
    private static let unacknowledged = 10_000

    func run() async {
        var isDown = false
        while !Task.isCancelled {
            do {
                try await feed {
                    if isDown {
                        logger.notice(
                            "a collector of NAT events takes them again", metadata: ["collector": "\(collector)"])
                    }
                    isDown = false
                }
            } catch {
                if Task.isCancelled { return }
                metrics.errors.increment()
                if !isDown { report(error) }
                isDown = true
            }
            // Cancelled at shutdown: the loop's condition ends it.
            try? await Task.sleep(for: Self.retryInterval)
        }
    }

    private func report(_ error: any Error) {
        let metadata: Logger.Metadata = ["collector": "\(collector)", "error": "\(error)"]
        if error is ControlError {
            logger.error("NAT events cannot be read from the store; they are sent once they can", metadata: metadata)
        } else {
            logger.warning(
                """
                a collector of NAT events cannot be reached; its events stay in the store until it can: see that it listens \
                there, and that the way is open
                """, metadata: metadata)
        }
    }

    /// One connection, until it fails or the daemon ends.
    /// - Parameter confirmed: called when something that was sent counts as told.
    private func feed(confirmed: () -> Void) async throws {
        guard var position = told["\(collector)"] else { return }
        let failure = FailureWatch()
        let channel = try await connect(failure)
        defer { channel.close(promise: nil) }
        var session = ExportSession(
            transport: collector.transport, observationDomain: settings.observationDomain,
            messageLimit: settings.messageLimit, templateSeconds: settings.templateSeconds)
        try await send(session.messages(for: [], at: now()), on: channel)
        try await Task.sleep(for: Self.probe)
        var sent: [(at: ContinuousClock.Instant, position: NATLogPosition)] = [(.now, position)]
        while !Task.isCancelled {
            try failure.check()
            guard channel.isActive else { throw ChannelError.eof }
            let page = try await log.page(after: position, limit: Self.pageLimit)
            try await send(session.messages(for: page.events, at: now()), on: channel)
            metrics.events.increment(by: page.events.count)
            position = page.end
            if sent.last?.position != position { sent.append((.now, position)) }
            let limit = ContinuousClock.now - confirmation
            if let last = sent.lastIndex(where: { $0.at < limit }) {
                told.set(sent[last].position, of: "\(collector)")
                confirmed()
                // The last stays, for the time when nothing is sent.
                sent.removeFirst(last)
            }
            try await Task.sleep(for: page.isLast ? Self.idle : Self.pause)
        }
    }

    private func send(_ messages: [[UInt8]], on channel: any Channel) async throws {
        for message in messages {
            try await channel.writeAndFlush(channel.allocator.buffer(bytes: message))
            metrics.messages.increment()
        }
    }

    private func connect(_ failure: FailureWatch) async throws -> any Channel {
        let address = try SocketAddress(ipAddress: "\(collector.address)", port: Int(collector.port))
        let watch: @Sendable (any Channel) -> EventLoopFuture<Void> = { $0.pipeline.addHandler(failure) }
        switch collector.transport {
        case .udp:
            return try await DatagramBootstrap(group: group).channelInitializer(watch).connect(to: address).get()
        case .tcp:
            return try await ClientBootstrap(group: group).connectTimeout(.seconds(5))
                .channelOption(
                    ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_USER_TIMEOUT)),
                    value: Self.unacknowledged
                )
                .channelInitializer(watch).connect(to: address).get()
        }
    }
}

/// The first error of a connection: for UDP, that an earlier datagram found nobody listening. What a collector sends is
/// not looked at.
private final class FailureWatch: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let error = Mutex<(any Error)?>(nil)

    func check() throws { if let error = error.withLock({ $0 }) { throw error } }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.error.withLock { $0 = $0 ?? error }
    }
}

/// One collector's counters.
private struct IPFIXMetrics: Sendable {
    let messages: Counter
    let events: Counter
    let errors: Counter

    init(collector: String) {
        let dimensions = [("collector", collector)]
        messages = Counter(label: "cordon_ipfix_messages_total", dimensions: dimensions)
        events = Counter(label: "cordon_ipfix_events_total", dimensions: dimensions)
        errors = Counter(label: "cordon_ipfix_errors_total", dimensions: dimensions)
    }
}
