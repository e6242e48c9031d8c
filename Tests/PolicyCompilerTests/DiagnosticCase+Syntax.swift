extension DiagnosticCase {
    /// What YAML and JSON ask of a text, and what files and programs do to it.
    static let ofSyntax: [DiagnosticCase] = [
        .init(
            name: "missing colon",
            text: """
                policy: p
                rules:
                  - name: a
                    to
                    action: block
                """,
            messages: ["?"]),
        .init(
            name: "two keys on a line",
            text: """
                policy: p
                rules:
                  - name: a to: any
                """,
            messages: ["?"]),
        .init(
            name: "ragged keys",
            text: """
                policy: p
                rules:
                  - name: a
                     to: any
                    action: block
                """,
            messages: ["?"]),
        .init(
            name: "ragged keys to the left",
            text: """
                policy: p
                rules:
                  - name: a
                   to: any
                """,
            messages: ["?"]),
        .init(
            name: "ragged items",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, action: block}
                 - {name: b, to: any, action: block}
                """,
            messages: ["?"]),
        .init(
            name: "list on the line of its key",
            text: """
                policy: p
                rules: - name: a
                """,
            messages: ["?"]),
        .init(
            name: "unclosed list",
            text: """
                policy: p
                rules:
                  - name: a
                    to: [10.0.0.1, 10.0.0.2
                    action: block
                """,
            messages: ["?"]),
        .init(
            name: "unclosed rule",
            text: """
                policy: p
                rules: [{name: a, to: any, action: block]
                """,
            messages: ["?"]),
        .init(
            name: "text that starts with a reserved character",
            text: """
                policy: p
                rules:
                  - {name: a, to: @any, action: block}
                """,
            messages: ["?"]),
        .init(
            name: "unknown escape",
            text: #"""
                policy: "\p"
                rules: []
                """#,
            messages: ["?"]),
        .init(
            name: "text after the end",
            text: """
                policy: p
                rules: []
                ...
                more
                """,
            messages: ["?"]),
        .init(
            name: "JSON without a comma",
            text: #"""
                {"policy": "p"
                 "rules": []}
                """#,
            messages: ["?"]),
        .init(
            name: "JSON that is cut off",
            text: #"{"policy": "p", "rules": [{"name": "a", "to": ["#,
            messages: ["?"]),
        .init(
            name: "JSON of the wrong types",
            text: #"{"policy": ["p"], "default": null, "rules": {"name": "a"}}"#,
            messages: ["?"]),
        .init(
            name: "one key in two spellings",
            text: #"{"policy": "p", rules: [], 'rules': [], "\u0072ules": []}"#,
            messages: ["?"]),
        .init(
            name: "two rules of one name, the second wrong otherwise too",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, action: block}
                  - {name: a, to: 10.0.0.0/40, action: blok}
                """,
            messages: ["?"]),
        .init(
            name: "UTF-16 read as UTF-8",
            text: "p\0o\0l\0i\0c\0y\0",
            messages: ["?"]),
        .init(
            name: "UTF-16 with a byte order mark read as UTF-8",
            text: "\u{FFFD}\u{FFFD}p\0o\0",
            messages: ["?"]),
        .init(
            name: "Latin-1 read as UTF-8",
            text: "policy: z\u{FFFD}hler\nrules: []",
            messages: ["?"]),
        .init(
            name: "control character behind Windows and old Macintosh line ends",
            text: "policy: p\r\n# a\r# b\u{2028}rules: [\u{7}]",
            messages: ["?"]),
        .init(
            name: "unclosed behind Windows line ends",
            text: "policy: p\r\nrules: [\r\n",
            messages: ["?"]),
        .init(
            name: "byte order mark in the middle",
            text: "policy: p\n\u{FEFF}rules: []",
            messages: ["?"]),
        .init(
            name: "nesting without end",
            text: "policy: p\nrules: " + String(repeating: "[", count: 5000),
            messages: ["?"]),
        .init(
            name: "alias for a rule",
            text: """
                policy: p
                rules:
                  - *telemetry
                """,
            messages: ["?"]),
        .init(
            name: "route of blocks, lists and nothing",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, route: block}
                  - {name: b, to: any, route: [vpn:hq, internet]}
                  - {name: c, to: any, route:}
                  - {name: d, to: any, action: {block: yes}}
                """,
            messages: ["?"]),
        .init(
            name: "prefix lengths",
            text: """
                policy: p
                rules:
                  - {name: a, to: [10.0.0.0/08, 10.0.0.0/, 10.0.0.0/8/8, 10.0.0, 010.0.0.1, 10.0.0.0/-1], action: block}
                """,
            messages: ["?"]),
    ]
}
