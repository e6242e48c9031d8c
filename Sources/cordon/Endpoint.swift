import ArgumentParser
import Domain

/// Where the API is and what to show it: read from the environment once.
struct Endpoint {
    /// As the user wrote it, for messages.
    let name: String
    /// What goes before the path of a request.
    let base: String
    let token: String

    init(environment: [String: String]) throws {
        name = environment["CORDON_URL"].flatMap { $0.isEmpty ? nil : $0 } ?? "unix:/run/cordon/api.sock"
        base = try Self.base(of: name)
        token = try Self.token(environment)
    }

    static func base(of name: String) throws -> String {
        if name.hasPrefix("unix:/") { return "http+unix://" + String(name.dropFirst(5)).urlComponent }
        if name.hasPrefix("http://") || name.hasPrefix("https://") {
            return String(name.reversed().drop { $0 == "/" }.reversed())
        }
        throw ValidationError(
            "CORDON_URL is \"\(name)\": write unix:/PATH/TO/SOCKET, http://HOST:PORT or https://HOST:PORT")
    }

    private static func token(_ environment: [String: String]) throws -> String {
        if let token = environment["CORDON_TOKEN"], !token.isEmpty { return try checked(token, "CORDON_TOKEN") }
        guard let path = environment["CORDON_TOKEN_FILE"], !path.isEmpty else {
            throw ValidationError("no token: set CORDON_TOKEN, or CORDON_TOKEN_FILE to the file that holds it")
        }
        let text = String(decoding: try readFile(path), as: UTF8.self)
        return try checked(text.split(whereSeparator: \.isWhitespace).joined(separator: " "), path)
    }

    private static func checked(_ token: String, _ source: String) throws -> String {
        // A header's value: anything else would be refused by the client's library with words about headers.
        guard !token.isEmpty, token.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw ValidationError("\(source) does not hold a token")
        }
        return token
    }
}

extension String {
    /// Percent-encoded for one component of a path or a query.
    var urlComponent: String {
        utf8.reduce(into: "") { text, byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e:
                text.unicodeScalars.append(Unicode.Scalar(byte))
            default: text += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }
    }
}
