/// The IKE daemon as Control sees it. Who implements it keeps the connection, and opens it again when it ends. Nothing here
/// waits for a peer.
package protocol IKEDaemon: Sendable {
    func statistics() async throws(IKEDaemonError) -> DaemonStatistics

    /// Tells the daemon of a VPN, or of its change; what it proves itself by first, so that no connection is without it.
    /// What is up stays as it was made: for a change to take effect, ``terminate(_:force:)`` and ``initiate(_:of:)``.
    /// - Parameter secrets: its keys under the names that ``unload(_:secrets:authorities:)`` takes; what is taken away, the
    ///   other way round.
    func load(_ plan: TunnelPlan, _ secrets: TunnelSecrets) async throws(IKEDaemonError)

    /// Forgets a VPN and ends what is up: the connection first, so that the peer cannot come back meanwhile, then the
    /// keys, then the associations. One that is not there is forgotten already.
    /// - Parameters:
    ///   - secrets: the names of its keys.
    ///   - authorities: those of certificate authorities that no other VPN needs.
    func unload(_ identifier: String, secrets: [String], authorities: [String]) async throws(IKEDaemonError)

    /// Forgets a key that peers are not to use any more.
    func unload(secret: String) async throws(IKEDaemonError)

    /// The identifiers of the connections that are loaded.
    func loaded() async throws(IKEDaemonError) -> [String]

    /// Starts a CHILD_SA, by its name of ``TunnelPlan/children``. Returns at once: events and the log tell what becomes of it.
    func initiate(_ child: String, of identifier: String) async throws(IKEDaemonError)

    /// Ends the IKE_SAs of a VPN, and answers how many there were.
    /// - Parameter force: without waiting for the peer to agree.
    @discardableResult
    func terminate(_ identifier: String, force: Bool) async throws(IKEDaemonError) -> Int

    /// - Parameter identifier: of one VPN; `nil`: of all.
    func associations(of identifier: String?) async throws(IKEDaemonError) -> [IKEAssociation]

    /// What changes from now on. After ``IKEDaemonEvent/reconnected`` somebody who keeps a state asks for all of it
    /// again, since nobody tells what happened in between. Each caller has a stream of its own.
    func events() -> AsyncStream<IKEDaemonEvent>
}

/// What a gateway proves itself by at one tunnel.
package struct TunnelSecrets: Sendable {
    /// Pre-shared keys by the names that the daemon knows them by.
    package let keys: [(name: String, octets: [UInt8])]
    /// Of the gateway's certificate, in DER.
    package let privateKey: [UInt8]?
    /// Who may have issued the peer's certificate, in DER, by the names that the daemon knows them by.
    package let authorities: [(name: String, certificate: [UInt8])]

    package init(
        keys: [(name: String, octets: [UInt8])] = [], privateKey: [UInt8]? = nil,
        authorities: [(name: String, certificate: [UInt8])] = []
    ) {
        self.keys = keys
        self.privateKey = privateKey
        self.authorities = authorities
    }
}

package enum IKEDaemonEvent: Hashable, Sendable {
    /// There is a connection, the first or another: the daemon may have started anew, with nothing loaded.
    case reconnected
    case disconnected
    case changed(DaemonEvent)
}

/// What the daemon did not do.
package struct IKEDaemonError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, CaseIterable, Sendable {
        /// No connection, or it ended meanwhile: nobody knows whether it was done.
        case unreachable
        /// The daemon says no.
        case refused
        /// The request cannot be put to this daemon.
        case unsupported
        /// An answer that is none.
        case malformed
    }

    package let code: Code
    /// For people.
    package let sentence: String
    /// The daemon's own words; empty where it said nothing.
    package let words: String

    package init(code: Code, sentence: String, words: String = "") {
        self.code = code
        self.sentence = sentence
        self.words = words
    }

    package init(_ error: CommandError, doing command: String) {
        switch error {
        case .refused(let words, _):
            self.init(code: .refused, sentence: "the IKE daemon refused \(command)", words: words)
        case .malformed(let key):
            self.init(code: .malformed, sentence: "the IKE daemon's answer to \(command) has no \(key)")
        case .conversation(let error): self.init(error, doing: command)
        }
    }

    package init(_ error: ConversationError, doing command: String) {
        switch error {
        case .unknownCommand(let name):
            self.init(code: .unsupported, sentence: "the IKE daemon has no command \(name)")
        case .unknownEvent(let name):
            self.init(code: .unsupported, sentence: "the IKE daemon has no event \(name)")
        case .unencodable(let cause):
            self.init(code: .unsupported, sentence: "\(command) does not fit in a request (\(cause.label))")
        case .tooManyWaiting:
            self.init(
                code: .unreachable, sentence: "too many requests wait for the IKE daemon; \(command) was not sent")
        case .withdrawn: self.init(code: .unreachable, sentence: "\(command) was given up before it was sent")
        case .lost(let wasSent):
            self.init(
                code: .unreachable,
                sentence: wasSent
                    ? "the connection to the IKE daemon ended while it did \(command)"
                    : "there is no connection to the IKE daemon; \(command) was not sent")
        case .malformed(let cause):
            self.init(code: .malformed, sentence: "the IKE daemon sent what is no packet (\(cause.label))")
        case .unexpectedPacket(let type):
            self.init(code: .malformed, sentence: "the IKE daemon sent a packet of type \(type) that nothing asked for")
        case .streamTooLong:
            self.init(code: .malformed, sentence: "the IKE daemon's answer to \(command) does not end")
        }
    }

    package var description: String { words.isEmpty ? sentence : "\(sentence): \(words)" }
}
