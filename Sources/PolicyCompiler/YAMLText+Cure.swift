extension YAMLText {
    /// What would be right, for what the YAML library (libyaml 0.2.5) finds wrong; `nil` where no advice fits.
    static func cure(for problem: String) -> String? {
        switch problem {
        case "mapping values are not allowed in this context":
            "indent keys alike, write each on a line of its own, and text with a colon in quotation marks"
        case "found unexpected ':'": "put a space behind the colon"
        case "could not find expected ':'": "write a colon and a space after the key"
        case "did not find expected key", "did not find expected '-' indicator":
            "indent the keys of a mapping alike, and the items of a list"
        case "block sequence entries are not allowed in this context": "begin the list on a line of its own"
        case "did not find expected ',' or ']'": "put commas between the items, and ] behind the last"
        case "did not find expected ',' or '}'": "put commas between the pairs, and } behind the last"
        case "did not find expected node content": "a value is missing here"
        case "found unexpected end of stream": "the quotation mark that closes the text is missing"
        case "found character that cannot start any token": "write text that starts so in quotation marks"
        case "found unknown escape character": "write text with \\ in single quotation marks"
        case "did not find expected <document start>": "the document ends before this line"
        default: nil
        }
    }
}
