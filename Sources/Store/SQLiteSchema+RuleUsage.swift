extension SQLiteSchema {
    // As the tables of usage: no foreign keys, and counts are added in Swift.
    static let ruleUsage: String = {
        let counts = """
            octets_up INTEGER NOT NULL,
            packets_up INTEGER NOT NULL,
            octets_down INTEGER NOT NULL,
            packets_down INTEGER NOT NULL
            """
        let buckets = { (name: String) in
            """
            CREATE TABLE \(name) (
                time INTEGER NOT NULL,
                tenant INTEGER NOT NULL,
                rule INTEGER NOT NULL,
                \(counts),
                PRIMARY KEY (time, tenant, rule)
            ) STRICT, WITHOUT ROWID;

            """
        }
        return """
            -- Rules whose usage is counted, by the names that they have or had, and what the kernel's counter said last.
            -- The kernel remembers the number.
            CREATE TABLE usage_rules (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                tenant INTEGER NOT NULL,
                policy TEXT NOT NULL,
                rule TEXT NOT NULL,
                -- When a version of the policy was applied that has it.
                applied_at INTEGER NOT NULL,
                -- The kernel's, which is another's after the kernel has forgotten it; 0 before the first reading.
                counter INTEGER NOT NULL,
                -- When it last had more than before.
                read_at INTEGER NOT NULL,
                \(counts),
                UNIQUE (tenant, policy, rule)
            ) STRICT;

            \(buckets("usage_rule_fives"))
            \(buckets("usage_rule_hours"))
            \(buckets("usage_rule_days"))
            """
    }()
}
