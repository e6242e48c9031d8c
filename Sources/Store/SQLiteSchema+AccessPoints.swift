extension SQLiteSchema {
    static let accessPoints = """
        CREATE TABLE apns (
            name TEXT PRIMARY KEY NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('shared', 'private')),
            -- Whose SIMs alone come in by it.
            owner INTEGER REFERENCES tenants (id) ON DELETE CASCADE CHECK ((owner IS NOT NULL) = (kind = 'private')),
            created_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX apns_owner ON apns (owner) WHERE owner IS NOT NULL;
        """
}
