import Testing

/// A wrong document and everything that is said about it in the scope of ``RandomPolicy``, from the line number on.
struct DiagnosticCase: CustomTestStringConvertible {
    let name: String
    let text: String
    let messages: [String]
    var testDescription: String { name }

    static let all = ofDocuments + ofSyntax + ofRules + ofPlaces + ofParts
}
