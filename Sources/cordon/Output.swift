import ArgumentParser

/// What every command that speaks to the API takes.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print the API's JSON.")
    var json = false
}

/// A command that speaks to the API.
protocol APICommand: AsyncParsableCommand {
    var output: OutputOptions { get }
    func run(_ api: APIClient) async throws
}

extension APICommand {
    func run() async throws {
        try await APIClient.connected(json: output.json) { api in try await run(api) }
    }
}

/// Rows of text in aligned columns, two spaces apart.
struct Table {
    private var widths: [Int]
    private var isHeaderPrinted = false
    private let header: [String]

    init(_ header: String...) {
        self.header = header
        widths = header.map(\.count)
    }

    /// Prints rows; the header goes before the first. Columns keep their widths from one page to the next unless a
    /// wider cell comes.
    mutating func print(_ rows: [[String]]) {
        let cells = rows.map { $0.map(\.onOneLine) }
        for row in cells {
            for (column, cell) in row.enumerated() where column < widths.count {
                widths[column] = max(widths[column], cell.count)
            }
        }
        for row in (isHeaderPrinted ? [] : [header]) + cells { Swift.print(line(row)) }
        isHeaderPrinted = true
    }

    private func line(_ row: [String]) -> String {
        var text = ""
        for (column, cell) in row.enumerated() {
            text += cell
            guard column < row.count - 1, column < widths.count else { break }
            text += String(repeating: " ", count: max(0, widths[column] - cell.count) + 2)
        }
        return text
    }
}

/// Prints names and values, one a line, values aligned. Absent values are left out.
func printDetails(_ details: [(String, JSONValue)]) {
    let present = details.filter { $0.1 != .null && $0.1 != .string("") }
    let width = present.map(\.0.count).max() ?? 0
    for (name, value) in present {
        print("\(name):\(String(repeating: " ", count: width - name.count + 1))\(value.cell.onOneLine)")
    }
}

extension String {
    /// With control characters as escapes: names are free text of tenants and must not steer an operator's terminal.
    var onOneLine: String {
        var text = ""
        for scalar in unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                text += "\\u{\(String(scalar.value, radix: 16))}"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

extension JSONValue {
    /// The report of a change of policy, in words.
    var enforcement: String {
        "in force after \(self["in_force_ms"].milliseconds): \(self["sessions"].cell) session(s) judged by it,"
            + " \(self["flows_cut"].cell) flow(s) cut, done after \(self["total_ms"].milliseconds)"
    }
}
