import Control
import Domain
import HTTPTypes
import Hummingbird
import NIOCore

/// What has happened, in pages and as a stream.
extension RouteTable {
    func addEvents() {
        get("/v1/events") { call in
            let query = try call.query(
                "tenant", "imsi", "code", "kind", "since", "until", "order", "cursor", "limit")
            let limit = try query.limit()
            let cursor = try query.number("cursor")
            let isRising =
                switch query.text("order") {
                case nil, "newest": false
                case "oldest": true
                case let other?:
                    throw ControlError.wrong("order", "\"\(other.shortened)\" is neither newest nor oldest")
                }
            let list = try await call.control.events(
                try query.question(), isRising ? .oldestFirst(after: cursor ?? 0) : .newestFirst(before: cursor),
                limit: limit, by: call.principal)
            return .json(EventListAnswer(list))
        }
        get("/v1/events/stream") { call in
            let query = try call.query("tenant", "imsi", "code", "kind", "since", "until", "after")
            var after = try query.number("after")
            // A reader that comes back goes on from what it has had, whatever it was begun with.
            if let name = HTTPField.Name("Last-Event-ID"), let text = call.request.headers[name], !text.isEmpty {
                after = try Event.Number(position: text, "Last-Event-ID")
            }
            // Before the answer begins, so that a refusal is one.
            let following = try await call.control.followEvents(
                try query.question(), after: after, by: call.principal)
            return Response(
                status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
                body: ResponseBody { writer in
                    // One writes at a time: the next step comes when this one is written.
                    nonisolated(unsafe) let output = writer
                    try await following.run { step in
                        let message = ByteBuffer(message: step)
                        try await withPatience { () async throws in
                            var output = output
                            try await output.write(message)
                        }
                    }
                    try await writer.finish(nil)
                })
        }
    }
}

/// A reader that takes nothing for so long is given up: its place is others'.
private let patience = Duration.seconds(60)

private struct ReaderStalled: Error {}

private func withPatience(_ body: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: patience)
            throw ReaderStalled()
        }
        defer { group.cancelAll() }
        _ = try await group.next()
    }
}

extension ByteBuffer {
    /// One message of an event stream (HTML, section 9.2.6: "event stream interpretation").
    fileprivate init(message step: EventFollowing.Step) {
        self.init()
        switch step {
        case .event(let view):
            writeString("id: \(view.event.number)\ndata: ")
            writeImmutableBuffer(ByteBuffer(json: EventAnswer(view)))
        case .gap(let after, let last):
            writeString("id: \(last)\nevent: gap\ndata: ")
            writeImmutableBuffer(ByteBuffer(json: GapAnswer(after: after, upTo: last)))
        // Without data nothing is dispatched, and the reader's place is set.
        case .alive(let number): writeString(": alive\nid: \(number)")
        }
        writeString("\n\n")
    }
}

extension Event.Number {
    fileprivate init(position text: String, _ field: String) throws(ControlError) {
        guard let number = Event.Number(text), number >= 0 else {
            throw .wrong(field, "\"\(text.shortened)\" is not an event's number")
        }
        self = number
    }
}

extension Query {
    fileprivate func number(_ name: String) throws(ControlError) -> Event.Number? {
        guard let text = text(name) else { return nil }
        return try Event.Number(position: text, name)
    }

    fileprivate func question() throws(ControlError) -> ControlPlane.EventQuestion {
        ControlPlane.EventQuestion(
            tenant: try value("tenant"), codes: try codes(), imsi: try value("imsi"), since: try value("since"),
            until: try value("until"))
    }

    /// Those that are named, or of the kinds that are named; with both, those that are both.
    private func codes() throws(ControlError) -> Set<Event.Code>? {
        let kinds = try named("kind", Event.Kind.self)
        let codes = try named("code", Event.Code.self)
        let ofKinds = kinds.map { kinds in Set(Event.Code.allCases.filter { kinds.contains($0.kind) }) }
        guard let codes else { return ofKinds }
        let both = ofKinds.map(codes.intersection) ?? codes
        guard !both.isEmpty else { throw .wrong("code", "no such code is of the kind that is named too") }
        return both
    }

    /// One or several, with commas between them.
    private func named<Value: RawRepresentable & CaseIterable & Hashable>(
        _ name: String, _ type: Value.Type
    ) throws(ControlError) -> Set<Value>? where Value.RawValue == String {
        guard let text = text(name) else { return nil }
        var values: Set<Value> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let value = Value(rawValue: String(part)) else {
                throw .wrong(
                    name,
                    "\"\(String(part).shortened)\" is none; write one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            values.insert(value)
        }
        return values
    }
}

struct EventListAnswer: Encodable {
    let items: [EventAnswer]
    var nextCursor: String?
    let position: String

    init(_ list: ControlPlane.EventList) {
        items = list.events.map(EventAnswer.init)
        position = "\(list.position)"
        nextCursor = list.hasMore ? position : nil
    }
}

struct EventAnswer: Encodable {
    let number: Int64
    let time: String
    let kind: String
    let code: String
    let tenant: String?
    /// `vpn/hq`
    let subject: String
    let imsi: String?
    let session: Int64?
    let message: String
    let details: [Detail]

    struct Detail: Encodable {
        let name: String
        let value: String
    }

    init(_ view: ControlPlane.EventView) {
        let news = view.event.news
        number = view.event.number
        time = "\(news.time)"
        kind = news.code.kind.rawValue
        code = news.code.rawValue
        tenant = view.tenant.map { "\($0)" }
        subject = "\(news.subject)"
        imsi = news.imsi.map { "\($0)" }
        session = news.session?.rawValue
        message = news.words
        details = news.details.map { Detail(name: $0.key, value: $0.value) }
    }
}

struct GapAnswer: Encodable {
    let after: Int64
    let upTo: Int64
}
