import Control
import Domain
import FoundationEssentials

/// What a client sends as a JSON object. A field that `CodingKeys` does not list is refused: it is more likely
/// misspelt than meaningless.
protocol RequestBody: Decodable {
    associatedtype CodingKeys: CodingKey & CaseIterable
}

extension RequestBody {
    /// - Throws: `.invalid` with the field that is unknown, missing or wrong.
    static func decoded(from data: Data) throws(ControlError) -> Self {
        let decoder = JSONDecoder()
        do {
            let given = try decoder.decode(FieldNames.self, from: data).names
            let known = CodingKeys.allCases.map(\.stringValue)
            let unknown = given.filter { !known.contains($0) }.sorted()
            guard unknown.isEmpty else {
                throw ControlError(
                    .invalid, "the body has fields that are not known here",
                    problems: unknown.prefix(20).map {
                        .init(
                            line: nil, field: $0.shortened,
                            message: "unknown field; known are \(known.joined(separator: ", "))")
                    })
            }
            return try decoder.decode(Self.self, from: data)
        } catch let error as ControlError {
            throw error
        } catch let error as DecodingError {
            throw ControlError(error)
        } catch {
            throw ControlError(.invalid, "the body cannot be read as JSON")
        }
    }
}

extension ControlError {
    fileprivate init(_ error: DecodingError) {
        let name = { (path: [any CodingKey]) in path.map(\.stringValue).joined(separator: ".") }
        switch error {
        case .keyNotFound(let key, let context):
            self = .wrong(name(context.codingPath + [key]), "is missing")
        case .valueNotFound(_, let context):
            self = .wrong(name(context.codingPath), "is null; give a value")
        case .typeMismatch(let type, let context):
            let kind = type == [String: Any].self ? "an object" : type == String.self ? "a text" : "\(type)"
            guard !context.codingPath.isEmpty else {
                self.init(.invalid, "the body is not a JSON object")
                return
            }
            self = .wrong(name(context.codingPath), "has the wrong type: \(kind) is wanted")
        case .dataCorrupted(let context):
            guard !context.codingPath.isEmpty else {
                self.init(.invalid, "the body is not JSON")
                return
            }
            self = .wrong(name(context.codingPath), context.debugDescription)
        @unknown default:
            self.init(.invalid, "the body cannot be read as JSON")
        }
    }
}

/// A domain value in a body, as text.
struct Text<Value: TextParsable>: Decodable {
    let value: Value

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(ParseError) { value = try Value(parsing: text) } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }
}

/// A whole number in a body. Foundation reports one that does not fit its type without saying which field it was.
struct Whole<Value: FixedWidthInteger & Sendable>: Decodable {
    let value: Value

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let value = Value(exactly: try container.decode(Int64.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "is out of range: write one from \(Value.min) to \(Value.max)")
        }
        self.value = value
    }
}

extension Text: Sendable where Value: Sendable {}

/// The names of an object's fields.
struct FieldNames: Decodable {
    let names: [String]

    init(from decoder: any Decoder) throws {
        names = try decoder.container(keyedBy: Key.self).allKeys.map(\.stringValue)
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

// MARK: The bodies

struct NewTenantBody: RequestBody {
    let name: Text<Name>
    enum CodingKeys: String, CodingKey, CaseIterable { case name }
}

struct NewGroupBody: RequestBody {
    let name: Text<Name>
    let policy: Text<Name>?
    enum CodingKeys: String, CodingKey, CaseIterable { case name, policy }
}

struct NewSIMBody: RequestBody {
    let imsi: Text<IMSI>
    let iccid: Text<ICCID>
    let msisdn: Text<MSISDN>?
    let group: Text<Name>?
    let name: String?
    enum CodingKeys: String, CodingKey, CaseIterable { case imsi, iccid, msisdn, group, name }
}

/// `{"policy": "meters"}`, or `{"policy": null}` for none. Leaving the field out is an error: it could mean either.
struct PolicyChoiceBody: RequestBody {
    let policy: Name?
    enum CodingKeys: String, CodingKey, CaseIterable { case policy }

    init(from decoder: any Decoder) throws {
        policy = try decoder.container(keyedBy: CodingKeys.self).chosenName(.policy)
    }
}

/// `{"group": "sensors"}`, or `{"group": null}` for none.
struct GroupChoiceBody: RequestBody {
    let group: Name?
    enum CodingKeys: String, CodingKey, CaseIterable { case group }

    init(from decoder: any Decoder) throws {
        group = try decoder.container(keyedBy: CodingKeys.self).chosenName(.group)
    }
}

extension KeyedDecodingContainer {
    func chosenName(_ key: Key) throws -> Name? {
        guard contains(key) else {
            throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: ""))
        }
        return try decodeNil(forKey: key) ? nil : decode(Text<Name>.self, forKey: key).value
    }
}

struct NewPoolBody: RequestBody {
    let prefix: Text<IPPrefix>
    /// 24 unless given; of IPv6, 48.
    let blockLength: Whole<UInt8>?
    /// Of IPv6 only.
    let delegatedLength: Whole<UInt8>?
    enum CodingKeys: String, CodingKey, CaseIterable {
        case prefix
        case blockLength = "block_length"
        case delegatedLength = "delegated_length"
    }
}

struct NewNASBody: RequestBody {
    let name: Text<Name>
    let address: Text<IPv4Address>
    /// Goes in and never comes out again.
    let secret: String
    let requiresMessageAuthenticator: Bool?
    let disconnectPort: Whole<UInt16>?
    let disconnectKey: Text<NAS.DisconnectKey>?
    enum CodingKeys: String, CodingKey, CaseIterable {
        case name, address, secret
        case requiresMessageAuthenticator = "requires_message_authenticator"
        case disconnectPort = "disconnect_port"
        case disconnectKey = "disconnect_key"
    }
}

struct NewTokenBody: RequestBody {
    let name: Text<Name>
    /// Absent for a token of the operator.
    let tenant: Text<Name>?
    enum CodingKeys: String, CodingKey, CaseIterable { case name, tenant }
}
