/// Text of charon's, or of a peer's that it repeats, made fit to be shown: control characters and others that are not
/// plain ASCII become `?`, and it is cut to 120 characters.
func shown(_ text: some StringProtocol) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(120) {
        result.append((0x20...0x7e).contains(scalar.value) ? scalar : "?")
    }
    if text.unicodeScalars.count > 120 { result.append(contentsOf: "...".unicodeScalars) }
    return String(result)
}
