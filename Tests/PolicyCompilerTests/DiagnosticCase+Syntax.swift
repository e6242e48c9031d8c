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
            messages: [
                "5:5: not YAML: could not find expected ':': write a colon and a space after the key"
            ]),
        .init(
            name: "two keys on a line",
            text: """
                policy: p
                rules:
                  - name: a to: any
                """,
            messages: [
                "3:15: not YAML: mapping values are not allowed in this context: indent keys alike, write "
                    + "each on a line of its own, and text with a colon in quotation marks"
            ]),
        .init(
            name: "ragged keys",
            text: """
                policy: p
                rules:
                  - name: a
                     to: any
                    action: block
                """,
            messages: [
                "4:8: not YAML: mapping values are not allowed in this context: indent keys alike, write "
                    + "each on a line of its own, and text with a colon in quotation marks"
            ]),
        .init(
            name: "ragged keys to the left",
            text: """
                policy: p
                rules:
                  - name: a
                   to: any
                """,
            messages: [
                "4:4: not YAML: did not find expected '-' indicator: indent the keys of a mapping alike, and "
                    + "the items of a list"
            ]),
        .init(
            name: "ragged items",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, action: block}
                 - {name: b, to: any, action: block}
                """,
            messages: [
                "4:2: not YAML: did not find expected key: indent the keys of a mapping alike, and the items "
                    + "of a list"
            ]),
        .init(
            name: "list on the line of its key",
            text: """
                policy: p
                rules: - name: a
                """,
            messages: [
                "2:8: not YAML: block sequence entries are not allowed in this context: begin the list on a "
                    + "line of its own"
            ]),
        .init(
            name: "unclosed list",
            text: """
                policy: p
                rules:
                  - name: a
                    to: [10.0.0.1, 10.0.0.2
                    action: block
                """,
            messages: [
                "5:11: not YAML: did not find expected ',' or ']': put commas between the items, and ] "
                    + "behind the last"
            ]),
        .init(
            name: "unclosed rule",
            text: """
                policy: p
                rules: [{name: a, to: any, action: block]
                """,
            messages: [
                "2:41: not YAML: did not find expected ',' or '}': put commas between the pairs, and } "
                    + "behind the last"
            ]),
        .init(
            name: "text that starts with a reserved character",
            text: """
                policy: p
                rules:
                  - {name: a, to: @any, action: block}
                """,
            messages: [
                "3:19: not YAML: found character that cannot start any token: write text that starts so in "
                    + "quotation marks"
            ]),
        .init(
            name: "unknown escape",
            text: #"""
                policy: "\p"
                rules: []
                """#,
            messages: [
                "1:10: not YAML: found unknown escape character: write text with \\ in single quotation marks"
            ]),
        .init(
            name: "text after the end",
            text: """
                policy: p
                rules: []
                ...
                more
                """,
            messages: [
                "4:1: not YAML: did not find expected <document start>: the document ends before this line"
            ]),
        .init(
            name: "JSON without a comma",
            text: #"""
                {"policy": "p"
                 "rules": []}
                """#,
            messages: [
                "2:2: not YAML: did not find expected ',' or '}': put commas between the pairs, and } behind "
                    + "the last"
            ]),
        .init(
            name: "JSON that is cut off",
            text: #"{"policy": "p", "rules": [{"name": "a", "to": ["#,
            messages: [
                "1:48: not YAML: did not find expected node content: a value is missing here"
            ]),
        .init(
            name: "JSON of the wrong types",
            text: #"{"policy": ["p"], "default": null, "rules": {"name": "a"}}"#,
            messages: [
                "1:12: policy: expected one value, found a list: write a name",
                "1:30: default: \"null\" is not supported: the only default is block",
                "1:45: rules: expected a list of rules, found a mapping: write [] for no rules",
            ]),
        .init(
            name: "one key in two spellings",
            text: #"{"policy": "p", rules: [], 'rules': [], "\u0072ules": []}"#,
            messages: [
                "1:17: \"rules\" is written more than once in this mapping: write it once"
            ]),
        .init(
            name: "two rules of one name, the second wrong otherwise too",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, action: block}
                  - {name: a, to: 10.0.0.0/40, action: blok}
                """,
            messages: [
                "4:12: rules[1].name: \"a\" is the name of rules[0] already: give each rule a name of its own",
                "4:19: rules[1].to: \"10.0.0.0/40\" is not an IPv4 prefix: the length after the slash is a "
                    + "number from 0 to 32",
                "4:40: rules[1].action: \"blok\" is not an action (did you mean \"block\"?): write allow or "
                    + "block",
            ]),
        .init(
            name: "UTF-16 read as UTF-8",
            text: "p\0o\0l\0i\0c\0y\0",
            messages: [
                "1:2: the character U+0000 may not stand in a document: remove it, and save the "
                    + "document as UTF-8"
            ]),
        .init(
            name: "UTF-16 with a byte order mark read as UTF-8",
            text: "\u{FFFD}\u{FFFD}p\0o\0",
            messages: [
                "1:4: the character U+0000 may not stand in a document: remove it, and save the "
                    + "document as UTF-8"
            ]),
        .init(
            name: "Latin-1 read as UTF-8",
            text: "policy: z\u{FFFD}hler\nrules: []",
            messages: [
                "1:9: policy: \"z�hler\" is not a name: write 1 to 63 lower-case letters, digits and "
                    + "hyphens, a letter or digit at both ends"
            ]),
        .init(
            name: "control character behind Windows and old Macintosh line ends",
            text: "policy: p\r\n# a\r# b\u{2028}rules: [\u{7}]",
            messages: [
                "4:9: the character U+0007 may not stand in a document: remove it, and save the "
                    + "document as UTF-8"
            ]),
        .init(
            name: "unclosed behind Windows line ends",
            text: "policy: p\r\nrules: [\r\n",
            messages: [
                "3:1: not YAML: did not find expected node content: a value is missing here"
            ]),
        .init(
            name: "byte order mark in the middle",
            text: "policy: p\n\u{FEFF}rules: []",
            messages: [
                "2:1: the character U+FEFF may not stand in a document: remove it, and save the "
                    + "document as UTF-8"
            ]),
        .init(
            name: "nesting without end",
            text: "policy: p\nrules: " + String(repeating: "[", count: 5000),
            messages: [
                "2:9: nested more than 8 deep, which no part of a document is"
            ]),
        .init(
            name: "alias for a rule",
            text: """
                policy: p
                rules:
                  - *telemetry
                """,
            messages: [
                "3:5: rules[0]: YAML anchors (&), aliases (*) and tags (!) are not supported: write the "
                    + "value itself, in quotation marks if it starts so"
            ]),
        .init(
            name: "route of blocks, lists and nothing",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, route: block}
                  - {name: b, to: any, route: []}
                  - {name: c, to: any, route: }
                  - {name: d, to: any, action: {block: yes}}
                """,
            messages: [
                "3:31: rules[0].route: \"block\" is not a route: write action: block instead",
                "4:31: rules[1].route: the list is empty, so there is no way out: write internet, vpn:NAME, or "
                    + "a list of VPNs in the order of preference",
                "5:31: rules[2].route: expected one value, found nothing: write internet, vpn:NAME, or a list "
                    + "of VPNs in the order of preference",
                "6:32: rules[3].action: expected one value, found a mapping: write allow or block",
            ]),
        .init(
            name: "no space behind a colon",
            text: """
                policy: p
                rules:
                  - {name: c, to: any, route:internet}
                  - {name: c, to: any, route:}
                """,
            messages: [
                "4:29: not YAML: found unexpected ':': put a space behind the colon"
            ]),
        .init(
            name: "prefix lengths",
            text: """
                policy: p
                rules:
                  - {name: a, to: [10.0.0.0/08, 10.0.0.0/, 10.0.0.0/8/8, 10.0.0, 010.0.0.1, 10.0.0.0/-1], action: block}
                """,
            messages: [
                "3:20: rules[0].to[0]: \"10.0.0.0/08\" is not an IPv4 prefix: the length after the slash is "
                    + "a number from 0 to 32",
                "3:33: rules[0].to[1]: \"10.0.0.0/\" is not an IPv4 prefix: the length after the slash is a "
                    + "number from 0 to 32",
                "3:44: rules[0].to[2]: \"10.0.0.0/8/8\" is not an IPv4 prefix: the length after the slash is "
                    + "a number from 0 to 32",
                "3:58: rules[0].to[3]: \"10.0.0\" is not an IPv4 address: write four numbers from 0 to 255 "
                    + "with dots between them",
                "3:66: rules[0].to[4]: \"010.0.0.1\" is not an IPv4 address: write four numbers from 0 to "
                    + "255 with dots between them",
                "3:77: rules[0].to[5]: \"10.0.0.0/-1\" is not an IPv4 prefix: the length after the slash is "
                    + "a number from 0 to 32",
            ]),
    ]
}
