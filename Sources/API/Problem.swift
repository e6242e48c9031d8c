import Control
import Domain
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Logging
import Metrics

/// An error as RFC 9457 has it: the only form in which the API answers one.
struct Problem: Encodable {
    let type = "about:blank"
    let title: String
    let status: Int
    let detail: String
    /// For programs; one of a fixed list.
    let code: String
    /// Wrong places in the input, when it was one.
    let problems: [Place]

    struct Place: Encodable {
        let line: Int?
        let column: Int?
        let file: String?
        let field: String
        let message: String
    }

    init(_ status: HTTPResponse.Status, code: String, detail: String, problems: [ControlError.Problem] = []) {
        title = status.reasonPhrase
        self.status = status.code
        self.code = code
        self.detail = detail
        self.problems = problems.map(Place.init)
    }
}

extension Problem.Place {
    init(_ problem: ControlError.Problem) {
        self.init(
            line: problem.line, column: problem.column, file: problem.file, field: problem.field,
            message: problem.message)
    }
}

/// A refusal that HTTP itself asks for, rather than a use case.
struct Refusal: Error {
    let status: HTTPResponse.Status
    let code: String
    let detail: String
    var headers: HTTPFields = [:]

    static func unauthenticated(_ detail: String, challenge: String) -> Self {
        Self(
            status: .unauthorized, code: "unauthenticated", detail: detail, headers: [.wwwAuthenticate: challenge])
    }

    static func tooLarge(limit: Int) -> Self {
        Self(
            status: .contentTooLarge, code: "too-large",
            detail: "the body is longer than \(limit) octets; send less at a time")
    }
}

/// The client's stream broke while its body was read. Goes through to the server, which closes the connection.
struct BodyInterrupted: Error {
    let cause: any Error
}

/// The one place where errors become answers, and where answers are counted.
struct ProblemMiddleware: RouterMiddleware {
    private let time = Timer(label: "cordon_api_request_seconds")

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        let started = ContinuousClock.now
        var response: Response
        do {
            response = try await next(request, context)
        } catch let error as BodyInterrupted {
            throw error.cause
        } catch {
            let (problem, headers) = Self.problem(of: error, to: request, context: context)
            response = Self.response(problem, headers: headers)
        }
        time.record(duration: ContinuousClock.now - started)
        Counter(label: "cordon_api_requests_total", dimensions: [("status", "\(response.status.code)")]).increment()
        return request.method == .head ? response.createHeadResponse() : response
    }

    private static func problem(
        of error: any Error, to request: Request, context: APIContext
    ) -> (Problem, HTTPFields) {
        switch error {
        case let error as ControlError:
            let status = error.code.status
            return (
                Problem(status, code: error.code.rawValue, detail: error.detail, problems: error.problems),
                [.serviceUnavailable, .tooManyRequests].contains(status) ? [.retryAfter: "1"] : [:]
            )
        case let error as Refusal:
            return (Problem(error.status, code: error.code, detail: error.detail), error.headers)
        case let error as HTTPError where error.status == .notFound:
            return (
                Problem(.notFound, code: "not-found", detail: "the API has nothing at \(request.uri.path.shortened)"),
                [:]
            )
        case let error as HTTPError where (400..<500).contains(error.status.code):
            return (Problem(error.status, code: "invalid", detail: error.body ?? error.status.reasonPhrase), [:])
        default:
            context.logger.error(
                "a request failed in a way that nobody foresaw",
                metadata: [
                    "error": "\(error)", "method": "\(request.method)", "route": "\(context.endpointPath ?? "")",
                ])
            return (
                Problem(
                    .internalServerError, code: "internal",
                    detail: "the request failed; cordond's log says why"), [:]
            )
        }
    }

    private static func response(_ problem: Problem, headers: HTTPFields) -> Response {
        var response = Response.json(problem, status: HTTPResponse.Status(code: problem.status))
        for field in headers { response.headers[field.name] = field.value }
        response.headers[.contentType] = "application/problem+json"
        return response
    }
}

extension ControlError.Code {
    var status: HTTPResponse.Status {
        switch self {
        case .invalid: .badRequest
        case .notFound: .notFound
        case .conflict, .exhausted: .conflict
        case .gone: .gone
        case .changed: .preconditionFailed
        case .forbidden: .forbidden
        case .tooMany: .tooManyRequests
        case .unavailable: .serviceUnavailable
        }
    }
}

extension ControlError {
    /// One wrong field of a request.
    static func wrong(_ field: String, _ message: String) -> Self {
        Self(.invalid, "\(field): \(message)", problems: [.init(line: nil, field: field, message: message)])
    }
}

extension String {
    /// At most 200 characters, for messages that quote what was sent.
    var shortened: String { count > 200 ? prefix(197) + "..." : self }
}
