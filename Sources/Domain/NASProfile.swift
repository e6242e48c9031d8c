extension NAS {
    /// An attribute by which a Disconnect- or CoA-Request may name a session (RFC 5176 §3, 3GPP TS 29.061 §16.5), or that
    /// it may carry beside.
    public enum SessionAttribute: String, Hashable, Sendable, CaseIterable {
        /// 80, first in the packet wherever it is named.
        case messageAuthenticator = "message-authenticator"
        /// 3GPP-IMSI.
        case imsi
        /// 3GPP-NSAPI, where it is known.
        case nsapi
        /// 44, where it is known.
        case accountingSessionID = "acct-session-id"
        /// Called-Station-Id (30).
        case apn
        /// Framed-IP-Address (8); of a session without IPv4 Framed-IPv6-Prefix (97).
        case address = "framed-ip-address"
        /// Calling-Station-Id (31), where the SIM has an MSISDN.
        case msisdn = "calling-station-id"
        /// User-Name (1) with the IMSI.
        case userName = "user-name"
        /// Class (25), as the Access-Accept gave it.
        case token = "class"
        /// 3GPP-Charging-ID, where it is known.
        case chargingID = "charging-id"
        /// NAS-IP-Address (4).
        case nasAddress = "nas-ip-address"
        /// 3GPP-Teardown-Indicator: all bearers of the session.
        case teardown = "teardown-indicator"
        /// 55: a NAS drops an old request that somebody sends again.
        case eventTimestamp = "event-timestamp"

        /// Whether it says which session is meant.
        public var namesSession: Bool {
            switch self {
            case .imsi, .accountingSessionID, .address, .msisdn, .userName, .token, .chargingID: true
            case .messageAuthenticator, .nsapi, .apn, .nasAddress, .teardown, .eventTimestamp: false
            }
        }
    }

    /// How a NAS is spoken to about its sessions, and when they count as lost.
    public struct Profile: Hashable, Sendable {
        /// What a Disconnect- or CoA-Request carries; empty: what ``NAS/disconnectKey`` says.
        public var attributes: [SessionAttribute]
        /// How often a request is sent before it counts as unanswered.
        public var attempts: UInt8
        /// How long the first datagram's answer is waited for; each next one twice as long.
        public var firstWaitMilliseconds: UInt32
        /// Requests a second at most, so that a bulk action does not become the NAS's trouble.
        public var requestsPerSecond: UInt16
        /// Whether it takes CoA-Requests.
        public var takesChanges: Bool
        /// Where those go; `nil`: where Disconnect-Requests go.
        public var changePort: UInt16?
        /// Acct-Interim-Interval that its sessions are given (RFC 2869 §5.16: 60 at least).
        public var interimSeconds: UInt32
        /// A session without a report for so many of those intervals may be lost; 0: none ever is.
        public var staleIntervals: UInt16
        /// And it is, when its device has had no packet for so long either.
        public var idleMinutes: UInt32

        public init(
            attributes: [SessionAttribute] = [], attempts: UInt8 = 3, firstWaitMilliseconds: UInt32 = 1000,
            requestsPerSecond: UInt16 = 200, takesChanges: Bool = false, changePort: UInt16? = nil,
            interimSeconds: UInt32 = 600, staleIntervals: UInt16 = 6, idleMinutes: UInt32 = 60
        ) {
            self.attributes = attributes
            self.attempts = attempts
            self.firstWaitMilliseconds = firstWaitMilliseconds
            self.requestsPerSecond = requestsPerSecond
            self.takesChanges = takesChanges
            self.changePort = changePort
            self.interimSeconds = interimSeconds
            self.staleIntervals = staleIntervals
            self.idleMinutes = idleMinutes
        }

        /// How long a session may go without a report; `nil`: for ever.
        public var silenceMilliseconds: Int64? {
            staleIntervals == 0 ? nil : Int64(staleIntervals) * Int64(interimSeconds) * 1000
        }

        /// What is wrong with it, by field; empty when it can be used.
        public var faults: [(field: String, message: String)] {
            var faults: [(field: String, message: String)] = []
            if !attributes.isEmpty, !attributes.contains(where: \.namesSession) {
                faults.append(("attributes", "none of them names a session: add imsi, acct-session-id or another"))
            }
            if Set(attributes).count != attributes.count { faults.append(("attributes", "one is named twice")) }
            if !(1...10).contains(attempts) { faults.append(("attempts", "must be from 1 to 10")) }
            if !(100...60_000).contains(firstWaitMilliseconds) {
                faults.append(("first_wait_ms", "must be from 100 to 60000"))
            }
            if requestsPerSecond == 0 { faults.append(("requests_per_second", "must be 1 at least")) }
            if !(60...86_400).contains(interimSeconds) {
                faults.append(("interim_seconds", "must be from 60 (RFC 2869 §5.16) to 86400"))
            }
            if changePort == 0 { faults.append(("coa_port", "must be from 1 to 65535")) }
            if idleMinutes == 0 { faults.append(("idle_minutes", "must be 1 at least")) }
            return faults
        }
    }
}
