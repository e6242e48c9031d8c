public import Domain

/// What the operator configures about admission and the gateway's NAT.
public struct ControlSettings: Sendable {
    public var natPlan: NATPlan
    /// The operator's infrastructure, which no device reaches.
    public var protectedPrefixes: Set<IPv4Prefix>
    /// The same of IPv6.
    public var protectedPrefixes6: Set<IPv6Prefix> = []
    /// Whether IPv6 is forwarded: sessions have it only where it is.
    public var hasIPv6 = false
    /// The gateway's interfaces towards devices and the internet, which are no VPN's.
    public var gatewayInterfaces: Set<InterfaceName>
    /// Attach and accounting requests that may wait; more are shed before they queue.
    public var queueCapacity: Int
    /// Requests that share one store transaction and one netlink batch at most.
    public var batchLimit: Int
    /// A request that has waited longer is dropped: its NAS has asked again by then.
    public var maximumWait: Duration
    /// How long a suspension waits for the NAS's Accounting-Stop before it answers.
    public var stopConfirmationWait: Duration
    /// How often the kernel is compared with what it was given.
    public var verificationInterval: Duration
    /// How many may trace packets at the same time.
    public var traces = TraceLimits()
    /// Whether the gateway's resolver answers devices: then what they send to port 53 is its alone.
    public var isResolving = false
    /// Whether the gateway has the operator's time server to send packets to.
    public var hasTimeServer = false
    public var names = NameLimits()
    public var eventRetention = EventRetention()
    public var eventFollowers = FollowerLimits()
    public var usage = UsageSettings()

    public init(
        natPlan: NATPlan, protectedPrefixes: Set<IPv4Prefix> = [],
        gatewayInterfaces: Set<InterfaceName> = [], queueCapacity: Int = 8192, batchLimit: Int = 256,
        maximumWait: Duration = .seconds(3),
        stopConfirmationWait: Duration = .seconds(5), verificationInterval: Duration = .milliseconds(250)
    ) {
        self.natPlan = natPlan
        self.protectedPrefixes = protectedPrefixes
        self.gatewayInterfaces = gatewayInterfaces
        self.queueCapacity = queueCapacity
        self.batchLimit = batchLimit
        self.maximumWait = maximumWait
        self.stopConfirmationWait = stopConfirmationWait
        self.verificationInterval = verificationInterval
    }
}
