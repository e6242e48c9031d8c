extension SQLiteSchema {
    // Counts are 64-bit counters, and are added in Swift. Numbers of no SIM are of groups: -1 is that of SIMs in no group,
    // -1 minus a group's number the group's. All of a tenant's are together in each time, the groups' first.
    //
    // No foreign keys: what was used is told of for as long as it is kept, whatever is deleted meanwhile.
    static let usage: String = {
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
                subject INTEGER NOT NULL,
                route INTEGER NOT NULL,
                \(counts),
                PRIMARY KEY (time, tenant, subject, route)
            ) STRICT, WITHOUT ROWID;

            """
        }
        return """
            -- What each of the kernel's counters said last. In the order of the other tables, so that what is written
            -- together is near together.
            CREATE TABLE usage_counters (
                tenant INTEGER NOT NULL,
                sim INTEGER NOT NULL,
                counter INTEGER NOT NULL,
                way INTEGER NOT NULL,
                session INTEGER NOT NULL,
                read_at INTEGER NOT NULL,
                \(counts),
                PRIMARY KEY (tenant, sim, counter, way)
            ) STRICT, WITHOUT ROWID;

            \(buckets("usage_fives"))
            \(buckets("usage_hours"))
            \(buckets("usage_days"))
            -- Up to which time each level has been forgotten, and when all counters were last read.
            CREATE TABLE usage_times (
                name TEXT PRIMARY KEY NOT NULL,
                time INTEGER NOT NULL
            ) STRICT;

            -- A number does not come back, since the newest row is never removed.
            CREATE TABLE usage_records (
                number INTEGER PRIMARY KEY,
                tenant INTEGER NOT NULL,
                session INTEGER NOT NULL,
                imsi INTEGER NOT NULL,
                group_id INTEGER,
                route INTEGER NOT NULL,
                began_at INTEGER NOT NULL,
                -- Milliseconds.
                length INTEGER NOT NULL CHECK (length >= 0),
                \(counts)
            ) STRICT;
            CREATE INDEX usage_records_tenant ON usage_records (tenant);

            -- The highest number that retention has removed of each tenant.
            CREATE TABLE usage_records_forgotten (
                tenant INTEGER PRIMARY KEY NOT NULL,
                number INTEGER NOT NULL
            ) STRICT;

            -- Of sessions that have ended.
            CREATE TABLE usage_sessions (
                session INTEGER PRIMARY KEY,
                \(counts)
            ) STRICT;
            """
    }()
}
