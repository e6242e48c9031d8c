import Domain
import Testing

@Suite struct VolumeAccountTests {
    private static let hour: Int64 = 3_600_000
    private static func at(_ hours: Int64) -> Timestamp { Timestamp(milliseconds: hours * hour) }
    private static func span(_ start: Int64, _ end: Int64?) -> DataPeriod.Span {
        DataPeriod.Span(start: at(start), end: end.map(at))
    }

    private static func limit(
        _ volume: UInt64 = 1000, _ period: DataLimit.Period = .day, zone: String = "UTC", warnAt: [Int] = [80, 95]
    ) -> DataLimit {
        DataLimit(volume: volume, period: period, zone: zone, warnAt: warnAt, pool: .sim, onReached: .block)
    }

    private func account(_ limit: DataLimit = limit(), _ span: DataPeriod.Span = span(0, 24)) throws -> VolumeAccount {
        VolumeAccount(
            number: try #require(QuotaNumber(1)),
            key: .init(source: .tenant, tenant: Tenant.ID(1), owner: .sim(SIM.ID(1))), period: 1,
            periods: limit.periods, span: span, volume: limit.volume)
    }

    private func counted(_ used: UInt64, isReached: Bool = false) -> VolumeAccount.Counted {
        VolumeAccount.Counted(used: used, isReached: isReached)
    }

    @Test func `each threshold is told once, the highest of several, and the end once`() throws {
        var account = try account()
        let limit = Self.limit()
        var told: [VolumeAccount.News] = []
        for used: UInt64 in [100, 799, 800, 801, 960, 999] {
            told.append(account.follow(limit, counted: counted(used), span: Self.span(0, 24), at: Self.at(1)))
        }
        #expect(told.map(\.warned) == [nil, nil, 80, nil, 95, nil])
        #expect(account.nextWarning(of: limit) == nil && account.remaining == 1)
        let end = account.follow(limit, counted: counted(990, isReached: true), span: Self.span(0, 24), at: Self.at(2))
        #expect(end.isReached && account.reachedAt == Self.at(2))
        let again = account.follow(
            limit, counted: counted(990, isReached: true), span: Self.span(0, 24), at: Self.at(3))
        #expect(again == VolumeAccount.News() && account.reachedAt == Self.at(2))
        var fresh = try self.account()
        #expect(fresh.nextWarning(of: limit) == 800)
        let jump = fresh.follow(limit, counted: counted(1000), span: Self.span(0, 24), at: Self.at(2))
        #expect(jump.warned == nil && jump.isReached)
    }

    @Test func `a higher limit opens it again, a lower one ends it, and warnings come anew`() throws {
        var account = try account()
        let reached = counted(990, isReached: true)
        _ = account.follow(Self.limit(), counted: reached, span: Self.span(0, 24), at: Self.at(2))
        // The data plane has not been told yet, and says what it did.
        let opened = account.follow(Self.limit(2000), counted: reached, span: Self.span(0, 24), at: Self.at(3))
        #expect(opened.isOpenAgain && account.reachedAt == nil && account.used == 990 && account.period == 1)
        #expect(account.nextWarning(of: Self.limit(2000)) == 1600)
        let lower = account.follow(Self.limit(500), counted: counted(990), span: Self.span(0, 24), at: Self.at(4))
        #expect(lower.isReached && account.remaining == 0)
        account.add(600)
        #expect(account.reachedAt == nil && account.limit == 1100 && account.extra == 600)
        account.reset(at: Self.at(5))
        #expect(account.used == 0 && account.extra == 0 && account.limit == 500 && account.period == 2)
        #expect(account.span == Self.span(0, 24))
    }

    @Test func `the next period begins with nothing used, added or told`() throws {
        var account = try account()
        _ = account.follow(Self.limit(), counted: counted(990, isReached: true), span: Self.span(0, 24), at: Self.at(2))
        account.add(1)
        let still = account.follow(Self.limit(), counted: counted(990), span: Self.span(0, 24), at: Self.at(23))
        #expect(still.isReached == false && account.period == 1)
        let next = account.follow(
            Self.limit(), counted: counted(995, isReached: true), span: Self.span(24, 48), at: Self.at(24))
        #expect(account.used == 0 && account.period == 2 && account.limit == 1000 && account.warned == 0)
        #expect(account.reachedAt == nil && account.span == Self.span(24, 48))
        #expect(next.isReached == false)
    }

    @Test func `periods of another length keep what was used where it may belong to them`() throws {
        // A day within a month: what was used belongs to it.
        var account = try account(Self.limit(), Self.span(24, 48))
        let month = Self.limit(5000, .month(anchorDay: 1))
        _ = account.follow(month, counted: counted(700), span: Self.span(0, 720), at: Self.at(30))
        #expect(account.used == 700 && account.period == 1 && account.span == Self.span(0, 720))
        // A month's is not of one day of it.
        _ = account.follow(Self.limit(), counted: counted(900), span: Self.span(48, 72), at: Self.at(50))
        #expect(account.used == 0 && account.period == 2)
        // Days in another zone begin at other times, and nobody gets a volume twice by that.
        _ = account.follow(
            Self.limit(zone: "Europe/Zurich"), counted: counted(10), span: Self.span(49, 73), at: Self.at(51))
        #expect(account.used == 10 && account.period == 2 && account.span == Self.span(49, 73))
        // But a period that is over is over.
        _ = account.follow(Self.limit(), counted: counted(20), span: Self.span(72, 96), at: Self.at(80))
        #expect(account.used == 0 && account.period == 3)
    }

    @Test func `a clock that is set back gives nobody a volume twice`() throws {
        var account = try account(Self.limit(), Self.span(24, 48))
        _ = account.follow(Self.limit(), counted: counted(600), span: Self.span(0, 24), at: Self.at(23))
        #expect(account.used == 600 && account.period == 1 && account.span == Self.span(0, 24))
        _ = account.follow(Self.limit(), counted: counted(700), span: Self.span(24, 48), at: Self.at(24))
        #expect(account.used == 0 && account.period == 2)
    }

    @Test func `parts of the largest limits are right`() throws {
        var account = try account(Self.limit(.max))
        #expect(account.octets(percent: 50) == UInt64.max / 2)
        #expect(account.octets(percent: 100) == .max)
        account.add(.max)
        #expect(account.limit == .max)
        #expect(try self.account(Self.limit(1)).octets(percent: 1) == 1)
    }

    // MARK: Of one SIM

    @Test func `one of which nothing is used is the same whenever it is made, and is each SIM's and source's own`()
        throws
    {
        let limit = Self.limit(1000, .week)
        let key = { (source: VolumeAccount.Source, sim: Int64) in
            VolumeAccount.Key(source: source, tenant: Tenant.ID(1), owner: .sim(SIM.ID(sim)))
        }
        var numbers: Set<QuotaNumber> = []
        for sim: Int64 in [1, 2, 77, 1 << 29 - 1] {
            for source in VolumeAccount.Source.allCases {
                let account = try #require(VolumeAccount(unused: key(source, sim), limit, span: Self.span(24, 48)))
                #expect(account == VolumeAccount(unused: key(source, sim), limit, span: Self.span(24, 48)))
                #expect(account.number.ofSIM?.sim == SIM.ID(sim) && account.number.ofSIM?.source == source)
                #expect(account.period == 24 * 60 && account.used == 0 && account.limit == limit.volume)
                numbers.insert(account.number)
            }
        }
        #expect(numbers.count == 12)
        #expect(QuotaNumber(QuotaNumber.firstOfSIMs - 1)?.ofSIM == nil)
        #expect(VolumeAccount(unused: key(.tenant, 1 << 29), limit, span: Self.span(24, 48)) == nil)
        #expect(VolumeAccount(unused: key(.tenant, 1), limit, span: Self.span(24, nil)) == nil)
        let pool = VolumeAccount.Key(source: .tenant, tenant: Tenant.ID(1), owner: .group(SIMGroup.ID(1)))
        #expect(VolumeAccount(unused: pool, limit, span: Self.span(24, 48)) == nil)
        // A period that ends leaves it as one that nobody has known before; one that is begun anew by hand does not.
        var account = try #require(VolumeAccount(unused: key(.tenant, 1), limit, span: Self.span(0, 24)))
        _ = account.follow(limit, counted: counted(10), span: Self.span(0, 24), at: Self.at(1))
        _ = account.follow(limit, counted: counted(10), span: Self.span(24, 48), at: Self.at(25))
        #expect(account == VolumeAccount(unused: key(.tenant, 1), limit, span: Self.span(24, 48)))
        account.reset(at: Self.at(26))
        #expect(account.period == 24 * 60 + 1)
    }
}
