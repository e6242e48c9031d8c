import Control
import Domain
import Hummingbird
import NIOCore

extension RouteTable {
    func addBlocklists() {
        addBlocklists(under: "/v1/blocklists")
        addBlocklists(under: "/v1/tenants/{tenant}/blocklists")
        get("/v1/blocklists/{blocklist}/hits") { call in
            _ = try call.query()
            let hits = try await call.control.blocklistHits(try call.path("blocklist"), by: call.principal)
            return .json(BlocklistHitsAnswer(hits.all, tenants: hits.tenants))
        }
        get("/v1/tenants/{tenant}/blocklists/{blocklist}/hits") { call in
            _ = try call.query()
            let hits = try await call.control.blocklistHits(
                try call.path("blocklist"), for: try call.path("tenant"), by: call.principal)
            return .json(BlocklistHitsAnswer(hits, tenants: nil))
        }
    }

    private func addBlocklists(under path: String) {
        get(RouterPath(path)) { call in
            _ = try call.query()
            let lists = try await call.control.blocklists(of: try call.owner(), by: call.principal)
            return .json(Page(items: lists.map(BlocklistAnswer.init)))
        }
        post(RouterPath(path)) { call in
            let body = try await call.json(NewBlocklistBody.self)
            let owner = try call.owner()
            let view = try await call.control.createBlocklist(
                body.name.value, try body.settings.value(isOfTenant: owner != nil), of: owner, by: call.principal)
            let place = owner.map { ["tenants", "\($0)", "blocklists"] } ?? ["blocklists"]
            return .created(BlocklistAnswer(view), at: place + ["\(body.name.value)"])
        }
        get(RouterPath(path + "/{blocklist}")) { call in
            _ = try call.query()
            return .json(
                BlocklistAnswer(
                    try await call.control.blocklist(
                        try call.path("blocklist"), of: try call.owner(), by: call.principal)))
        }
        put(RouterPath(path + "/{blocklist}")) { call in
            let body = try await call.json(BlocklistSettingsBody.self)
            let owner = try call.owner()
            return .json(
                BlocklistAnswer(
                    try await call.control.setBlocklist(
                        try call.path("blocklist"), try body.value(isOfTenant: owner != nil), of: owner,
                        by: call.principal)))
        }
        put(RouterPath(path + "/{blocklist}/text")) { call in
            try call.requireContentType(["text/plain", "text/dns", "application/octet-stream"])
            let upload = try await call.control.uploadBlocklist(
                try call.path("blocklist"), of: try call.owner(), by: call.principal)
            try await call.pieces(limit: Int(clamping: upload.maximumOctets)) { piece throws(ControlError) in
                try upload.write(piece)
            }
            return .json(BlocklistAnswer(try await upload.finish()))
        }
        post(RouterPath(path + "/{blocklist}/refresh")) { call in
            let view = try await call.control.refreshBlocklist(
                try call.path("blocklist"), of: try call.owner(), by: call.principal)
            return .json(BlocklistAnswer(view), status: .accepted)
        }
        delete(RouterPath(path + "/{blocklist}")) { call in
            try await call.control.deleteBlocklist(
                try call.path("blocklist"), of: try call.owner(), by: call.principal)
            return .noContent
        }
    }

    func addDNSExceptions() {
        get("/v1/tenants/{tenant}/dns/exceptions") { call in
            _ = try call.query()
            let exceptions = try await call.control.dnsExceptions(of: try call.path("tenant"), by: call.principal)
            return .json(Page(items: exceptions.map(DNSExceptionAnswer.init)))
        }
        put("/v1/tenants/{tenant}/dns/exceptions/{pattern}") { call in
            let exception = try await call.control.putDNSException(
                try call.path("pattern"), of: try call.path("tenant"), by: call.principal)
            return .json(DNSExceptionAnswer(exception))
        }
        delete("/v1/tenants/{tenant}/dns/exceptions/{pattern}") { call in
            try await call.control.deleteDNSException(
                try call.path("pattern"), of: try call.path("tenant"), by: call.principal)
            return .noContent
        }
    }
}

extension Call {
    /// Whose a resource is that the operator and tenants have: the tenant's in the path, else the operator's.
    fileprivate func owner() throws(ControlError) -> Name? {
        context.parameters.get("tenant") == nil ? nil : try path("tenant", as: Name.self)
    }
}

extension HostPattern: TextParsable {}
extension HTTPSAddress: TextParsable {}
extension TextDigest: TextParsable {}
extension BlocklistFormat: TextParsable {
    init(parsing text: some StringProtocol) throws(ParseError) {
        guard let format = Self(rawValue: String(text)) else {
            throw ParseError(
                kind: "a format of blocklists", text: text,
                expected: "write one of \(Self.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self = format
    }
}

struct BlocklistSettingsBody: RequestBody {
    let format: Text<BlocklistFormat>?
    /// Absent: the text is uploaded.
    let url: Text<HTTPSAddress>?
    let intervalSeconds: Int64?
    let sha256: Text<TextDigest>?
    let maximumBytes: Int64?
    enum CodingKeys: String, CodingKey, CaseIterable {
        case format, url, sha256
        case intervalSeconds = "interval_seconds"
        case maximumBytes = "maximum_bytes"
    }

    func value(isOfTenant: Bool) throws(ControlError) -> Blocklist.Settings {
        guard url != nil || intervalSeconds == nil else {
            throw .wrong("interval_seconds", "is for lists with an url only")
        }
        return Blocklist.Settings(
            format: format?.value ?? .auto,
            source: url.map { .web($0.value, seconds: intervalSeconds ?? 86_400) } ?? .upload,
            checksum: sha256?.value,
            maximumOctets: maximumBytes ?? (isOfTenant ? Blocklist.standardTenantOctets : Blocklist.standardOctets))
    }
}

struct NewBlocklistBody: RequestBody {
    let name: Text<Name>
    let settings: BlocklistSettingsBody
    enum CodingKeys: String, CodingKey, CaseIterable {
        case name, format, url, sha256
        case intervalSeconds = "interval_seconds"
        case maximumBytes = "maximum_bytes"
    }

    init(from decoder: any Decoder) throws {
        name = try decoder.container(keyedBy: CodingKeys.self).decode(Text<Name>.self, forKey: .name)
        settings = try BlocklistSettingsBody(from: decoder)
    }
}

struct BlocklistAnswer: Encodable {
    let name: String
    let format: String
    let url: String?
    let intervalSeconds: Int64?
    let sha256: String?
    let maximumBytes: Int64?
    let author: String?
    let updatedAt: String
    let state: String
    let readAs: String?
    let names: Int?
    let wildcards: Int?
    let prefixes: Int?
    let repeated: Int?
    let junkLines: Int?
    let junk: [Junk]?
    let bytes: Int64?
    let textSha256: String?
    let goodAt: String?
    let triedAt: String?
    let error: String?

    struct Junk: Encodable {
        let line: Int
        let text: String
        let reason: String
    }

    /// Where a list of the operator's comes from, and what is wrong with it, is not tenants' business.
    init(_ view: ControlPlane.BlocklistView) {
        let list = view.list
        let own = view.isOwn ? list : nil
        name = "\(list.name)"
        format = list.settings.format.rawValue
        if case .web(let address, let seconds) = own?.settings.source {
            url = "\(address)"
            intervalSeconds = seconds
        } else {
            url = nil
            intervalSeconds = nil
        }
        sha256 = own?.settings.checksum.map { "\($0)" }
        maximumBytes = own?.settings.maximumOctets
        author = own?.author
        updatedAt = "\(list.updatedAt)"
        state = view.state.rawValue
        readAs = view.found?.format.rawValue
        names = view.found?.names
        wildcards = view.found?.wildcards
        prefixes = view.found?.prefixes
        let report = view.isOwn ? view.found : nil
        repeated = report?.repeated
        junkLines = report?.junkCount
        junk = report?.junk.map { Junk(line: $0.line, text: $0.text, reason: $0.reason) }
        bytes = own?.status.text?.octets
        textSha256 = own?.status.text.map { "\($0.digest)" }
        goodAt = list.status.goodAt.map { "\($0)" }
        triedAt = own?.status.triedAt.map { "\($0)" }
        error = own?.status.error
    }
}

struct BlocklistHitsAnswer: Encodable {
    let total: UInt64
    let top: [Entry]
    let tenants: [TenantHits]?

    struct Entry: Encodable {
        let entry: String
        let hits: UInt64
    }

    struct TenantHits: Encodable {
        let tenant: String
        let hits: UInt64
    }

    init(_ hits: BlocklistBook.Hits, tenants: [(tenant: Name, hits: UInt64)]?) {
        total = hits.total
        top = hits.top.map { Entry(entry: $0.text, hits: $0.hits) }
        self.tenants = tenants?.map { TenantHits(tenant: "\($0.tenant)", hits: $0.hits) }
    }
}

struct DNSExceptionAnswer: Encodable {
    let pattern: String
    let author: String
    let createdAt: String

    init(_ exception: DNSException) {
        pattern = "\(exception.pattern)"
        author = exception.author
        createdAt = "\(exception.createdAt)"
    }
}
