package import Domain

/// Finds whose a line of charon's log is.
///
/// While a peer that called has not said who it is, its IKE_SA has no name: only a number, which the lines have in
/// common, and the address it came from. What such an IKE_SA says is kept, a little of it, until the VPN is known: by
/// the name that charon gives the IKE_SA; else by the identity that the peer claims, from where that peer may be; else
/// by the peer's address, when one VPN alone has it. A claim is not proof: the record of a VPN that is up takes no harm
/// from it.
package struct TunnelDirectory: Sendable {
    /// How a VPN is known to charon.
    package struct Entry: Hashable, Sendable {
        package let vpn: VPN.ID
        /// The connection's name.
        package let connection: String
        /// Where its peer may call from; empty: from anywhere.
        package let addresses: [IPAddress]
        package let peerIdentity: IKEIdentity
        package let ownIdentity: IKEIdentity

        package init(
            vpn: VPN.ID, connection: String, addresses: [IPAddress], peerIdentity: IKEIdentity, ownIdentity: IKEIdentity
        ) {
            self.vpn = vpn
            self.connection = connection
            self.addresses = addresses
            self.peerIdentity = peerIdentity
            self.ownIdentity = ownIdentity
        }
    }

    /// A VPN, and lines for its record in the order they came; earlier ones with them when they were kept.
    package struct Delivery: Hashable, Sendable {
        package let vpn: VPN.ID
        package let lines: [LogLine]

        package init(vpn: VPN.ID, lines: [LogLine]) {
            self.vpn = vpn
            self.lines = lines
        }
    }

    /// A caller that no VPN was found for.
    package struct Stranger: Hashable, Sendable {
        package let address: String
        /// What it said it is, and whom it asked for, if it came so far.
        package let identity: String?
        package let asked: String?

        package init(address: String, identity: String?, asked: String?) {
            self.address = address
            self.identity = identity
            self.asked = asked
        }
    }

    fileprivate struct Caller: Sendable {
        let sa: UInt32
        var vpn: VPN.ID?
        var address: String?
        var identity: String?
        var asked: String?
        var kept: [LogLine] = []
    }

    /// IKE_SAs whose VPN is not known yet, or was found other than by name; oldest first.
    private var callers: [Caller] = []
    private var entries: [VPN.ID: Entry] = [:]
    private var byConnection: [String: VPN.ID] = [:]
    private var byAddress: [String: [VPN.ID]] = [:]
    private var byIdentity: [String: [VPN.ID]] = [:]
    private var byOwnIdentity: [String: [VPN.ID]] = [:]
    /// VPNs whose peer may call from anywhere.
    private var roaming: Set<VPN.ID> = []

    package static let maximumCallers = 256
    package static let maximumKept = 16

    package init(_ entries: [Entry] = []) {
        for entry in entries { set(entry) }
    }

    /// A VPN is there, or is known to charon in another way; what is known of IKE_SAs stays. Takes time for this one only.
    package mutating func set(_ entry: Entry) {
        guard entries[entry.vpn] != entry else { return }
        remove(entry.vpn)
        entries[entry.vpn] = entry
        byConnection[entry.connection] = entry.vpn
        if entry.addresses.isEmpty { roaming.insert(entry.vpn) }
        for address in Set(entry.addresses) { byAddress["\(address)", default: []].append(entry.vpn) }
        byIdentity[key(entry.peerIdentity), default: []].append(entry.vpn)
        byOwnIdentity[key(entry.ownIdentity), default: []].append(entry.vpn)
    }

    package mutating func remove(_ vpn: VPN.ID) {
        guard let entry = entries.removeValue(forKey: vpn) else { return }
        byConnection[entry.connection] = nil
        roaming.remove(vpn)
        for address in Set(entry.addresses) { Self.remove(vpn, from: &byAddress, at: "\(address)") }
        Self.remove(vpn, from: &byIdentity, at: key(entry.peerIdentity))
        Self.remove(vpn, from: &byOwnIdentity, at: key(entry.ownIdentity))
    }

    private static func remove(_ vpn: VPN.ID, from index: inout [String: [VPN.ID]], at key: String) {
        index[key]?.removeAll { $0 == vpn }
        if index[key]?.isEmpty == true { index[key] = nil }
    }

    /// charon started anew, and counts its IKE_SAs from one again.
    package mutating func startAnew() { callers = [] }

    /// Whose the line is, with those that were kept of its IKE_SA; `nil` while that is not known, and for one that is
    /// about no IKE_SA.
    package mutating func attribute(_ line: LogLine) -> Delivery? {
        guard let sa = line.ikeID else { return nil }
        let place = callers.firstIndex { $0.sa == sa }
        if let name = line.ikeName, name != Self.unnamed {
            guard let vpn = byConnection[name] else { return nil }
            let kept = place.map { callers.remove(at: $0) }
            return Delivery(vpn: vpn, lines: (kept?.vpn == nil ? kept?.kept ?? [] : []) + [line])
        }
        guard let message = CharonMessage(line.text) else { return nil }
        var caller = place.map { callers.remove(at: $0) } ?? Caller(sa: sa)
        caller.take(message)
        defer {
            if callers.count >= Self.maximumCallers { callers.removeFirst() }
            callers.append(caller)
        }
        // Once more when it says who it is: another's peer may be behind the same address.
        if caller.vpn == nil || message.isClaim { caller.vpn = owner(of: caller) ?? caller.vpn }
        guard let vpn = caller.vpn else {
            if caller.kept.count < Self.maximumKept { caller.kept.append(line) }
            return nil
        }
        let lines = caller.kept + [line]
        caller.kept = []
        return Delivery(vpn: vpn, lines: lines)
    }

    /// Whose an IKE_SA is, of another event than a line of the log.
    package func vpn(connection: String, sa: UInt32) -> VPN.ID? {
        byConnection[connection] ?? callers.first { $0.sa == sa }?.vpn
    }

    /// Callers that no VPN was found for, the last first; an operator may know them.
    package var strangers: [Stranger] {
        callers.reversed().compactMap { caller in
            guard caller.vpn == nil, let address = caller.address else { return nil }
            return Stranger(
                address: shown(address), identity: caller.identity.map { shown($0) },
                asked: caller.asked.map { shown($0) })
        }
    }

    package static let unnamed = "(unnamed)"

    /// charon compares names without regard to case.
    private func key(_ identity: IKEIdentity) -> String { "\(identity)".lowercased() }

    private func owner(of caller: Caller) -> VPN.ID? {
        let near = caller.address.flatMap { byAddress[$0] } ?? []
        let said = caller.identity.flatMap { byIdentity[$0.lowercased()] } ?? []
        let asked = caller.asked.flatMap { byOwnIdentity[$0.lowercased()] } ?? []
        let isLikely = { (vpn: VPN.ID) in near.contains(vpn) || roaming.contains(vpn) }
        // Who it says it is, from where that one may be; where it comes from; whom it asks for.
        for candidates in [said.filter(isLikely), near, asked.filter(isLikely), said] where candidates.count == 1 {
            return candidates.first
        }
        let both = said.filter { asked.contains($0) }
        return both.count == 1 ? both.first : nil
    }
}

extension CharonMessage {
    fileprivate var isClaim: Bool {
        if case .configurationSought = self { true } else { false }
    }
}

extension TunnelDirectory.Caller {
    fileprivate mutating func take(_ message: CharonMessage) {
        switch message {
        case .packet(let from, _), .peerCalls(let from), .noConfiguration(let from), .halfOpenTimedOut(let from):
            address = address ?? from
        case .configurationSought(let own, let from, let peer):
            (asked, identity, address) = (own, peer, address ?? from)
        default: break
        }
    }
}
