import Domain
import Store
import Testing

@Suite("Store contract: events")
struct EventContract {
    private static func news(
        _ code: Event.Code = .sessionStarted, of tenant: Int64? = 1, imsi: String? = nil, seconds: Int64 = 0
    ) throws -> Event.News {
        Event.News(
            code, of: tenant.map(Tenant.ID.init), about: Event.Subject(.sim, imsi ?? "-"),
            at: noon.plus(seconds: seconds),
            imsi: try imsi.map { try IMSI(parsing: $0) }, words: "something happened")
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `an event gives back what was told, in full or almost empty, with the next number`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withTransaction { store in
            #expect(try store.lastEvent() == 0 && store.events(EventFilter(.all), after: 0, limit: 5).events.isEmpty)
            let full = Event.News(
                .sessionEnded, of: Tenant.ID(7), about: Event.Subject(.vpn, "a/b=c"), at: noon,
                imsi: try IMSI(parsing: "001010000000001"), session: Session.ID(.max), words: "größe\n\u{7f}=x",
                details: [
                    Event.Detail("octets_up", UInt64.max), Event.Detail("cause", ""), Event.Detail("text", "a=b\nc"),
                ])
            let empty = Event.News(.nasOn, of: nil, about: Event.Subject(.nas, ""), at: noon, words: "")
            #expect(full.words == "größe  =x")
            #expect(try store.appendEvent(full) == 1)
            #expect(try store.appendEvent(empty) == 2)
            let page = try store.events(EventFilter(.all), after: 0, limit: 5)
            #expect(page.events == [Event(number: 1, news: full), Event(number: 2, news: empty)])
            #expect(page.position == 2 && !page.hasMore)
            for code in Event.Code.allCases { try store.appendEvent(Self.news(code)) }
            let all = try store.events(EventFilter(.all), after: 2, limit: 1000).events
            #expect(all.map(\.news.code) == Event.Code.allCases)
            #expect(try store.lastEvent() == Int64(2 + Event.Code.allCases.count))
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `what is undone leaves no gap in the numbers`(_ kind: StoreUnderTest) async throws {
        struct Undone: Error {}
        try await kind.withTransaction { store in
            try store.appendEvent(Self.news())
            do {
                try store.savepoint {
                    try store.appendEvent(Self.news())
                    throw Undone()
                }
            } catch is Undone {}
            #expect(try store.appendEvent(Self.news()) == 2)
            #expect(try store.events(EventFilter(.all), after: 0, limit: 9).events.map(\.number) == [1, 2])
        }
    }

    /// Every filter, in both orders and with pages of every size, gives what picking by hand gives.
    @Test(arguments: StoreUnderTest.allCases)
    func `filters give what picking by hand gives, in either order, page by page`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withTransaction { store in
            let codes: [Event.Code] = [.sessionStarted, .sessionEnded, .vpnDown, .simSuspended]
            let imsis = ["001010000000001", "001010000000002", nil]
            var all: [Event] = []
            for number in 0..<60 {
                // Clocks that are set back a little, and tenants and SIMs that share nothing with each other.
                let news = try Self.news(
                    codes[number % 4], of: number % 5 == 0 ? nil : Int64(number % 3), imsi: imsis[number % 7 % 3],
                    seconds: Int64(number * 10 - (number % 11 == 0 ? 45 : 0)))
                all.append(Event(number: try store.appendEvent(news), news: news))
            }
            let scopes: [EventFilter.Scope] = [.all, .operator, .tenant(Tenant.ID(1)), .tenant(Tenant.ID(9))]
            for scope in scopes {
                for code in [nil, Set(codes.prefix(2)), []] as [Set<Event.Code>?] {
                    for imsi in [nil, imsis[0]] {
                        for (since, until) in [(nil, nil), (100, 300), (nil, 55), (590, nil)] as [(Int64?, Int64?)] {
                            let filter = EventFilter(
                                scope, codes: code, imsi: try imsi.map { try IMSI(parsing: $0) },
                                since: since.map(noon.plus), until: until.map(noon.plus))
                            try Self.compare(filter, with: all, in: store)
                        }
                    }
                }
            }
        }
    }

    private static func compare(_ filter: EventFilter, with all: [Event], in store: any StoreTransaction) throws {
        let expected = all.filter { event in
            let news = event.news
            let isOwn =
                switch filter.scope {
                case .all: true
                case .operator: news.tenant == nil
                case .tenant(let tenant): news.tenant == tenant
                }
            return isOwn && filter.codes?.contains(news.code) ?? true && filter.imsi.map { $0 == news.imsi } ?? true
                && filter.since.map { news.time >= $0 } ?? true && filter.until.map { news.time < $0 } ?? true
        }
        for limit in [1, 7, 100] {
            var (position, rising): (Event.Number, [Event]) = (0, [])
            while true {
                let page = try store.events(filter, after: position, limit: limit)
                rising += page.events
                position = page.position
                #expect(page.events.count <= limit)
                guard page.hasMore else { break }
            }
            #expect(rising == expected, "\(filter) by \(limit)")
            #expect(position == all.last?.number)
            var (before, falling): (Event.Number?, [Event]) = (nil, [])
            while true {
                let page = try store.events(filter, before: before, limit: limit)
                falling += page.events
                before = page.position
                guard page.hasMore else { break }
            }
            #expect(falling == expected.reversed(), "\(filter) by \(limit), falling")
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a rare event behind many others is found in steps`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let (common, rare) = (try Self.news(imsi: "001010000000001"), try Self.news(.vpnDown))
            for _ in 0..<40_000 { try store.appendEvent(common) }
            try store.appendEvent(rare)
            for _ in 0..<40_000 { try store.appendEvent(common) }
            for scope in [EventFilter.Scope.all, .tenant(Tenant.ID(1))] {
                let filter = EventFilter(scope, codes: [.vpnDown])
                var (position, found, readings): (Event.Number, [Event.Number], Int) = (0, [], 0)
                while true {
                    let page = try store.events(filter, after: position, limit: 10)
                    (found, readings) = (found + page.events.map(\.number), readings + 1)
                    guard page.hasMore else { break }
                    try #require(page.position > position)
                    position = page.position
                }
                #expect(found == [40_001] && (2...5).contains(readings))
                var before: Event.Number?
                (found, readings) = ([], 0)
                while true {
                    let page = try store.events(filter, before: before, limit: 10)
                    (found, readings) = (found + page.events.map(\.number), readings + 1)
                    guard page.hasMore else { break }
                    try #require(before.map { page.position < $0 } ?? true)
                    before = page.position
                }
                #expect(found == [40_001] && (2...5).contains(readings))
            }
            // What an index has is found at once, across all parts of it.
            #expect(try store.events(EventFilter(.all, imsi: common.imsi), after: 0, limit: 3).events.count == 3)
            try store.appendEvent(Self.news(of: 2, imsi: "001010000000002"))
            try store.appendEvent(common)
            for filter in [
                EventFilter(.tenant(Tenant.ID(2))), EventFilter(.all, imsi: try IMSI(parsing: "001010000000002")),
                EventFilter(.tenant(Tenant.ID(2)), imsi: try IMSI(parsing: "001010000000002")),
            ] {
                let (rising, falling) = (
                    try store.events(filter, after: 0, limit: 9), try store.events(filter, before: nil, limit: 9)
                )
                #expect(rising.events.map(\.number) == [80_002] && falling.events == rising.events)
                #expect(rising.position == 80_003 && !rising.hasMore && !falling.hasMore)
            }
            #expect(try store.forgetOldestEvents(.tenant(Tenant.ID(2)), limit: 9) == [Tenant.ID(2): 1])
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `old events go in steps, the newest stays, and readers can tell what they missed`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withTransaction { store in
            for number in 0..<10 {
                try store.appendEvent(Self.news(of: number % 2 == 0 ? 1 : nil, seconds: Int64(number)))
            }
            let numbers = { (scope: EventFilter.Scope) in
                try store.events(EventFilter(scope), after: 0, limit: 99).events.map(\.number)
            }
            #expect(try store.eventCounts(after: 0) == [Tenant.ID(1): 5, nil: 5])
            #expect(try store.eventCounts(after: 8) == [Tenant.ID(1): 1, nil: 1])
            let early = try store.forgetEvents(before: noon.plus(seconds: 4), after: 0, limit: 3)
            #expect(early.removed == [Tenant.ID(1): 2, nil: 1] && early.position == 3)
            let later = try store.forgetEvents(before: noon.plus(seconds: 4), after: 3, limit: 100)
            #expect(later.removed == [nil: 1] && later.position == nil)
            #expect(try numbers(.all) == [5, 6, 7, 8, 9, 10])
            #expect(try store.forgottenEvents(.all) == 4 && store.forgottenEvents(.operator) == 4)
            #expect(try store.forgottenEvents(.tenant(Tenant.ID(1))) == 3)
            #expect(try store.forgottenEvents(.tenant(Tenant.ID(2))) == 0)

            #expect(try store.forgetOldestEvents(.tenant(Tenant.ID(1)), limit: 2) == [Tenant.ID(1): 2])
            #expect(try numbers(.all) == [6, 8, 9, 10])
            #expect(try store.forgetOldestEvents(.operator, limit: 1) == [nil: 1])
            #expect(try store.forgetOldestEvents(.all, limit: 1) == [nil: 1])
            #expect(try store.forgetOldestEvents(.all, limit: 99) == [Tenant.ID(1): 1])
            #expect(try store.forgetEvents(before: noon.plus(seconds: 99), after: 0, limit: 99).removed.isEmpty)
            #expect(try numbers(.all) == [10] && store.forgottenEvents(.all) == 9)
            #expect(try store.appendEvent(Self.news()) == 11)
        }
    }
}
