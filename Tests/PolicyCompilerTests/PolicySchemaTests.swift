import Foundation
import PolicyCompiler
import TestSupport
import Testing

@Suite struct PolicySchemaTests {
    private let checker: SchemaChecker

    init() throws {
        let object = try JSONSerialization.jsonObject(with: Data(PolicySchema.json.utf8))
        checker = SchemaChecker(root: try #require(object as? [String: Any]))
    }

    private func complaint(about json: String) throws -> String? {
        checker.complaint(about: try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed))
    }

    @Test func `the schema has the keys that the reader knows, and no others`() {
        #expect(checker.paths == PolicyDocument.knownPaths)
        #expect(PolicyDocument.knownPaths.count == 34)
    }

    @Test func `every right document fits the schema`() throws {
        try forAll(1000) { random in
            let json = RandomPolicy.wholeDocument(using: &random).json(using: &random)
            let complaint = try complaint(about: json)
            try #require(complaint == nil, "\(complaint ?? "") in \(json)")
        }
    }

    @Test(arguments: [
        #"{"policy": "p"}"#, #"{"rules": []}"#, #"{"policy": "P", "rules": []}"#, #"{"policy": "p", "rules": {}}"#,
        #"{"policy": "p", "rules": [], "rule": 1}"#, #"{"policy": "p", "mode": "off", "rules": []}"#,
        #"{"policy": "p", "default": "allow", "rules": []}"#,
        #"{"policy": "p", "dns": {"default": "deny"}, "rules": []}"#,
        #"{"policy": "p", "lists": [{"name": "a"}], "rules": []}"#,
        #"{"policy": "p", "rules": [{"name": "a", "to": "any"}]}"#,
        #"{"policy": "p", "rules": [{"name": "a", "to": [], "action": "block"}]}"#,
        #"{"policy": "p", "rules": [{"name": "a", "to": "any", "action": "block", "route": "internet"}]}"#,
        #"{"policy": "p", "rules": [{"name": "a", "to": "any", "action": "drop"}]}"#,
        #"{"policy": "p", "rules": [{"name": "a", "via": "vpn:hq", "action": "allow"}]}"#,
        #"{"policy": "p", "rules": [{"name": "a", "to": "any", "ports": 0, "action": "block"}]}"#,
        #"{"policy": "p", "rules": [{"name": "a", "to": "any", "protocol": "tpc", "action": "block"}]}"#,
        #"{"policy": "p", "rules": [{"name": "a", "to": "any", "log": "yes", "action": "block"}]}"#,
        #"{"policy": "p", "rules": [{"name": "a", "to": "any", "schedule": {"from": "1:00"}, "action": "block"}]}"#,
        #"{"policy": "p", "rules": [{"name": "a", "to": "any", "schedule": {"from": "24:00"}, "action": "block"}]}"#,
    ])
    func `what the reader refuses for its shape, the schema refuses too`(json: String) throws {
        #expect(try complaint(about: json) != nil)
        #expect(throws: PolicyError.self) {
            try PolicyDocument(parsing: json, file: "p").validated(in: RandomPolicy.scope)
        }
    }
}
