import ArgumentParser
import Domain

extension SIMCommand {
    struct Limit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "limit", abstract: "A SIM's volumes of data and rates.",
            subcommands: [Show.self, TopUp.self, Reset.self])

        struct Show: APICommand {
            static let configuration = CommandConfiguration(abstract: "Shows what limits a SIM, and what is used.")
            @Argument(help: "The IMSI.") var imsi: String
            @OptionGroup var output: OutputOptions

            func run(_ api: APIClient) async throws {
                api.show(try await api.get("sims", imsi, "limit")) { answer in
                    if answer["volumes"].elements.isEmpty, answer["rates"] == .null { print("nothing limits it") }
                    printLimits(of: answer)
                }
            }
        }

        struct TopUp: APICommand {
            static let configuration = CommandConfiguration(
                commandName: "top-up", abstract: "Adds to a volume.",
                discussion: """
                    What is added holds for the period that is now, of a prepaid volume until it is reset. A volume that a \
                    group or a tenant shares gets it for all.
                    """)
            @Argument(help: "The IMSI.") var imsi: String
            @Argument(help: "How much, such as 500MB.") var volume: String
            @Option(help: "Which, by who has limited it: ceiling, tenant-ceiling, tenant, group, sim.") var level:
                String?
            @OptionGroup var output: OutputOptions

            func run(_ api: APIClient) async throws {
                var body: [String: JSONValue] = ["volume": .string(volume)]
                if let level { body["level"] = .string(level) }
                show(try await api.post(path: ["sims", imsi, "limit", "top-up"], body: .json(body)), api)
            }
        }

        struct Reset: APICommand {
            static let configuration = CommandConfiguration(
                abstract: "Begins a volume anew: nothing of it is used, and nothing is added.")
            @Argument(help: "The IMSI.") var imsi: String
            @Option(help: "Which, by who has limited it: ceiling, tenant-ceiling, tenant, group, sim.") var level:
                String?
            @OptionGroup var output: OutputOptions

            func run(_ api: APIClient) async throws {
                let body: [String: JSONValue] = level.map { ["level": .string($0)] } ?? [:]
                show(try await api.post(path: ["sims", imsi, "limit", "reset"], body: .json(body)), api)
            }
        }
    }
}

private func show(_ answer: APIClient.Answer, _ api: APIClient) {
    api.show(answer) { answer in
        let volume = answer["volume"]
        print(
            "\(volume["remaining"].octets) of \(volume["limit"].octets) are left to the \(volume["pool"].cell): "
                + "\(answer.enforcement)")
    }
}

/// Volumes and rates of `sim effective` and `sim limit show`.
func printLimits(of answer: JSONValue) {
    let volumes = answer["volumes"].elements
    if !volumes.isEmpty {
        print("")
        var table = Table("VOLUME OF", "FROM", "LIMIT", "USED", "LEFT", "PERIOD", "SINCE", "UNTIL", "WHEN USED")
        table.print(
            volumes.map { one in
                let reached = one["reached_at"] == .null ? "" : ", used since \(one["reached_at"].cell)"
                let rate = one["slow_rate"] == .null ? "" : " \(one["slow_rate"].cell)"
                return [
                    one["pool"].cell, one["level"].cell, one["limit"].octets, one["used"].octets,
                    one["remaining"].octets, "\(one["period"].cell) \(one["zone"].cell)", one["period_start"].cell,
                    one["period_end"].cell, one["on_reached"].cell + rate + reached,
                ]
            })
    }
    let rates = answer["rates"]
    guard rates != .null else { return }
    let slowed =
        rates["slowed_by"] == .null ? "" : ", slowed because the volume from \(rates["slowed_by"].cell) is used"
    print("rates: up \(rates["up"].rate), down \(rates["down"].rate)\(slowed)")
}

extension JSONValue {
    /// A number of octets in the largest unit that shows it whole to three digits.
    fileprivate var octets: String {
        guard let integer, let count = UInt64(exactly: integer) else { return cell }
        let units: [(String, UInt64)] = [
            ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000),
        ]
        guard let (unit, factor) = units.first(where: { count >= $0.1 }) else { return "\(count)B" }
        let hundredths = count / (factor / 100)
        let (whole, rest) = hundredths.quotientAndRemainder(dividingBy: 100)
        return rest == 0 ? "\(whole)\(unit)" : "\(whole).\(rest < 10 ? "0" : "")\(rest)\(unit)"
    }

    fileprivate var rate: String { self == .null ? "not limited" : cell }
}
