import Control
import DNS
import Domain
import NIOCore
import Synchronization

/// Who has which address, and what the resolver told.
final class FakeNames: NameService {
    enum Learning: Sendable {
        case atOnce, late, never
        case after(TimeAmount, on: any EventLoop)
    }

    private struct State {
        var clients: [IPAddress: NameClient] = [:]
        var lessons: [NameLesson] = []
        var records: [QueryRecord] = []
        var learning = Learning.atOnce
    }

    private let state = Mutex(State())

    /// The devices 127.0.0.2 and 127.0.0.3 of tenants 2 and 3.
    /// - Parameters:
    ///   - zone: a blocklist, as a response policy zone.
    ///   - ruled: what rules have of names.
    init(
        deny: [String] = [], allow: [String]? = nil, zone: String? = nil,
        blockAnswer: NameClient.BlockAnswer = .nxdomain,
        upstreams: [Int: [Upstream]] = [:], ruled: [String] = ["*.example"], learning: Learning = .atOnce
    ) throws {
        var rules = NameFilter.Rules()
        rules.deny = try deny.map { try HostPattern(parsing: $0) }
        rules.allow = try (allow ?? []).map { try HostPattern(parsing: $0) }
        rules.ruled = try ruled.map { try HostPattern(parsing: $0) }
        rules.isOpen = allow == nil
        if let zone {
            var parser = NameListParser(format: .rpz)
            let octets = Array(zone.utf8)
            parser.consume(octets.span)
            rules.lists = [.init(name: try Name(parsing: "operator"), names: parser.finish().list)]
        }
        let filter = NameFilter(rules)
        for number in 2...3 {
            set(
                NameClient(
                    tenant: Tenant.ID(Int64(number)), policy: .blockAll, group: nil, filter: filter,
                    blockAnswer: blockAnswer, upstreams: upstreams[number] ?? []),
                at: .v4(IPv4Address(bits: 0x7f00_0000 | UInt32(number))))
        }
        state.withLock { $0.learning = learning }
    }

    func set(_ client: NameClient?, at address: IPAddress) { state.withLock { $0.clients[address] = client } }

    var lessons: [NameLesson] { state.withLock { $0.lessons } }
    var outcomes: [QueryRecord.Outcome] { state.withLock { $0.records }.map(\.outcome) }

    func client(at address: IPAddress) -> NameClient? { state.withLock { $0.clients[address] } }

    func learn(_ lesson: NameLesson, then: @escaping @Sendable (NameLessonResult) -> Void) {
        let learning = state.withLock { state in
            state.lessons.append(lesson)
            return state.learning
        }
        switch learning {
        case .atOnce: then(.inForce)
        case .late: then(.late)
        case .never: break
        case .after(let time, let loop): loop.scheduleTask(in: time) { then(.inForce) }
        }
    }

    func giveLessons() {}

    func note(_ record: QueryRecord) { state.withLock { $0.records.append(record) } }
}
