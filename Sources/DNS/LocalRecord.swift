public import Domain

/// A record that a list answers with in place of the truth.
public struct LocalRecord: Hashable, Sendable {
    public let data: Data
    /// In seconds.
    public let timeToLive: UInt32

    public enum Data: Hashable, Sendable {
        case address(IPAddress)
        case alias(WireName)
        /// `CNAME *.NAME`: the name that was asked for in front of this one.
        case aliasBelow(WireName)
        /// The character strings of one TXT record, each at most 255 octets.
        case text([[UInt8]])
    }

    public init(data: Data, timeToLive: UInt32) {
        self.data = data
        self.timeToLive = timeToLive
    }
}
