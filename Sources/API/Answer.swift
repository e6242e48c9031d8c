import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

extension Response {
    /// A body of JSON on one line, names in snake_case, absent values left out.
    static func json(_ body: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(json: body)))
    }

    /// 201 with the place of what was made.
    static func created(_ body: some Encodable, at path: [String]) -> Response {
        var response = json(body, status: .created)
        response.headers[.location] = "/v1/" + path.map(\.pathComponent).joined(separator: "/")
        return response
    }

    static func text(_ text: String, status: HTTPResponse.Status = .ok, type: String = "text/plain") -> Response {
        Response(
            status: status, headers: [.contentType: "\(type); charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    /// JSON that is text already.
    static func constant(_ json: String, type: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: type], body: ResponseBody(byteBuffer: ByteBuffer(string: json)))
    }

    static var noContent: Response { Response(status: .noContent) }
}

extension ByteBuffer {
    /// JSON on one line, names in snake_case, absent values left out.
    init(json body: some Encodable) {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            self.init(bytes: try encoder.encode(body))
        } catch {
            // The wire types hold strings, integers and finite numbers: those always encode.
            preconditionFailure("a wire type cannot be encoded: \(error)")
        }
    }
}

extension String {
    /// Percent-encoded so that it is one component of a path.
    package var pathComponent: String {
        utf8.reduce(into: "") { text, byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e:
                text.unicodeScalars.append(Unicode.Scalar(byte))
            default: text += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }
    }
}

extension String {
    /// Undoes percent-encoding (RFC 3986 §2.1); `nil` when a percent sign is not followed by two hexadecimal digits or
    /// the octets are not UTF-8.
    package var percentDecoded: String? {
        var octets: [UInt8] = []
        var rest = utf8.makeIterator()
        while let byte = rest.next() {
            guard byte == UInt8(ascii: "%") else {
                octets.append(byte)
                continue
            }
            guard let high = rest.next().flatMap(Self.hexadecimal), let low = rest.next().flatMap(Self.hexadecimal)
            else { return nil }
            octets.append(high << 4 | low)
        }
        return String(validating: octets, as: UTF8.self)
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46, 0x61...0x66: (byte & 0xdf) - 0x37
        default: nil
        }
    }
}

/// A whole list, or one page of it. `next_cursor` is there when more may follow: ask again with `cursor` set to it.
struct Page<Item: Encodable>: Encodable {
    let items: [Item]
    var nextCursor: String?
}

extension Duration {
    /// Milliseconds, to the microsecond.
    var milliseconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) * 1000 + Double(attoseconds / 1_000_000_000_000) / 1000
    }
}
