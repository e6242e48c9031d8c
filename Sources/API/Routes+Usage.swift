import Control
import Domain
import HTTPTypes
import Hummingbird

extension RouteTable {
    func addUsage() {
        get("/v1/sims/{imsi}/usage") { call in
            try await Self.usage(call, of: .sim(try call.path("imsi")))
        }
        get("/v1/tenants/{tenant}/groups/{group}/usage") { call in
            try await Self.usage(call, of: .group(try call.path("group"), of: try call.path("tenant")))
        }
        get("/v1/tenants/{tenant}/usage") { call in
            try await Self.usage(call, of: .tenant(try call.path("tenant")))
        }
        get("/v1/tenants/{tenant}/usage/sims") { call in
            let query = try call.query("group", "from", "to", "format", "limit", "cursor")
            let isCSV = try PortBlockAnswer.isCSV(format: query.text("format"), accept: call.request.headers[.accept])
            let page = try await call.control.usageOfSIMs(
                of: try call.path("tenant"), group: try query.value("group"), from: try query.value("from"),
                to: try query.value("to"), after: try query.value("cursor"), limit: try query.limit(),
                by: call.principal)
            let answer = SIMUsageAnswer(page)
            guard isCSV else { return .json(answer) }
            return .csv(answer.csv, next: answer.nextCursor.map { ("cursor", $0) }, of: call.request)
        }
        get("/v1/tenants/{tenant}/usage/rules") { call in
            let query = try call.query("policy", "from", "to", "step", "format")
            let isCSV = try PortBlockAnswer.isCSV(format: query.text("format"), accept: call.request.headers[.accept])
            let report = try await call.control.ruleUsage(
                of: try call.path("tenant"), policy: try query.value("policy"), from: try query.value("from"),
                to: try query.value("to"), step: try query.value("step") ?? .day, by: call.principal)
            let answer = UsageAnswer<RuleUsageAnswer>(report)
            return isCSV ? .csv(answer.csv, next: nil, of: call.request) : .json(answer)
        }
        get("/v1/usage/records") { call in
            let query = try call.query("tenant", "after", "limit", "format")
            let isCSV = try PortBlockAnswer.isCSV(format: query.text("format"), accept: call.request.headers[.accept])
            let records = try await call.control.usageRecords(
                of: try query.value("tenant"), after: try query.value("after", as: RecordNumber.self)?.value,
                limit: try query.limit(), by: call.principal)
            let answer = UsageRecordsAnswer(records)
            guard isCSV else { return .json(answer) }
            return .csv(
                answer.csv, next: records.hasMore ? ("after", "\(records.position)") : nil, of: call.request)
        }
    }

    private static func usage(_ call: Call, of question: ControlPlane.UsageQuestion) async throws -> Response {
        let query = try call.query("from", "to", "step", "by_way", "format")
        let isCSV = try PortBlockAnswer.isCSV(format: query.text("format"), accept: call.request.headers[.accept])
        let report = try await call.control.usage(
            of: question, from: try query.value("from"), to: try query.value("to"),
            step: try query.value("step") ?? .day, byWay: try query.flag("by_way", default: false),
            by: call.principal)
        let answer = UsageAnswer<WayUsageAnswer>(report)
        return isCSV ? .csv(answer.csv, next: nil, of: call.request) : .json(answer)
    }
}

/// The number of a record; 0 is before the first.
private struct RecordNumber: TextParsable {
    let value: UsageRecord.Number

    init(parsing text: some StringProtocol) throws(ParseError) {
        guard let number = Int64(text), number >= 0 else {
            throw ParseError(
                kind: "the number of a record", text: text, expected: "write the position of the answer before")
        }
        value = number
    }
}

extension Response {
    /// - Parameter next: the parameter that asks for the next page (RFC 8288: where JSON has it in a field).
    fileprivate static func csv(_ text: String, next: (name: String, value: String)?, of request: Request) -> Response {
        var response = Response.text(text, type: "text/csv")
        guard let next, let link = HTTPField.Name("Link") else { return response }
        let parts = (request.head.path ?? "").split(separator: "?", maxSplits: 1)
        let kept = parts.dropFirst().joined().split(separator: "&").filter { !$0.hasPrefix("\(next.name)=") }
        let query = (kept.map(String.init) + ["\(next.name)=\(next.value)"]).joined(separator: "&")
        response.headers[link] = "<\(parts.first ?? "")?\(query)>; rel=\"next\""
        return response
    }
}

/// What passed; octets are those of IP packets.
struct UsageCountsAnswer: Encodable {
    let octetsUp: UInt64
    let octetsDown: UInt64
    let packetsUp: UInt64
    let packetsDown: UInt64

    init(_ counts: UsageCounts) {
        octetsUp = counts.octetsUp
        octetsDown = counts.octetsDown
        packetsUp = counts.packetsUp
        packetsDown = counts.packetsDown
    }

    static let header = "octets_up,octets_down,packets_up,packets_down"
    var csv: String { "\(octetsUp),\(octetsDown),\(packetsUp),\(packetsDown)" }
}

/// Usage in steps of time, a line for each item.
struct UsageAnswer<Item: UsageItemAnswer>: Encodable {
    let from: String
    let to: String
    let step: String
    let isComplete: Bool
    /// Absent before the first reading.
    let readAt: String?
    let total: UsageCountsAnswer
    let items: [Item]

    init(_ report: ControlPlane.UsageReport<Item.Value>) {
        from = "\(report.from)"
        to = "\(report.to)"
        step = report.step.rawValue
        isComplete = report.isComplete
        readAt = report.readAt.map { "\($0)" }
        total = UsageCountsAnswer(report.total)
        items = report.items.map(Item.init)
    }

    /// RFC 4180. No value has a comma, a quotation mark or a line end in it, here and below.
    var csv: String {
        items.reduce(into: "\(Item.header),\(UsageCountsAnswer.header)\r\n") { $0 += "\($1.csv)\r\n" }
    }
}

protocol UsageItemAnswer: Encodable {
    associatedtype Value: Hashable & Sendable
    /// The names of the columns in front of the counts.
    static var header: String { get }
    var csv: String { get }
    init(_ value: Value)
}

struct WayUsageAnswer: UsageItemAnswer {
    let from: String
    let to: String
    let way: String?
    let octetsUp: UInt64
    let octetsDown: UInt64
    let packetsUp: UInt64
    let packetsDown: UInt64

    static let header = "from,to,way"
    var csv: String { "\(from),\(to),\(way ?? ""),\(octetsUp),\(octetsDown),\(packetsUp),\(packetsDown)" }

    init(_ usage: ControlPlane.WayUsage) {
        (from, to, way) = ("\(usage.from)", "\(usage.to)", usage.way)
        (octetsUp, octetsDown) = (usage.counts.octetsUp, usage.counts.octetsDown)
        (packetsUp, packetsDown) = (usage.counts.packetsUp, usage.counts.packetsDown)
    }
}

struct RuleUsageAnswer: UsageItemAnswer {
    let from: String
    let to: String
    let policy: String
    let rule: String
    let octetsUp: UInt64
    let octetsDown: UInt64
    let packetsUp: UInt64
    let packetsDown: UInt64

    static let header = "from,to,policy,rule"
    var csv: String { "\(from),\(to),\(policy),\(rule),\(octetsUp),\(octetsDown),\(packetsUp),\(packetsDown)" }

    init(_ usage: ControlPlane.RuleUsage) {
        (from, to, policy, rule) = ("\(usage.from)", "\(usage.to)", "\(usage.policy)", "\(usage.rule)")
        (octetsUp, octetsDown) = (usage.counts.octetsUp, usage.counts.octetsDown)
        (packetsUp, packetsDown) = (usage.counts.packetsUp, usage.counts.packetsDown)
    }
}

struct SIMUsageAnswer: Encodable {
    let from: String
    let to: String
    let isComplete: Bool
    let items: [Item]
    let nextCursor: String?

    struct Item: Encodable {
        let imsi: String
        /// The SIM's now.
        let group: String?
        let octetsUp: UInt64
        let octetsDown: UInt64
        let packetsUp: UInt64
        let packetsDown: UInt64
    }

    init(_ page: ControlPlane.SIMUsagePage) {
        from = "\(page.from)"
        to = "\(page.to)"
        isComplete = page.isComplete
        items = page.items.map { item in
            Item(
                imsi: "\(item.imsi)", group: item.group.map { "\($0)" }, octetsUp: item.counts.octetsUp,
                octetsDown: item.counts.octetsDown, packetsUp: item.counts.packetsUp,
                packetsDown: item.counts.packetsDown)
        }
        nextCursor = page.next.map { "\($0)" }
    }

    var csv: String {
        items.reduce(into: "imsi,group,from,to,\(UsageCountsAnswer.header)\r\n") { text, item in
            text += "\(item.imsi),\(item.group ?? ""),\(from),\(to),\(item.octetsUp),\(item.octetsDown),"
            text += "\(item.packetsUp),\(item.packetsDown)\r\n"
        }
    }
}

struct UsageRecordsAnswer: Encodable {
    let items: [Item]
    /// What to give as `after` to go on.
    let position: Int64
    let hasMore: Bool

    struct Item: Encodable {
        let number: Int64
        /// Absent once it is deleted, and so is the group's.
        let tenant: String?
        let group: String?
        let imsi: String
        let session: Int64
        let way: String
        let from: String
        let to: String
        let octetsUp: UInt64
        let octetsDown: UInt64
        let packetsUp: UInt64
        let packetsDown: UInt64

        init(_ item: ControlPlane.UsageRecords.Item) {
            number = item.record.number
            tenant = item.tenant.map { "\($0)" }
            group = item.group.map { "\($0)" }
            imsi = "\(item.record.imsi)"
            session = item.record.session.rawValue
            way = item.way
            from = "\(item.record.from)"
            to = "\(item.record.to)"
            octetsUp = item.record.counts.octetsUp
            octetsDown = item.record.counts.octetsDown
            packetsUp = item.record.counts.packetsUp
            packetsDown = item.record.counts.packetsDown
        }
    }

    init(_ records: ControlPlane.UsageRecords) {
        items = records.items.map(Item.init)
        position = records.position
        hasMore = records.hasMore
    }

    var csv: String {
        let header = "number,tenant,group,imsi,session,way,from,to,\(UsageCountsAnswer.header)\r\n"
        return items.reduce(into: header) { text, item in
            text += "\(item.number),\(item.tenant ?? ""),\(item.group ?? ""),\(item.imsi),\(item.session),\(item.way),"
            text += "\(item.from),\(item.to),\(item.octetsUp),\(item.octetsDown),"
            text += "\(item.packetsUp),\(item.packetsDown)\r\n"
        }
    }
}
