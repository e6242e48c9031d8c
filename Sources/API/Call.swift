import Control
import Domain
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

/// A request by somebody known, on its way to a use case. Everything in it is untrusted; its methods parse it, and
/// their errors name the field.
struct Call: Sendable {
    let request: Request
    let context: APIContext
    let principal: Principal
    let control: ControlPlane

    /// A component of the path.
    func path<Value: TextParsable>(_ name: String, as type: Value.Type = Value.self) throws(ControlError) -> Value {
        let raw = context.parameters.get(name) ?? ""
        guard let text = raw.percentDecoded else {
            throw .wrong(name, "\"\(raw.shortened)\" is not percent-encoded UTF-8")
        }
        return try Self.parse(text, name)
    }

    /// The parameters after the question mark; one that is not among `allowed` is an error, since a misspelt filter
    /// would show, or change, more than was asked for.
    func query(_ allowed: String...) throws(ControlError) -> Query {
        var values: [String: String] = [:]
        for (name, value) in request.uri.queryParameters {
            let name = String(name)
            guard !name.isEmpty else { continue }
            guard allowed.contains(name) else {
                let known = allowed.isEmpty ? "there are none here" : "known are \(allowed.joined(separator: ", "))"
                throw .wrong(name.shortened, "unknown parameter; \(known)")
            }
            guard values.updateValue(String(value), forKey: name) == nil else {
                throw .wrong(name, "given twice; give it once")
            }
        }
        return Query(values: values)
    }

    /// The body as JSON of exactly the fields that `type` has.
    func json<Body: RequestBody>(_ type: Body.Type, limit: Int = Limits.json) async throws -> Body {
        try requireContentType(["application/json"])
        return try type.decoded(from: Data(try await body(limit: limit).readableBytesView))
    }

    /// The body as text.
    func text(limit: Int, types: [String]) async throws -> String {
        try requireContentType(types)
        let body = try await body(limit: limit)
        guard let text = String(validating: body.readableBytesView, as: UTF8.self) else {
            throw ControlError(.invalid, "the body is not UTF-8")
        }
        return text
    }

    /// The body as it is.
    func bytes(limit: Int, types: [String]) async throws -> [UInt8] {
        try requireContentType(types)
        return Array(try await body(limit: limit).readableBytesView)
    }

    /// What the body is, without parameters.
    var contentType: String {
        ((request.headers[.contentType] ?? "").split(separator: ";").first ?? "").filter { $0 != " " }.lowercased()
    }

    func requireContentType(_ allowed: [String]) throws(Refusal) {
        guard allowed.contains(contentType) else {
            let given = request.headers[.contentType] ?? ""
            throw Refusal(
                status: .unsupportedMediaType, code: "unsupported-media-type",
                detail: "Content-Type is \"\(given.shortened)\"; send \(allowed.joined(separator: " or "))")
        }
    }

    /// The body piece by piece, as it comes.
    func pieces(limit: Int, _ body: (Span<UInt8>) throws(ControlError) -> Void) async throws {
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit {
            throw Refusal.tooLarge(limit: limit)
        }
        var octets = 0
        var iterator = request.body.makeAsyncIterator()
        while true {
            let piece: ByteBuffer?
            do { piece = try await iterator.next() } catch { throw BodyInterrupted(cause: error) }
            guard let piece else { return }
            octets += piece.readableBytes
            guard octets <= limit else { throw Refusal.tooLarge(limit: limit) }
            try body(piece.readableBytesUInt8Span)
        }
    }

    private func body(limit: Int) async throws -> ByteBuffer {
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit {
            throw Refusal.tooLarge(limit: limit)
        }
        do {
            return try await request.body.collect(upTo: limit)
        } catch is NIOTooManyBytesError {
            throw Refusal.tooLarge(limit: limit)
        } catch {
            throw BodyInterrupted(cause: error)
        }
    }

    static func parse<Value: TextParsable>(_ text: String, _ field: String) throws(ControlError) -> Value {
        do throws(ParseError) { return try Value(parsing: text) } catch { throw .wrong(field, error.description) }
    }
}

/// Octets of a body that are accepted at most.
package enum Limits {
    package static let json = 1 << 20
    package static let policy = 256 << 10
    /// Names of the greatest length, with room for comments.
    static let list = 2 << 20
    static let csv = 64 << 20
    /// Names of as many SIMs as a bulk operation takes.
    static let bulk = 8 << 20
    /// Items of a page.
    static let page = 1000
}

/// Parsed parameters of a query.
struct Query {
    fileprivate let values: [String: String]

    func text(_ name: String) -> String? { values[name] }

    func value<Value: TextParsable>(_ name: String, as type: Value.Type = Value.self) throws(ControlError) -> Value? {
        guard let text = values[name] else { return nil }
        return try Call.parse(text, name)
    }

    func required<Value: TextParsable>(_ name: String, as type: Value.Type) throws(ControlError) -> Value {
        guard let value = try value(name, as: type) else { throw .wrong(name, "is missing") }
        return value
    }

    func flag(_ name: String, default: Bool) throws(ControlError) -> Bool {
        switch values[name] {
        case nil: return `default`
        case "true": return true
        case "false": return false
        case let other?: throw .wrong(name, "\"\(other.shortened)\" is neither true nor false")
        }
    }

    /// 100 unless given.
    func limit() throws(ControlError) -> Int {
        guard let text = values["limit"] else { return 100 }
        guard let limit = Int(text), (1...Limits.page).contains(limit) else {
            throw .wrong("limit", "\"\(text.shortened)\" is not a number from 1 to \(Limits.page)")
        }
        return limit
    }
}
