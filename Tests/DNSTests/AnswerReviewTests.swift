import DNS
import Domain
import Testing

@Suite struct AnswerReviewTests {
    private typealias RR = Messages.RR

    private static func name(_ text: String) -> [UInt8] { Messages.name(text) }
    private static func address(_ text: String) throws -> IPAddress { try IPAddress(parsing: text) }

    @Test func `follows a chain of aliases in whatever order it stands`() throws {
        let records: [RR] = [
            .cname(to: "CDN.net", ttl: 90), .cname(Self.name("cdn.net"), to: "edge.cdn.net", ttl: 30),
            .a(Self.name("EDGE.cdn.net"), [192, 0, 2, 1], ttl: 60),
        ]
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let review = try Messages.upstream(order.map { records[$0] }).review
            #expect(review.aliases.map(\.description) == ["cdn.net", "edge.cdn.net"])
            #expect(review.names.map(\.description) == ["mqtt.acme.example", "cdn.net", "edge.cdn.net"])
            #expect(review.addresses == [try Self.address("192.0.2.1")])
            #expect(review.timeToLive == 30)
            #expect(!review.hasStrayAddresses)
        }
    }

    @Test func `addresses of other names teach nothing, and are pointed out`() throws {
        let review = try Messages.upstream([
            .a([192, 0, 2, 1], ttl: 60), .a(Self.name("bank.example"), [6, 6, 6, 6], ttl: 1),
        ]).review
        #expect(review.addresses == [try Self.address("192.0.2.1")])
        #expect(review.timeToLive == 60)
        #expect(review.hasStrayAddresses)
        // A name that ends alike is another.
        #expect(try Messages.upstream([.a(Self.name("xmqtt.acme.example"), [6, 6, 6, 6])]).review.hasStrayAddresses)
    }

    @Test func `a loop ends`() throws {
        let review = try Messages.upstream([
            .cname(to: "b.example"), .cname(Self.name("b.example"), to: "mqtt.acme.example"),
        ]).review
        #expect(review.aliases.map(\.description) == ["b.example"])
        #expect(review.addresses == [])
    }

    @Test func `a chain of 16 passes, one of 17 does not`() throws {
        let chain = { (count: Int) in
            (0..<count).map { index -> RR in
                .cname(index == 0 ? Messages.pointer : Self.name("n\(index).example"), to: "n\(index + 1).example")
            }
        }
        #expect(try Messages.upstream(chain(16)).review.aliases.count == 16)
        #expect(throws: AnswerError.tooManyAliases) { try Messages.upstream(chain(17)) }
    }

    @Test func `DNAME exchanges what is above a name (RFC 6672), with or without the CNAME made of it`() throws {
        let dname = RR(owner: Self.name("acme.example"), type: 39, ttl: 50, data: Self.name("acme.net"))
        let address = RR.a(Self.name("mqtt.acme.net"), [192, 0, 2, 1])
        for records in [[dname, address], [dname, .cname(to: "mqtt.acme.net"), address]] {
            let review = try Messages.upstream(records).review
            #expect(review.aliases.map(\.description) == ["mqtt.acme.net"])
            #expect(review.addresses.count == 1)
            #expect(review.timeToLive == 50)
        }
        // Not what stands beside the name, nor the name itself.
        for owner in ["cme.example", "mqtt.acme.example", "x.example"] {
            let other = RR(owner: Self.name(owner), type: 39, data: Self.name("acme.net"))
            #expect(try Messages.upstream([other, address]).review.aliases == [])
        }
        // Both are judged when they say different things.
        let lying = try Messages.upstream([dname, .cname(to: "evil.example")]).review
        #expect(Set(lying.aliases.map(\.description)) == ["mqtt.acme.net", "evil.example"])
    }

    @Test func `SVCB and HTTPS (RFC 9460) lead to their server and its addresses`() throws {
        let hints =
            Messages.u16(1) + Messages.u16(3) + [2] + Array("h2".utf8) + Messages.u16(4) + Messages.u16(8)
            + [192, 0, 2, 1, 192, 0, 2, 2] + Messages.u16(6) + Messages.u16(16) + [0x20, 1, 0x0d, 0xb8]
            + [UInt8](repeating: 0, count: 11) + [1]
        for type in [64, 65] {
            let record = RR(type: type, ttl: 77, data: Messages.u16(1) + Self.name("svc.cdn.net") + hints)
            let review = try Messages.upstream(type: type, [record]).review
            #expect(review.aliases.map(\.description) == ["svc.cdn.net"])
            #expect(review.addresses.map(\.description) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"])
            #expect(review.timeToLive == 77)
            let own = try Messages.upstream(type: type, [RR(type: type, data: Messages.u16(1) + [0] + hints)]).review
            #expect(own.aliases == [])
            #expect(own.addresses.count == 3)
        }
        for data in [
            [0], [0, 1], Messages.u16(1) + [0] + [0, 4, 0, 3, 1, 2, 3], Messages.u16(1) + [0] + [0, 4, 0, 9],
        ] {
            #expect(throws: AnswerError.self) { try Messages.upstream(type: 65, [RR(type: 65, data: data)]) }
        }
    }

    @Test func `who asks for aliases is not led on by them`() throws {
        let review = try Messages.upstream(type: 5, [.cname(to: "cdn.net")]).review
        #expect(review.aliases == [])
    }

    @Test func `an address of a wrong length is no answer`() {
        #expect(throws: AnswerError.self) { try Messages.upstream([.a([1, 2, 3])]) }
        #expect(throws: AnswerError.self) { try Messages.upstream([RR(type: 5, data: Self.name("a.b") + [0])]) }
        #expect(throws: AnswerError.self) { try Messages.upstream([RR(type: 28, data: [1, 2, 3, 4])]) }
    }

    @Test func `each address counts once`() throws {
        let records = [RR](repeating: .a([192, 0, 2, 1]), count: 4000)
        #expect(try Messages.upstream(records).review.addresses.count == 1)
    }
}
