public import Control
public import DNS
public import Domain

/// How the resolver that devices see is run.
public struct DNSSettings: Sendable {
    public var listen: [IPAddress]
    public var port: UInt16
    /// Where queries come in that devices sent to other resolvers, on the same addresses.
    public var redirectedPort: UInt16?
    /// Asked in this order, for devices whose tenant has none of its own.
    public var upstreams: [Upstream]
    /// Which addresses answers may give.
    public var guarding: AddressGuard
    public var limits = Limits()
    /// Of the answer cache of all event loops together; 0: none.
    public var cacheOctets = 64 << 20
    /// How long devices may remember that a name is blocked.
    public var blockSeconds: UInt32 = 30
    /// How long an answer may wait for its addresses to be in the kernel.
    public var lessonWait = Duration.milliseconds(100)
    public var timing = Timing()

    public struct Limits: Hashable, Sendable {
        /// Queries a second, and how many at once after a silence.
        public var queriesPerDevice = 50
        public var burstPerDevice = 100
        public var queriesPerTenant = 20_000
        public var burstPerTenant = 40_000
        /// Queries that wait for an upstream, or for the kernel.
        public var waitingPerTenant = 2000
        public var waiting = 20_000
        /// Connections.
        public var streamsPerDevice = 8
        public var streams = 2000
        /// Queries of one connection that wait; while there are so many, no more are read.
        public var waitingPerStream = 32

        public init() {}
    }

    public struct Timing: Hashable, Sendable {
        /// Until the next upstream is asked, or the same again; doubled with each round.
        public var attempt = Duration.milliseconds(400)
        /// Until the device is told that nobody answered.
        public var total = Duration.seconds(5)
        /// Of a connection on which nothing happens (RFC 7766 §6.2.3).
        public var idleStream = Duration.seconds(10)
        /// From the first octet of a query over TCP to its last, and as long for a device to take answers.
        public var streamMessage = Duration.seconds(3)
        /// Of a socket towards an upstream, until another with a port of its own takes its place.
        public var socket = Duration.seconds(30)

        public init() {}
    }

    /// - Parameter guarding: devices' and the operator's own prefixes.
    public init(listen: [IPAddress], port: UInt16 = 53, upstreams: [Upstream], guarding: AddressGuard) {
        self.listen = listen
        self.port = port
        self.upstreams = upstreams
        self.guarding = guarding
    }
}
