/// What is wrong in `cordon.yaml`: where, and what would be right.
struct ConfigurationError: Error, CustomStringConvertible {
    let file: String
    let line: Int?
    let key: String
    let message: String

    var description: String { "\(file)\(line.map { ":\($0)" } ?? ""): \(key.isEmpty ? "" : key + ": ")\(message)" }
}
