extension SQLiteSchema {
    static let names = """
        CREATE TABLE learned_names (
            policy INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
            address TEXT NOT NULL,
            name TEXT NOT NULL,
            until INTEGER NOT NULL,
            PRIMARY KEY (policy, address, name)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE tenant_dns (
            tenant INTEGER PRIMARY KEY NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
            log TEXT NOT NULL,
            sampling INTEGER NOT NULL CHECK (sampling >= 1),
            -- One a line.
            upstreams TEXT NOT NULL
        ) STRICT;
        """

    // By policy and address, each of some hundred facts that are new would be on a page of its own. No foreign key: its
    // index would be in that order again. Whose policy is gone is deleted by whoever learned it.
    static let namesInOrder = """
        ALTER TABLE learned_names RENAME TO learned_names_by_policy;
        CREATE TABLE learned_names (
            number INTEGER PRIMARY KEY,
            policy INTEGER NOT NULL,
            address TEXT NOT NULL,
            name TEXT NOT NULL,
            until INTEGER NOT NULL
        ) STRICT;
        INSERT INTO learned_names (policy, address, name, until)
            SELECT policy, address, name, until FROM learned_names_by_policy;
        DROP TABLE learned_names_by_policy;
        """
}
