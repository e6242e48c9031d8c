extension SQLiteSchema {
    // A number is the row's. It does not come back, since the newest row is never removed, and there are no gaps, since a
    // transaction that is undone takes its rows with it. No foreign keys: events outlive what they tell of.
    static let events = """
        CREATE TABLE events (
            number INTEGER PRIMARY KEY,
            time INTEGER NOT NULL,
            code TEXT NOT NULL,
            -- Null: the operator's.
            tenant INTEGER,
            imsi INTEGER,
            session INTEGER,
            -- What it is about, such as vpn/hq.
            subject TEXT NOT NULL,
            words TEXT NOT NULL,
            -- One a line, key=value.
            details TEXT NOT NULL
        ) STRICT;
        CREATE INDEX events_tenant ON events (tenant);
        CREATE INDEX events_imsi ON events (imsi) WHERE imsi IS NOT NULL;

        -- The highest number that retention has removed of each tenant; 0 is the operator.
        CREATE TABLE events_forgotten (
            tenant INTEGER PRIMARY KEY NOT NULL,
            number INTEGER NOT NULL
        ) STRICT;
        """
}
