import Control
import Domain
import TestSupport
import Testing
import VICI

/// Whatever has happened in whatever order: with a daemon that answers from then on, every tunnel comes up.
@Suite struct TunnelHistoryTests {
    /// A book, and a daemon of which events are made up.
    private struct History {
        let book = TunnelBook()
        var now: Int64 = 0
        var present: Set<UInt32> = []
        var nextAssociation: UInt32 = 1
        let isExclusive: Bool

        static let initiations: [Tunnel.Initiation] = [.always, .onDemand, .always, .never]

        func setup(_ number: UInt32, _ random: inout Generator) throws -> TunnelBook.Setup {
            // Three of one tenant, two of which have the same networks.
            try TestTunnel.setup(
                number, tenant: number < 3 ? 1 : Int64(number),
                peer: random.oneIn(3) ? "hq\(number).example" : "203.0.113.10",
                networks: number == 2 ? ["10.2.0.0/24"] : ["10.0.0.0/24"],
                initiation: Self.initiations[Int(number) % Self.initiations.count],
                probe: random.oneIn(3) ? "10.0.0.1" : nil,
                partner: random.oneIn(4)
                    ? Tunnel.Partner(
                        name: try Name(parsing: "p"),
                        validFrom: Timestamp(milliseconds: Int64.random(in: 0...9000, using: &random)))
                    : nil,
                keys: random.oneIn(2) ? [2, 1] : [1], lookedUp: ["203.0.113.10"])
        }

        func time(_ later: Int64 = 0) -> Timestamp { Timestamp(milliseconds: now + later) }

        mutating func takeSteps(_ random: inout Generator) {
            for step in book.steps(at: time(), limit: Int.random(in: 1...3, using: &random)) {
                switch step {
                case .load(let id, let revision, let setup, let keys):
                    switch random.oneIn(4) {
                    case true: book.noteFailure(id, words: "no", at: time())
                    case false: book.noteLoaded(id, revision: revision, setup, keys: keys.map(setup.name(of:)))
                    }
                case .unload(let name, let keys, let authorities):
                    if random.oneIn(3) { book.noteStillThere(name, keys: keys, authorities: authorities) }
                case .initiate(let id, _, _):
                    if random.oneIn(3) {
                        book.noteFailure(id, words: random.pick("no", "establishing x failed"), at: time())
                    }
                }
            }
        }

        mutating func say(_ event: TunnelEvent, of number: UInt32) {
            _ = book.apply(event, to: "vpn-\(number)", at: time())
        }

        /// Something of a daemon, of time or of a person.
        mutating func something(_ random: inout Generator) throws {
            now += Int64.random(in: 0...random.pick(10, 1000, 20_000), using: &random)
            let number = UInt32.random(in: 0..<6, using: &random)
            let sa = UInt32.random(in: 1...4, using: &random)
            switch Int.random(in: 0..<16, using: &random) {
            case 0:
                book.set(try setup(number, &random), at: now)
                present.insert(number)
            case 1:
                book.remove(VPN.ID(Int64(number)))
                present.remove(number)
            case 2: book.connected(at: time())
            case 3: book.disconnected(at: time())
            case 4: for event in try TestTunnel.up(number, sa: sa) { say(event, of: number) }
            case 5: say(.ikeDown(sa: sa), of: number)
            case 6:
                say(
                    random.pick(.childDown(sa: sa, name: "vpn-\(number)"), .ikeRekeyed(sa: sa, new: sa + 1)), of: number
                )
            case 7:
                say(
                    TestTunnel.log(
                        number, sa: sa,
                        random.pick(
                            Self.lines[0], Self.lines[1], Self.lines[2], Self.lines[3], Self.lines[4], Self.lines[5])),
                    of: number)
            case 8: book.tryNow(VPN.ID(Int64(number)))
            case 9: _ = book.holdAlternates { _ in random.oneIn(2) }
            case 10: book.keepPeriods(at: time())
            case 11: book.judgeAttempts(at: time())
            case 12:
                let all = try (0..<6).filter { _ in random.oneIn(2) }.map {
                    try TestTunnel.association("vpn-\($0)", sa: sa, child: random.oneIn(3) ? nil : "vpn-\($0)")
                }
                for (name, event) in book.differences(from: all, since: book.changes) {
                    _ = book.apply(event, to: name, at: time())
                }
            case 13:
                guard let place = VPNNumber(number) else { return }
                let packets = UInt64.random(in: 0...9, using: &random)
                book.note([place: (packetsToPeer: packets, octetsIn: packets, octetsOut: packets * 2)], at: time())
            case 14:
                for probe in book.probes(mark: { $0.rawValue }, at: time()) where random.oneIn(4) {
                    book.note(
                        TunnelProbe.Answer(vpn: probe.vpn, sequence: probe.sequence, from: probe.destination),
                        at: time())
                }
            default: takeSteps(&random)
            }
        }

        static let lines = [
            "giving up after 3 retransmits", "received AUTHENTICATION_FAILED notify error",
            "tried 1 shared key for 'a' - 'b', but MAC mismatched", "received DELETE for IKE_SA vpn-1[1]",
            "203.0.113.10 is initiating an IKE_SA", "received TS_UNACCEPTABLE notify, no CHILD_SA built",
        ]

        /// A daemon and peers that do what they should, and devices that send on tunnels on demand.
        mutating func recover() throws {
            book.connected(at: time())
            nextAssociation = 1000
            var upSince: [VPNNumber: Int64] = [:]
            for _ in 0..<1200 {
                now += 200
                book.keepPeriods(at: time())
                book.judgeAttempts(at: time())
                for number in present where VPNNumber(number).map({ _ in book.isUp(number) }) == true {
                    guard let place = VPNNumber(number), upSince[place] == nil else { continue }
                    upSince[place] = now
                }
                for number in present where !book.isUp(number) { VPNNumber(number).map { upSince[$0] = nil } }
                _ = book.holdAlternates { number in upSince[number].map { now - $0 >= 2000 } ?? false }
                for number in present where number % 4 == 1 {
                    guard let place = VPNNumber(number), book.condition(number) == .well, !book.isUp(number) else {
                        continue
                    }
                    book.note([place: (packetsToPeer: UInt64(now), octetsIn: 0, octetsOut: 0)], at: time())
                }
                for step in book.steps(at: time(), limit: 2) {
                    switch step {
                    case .load(let id, let revision, let setup, let keys):
                        book.noteLoaded(id, revision: revision, setup, keys: keys.map(setup.name(of:)))
                        // Its peer calls.
                        if setup.tunnel.initiation == .never { try rise(UInt32(id.rawValue)) }
                    case .unload(let name, _, _):
                        guard let number = UInt32(name.dropFirst(4)) else { continue }
                        for sa: UInt32 in 0...nextAssociation { say(.ikeDown(sa: sa), of: number) }
                    case .initiate(let id, _, _): try rise(UInt32(id.rawValue))
                    }
                }
            }
        }

        private mutating func rise(_ number: UInt32) throws {
            nextAssociation += 1
            for event in try TestTunnel.up(number, sa: nextAssociation) { say(event, of: number) }
        }
    }

    @Test func `after any history all tunnels come up with a daemon that answers`() throws {
        try forAll(150) { random in
            var history = History(isExclusive: random.oneIn(2))
            history.book.begin(isExclusive: history.isExclusive)
            for _ in 0..<Int.random(in: 0...120, using: &random) { try history.something(&random) }
            try history.recover()
            for number in history.present.sorted() {
                let state = try #require(history.book.state(of: VPN.ID(Int64(number))))
                #expect(
                    state.isEstablished || state.isHeld,
                    "seed \(random.seed): vpn-\(number) \(state.record.state) \(String(describing: state.record.fault))"
                )
            }
            #expect(history.present.allSatisfy { history.book.state(of: VPN.ID(Int64($0))) != nil })
        }
    }
}
