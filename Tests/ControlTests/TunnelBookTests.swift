import Control
import Domain
import Testing
import VICI

@Suite struct TunnelBookTests {
    private static func book(_ setups: [TunnelBook.Setup], isExclusive: Bool = false) -> TunnelBook {
        let book = TunnelBook()
        book.begin(isExclusive: isExclusive)
        for setup in setups { book.set(setup, at: 0) }
        return book
    }

    @Test func `a tunnel is loaded once for each change, and only then begun`() throws {
        let book = Self.book([try TestTunnel.setup(1)])
        #expect(book.told(at: 0) == [])
        book.connect(at: 0)
        #expect(book.told(at: 0) == ["load vpn-1 with vpn-1.1"])
        #expect(book.told(at: 0) == ["initiate vpn-1"])
        #expect(book.told(at: 0) == [])
        book.say(try TestTunnel.up(1), of: 1, at: 100)
        #expect(book.isUp(1) && book.condition(1) == .well && book.told(at: 60_000) == [])
        book.set(try TestTunnel.setup(1, networks: ["10.1.0.0/24"]), at: 200)
        #expect(book.told(at: 200) == ["load vpn-1 with vpn-1.1"])
        #expect(book.told(at: 200) == [])
    }

    @Test func `a change that comes while another is being loaded is loaded too`() throws {
        let book = Self.book([try TestTunnel.setup(1)])
        book.connect(at: 0)
        guard case .load(let id, let revision, let setup, _)? = book.steps(at: .init(milliseconds: 0), limit: 9).first
        else {
            Issue.record("not loaded")
            return
        }
        book.set(try TestTunnel.setup(1, networks: ["10.1.0.0/24"]), at: 1)
        book.noteLoaded(id, revision: revision, setup, keys: ["vpn-1.1"])
        #expect(book.told(at: 2) == ["load vpn-1 with vpn-1.1"])
        // So is one that a daemon took which is no more.
        guard book.told(at: 2, taking: false) == ["initiate vpn-1"] else {
            Issue.record("not begun")
            return
        }
        book.set(try TestTunnel.setup(1), at: 3)
        guard case .load(let id, let revision, let setup, _)? = book.steps(at: .init(milliseconds: 3), limit: 9).first
        else {
            Issue.record("not loaded")
            return
        }
        book.disconnected(at: Timestamp(milliseconds: 4))
        book.connect(at: 5)
        book.noteLoaded(id, revision: revision, setup, keys: ["vpn-1.1"])
        #expect(book.told(at: 6) == ["load vpn-1 with vpn-1.1"])
    }

    @Test func `so many are begun at once, the rest when those are up`() throws {
        let book = Self.book(try (1...5).map { try TestTunnel.setup($0, tenant: Int64($0)) })
        book.connect(at: 0)
        #expect(book.told(at: 0).count == 5)
        #expect(book.told(at: 0, limit: 2) == ["initiate vpn-1", "initiate vpn-2"])
        #expect(book.told(at: 0, limit: 2) == [])
        book.say(try TestTunnel.up(2), of: 2, at: 10)
        #expect(book.told(at: 20, limit: 2) == ["initiate vpn-3"])
        // Those that wait for peers which are not there are in nobody's way.
        let silence = TunnelBook.Attempt.workMilliseconds
        #expect(book.told(at: 19 + silence, limit: 2) == ["initiate vpn-4"])
        #expect(book.told(at: 20 + silence, limit: 2) == ["initiate vpn-5"])
    }

    @Test func `who has not failed yet is begun before who has`() throws {
        let book = Self.book(try (1...3).map { try TestTunnel.setup($0, tenant: Int64($0)) })
        book.connect(at: 0)
        #expect(book.told(at: 0).count == 3)
        #expect(book.told(at: 0, limit: 3).count == 3)
        for number: UInt32 in 1...3 {
            book.say([TestTunnel.log(number, "giving up after 3 retransmits")], of: number, at: 0)
        }
        book.judge(at: 600)
        let later: Int64 = 10_000
        #expect(book.told(at: later, limit: 1) == ["initiate vpn-1"])
        book.set(try TestTunnel.setup(9, tenant: 9), at: later)
        #expect(book.told(at: later + 1000, limit: 1) == ["load vpn-9 with vpn-9.1", "initiate vpn-2"])
        #expect(book.told(at: later + 2000, limit: 1) == ["initiate vpn-9"])
        #expect(book.told(at: later + 3000, limit: 1) == ["initiate vpn-3"])
    }

    @Test func `peers that do not answer leave room for a new one`() throws {
        let book = Self.book(try (1...8).map { try TestTunnel.setup($0, tenant: Int64($0)) })
        book.connect(at: 0)
        #expect(book.told(at: 0, limit: 8).count == 8)
        #expect(book.told(at: 0, limit: 8).count == 8)
        for number: UInt32 in 1...8 {
            book.say([TestTunnel.log(number, "giving up after 3 retransmits")], of: number, at: 0)
        }
        book.judge(at: 600)
        #expect(book.told(at: 10_000, limit: 8) == ["initiate vpn-1", "initiate vpn-2"])
        book.set(try TestTunnel.setup(9, tenant: 9), at: 10_001)
        #expect(book.told(at: 10_001, limit: 8) == ["load vpn-9 with vpn-9.1"])
        #expect(book.told(at: 10_001, limit: 8) == ["initiate vpn-9"])
    }

    @Test func `what fails is tried again later each time, and at once when somebody asks`() throws {
        let book = Self.book([try TestTunnel.setup(1)])
        book.connect(at: 0)
        _ = book.told(at: 0)
        var now: Int64 = 0
        for least: Int64 in [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            #expect(book.told(at: now) == ["initiate vpn-1"])
            book.say([TestTunnel.log(1, "giving up after 3 retransmits")], of: 1, at: now)
            now += 600
            book.judge(at: now)
            #expect(book.told(at: now + least - 1) == [], "\(least)")
            now += least + least / 4
        }
        #expect(book.state(of: VPN.ID(1))?.record.state == .noAnswer && book.condition(1) == .ill)
        #expect(book.told(at: now) == ["initiate vpn-1"])
        book.say([TestTunnel.log(1, "giving up after 3 retransmits")], of: 1, at: now)
        book.judge(at: now + 600)
        #expect(book.told(at: now + 700) == [])
        book.tryNow(VPN.ID(1))
        #expect(book.told(at: now + 700) == ["initiate vpn-1"])
        // One that nothing is heard of is given up after half a minute.
        now += 700
        book.judge(at: now + TunnelBook.Attempt.patienceMilliseconds)
        _ = book.told(at: now + TunnelBook.Attempt.patienceMilliseconds)
        book.judge(at: now + TunnelBook.Attempt.patienceMilliseconds + 1)
        #expect(book.state(of: VPN.ID(1))?.attempt.startedAt == nil)
    }

    @Test func `what the daemon does not take is not given to it without a pause`() throws {
        let book = Self.book([try TestTunnel.setup(1)])
        book.connect(at: 0)
        #expect(book.told(at: 0, taking: false).count == 1)
        book.noteFailure(VPN.ID(1), words: "no", at: Timestamp(milliseconds: 0))
        #expect(book.told(at: 200, taking: false) == [] && book.told(at: 999, taking: false) == [])
        #expect(book.told(at: 1300, taking: false).count == 1)
        book.noteFailure(VPN.ID(1), words: "no", at: Timestamp(milliseconds: 1300))
        // A change is another thing.
        book.set(try TestTunnel.setup(1, networks: ["10.1.0.0/24"]), at: 1400)
        #expect(book.told(at: 1400) == ["load vpn-1 with vpn-1.1"])
    }

    @Test func `one that the peer makes is loaded only, one on demand is begun when a device sends`() throws {
        let never = try TestTunnel.setup(1, initiation: .never)
        let demand = try TestTunnel.setup(2, tenant: 2, initiation: .onDemand)
        let book = Self.book([never, demand])
        book.connect(at: 0)
        #expect(book.told(at: 0).count == 2)
        #expect(book.told(at: 60_000) == [])
        #expect(book.condition(1) == .ill && book.condition(2) == .well)
        let sent = { (packets: UInt64) in
            [demand.vpn.number: (packetsToPeer: packets, octetsIn: UInt64(0), octetsOut: UInt64(0))]
        }
        book.note(sent(1), at: Timestamp(milliseconds: 60_000))
        #expect(book.told(at: 60_000) == ["initiate vpn-2"])
        // Nobody can ask again while it is not offered: it is tried until it is up.
        book.say([TestTunnel.log(2, "giving up after 3 retransmits")], of: 2, at: 70_000)
        book.judge(at: 70_000)
        #expect(book.condition(2) == .ill && book.told(at: 70_500) == [])
        #expect(book.told(at: 72_000) == ["initiate vpn-2"])
        book.say(try TestTunnel.up(2, sa: 2), of: 2, at: 72_100)
        #expect(book.condition(2) == .well)
        // Its peer ends what is idle, and the next packet makes it again.
        book.say(
            [TestTunnel.log(2, sa: 2, "received DELETE for IKE_SA vpn-2[1]"), .ikeDown(sa: 2)], of: 2, at: 80_000)
        #expect(!book.isUp(2) && book.condition(2) == .well && book.told(at: 80_000) == [])
        book.note(sent(2), at: Timestamp(milliseconds: 90_000))
        #expect(book.told(at: 90_000) == ["initiate vpn-2"])
    }

    @Test func `of two with the same networks the daemon has one, where it cannot have both`() throws {
        let setups = [try TestTunnel.setup(1), try TestTunnel.setup(2), try TestTunnel.setup(3, tenant: 2)]
        let book = Self.book(setups, isExclusive: true)
        book.connect(at: 0)
        _ = book.told(at: 0)
        _ = book.told(at: 0)
        for number: UInt32 in 1...3 { book.say(try TestTunnel.up(number, sa: number), of: number, at: 10) }
        let up = setups.map(\.vpn.number)
        #expect(book.holdAlternates { up.contains($0) }.map(\.id) == [VPN.ID(2)])
        #expect(book.condition(2) == .resting && book.condition(3) == .well)
        #expect(book.told(at: 20) == ["unload vpn-2 with vpn-2.1"])
        #expect(book.told(at: 20) == [])
        book.say([.ikeDown(sa: 2)], of: 2, at: 21)
        #expect(book.holdAlternates { up.contains($0) }.isEmpty)
        #expect(book.holdAlternates { $0 == up[2] }.map(\.id) == [VPN.ID(2)])
        #expect(book.told(at: 30) == ["load vpn-2 with vpn-2.1"])
        #expect(book.told(at: 30) == ["initiate vpn-2"])
        // The kernel has both.
        let both = Self.book(setups)
        #expect(both.holdAlternates { _ in true }.isEmpty)
    }

    @Test func `a partner's is there in its period alone`() throws {
        let partner = Tunnel.Partner(
            name: try Name(parsing: "service"), validFrom: Timestamp(milliseconds: 1000),
            validUntil: Timestamp(milliseconds: 2000))
        let book = Self.book([try TestTunnel.setup(1, partner: partner)])
        book.connect(at: 0)
        #expect(book.told(at: 0) == [] && book.condition(1) == .resting)
        book.keepPeriods(at: Timestamp(milliseconds: 1000))
        #expect(book.told(at: 1000) == ["load vpn-1 with vpn-1.1"] && book.told(at: 1000) == ["initiate vpn-1"])
        book.say(try TestTunnel.up(1), of: 1, at: 1100)
        book.keepPeriods(at: Timestamp(milliseconds: 1999))
        #expect(book.isUp(1))
        book.keepPeriods(at: Timestamp(milliseconds: 2000))
        #expect(book.condition(1) == .resting && book.told(at: 2000) == ["unload vpn-1 with vpn-1.1"])
        book.say([.ikeDown(sa: 1)], of: 1, at: 2001)
        #expect(book.told(at: 90_000) == [])
        // It is the tenant's own now.
        book.set(try TestTunnel.setup(1), at: 90_000)
        #expect(book.told(at: 90_000) == ["load vpn-1 with vpn-1.1"])
    }

    @Test func `keys are taken in turn while one takes over from the other`() throws {
        let wrong = TestTunnel.log(
            1, "tried 1 shared key for 'vpn1.gw.example' - 'peer1.example', but MAC mismatched")
        let call = TestTunnel.log(1, sa: 2, "203.0.113.10 is initiating an IKE_SA")
        let book = Self.book([try TestTunnel.setup(1, initiation: .never, keys: [2, 1])])
        book.connect(at: 0)
        #expect(book.told(at: 0) == ["load vpn-1 with vpn-1.2"])
        book.say([wrong], of: 1, at: 100)
        #expect(book.told(at: 100) == ["load vpn-1 with vpn-1.1"])
        // The next call is made with that one: only its failure turns them again.
        book.say([call], of: 1, at: 10_000)
        #expect(book.told(at: 10_000) == [])
        book.say([wrong, wrong], of: 1, at: 10_100)
        #expect(book.told(at: 10_100) == ["load vpn-1 with vpn-1.2"])
        book.say(try TestTunnel.up(1, sa: 3), of: 1, at: 20_000)
        #expect(book.told(at: 20_000) == [])
        // One key cannot be turned.
        book.set(try TestTunnel.setup(1, keys: [2]), at: 30_000)
        #expect(book.told(at: 30_000) == ["load vpn-1 with vpn-1.2"])
        book.say([.ikeDown(sa: 3), wrong], of: 1, at: 40_000)
        #expect(book.told(at: 40_000).filter { $0.hasPrefix("load") } == [])
    }

    @Test func `a daemon that starts anew is told everything`() throws {
        let book = Self.book([try TestTunnel.setup(1), try TestTunnel.setup(2, tenant: 2, initiation: .never)])
        book.connect(at: 0)
        _ = book.told(at: 0)
        _ = book.told(at: 0)
        for number: UInt32 in 1...2 { book.say(try TestTunnel.up(number, sa: number), of: number, at: 10) }
        #expect(book.count == (2, 2))
        book.disconnected(at: Timestamp(milliseconds: 1000))
        #expect(!book.isConnected && book.count == (2, 0) && book.condition(1) == .ill && book.told(at: 1000) == [])
        book.connect(at: 2000)
        #expect(book.told(at: 2000) == ["load vpn-1 with vpn-1.1", "load vpn-2 with vpn-2.1"])
        #expect(book.told(at: 2000) == ["initiate vpn-1"])
    }

    @Test func `after the daemon's death those that were up come first, and silent peers wait on`() throws {
        let book = Self.book(try (1...6).map { try TestTunnel.setup($0, tenant: Int64($0)) })
        book.connect(at: 0)
        #expect(book.told(at: 0).count == 6)
        #expect(book.told(at: 0).count == 6)
        // Of the fifth nothing has been heard yet, the sixth and the fourth are up.
        for number: UInt32 in 1...3 {
            book.say([TestTunnel.log(number, "giving up after 3 retransmits")], of: number, at: 10)
        }
        for number: UInt32 in [4, 6] { book.say(try TestTunnel.up(number, sa: number), of: number, at: 10) }
        book.judge(at: 600)
        book.disconnected(at: Timestamp(milliseconds: 700))
        book.connect(at: 800)
        // So many are loaded at a time, and begun before all others are loaded.
        #expect(book.told(at: 800, limit: 2) == ["load vpn-4 with vpn-4.1", "load vpn-6 with vpn-6.1"])
        #expect(
            book.told(at: 800, limit: 2) == [
                "load vpn-1 with vpn-1.1", "load vpn-2 with vpn-2.1", "initiate vpn-4", "initiate vpn-6",
            ])
        for number: UInt32 in [4, 6] { book.say(try TestTunnel.up(number, sa: number), of: number, at: 850) }
        #expect(book.told(at: 900, limit: 2) == ["load vpn-3 with vpn-3.1", "load vpn-5 with vpn-5.1"])
        // One that the former daemon had asked in vain is not new to this one.
        #expect(book.told(at: 900, limit: 2) == ["initiate vpn-5"])
        #expect(book.told(at: 1500, limit: 2) == [])
        #expect(book.told(at: 2000, limit: 2) == ["initiate vpn-1"])
        #expect(book.state(of: VPN.ID(1))?.attempt.failures == 1)
        // It came up without a word of it, and the next daemon ends too.
        book.say(try TestTunnel.up(1, sa: 9), of: 1, at: 2100)
        book.disconnected(at: Timestamp(milliseconds: 3000))
        book.connect(at: 3000)
        #expect(book.told(at: 3000, limit: 3).map { $0.prefix(10) } == ["load vpn-1", "load vpn-4", "load vpn-6"])
    }

    @Test func `what is removed is unloaded with all its keys, also when it could not be said at once`() throws {
        let book = Self.book([try TestTunnel.setup(1, keys: [2, 1])])
        book.connect(at: 0)
        // One key is loaded, and the other may be on its way.
        _ = book.told(at: 0)
        book.remove(VPN.ID(1))
        #expect(book.told(at: 10) == ["unload vpn-1 with vpn-1.1 vpn-1.2"])
        #expect(book.told(at: 10) == [] && book.count == (0, 0))
        book.noteStillThere("vpn-1", keys: ["vpn-1.1"], authorities: [])
        #expect(book.told(at: 20) == ["unload vpn-1 with vpn-1.1"])
        // A daemon that lived on while nobody spoke to it.
        book.set(try TestTunnel.setup(2), at: 20)
        book.noteStrays(among: ["vpn-1", "vpn-2"])
        #expect(book.told(at: 20) == ["unload vpn-1 with ", "load vpn-2 with vpn-2.1"])
    }

    @Test func `events that were lost are made up for`() throws {
        let book = Self.book([try TestTunnel.setup(1), try TestTunnel.setup(2, tenant: 2)])
        book.connect(at: 0)
        _ = book.told(at: 0)
        _ = book.told(at: 0)
        let heal = { (associations: [IKEAssociation]) in
            for (name, event) in book.differences(from: associations, since: book.changes) {
                _ = book.apply(event, to: name, at: Timestamp(milliseconds: 5000))
            }
        }
        let one = try TestTunnel.association(
            "vpn-1", sa: 7, child: "vpn-1", local: ["100.64.1.0/24"], remote: ["10.0.0.0/24"])
        heal([one])
        #expect(book.isUp(1) && !book.isUp(2))
        heal([one])
        #expect(book.isUp(1) && book.differences(from: [one], since: book.changes).isEmpty)
        heal([])
        #expect(!book.isUp(1))
        // Of this one it is known that it is up only by its CHILD_SA.
        book.say([try #require(try TestTunnel.up(2, sa: 9).last)], of: 2, at: 10)
        #expect(book.isUp(2))
        // What was said while the daemon was answering is newer than its answer.
        let asked = book.changes
        book.say(try TestTunnel.up(1, sa: 11), of: 1, at: 20)
        #expect(book.differences(from: [], since: asked).map(\.connection) == ["vpn-2"])
        heal([])
        #expect(!book.isUp(2))
    }
}
