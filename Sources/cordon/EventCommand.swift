import ArgumentParser
import Glibc
import NIOCore
import Synchronization

struct EventCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "event", abstract: "What has happened, and what is happening.",
        subcommands: [List.self, Follow.self])

    /// Which events.
    struct Filter: ParsableArguments {
        @Option(help: "Only this tenant's.") var tenant: String?
        @Option(help: "Only this SIM's, by its IMSI.") var sim: String?
        @Option(help: "Only with one of these reason codes, with commas between them.") var code: String?
        @Option(
            help: """
                Only of one of these kinds, with commas between them: session, verdict, violation, quarantine, limit, \
                vpn, policy, storm, nas, sim.
                """)
        var kind: String?

        var query: [(String, String?)] { [("tenant", tenant), ("imsi", sim), ("code", code), ("kind", kind)] }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists events, newest first.",
            discussion: """
                With --after, oldest first from the one after that number on; standard error says at the end where to go \
                on. An exit code of 1 with "not kept any more" means that some have been missed.
                """)
        @OptionGroup var filter: Filter
        @Option(help: "Not before this time, such as 2026-11-29T08:00:00Z.") var since: String?
        @Option(help: "Before this time.") var until: String?
        @Option(help: "Begin after the event of this number; 0: with the oldest.") var after: Int64?
        @Option(help: "How many at most.") var limit = 100
        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard limit > 0 else { throw ValidationError("--limit is 1 at least") }
        }

        func run(_ api: APIClient) async throws {
            var table = Table("NUMBER", "TIME", "TENANT", "SUBJECT", "CODE", "MESSAGE")
            var rest = limit
            var cursor = after.map { "\($0)" }
            while rest > 0 {
                let answer = try await api.get(
                    path: ["events"],
                    query: filter.query + [
                        ("since", since), ("until", until), ("order", after == nil ? "newest" : "oldest"),
                        ("cursor", cursor), ("limit", "\(min(rest, 1000))"),
                    ])
                api.show(answer) { page in
                    table.print(
                        page.items.map { event in
                            ["number", "time", "tenant", "subject", "code", "message"].map { event[$0].cell }
                        })
                }
                rest -= answer.value.items.count
                cursor = answer.value["next_cursor"].string
                if cursor == nil || rest <= 0, after != nil, !output.json {
                    printError("go on with --after \(answer.value["position"].cell)")
                }
                if cursor == nil { return }
            }
        }
    }

    struct Follow: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows events as they happen.",
            discussion: """
                When the connection breaks it is made anew, and goes on where it was. What could not be kept so long is \
                said on standard error. Ends with Ctrl-C, or after --limit events. With --json each event is a line.
                """)
        @OptionGroup var filter: Filter
        @Option(help: "Begin after the event of this number; 0: with the oldest. Without it: from now on.")
        var after: Int64?
        @Option(help: "End after so many events.") var limit: Int?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let (filter, isJSON, limit) = (filter, output.json, limit)
            let reader = EventReader(position: after.map { "\($0)" })
            do {
                try await Interruption.cancels {
                    while try await !follow(api, filter, reader, isJSON, limit) {}
                }
            } catch is CancellationError {
                // Ctrl-C is how one ends it.
            }
        }

        /// One connection, and a pause after it when another is to be made.
        /// - Returns: whether as many have been shown as were asked for.
        private func follow(
            _ api: APIClient, _ filter: Filter, _ reader: EventReader, _ isJSON: Bool, _ limit: Int?
        ) async throws -> Bool {
            reader.begin()
            do {
                try await api.lines(
                    ["events", "stream"], query: filter.query + [("after", reader.position)], longest: .hours(24 * 365)
                ) { line in
                    guard let event = reader.take(line) else { return }
                    show(event, isJSON)
                    if let limit, reader.shown >= limit { throw Enough() }
                }
                printError("cordon: the stream has ended; going on from \(reader.position ?? "now")")
            } catch is Enough {
                return true
            } catch let error as APIClient.Interrupted {
                // Who never had a connection has the wrong place, or the daemon is off.
                guard reader.position != nil, reader.hasBegun else {
                    throw error.refusal ?? api.unreachable(error.cause)
                }
                if error.refusal == nil { printError("cordon: the stream broke off (\(error.cause)); trying again") }
            }
            try await Task.sleep(for: reader.pause())
            return false
        }

        private struct Enough: Error {}

        private func show(_ event: EventReader.Message, _ isJSON: Bool) {
            if event.isGap {
                let gap = APIClient.value(of: event.data)
                printError(
                    "cordon: events after \(gap["after"].cell) up to \(gap["up_to"].cell) are not kept any more: some may be missed"
                )
                return
            }
            if isJSON { print(event.data) } else { print(Self.text(of: APIClient.value(of: event.data))) }
            // A reader at the other end of a pipe waits for each line.
            fflush(nil)
        }

        private static func text(of event: JSONValue) -> String {
            let columns: [(text: String, width: Int)] = [
                (event["time"].cell, 24), (event["tenant"].cell, 12), (event["subject"].cell, 20),
                (event["code"].cell, 22),
            ]
            let text = columns.map { column in
                column.text + String(repeating: " ", count: max(0, column.width - column.text.count))
            }.joined(separator: " ")
            return "\(text) \(event["message"].cell)".onOneLine
        }
    }
}

/// Reads a stream of server-sent events line by line, and knows where it is.
private final class EventReader: Sendable {
    struct Message {
        let isGap: Bool
        let data: String
    }

    private struct State {
        var position: String?
        var id: String?
        var data: [Substring] = []
        var type: Substring = ""
        var shown = 0
        var hasBegun = false
        var failures = 0
    }

    private let state: Mutex<State>

    init(position: String?) { state = Mutex(State(position: position)) }

    /// The number of the last event that was seen.
    var position: String? { state.withLock { $0.position } }
    var shown: Int { state.withLock { $0.shown } }
    /// Whether anything has come.
    var hasBegun: Bool { state.withLock { $0.hasBegun } }

    /// Half a message of a connection that broke is none.
    func begin() {
        state.withLock { state in (state.id, state.data, state.type) = (nil, [], "") }
    }

    /// How long to wait before the next connection.
    func pause() -> Duration {
        state.withLock { state in
            state.failures += 1
            return .milliseconds(min(250 << min(state.failures, 6), 10_000))
        }
    }

    /// - Returns: the message that ends with this line.
    func take(_ line: String) -> Message? {
        state.withLock { state in
            state.hasBegun = true
            guard !line.isEmpty else {
                defer { (state.id, state.data, state.type) = (nil, [], "") }
                if let id = state.id { state.position = id }
                state.failures = 0
                guard !state.data.isEmpty else { return nil }
                let isGap = state.type == "gap"
                if !isGap { state.shown += 1 }
                return Message(isGap: isGap, data: state.data.joined(separator: "\n"))
            }
            guard !line.hasPrefix(":"), let colon = line.firstIndex(of: ":") else { return nil }
            var value = line[line.index(after: colon)...]
            if value.hasPrefix(" ") { value = value.dropFirst() }
            switch line[..<colon] {
            case "id": state.id = String(value)
            case "event": state.type = value
            case "data": state.data.append(value)
            default: break
            }
            return nil
        }
    }
}
