package import Domain

/// What is known of one VPN from what charon says of it: its state, since when, why not, and what happened last.
///
/// A value that is fed with events and holds no clock and no socket; nothing in an event, whatever it is, makes it fail
/// or grow beyond its bounds.
package struct TunnelRecord: Hashable, Sendable {
    package enum State: String, CaseIterable, Sendable {
        /// The peer has not called, or no device has sent: nothing is wrong.
        case waiting
        case negotiating
        case up
        /// Up, and for ``TunnelRecord/patience`` packets went out and none came in.
        case upWithoutTraffic = "up-without-traffic"
        /// The peer does not answer. Tried again.
        case noAnswer = "no-answer"
        /// Not up, and the fault says why when it is known. It stays so while it is tried again.
        case down
        /// Taken down on purpose.
        case ended
    }

    /// Where the peer called from or answers, and what it proved to be.
    package struct Peer: Hashable, Sendable {
        package let address: IPAddress
        package let port: UInt16
        /// As charon writes it, cut and plain.
        package let identity: String
    }

    package private(set) var terms: TunnelTerms
    package private(set) var state: State
    package private(set) var since: Timestamp
    /// What is wrong; also while it is up, where it then does only part of its work.
    package private(set) var fault: TunnelFault?
    package private(set) var faultSince: Timestamp?
    /// Of all its CHILD_SAs so far.
    package private(set) var bytesIn: UInt64 = 0
    package private(set) var bytesOut: UInt64 = 0
    package private(set) var lastRekey: Timestamp?
    /// Stays when the tunnel is down.
    package private(set) var peer: Peer?
    package private(set) var timeline = TunnelTimeline()

    /// So long packets may go out with none coming in before it is said.
    package static let patience: Int64 = 30_000
    /// Two ends that replace each other within this time are a duplicate.
    package static let duplicateWindow: Int64 = 600_000
    static let maximumExchanges = 16

    /// Of its IKE_SAs, oldest first.
    private var exchanges: [TunnelEvidence] = []
    private var children = TunnelChildren()
    private var callers = TunnelCallers()
    private var traffic = TunnelTraffic()

    package init(_ terms: TunnelTerms, at time: Timestamp) {
        self.terms = terms
        state = terms.initiation == .always ? .negotiating : .waiting
        since = time
    }

    package var isUp: Bool { state == .up || state == .upWithoutTraffic }

    /// The VPN's configuration is another one now: what was wrong may not be any more.
    package mutating func change(_ terms: TunnelTerms, at time: Timestamp) {
        guard terms != self.terms else { return }
        self.terms = terms
        timeline.note("Its configuration was changed.", at: time)
        clearFault()
        if !isUp { enter(terms.initiation == .always ? .negotiating : .waiting, at: time) }
    }

    package mutating func apply(_ event: TunnelEvent, at time: Timestamp) {
        switch event {
        case .log(let log): take(log, at: time)
        case .ikeUp(let sa, let address, let port, let identity):
            connect(sa: sa, Peer(address: address, port: port, identity: shown(identity)), at: time)
        case .ikeDown(let sa):
            let place = place(of: sa)
            exchanges[place].hasEnded = true
            children.remove(sa: sa)
            leave(at: time)
            judge(place, at: time)
        case .ikeRekeyed(let sa, let new):
            children.move(from: sa, to: new)
            let address = exchanges[place(of: sa)].address
            exchanges.removeAll { $0.sa == sa }
            let place = place(of: new)
            (exchanges[place].isEstablished, exchanges[place].address) = (true, address)
            rekeyed(at: time)
        case .childUp(let sa, let name, let local, let remote):
            let place = place(of: sa)
            exchanges[place].isEstablished = true
            exchanges[place].childIsThere()
            children.add(sa: sa, name: name, local: local, remote: remote)
            rise(local: local, remote: remote, at: time)
        case .childDown(let sa, let name):
            let place = place(of: sa)
            exchanges[place].childHasEnded = true
            children.remove(sa: sa, name: name)
            leave(at: time)
            judge(place, at: time)
        case .childRekeyed(let sa, _):
            exchanges[place(of: sa)].childIsThere()
            if case .noESPProposal(_, rekeying: true)? = fault { clearFault() }
            rekeyed(at: time)
        case .initiated: if !isUp, fault == nil { enter(.negotiating, at: time) }
        case .initiationEnded(let error): if let error { initiationFailed(error, at: time) }
        case .counters(let bytesIn, let bytesOut): count(bytesIn: bytesIn, bytesOut: bytesOut, at: time)
        case .probe(let answered, let address): probed(answered, address, at: time)
        case .nameUnresolved(let name): if !isUp { set(.nameUnresolved(name: "\(name)"), at: time) }
        case .charonStarted:
            forgetExchanges()
            timeline.note("The VPN daemon of the gateway started anew.", at: time)
            clearFault()
            enter(terms.initiation == .always ? .negotiating : .waiting, at: time)
        case .ended:
            forgetExchanges()
            clearFault()
            timeline.note("It was taken down on purpose.", at: time)
            enter(.ended, at: time)
        case .resumed:
            guard state == .ended else { return }
            (state, since) = (terms.initiation == .always ? .negotiating : .waiting, time)
            timeline.note("It may be up again.", at: time)
        }
    }
}

// MARK: - What charon says

extension TunnelRecord {
    private mutating func take(_ log: LogLine, at time: Timestamp) {
        guard let message = CharonMessage(log.text) else { return }
        guard let sa = log.ikeID else {
            // charon's sender knows no IKE_SA; the caller gives such a message to a record only if it is the one that
            // calls.
            if case .cannotSend = message, let last = exchanges.indices.last, !exchanges[last].isEstablished {
                exchanges[last].take(message, at: time)
                judge(last, at: time)
            }
            return
        }
        let place = place(of: sa)
        exchanges[place].take(message, at: time)
        let isEstablished = exchanges[place].isEstablished
        switch message {
        case .weCall(let address) where !isUp && !isEstablished:
            timeline.note("The gateway calls the peer at \(shown(address)).", at: time)
            if fault == nil { enter(.negotiating, at: time) }
        case .peerCalls(let address) where !isEstablished && terms.admits(address):
            timeline.note("A call came from \(shown(address)).", at: time)
        case .configurationSought where !isUp && !isEstablished && fault == nil:
            enter(.negotiating, at: time)
        case .replaced:
            timeline.note("A new connection of the peer replaced the former.", at: time)
        default: break
        }
        judge(place, at: time)
    }

    /// Where the record of this IKE_SA is; a new one when there is none.
    private mutating func place(of sa: UInt32) -> Int {
        if let place = exchanges.firstIndex(where: { $0.sa == sa }) { return place }
        if exchanges.count == Self.maximumExchanges {
            exchanges.remove(at: exchanges.firstIndex { !children.isThere(sa: $0.sa) } ?? 0)
        }
        exchanges.append(TunnelEvidence(sa: sa))
        return exchanges.count - 1
    }

    /// Draws the conclusion from what is known of an IKE_SA, if it is a new one.
    private mutating func judge(_ place: Int, at time: Timestamp) {
        let evidence = exchanges[place]
        let found = evidence.fault(
            terms, childIsUp: children.isThere(sa: evidence.sa) && children.count >= terms.children)
        guard state != .ended, found != evidence.reported else { return }
        exchanges[place].reported = found
        let before = evidence.sentence
        exchanges[place].sentence = nil
        guard let found else {
            // It was slow, and got on after all.
            if fault == evidence.reported, !isUp {
                clearFault()
                enter(.negotiating, at: time)
            }
            return
        }
        let isStranger = !evidence.isEstablished && !(evidence.address.map { terms.admits($0) } ?? true)
        let isOther = isUp && !found.concernsUp && !(evidence.isEstablished && children.count < terms.children)
        var sentence = found.words.happened
        if isStranger || isOther {
            sentence = "A call from \(shown(evidence.address ?? "elsewhere")) failed: " + sentence
        }
        exchanges[place].sentence = sentence
        if let before {
            timeline.amend(before, to: sentence, at: time)
        } else {
            timeline.note(sentence, at: time)
        }
        if !isStranger, !isOther { set(found, isNoted: true, at: time) }
    }

    private mutating func set(_ found: TunnelFault, isNoted: Bool = false, at time: Timestamp) {
        guard state != .ended else { return }
        if !isNoted, fault != found { timeline.note(found.words.happened, at: time) }
        if fault?.code != found.code { faultSince = time }
        fault = found
        guard !isUp else { return }
        if case .noAnswer = found { enter(.noAnswer, at: time) } else { enter(.down, at: time) }
    }

    private mutating func clearFault() { (fault, faultSince) = (nil, nil) }

    private mutating func enter(_ next: State, at time: Timestamp) {
        guard next != state, state != .ended else { return }
        (state, since) = (next, time)
    }

    private mutating func forgetExchanges() {
        exchanges = []
        children = TunnelChildren()
        traffic.startAnew()
    }
}

// MARK: - Up and down

extension TunnelRecord {
    private mutating func connect(sa: UInt32, _ peer: Peer, at time: Timestamp) {
        let place = place(of: sa)
        (exchanges[place].isEstablished, exchanges[place].address) = (true, "\(peer.address)")
        self.peer = peer
        timeline.note("The peer at \(peer.address) proved to be \(peer.identity).", at: time)
        callers.note("\(peer.address) port \(peer.port)", at: time)
        judge(place, at: time)
    }

    private mutating func rise(local: [String], remote: [String], at time: Timestamp) {
        let ends = [local, remote].map { shown($0.prefix(8).joined(separator: ", ")) }
        timeline.note("Up between \(ends[0]) and \(ends[1]).", at: time)
        traffic.startAnew()
        enter(.up, at: time)
        guard children.count >= terms.children else { return }
        clearFault()
        let missing = children.missing(terms)
        if let places = callers.contest(at: time) {
            set(.duplicatePeer(identity: peer?.identity ?? "", addresses: places), at: time)
        } else if !missing.isEmpty {
            set(.selectorsNarrowed(missing: missing), at: time)
        }
    }

    /// An IKE_SA or a CHILD_SA is gone.
    private mutating func leave(at time: Timestamp) {
        guard children.isEmpty else { return }
        if isUp {
            timeline.note("Down.", at: time)
            traffic.startAnew()
            clearFault()
            enter(.down, at: time)
        } else if state == .negotiating {
            enter(terms.initiation == .always ? .down : .waiting, at: time)
        }
    }

    private mutating func rekeyed(at time: Timestamp) {
        lastRekey = time
        timeline.note("Its keys were renewed.", at: time)
    }

    private mutating func initiationFailed(_ error: String, at time: Timestamp) {
        // The usual answer says nothing, and the log says why; after a time-out charon goes on trying.
        if error.hasPrefix("establishing "), error.hasSuffix(" failed") {
            if state == .negotiating { enter(.down, at: time) }
        } else if !error.contains(" not established after "), !isUp {
            set(.other(shown(error)), at: time)
        }
    }

    private mutating func count(bytesIn: UInt64, bytesOut: UInt64, at time: Timestamp) {
        guard isUp else { return }
        let growth = traffic.take(bytesIn: bytesIn, bytesOut: bytesOut, at: time)
        self.bytesIn &+= growth.bytesIn
        self.bytesOut &+= growth.bytesOut
        if growth.bytesIn > 0, state == .upWithoutTraffic {
            enter(.up, at: time)
            if fault == .noReturnTraffic { clearFault() }
            timeline.note("Packets come in again.", at: time)
        } else if growth.isUnanswered, state == .up {
            enter(.upWithoutTraffic, at: time)
            if fault == nil { set(.noReturnTraffic, at: time) }
        }
        if case .duplicatePeer? = fault, callers.contest(at: time) == nil { clearFault() }
    }

    private mutating func probed(_ answered: Bool, _ address: IPv4Address, at time: Timestamp) {
        guard isUp else { return }
        if !answered, fault == nil || fault == .noReturnTraffic {
            set(.probeUnanswered(address), at: time)
        } else if answered, case .probeUnanswered? = fault {
            clearFault()
            timeline.note("The probe is answered again.", at: time)
        }
    }
}
