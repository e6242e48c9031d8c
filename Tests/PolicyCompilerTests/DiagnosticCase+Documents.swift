extension DiagnosticCase {
    /// What is wrong with the text as YAML, or with the document outside its rules.
    static let ofDocuments: [DiagnosticCase] = [
        .init(
            name: "empty",
            text: "",
            messages: [
                "1:1: the document is empty: write at least policy: and rules:"
            ]),
        .init(
            name: "only a comment",
            text: "# nothing",
            messages: [
                "1:1: the document is empty: write at least policy: and rules:"
            ]),
        .init(
            name: "not a mapping",
            text: "just text",
            messages: [
                "1:1: expected keys and values, found text: write policy: ..."
            ]),
        .init(
            name: "list",
            text: "- a",
            messages: [
                "1:1: expected keys and values, found a list: write policy: ..."
            ]),
        .init(
            name: "missing keys",
            text: "default: block",
            messages: [
                "1:1: \"policy\" is missing: write policy: meters",
                "1:1: \"rules\" is missing: write rules: [] to block everything",
            ]),
        .init(
            name: "bad name",
            text: """
                policy: Meters!
                rules: []
                """,
            messages: [
                "1:9: policy: \"Meters!\" is not a name: write 1 to 63 lower-case letters, digits and "
                    + "hyphens, a letter or digit at both ends"
            ]),
        .init(
            name: "default",
            text: """
                policy: p
                default: allow
                rules: []
                """,
            messages: [
                "2:10: default: \"allow\" is not supported: the only default is block"
            ]),
        .init(
            name: "unknown key",
            text: """
                policy: p
                defualt: block
                rules: []
                """,
            messages: [
                "2:1: defualt: unknown key \"defualt\" (did you mean \"default\"?): known here are policy, "
                    + "mode, default, lists, dns, rules"
            ]),
        .init(
            name: "far key",
            text: """
                policy: p
                owner: me
                rules: []
                """,
            messages: [
                "2:1: owner: unknown key \"owner\": known here are policy, mode, default, lists, dns, rules"
            ]),
        .init(
            name: "rules null",
            text: """
                policy: p
                rules:
                """,
            messages: [
                "2:7: rules: expected a list of rules, found nothing: write [] for no rules"
            ]),
        .init(
            name: "rules mapping",
            text: """
                policy: p
                rules: {a: b}
                """,
            messages: [
                "2:8: rules: expected a list of rules, found a mapping: write [] for no rules"
            ]),
        .init(
            name: "tab",
            text: """
                policy: p
                rules:
                \t- name: a
                """,
            messages: [
                "3:1: a tab cannot indent YAML: write spaces"
            ]),
        .init(
            name: "unclosed",
            text: """
                policy: p
                rules: [
                """,
            messages: [
                "2:9: not YAML: did not find expected node content: a value is missing here"
            ]),
        .init(
            name: "two docs",
            text: """
                policy: p
                rules: []
                ---
                policy: q
                """,
            messages: [
                "3:1: a second document starts here: write one document in a file"
            ]),
        .init(
            name: "dup key",
            text: """
                policy: p
                rules:
                  - name: a
                    to: any
                    to: 10.0.0.1
                    action: block
                """,
            messages: [
                "4:5: \"to\" is written more than once in this mapping: write it once"
            ]),
        .init(
            name: "anchors",
            text: """
                policy: &n p
                rules:
                  - &r {name: a, to: any, action: block}
                  - *r
                """,
            messages: [
                "3:20: not YAML: mapping values are not allowed in this context. YAML anchors (&), aliases "
                    + "(*) and tags (!) are not supported: write the value itself, in quotation marks if it starts "
                    + "so"
            ]),
        .init(
            name: "tag",
            text: """
                policy: !!str p
                rules: !x []
                """,
            messages: [
                "1:9: policy: YAML anchors (&), aliases (*) and tags (!) are not supported: write the value "
                    + "itself, in quotation marks if it starts so",
                "2:8: rules: YAML anchors (&), aliases (*) and tags (!) are not supported: write the value "
                    + "itself, in quotation marks if it starts so",
            ]),
        .init(
            name: "merge",
            text: """
                policy: p
                rules:
                  - {<<: *a, name: a, to: any, action: block}
                """,
            messages: [
                "3:10: rules[0].<<: YAML anchors (&), aliases (*) and tags (!) are not supported: write the "
                    + "value itself, in quotation marks if it starts so"
            ]),
        .init(
            name: "nul",
            text: "policy: p\0",
            messages: [
                "1:10: the character U+0000 may not stand in a document: remove it, and save the document as "
                    + "UTF-8"
            ]),
        .init(
            name: "nul escape",
            text: """
                policy: "p\\0"
                """,
            messages: [
                "1:11: the character U+0000 may not stand in a document, nor be escaped in it"
            ]),
        .init(
            name: "deep",
            text: """
                policy: [[[[[[[[[[]]]]]]]]]]
                rules: []
                """,
            messages: [
                "1:16: policy[0][0][0][0][0][0][0]: nested more than 8 deep, which no part of a document is"
            ]),
        .init(
            name: "complex key",
            text: """
                policy: p
                rules: []
                ? [a, b]
                : c
                """,
            messages: [
                "3:3: a key must be text, not a list or a mapping"
            ]),
        .init(
            name: "multi-line",
            text: """
                policy: "p
                  q\\n\\u202e"
                rules: []
                """,
            messages: [
                "1:9: policy: \"p q\\u{a}\\u{202e}\" is not a name: write 1 to 63 lower-case letters, digits "
                    + "and hyphens, a letter or digit at both ends"
            ]),
        .init(
            name: "unclosed quote",
            text: """
                policy: "p
                rules: []
                """,
            messages: [
                "2:10: not YAML: found unexpected end of stream: the quotation mark that closes the text is missing"
            ]),
    ]
}
