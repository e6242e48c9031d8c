import ArgumentParser
import Glibc
import NIOCore
import Synchronization

extension PolicyCommand {
    struct Trace: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a SIM's packets as they come, with what became of each and by which rule.",
            discussion: """
                A line for each packet: time, direction, protocol, source and destination, verdict, rule, route, and why. \
                The verdict is what the kernel did. Ends with the time, after --limit packets, or with Ctrl-C. When there \
                are more packets than can be shown, standard error says how many were left out.
                """)
        @Option(help: "The IMSI.") var sim: String
        @Option(help: "So long at most, 600 at most.") var seconds = 60
        @Option(help: "End after so many packets.") var limit: Int?
        @Option(help: "Show so many packets a second at most, 200 at most.") var perSecond = 100
        @Option(help: "Only those with this verdict: allow or block.") var verdict: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let query: [(String, String?)] = [
                ("seconds", "\(seconds)"), ("limit", limit.map { "\($0)" }), ("per_second", "\(perSecond)"),
                ("verdict", verdict),
            ]
            let isJSON = output.json
            do {
                try await Interruption.cancels {
                    let view = TraceView()
                    try await api.eachLine(
                        "sims", sim, "trace", query: query, longest: .seconds(Int64(clamping: seconds) + 60)
                    ) { text, line in
                        if isJSON { print(text) } else { view.show(line) }
                        // A reader at the other end of a pipe waits for each line.
                        fflush(nil)
                    }
                }
            } catch is CancellationError {
                // Ctrl-C is how one ends it.
            }
        }
    }
}

/// What is shown of a trace to people: packets on standard output, what is to be said about them on standard error.
private final class TraceView: Sendable {
    private let shown = Mutex<(addresses: String?, leftOut: Int64)>((nil, 0))

    func show(_ line: JSONValue) {
        switch line["type"].string {
        case "packet": print(Self.text(of: line))
        case "status": showStatus(line)
        case "end":
            showStatus(line)
            printError("end: \(line["reason"].cell.onOneLine); \(line["packets"].cell) packets")
        default: break
        }
    }

    private func showStatus(_ line: JSONValue) {
        let addresses = line["addresses"].elements.map(\.cell).joined(separator: ", ")
        let leftOut = line["left_out"].integer ?? 0
        let news = shown.withLock { shown -> (addresses: Bool, leftOut: Bool) in
            defer { shown = (addresses, leftOut) }
            return (shown.addresses != addresses, shown.leftOut != leftOut)
        }
        if news.addresses {
            printError(addresses.isEmpty ? "the SIM has no session; waiting for one" : "tracing \(addresses)")
        }
        if news.leftOut { printError("\(leftOut) packets left out so far: more came than are shown") }
    }

    private static func text(of packet: JSONValue) -> String {
        let time = packet["time"].cell.split(separator: "T").last.map(String.init) ?? "-"
        let place = { (address: String, port: String) in
            let text = packet[address].cell
            guard let number = packet[port].integer else { return text }
            return text.contains(":") ? "[\(text)]:\(number)" : "\(text):\(number)"
        }
        let version = packet["version"].integer.map { " v\($0)" } ?? ""
        let rule = packet["policy"].string.map { "\($0)\(version)/\(packet["rule"].string ?? "(default)")" } ?? "-"
        let columns: [(text: String, width: Int)] = [
            (time, 13), (packet["direction"].cell, 11), (protocolName(packet["protocol"]), 5),
            (place("source", "source_port"), 21), ("->", 2), (place("destination", "destination_port"), 21),
            (packet["verdict"].cell, 5), (rule, 24), (packet["route"].cell, 8),
        ]
        var text = columns.map { column in
            column.text + String(repeating: " ", count: max(0, column.width - column.text.count))
        }.joined(separator: " ")
        text += " " + packet["reason"].cell
        if let difference = packet["difference"].string { text += "; KERNEL AND POLICY DIFFER: \(difference)" }
        return text.onOneLine
    }

    private static func protocolName(_ number: JSONValue) -> String {
        switch number.integer {
        case 1: "icmp"
        case 6: "tcp"
        case 17: "udp"
        case 58: "icmp6"
        default: number.cell
        }
    }
}
