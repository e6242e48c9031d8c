import Foundation
import PolicyCompiler
import TestSupport
import Testing

/// What the API refuses for its structure, the published schema refuses too, and it refuses nothing that the API takes.
@Suite struct SchemaAgreementTests {
    private let checker: SchemaChecker

    init() throws {
        let object = try JSONSerialization.jsonObject(with: Data(PolicySchema.json.utf8))
        checker = SchemaChecker(root: try #require(object as? [String: Any]))
    }

    @Test func `reader and schema agree on documents with one change to their structure`() throws {
        var (both, neither) = (0, 0)
        try forAll(1000) { random in
            let json = RandomPolicy.wholeDocument(using: &random).json(using: &random)
            var document = try JSONSerialization.jsonObject(with: Data(json.utf8))
            // One of the places where there is something to change.
            var places = Self.places(in: document)
            places.sort { $0.description < $1.description }
            guard let place = places.randomElement(using: &random) else { return }
            let change = Change.random(using: &random)
            document = Self.changed(document, at: place.steps[...], by: change)
            let text = String(decoding: try JSONSerialization.data(withJSONObject: document), as: UTF8.self)
            let complaint = checker.complaint(about: document)
            let refusals = Self.refusals(of: text)
            let about = "seed \(random.seed): \(change) at \(place): \(text)"
            if complaint != nil, refusals.isEmpty {
                // YAML's plain scalars are of no type, so the reader takes 7 and "7", true and "true" for the same.
                try #require(change.isScalar, "only the schema refuses, \(complaint ?? "") \(about)")
            } else if complaint == nil {
                let structural = refusals.first(where: Self.isStructural)
                try #require(structural == nil, "only the reader refuses, \(structural ?? "") \(about)")
            }
            both += complaint != nil && !refusals.isEmpty ? 1 : 0
            neither += complaint == nil && refusals.isEmpty ? 1 : 0
        }
        #expect(both > 250 && neither > 25, "\(both) refused by both, \(neither) by neither")
    }

    @Test(arguments: [
        #""dns": {"blocklists": ["# + list(65) + #"]}, "rules": []"#, #""lists": ["# + list(65) + #"], "rules": []"#,
        #""rules": [{"name": "a", "to": ["# + list(4097) + #"], "action": "block"}]"#,
        #""rules": [{"name": "a", "to": "any", "route": ["# + list(9) + #"]}]"#,
        #""rules": [{"name": "a", "to": "any", "protocol": "tcp", "ports": ["# + list(65) + #"], "action": "block"}]"#,
        #""rules": [{"name": "a", "to": "any", "schedule": {"days": ["# + list(8) + #"]}, "action": "block"}]"#,
        #""rules": ["# + list(257) + "]",
    ])
    func `both refuse what is too long`(members: String) throws {
        let json = #"{"policy": "p", "# + members + "}"
        #expect(Self.refusals(of: json).contains { $0.contains("at most") })
        let document = try JSONSerialization.jsonObject(with: Data(json.utf8))
        #expect(checker.complaint(about: document) != nil)
    }

    private static func list(_ count: Int) -> String { (1...count).map { "\"\($0)\"" }.joined(separator: ", ") }

    private static func refusals(of json: String) -> [String] {
        do throws(PolicyError) {
            _ = try PolicyDocument(parsing: json, file: "p").validated(in: RandomPolicy.scope)
            return []
        } catch {
            return error.diagnostics.map(\.description)
        }
    }

    /// What the reader says about keys, and about kinds of values; the rest is about what values mean.
    private static func isStructural(_ message: String) -> Bool {
        ["unknown key", "is missing: write", "expected ", "the list is empty", "does not say what happens"]
            .contains { message.contains($0) }
    }

    // MARK: Changes

    private enum Change: CustomStringConvertible {
        case remove
        case add
        case replace(json: String)

        static func random(using random: inout Generator) -> Change {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: .remove
            case 1: .add
            default:
                .replace(
                    json: random.pick(
                        "[]", "{}", "[[]]", "[{}]", #"{"name": "a"}"#, "7", "true", #""""#, #""7""#, #""true""#,
                        #""any""#, #"["any"]"#, "[7]", #"[""]"#, "null", "-1", "65536", "1.5", #""a-b""#))
            }
        }

        var isScalar: Bool {
            switch self {
            case .replace(let json): !"{[".contains(json.prefix(1)) || json == "[7]"
            case .remove, .add: false
            }
        }

        var description: String {
            switch self {
            case .remove: "nothing any more"
            case .add: "one key more"
            case .replace(let json): json
            }
        }
    }

    private struct Place: CustomStringConvertible {
        var steps: [Step] = []

        enum Step {
            case key(String)
            case index(Int)
        }

        var description: String {
            steps.map { step in
                switch step {
                case .key(let key): ".\(key)"
                case .index(let index): "[\(index)]"
                }
            }.joined()
        }
    }

    private static func places(in value: Any, below place: Place = Place()) -> [Place] {
        let below = { (step: Place.Step, value: Any) in
            let next = Place(steps: place.steps + [step])
            return [next] + places(in: value, below: next)
        }
        switch value {
        case let object as [String: Any]: return object.flatMap { below(.key($0.key), $0.value) }
        case let list as [Any]: return list.enumerated().flatMap { below(.index($0.offset), $0.element) }
        default: return []
        }
    }

    private static func changed(_ value: Any, at steps: ArraySlice<Place.Step>, by change: Change) -> Any {
        guard let step = steps.first else {
            guard case .replace(let json) = change else { return value }
            // The text is a constant of this file.
            return (try? JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed)) ?? value
        }
        let isLast = steps.count == 1
        switch (step, value) {
        case (.key(let key), var object as [String: Any]):
            switch change {
            case .remove where isLast: object[key] = nil
            case .add where isLast: object["nothing-known"] = "x"
            case .remove, .add, .replace:
                object[key] = object[key].map { changed($0, at: steps.dropFirst(), by: change) }
            }
            return object
        case (.index(let index), var list as [Any]):
            if isLast, case .remove = change {
                list.remove(at: index)
            } else {
                list[index] = changed(list[index], at: steps.dropFirst(), by: change)
            }
            return list
        default: return value
        }
    }
}
