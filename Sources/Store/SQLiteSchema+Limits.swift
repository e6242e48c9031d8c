extension SQLiteSchema {
    // The number of a row stands for the volume in the kernel, and outlives it there: it must not come back with another
    // meaning. What is used is a count of the kernel's, stored every few seconds.
    static let limits = """
        CREATE TABLE volumes (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            -- Who has limited it.
            source TEXT NOT NULL CHECK (source IN ('ceiling', 'tenant-ceiling', 'tenant')),
            tenant INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
            group_id INTEGER REFERENCES sim_groups (id) ON DELETE CASCADE,
            sim INTEGER REFERENCES sims (id) ON DELETE CASCADE CHECK (sim IS NULL OR group_id IS NULL),
            -- Grows by one with each period that begins with nothing used.
            period INTEGER NOT NULL,
            -- Length and zone, such as: month 15 Europe/Zurich.
            periods TEXT NOT NULL,
            began_at INTEGER NOT NULL,
            ends_at INTEGER,
            volume INTEGER NOT NULL,
            extra INTEGER NOT NULL,
            used INTEGER NOT NULL,
            warned INTEGER NOT NULL CHECK (warned BETWEEN 0 AND 100),
            reached_at INTEGER
        ) STRICT;
        CREATE UNIQUE INDEX volumes_owner ON volumes (tenant, coalesce(group_id, 0), coalesce(sim, 0), source);
        CREATE INDEX volumes_group ON volumes (group_id) WHERE group_id IS NOT NULL;
        CREATE INDEX volumes_sim ON volumes (sim) WHERE sim IS NOT NULL;
        """
}
