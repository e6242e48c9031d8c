public import Domain

/// Ends a session at its NAS with RADIUS Disconnect (RFC 5176). `Servers` implements it.
public protocol SessionDisconnecting: Sendable {
    /// Sends Disconnect-Request, again with the same identifier when no answer comes, and returns the outcome.
    func disconnect(_ request: DisconnectRequest) async -> DisconnectOutcome
}

/// What a Disconnect-Request has to name.
public struct DisconnectRequest: Sendable {
    public let nas: NAS
    public let secret: Secret
    public let imsi: IMSI
    public let apn: APN
    public let address: IPv4Address
    public let accountingSessionID: String?
    public let nsapi: UInt8?

    public init(
        nas: NAS, secret: Secret, imsi: IMSI, apn: APN, address: IPv4Address, accountingSessionID: String?,
        nsapi: UInt8?
    ) {
        self.nas = nas
        self.secret = secret
        self.imsi = imsi
        self.apn = apn
        self.address = address
        self.accountingSessionID = accountingSessionID
        self.nsapi = nsapi
    }
}

public struct DisconnectOutcome: Hashable, Sendable {
    public let result: Result
    /// How many datagrams were sent.
    public let attempts: Int

    public enum Result: Hashable, Sendable {
        case acknowledged
        /// Error-Cause 503: the NAS has no such session any more, which is what was wanted.
        case contextNotFound
        /// Another NAK, with its Error-Cause when it has one.
        case refused(errorCause: UInt32?)
        case noAnswer
        /// Nothing could be sent: why.
        case notSent(String)
    }

    public init(result: Result, attempts: Int) {
        self.result = result
        self.attempts = attempts
    }

    /// The NAS does not have the session any more, or says that it is about to end it.
    public var isDone: Bool { result == .acknowledged || result == .contextNotFound }
}
