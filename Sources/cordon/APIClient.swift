import ArgumentParser
import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOHTTP1

/// Speaks to cordond's API and turns its refusals into messages and exit codes.
struct APIClient {
    let http: HTTPClient
    let endpoint: Endpoint
    let isJSON: Bool

    struct Answer {
        /// As it came.
        let text: String
        let value: JSONValue
    }

    enum Body {
        case json([String: JSONValue])
        case bytes([UInt8], type: String)
    }

    /// 69: EX_UNAVAILABLE of sysexits.h.
    static let unreachable = ExitCode(69)
    static let notFound = ExitCode(3)
    static let otherVersion = ExitCode(4)

    /// The largest answer that is read: a page, or a policy with its versions.
    private static let answerLimit = 256 << 20

    static func connected(json: Bool, _ body: (APIClient) async throws -> Void) async throws {
        let endpoint = try Endpoint(environment: processEnvironment())
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(5), read: .seconds(300)))
        // A socket that is not there is reported at once, not tried again for the length of the time-out.
        configuration.connectionPool.retryConnectionEstablishment = false
        try await HTTPClient.withHTTPClient(configuration: configuration) { http in
            try await body(APIClient(http: http, endpoint: endpoint, isJSON: json))
        }
    }

    func get(_ path: String..., query: [(String, String?)] = []) async throws -> Answer {
        try await send(.GET, path, query: query)
    }

    func get(path: [String], query: [(String, String?)]) async throws -> Answer {
        try await send(.GET, path, query: query)
    }

    func post(
        _ path: String..., query: [(String, String?)] = [], headers: [(String, String)] = [], body: Body? = nil,
        file: String? = nil
    ) async throws -> Answer {
        try await send(.POST, path, query: query, headers: headers, body: body, file: file)
    }

    func put(_ path: String..., body: [String: JSONValue]) async throws -> Answer {
        try await send(.PUT, path, body: .json(body))
    }

    func put(_ path: String..., body: Body, file: String? = nil) async throws -> Answer {
        try await send(.PUT, path, body: body, file: file)
    }

    func post(path: [String], query: [(String, String?)] = [], body: Body?) async throws -> Answer {
        try await send(.POST, path, query: query, body: body)
    }

    func patch(path: [String], body: Body) async throws -> Answer { try await send(.PATCH, path, body: body) }

    func put(
        path: [String], query: [(String, String?)] = [], headers: [(String, String)] = [], body: Body?,
        file: String? = nil
    ) async throws -> Answer {
        try await send(.PUT, path, query: query, headers: headers, body: body, file: file)
    }

    @discardableResult
    func delete(_ path: String...) async throws -> Answer { try await send(.DELETE, path) }

    @discardableResult
    func delete(
        path: [String], query: [(String, String?)] = [], headers: [(String, String)] = []
    ) async throws -> Answer {
        try await send(.DELETE, path, query: query, headers: headers)
    }

    /// Sends one request. `file` is what the body was read from: problems are shown as places in it.
    /// - Throws: `ExitCode`, after the reason is on standard error.
    private func send(
        _ method: HTTPMethod, _ path: [String], query: [(String, String?)] = [], headers: [(String, String)] = [],
        body: Body? = nil, file: String? = nil
    ) async throws -> Answer {
        var request = request(method, path, query: query)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        switch body {
        case nil: break
        case .json(let fields):
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(fields)))
        case .bytes(let bytes, let type):
            request.headers.add(name: "Content-Type", value: type)
            request.body = .bytes(ByteBuffer(bytes: bytes))
        }
        let status: UInt
        let text: String
        do {
            let response = try await http.execute(request, timeout: .minutes(10))
            status = response.status.code
            text = String(buffer: try await response.body.collect(upTo: Self.answerLimit))
        } catch {
            throw unreachable(error)
        }
        let value = Self.value(of: text)
        guard (200..<300).contains(status) else { throw refused(status, text, value, file: file) }
        return Answer(text: text, value: value)
    }

    func request(_ method: HTTPMethod, _ path: [String], query: [(String, String?)]) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: endpoint.base + "/v1/" + Self.target(path, query))
        request.method = method
        request.headers.add(name: "Authorization", value: "Bearer \(endpoint.token)")
        request.headers.add(name: "Accept", value: "application/json, application/problem+json")
        return request
    }

    func unreachable(_ error: any Error) -> ExitCode {
        printError("cordon: cordond cannot be reached at \(endpoint.name): \(error)")
        return Self.unreachable
    }

    /// `null` for an answer without a body, or one of something else that listens there.
    static func value(of text: String) -> JSONValue {
        (try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))) ?? .null
    }

    private static func target(_ path: [String], _ query: [(String, String?)]) -> String {
        let parameters = query.compactMap { name, value in value.map { "\(name)=\($0.urlComponent)" } }
        return path.map(\.urlComponent).joined(separator: "/")
            + (parameters.isEmpty ? "" : "?" + parameters.joined(separator: "&"))
    }

    func refused(_ status: UInt, _ text: String, _ problem: JSONValue, file: String?) -> ExitCode {
        if isJSON, problem != .null {
            printError(text)
        } else {
            for place in problem["problems"].elements { printError(Self.line(of: place, in: file)) }
            printError("cordon: \((problem["detail"].string ?? "the answer was HTTP \(status)").onOneLine)")
        }
        return status == 404 ? Self.notFound : status == 412 ? Self.otherVersion : .failure
    }

    /// `policy.yaml:7:12: rules[1].ports: message`
    static func line(of place: JSONValue, in file: String?) -> String {
        var parts: [String] = []
        if let file {
            let numbers = [place["line"], place["column"]].compactMap(\.integer).map { ":\($0)" }.joined()
            parts.append((place["file"].string ?? file) + numbers)
        }
        if let field = place["field"].string, !field.isEmpty { parts.append(field) }
        parts.append(place["message"].string ?? "")
        return parts.joined(separator: ": ").onOneLine
    }

    // MARK: Output

    /// Shows an answer: as it came for programs, else as `describe` says it.
    func show(_ answer: Answer, _ describe: (JSONValue) -> Void) {
        if isJSON { print(answer.text) } else { describe(answer.value) }
    }

    /// Says what was done, to people only.
    func say(_ line: String) {
        if !isJSON { print(line) }
    }
}
