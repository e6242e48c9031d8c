public import Domain

/// Ends a session at its NAS with RADIUS Disconnect (RFC 5176). `Servers` implements it.
public protocol SessionDisconnecting: Sendable {
    /// Sends Disconnect-Request, again with the same identifier when no answer comes, and returns the outcome.
    func disconnect(_ request: DisconnectRequest) async -> DisconnectOutcome
}

/// Changes a session at its NAS with RADIUS CoA (RFC 5176 §2.2), without ending it. `Servers` implements it.
public protocol SessionChanging: Sendable {
    /// Sends CoA-Request, again with the same identifier when no answer comes, and returns the outcome.
    func change(_ request: DisconnectRequest, to changes: [SessionChange]) async -> DisconnectOutcome
}

/// What a Disconnect- or CoA-Request can name: which of it is sent is the NAS's profile's to say.
public struct DisconnectRequest: Sendable {
    public let nas: NAS
    public let secret: Secret
    public let imsi: IMSI
    public let apn: APN
    /// `nil`: the session has IPv6 alone.
    public let address: IPv4Address?
    /// Of the session's link.
    public let prefix: IPv6Prefix?
    public let accountingSessionID: String?
    public let nsapi: UInt8?
    public let msisdn: MSISDN?
    public let token: SessionToken?
    public let chargingID: UInt32?

    public init(
        nas: NAS, secret: Secret, imsi: IMSI, apn: APN, address: IPv4Address?, prefix: IPv6Prefix? = nil,
        accountingSessionID: String?, nsapi: UInt8?, msisdn: MSISDN? = nil, token: SessionToken? = nil,
        chargingID: UInt32? = nil
    ) {
        self.prefix = prefix
        self.msisdn = msisdn
        self.token = token
        self.chargingID = chargingID
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
        /// Error-Cause 503, or 201 in an acknowledgement: the NAS has no such session any more. No Accounting-Stop will
        /// come.
        case contextNotFound
        /// Another NAK, with its Error-Cause when it has one.
        case refused(errorCause: ErrorCause?)
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

extension DisconnectOutcome {
    /// What came of a Disconnect-Request (or, by name, of a CoA-Request), for people.
    func words(_ kind: String = "Disconnect") -> String {
        let sent = attempts == 1 ? "1 datagram" : "\(attempts) datagrams"
        switch result {
        case .acknowledged: return "\(kind)-ACK after \(sent)"
        case .contextNotFound: return "the NAS has no such session any more (Error-Cause 503 or 201), after \(sent)"
        case .refused(let cause):
            guard let cause else { return "\(kind)-NAK without a reason after \(sent)" }
            let words = cause.words
            return "\(kind)-NAK after \(sent): \(words.name) (\(cause.rawValue))"
                + (words.cure.map { "; \($0)" } ?? "")
        case .noAnswer: return "no answer to \(sent)"
        case .notSent(let reason): return "not sent: \(reason)"
        }
    }
}
