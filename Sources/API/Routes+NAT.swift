import Control
import Domain
import HTTPTypes
import Hummingbird

extension RouteTable {
    func addNAT() {
        get("/v1/nat/blocks") { call in
            let query = try call.query("public_address", "port", "at", "from", "to", "format", "limit", "cursor")
            let isCSV = try PortBlockAnswer.isCSV(format: query.text("format"), accept: call.request.headers[.accept])
            let limit = try query.limit()
            let at = try query.value("at", as: Timestamp.self)
            let from = try query.value("from", as: Timestamp.self)
            let to = try query.value("to", as: Timestamp.self)
            guard at == nil || from == nil && to == nil else {
                throw ControlError.wrong("at", "is one time and goes with neither from nor to")
            }
            let blocks = try await call.control.portBlocks(
                publicAddress: try query.value("public_address"),
                port: try query.value("port", as: PortNumber.self)?.value, from: at ?? from, to: at ?? to,
                after: try query.value("cursor"), limit: limit, by: call.principal)
            let items = blocks.map(PortBlockAnswer.init)
            let cursor = blocks.count < limit ? nil : blocks.last.map { "\($0.session)" }
            guard isCSV else { return .json(Page(items: items, nextCursor: cursor)) }
            var response = Response.text(PortBlockAnswer.csv(items), type: "text/csv")
            // RFC 8288: where JSON has next_cursor.
            if let cursor, let link = HTTPField.Name("Link") {
                response.headers[link] = "<\(Self.target(of: call.request, cursor: cursor))>; rel=\"next\""
            }
            return response
        }
    }

    /// The request's path with another cursor, every other parameter as it came.
    private static func target(of request: Request, cursor: String) -> String {
        let parts = (request.head.path ?? "").split(separator: "?", maxSplits: 1)
        let kept = parts.dropFirst().joined().split(separator: "&").filter { !$0.hasPrefix("cursor=") }
        return "\(parts.first ?? "")?" + (kept.map(String.init) + ["cursor=\(cursor)"]).joined(separator: "&")
    }
}

struct PortBlockAnswer: Encodable {
    let publicAddress: String
    let firstPort: UInt16
    let lastPort: UInt16
    let address: String
    let imsi: String
    /// Absent once the tenant is deleted.
    let tenant: String?
    let validFrom: String
    /// Absent while it lasts.
    let validTo: String?

    init(_ block: ControlPlane.PortBlock) {
        publicAddress = "\(block.binding.publicAddress)"
        firstPort = block.binding.firstPort
        lastPort = block.binding.lastPort
        address = "\(block.address)"
        imsi = "\(block.imsi)"
        tenant = block.tenant.map { "\($0)" }
        validFrom = "\(block.validFrom)"
        validTo = block.validTo.map { "\($0)" }
    }

    /// RFC 4180. No value has a comma, a quotation mark or a line end in it.
    static func csv(_ items: [Self]) -> String {
        let header = "public_address,first_port,last_port,address,imsi,tenant,valid_from,valid_to\r\n"
        return items.reduce(into: header) { text, item in
            text += "\(item.publicAddress),\(item.firstPort),\(item.lastPort),\(item.address),\(item.imsi),"
            text += "\(item.tenant ?? ""),\(item.validFrom),\(item.validTo ?? "")\r\n"
        }
    }

    /// JSON, unless the parameter or else the Accept header asks for the other.
    static func isCSV(format: String?, accept: String?) throws(ControlError) -> Bool {
        switch format {
        case "csv": return true
        case "json": return false
        case nil: return (accept ?? "").lowercased().split(separator: ",").contains { $0.contains("text/csv") }
        case let other?: throw .wrong("format", "\"\(other.shortened)\" is neither json nor csv")
        }
    }
}
