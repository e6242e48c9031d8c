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

    // As before, but cheaper to add to: an attach with limits adds some. AUTOINCREMENT looked through the numbers of all tables
    // for each row; now numbers are taken some at a time, and still none comes back. One index has a SIM's volumes.
    static let volumeNumbers = """
        CREATE TABLE volume_numbers (
            -- One row.
            id INTEGER PRIMARY KEY CHECK (id = 1),
            next INTEGER NOT NULL
        ) STRICT;
        INSERT INTO volume_numbers (id, next)
            VALUES (1, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'volumes'), 0) + 1);

        CREATE TABLE volumes_in_order (
            id INTEGER PRIMARY KEY,
            -- Who has limited it.
            source TEXT NOT NULL CHECK (source IN ('ceiling', 'tenant-ceiling', 'tenant')),
            tenant INTEGER NOT NULL,
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
            reached_at INTEGER,
            -- Whose the volume is, when it is neither a group's nor a SIM's: those go with theirs.
            owner_tenant INTEGER AS (CASE WHEN group_id IS NULL AND sim IS NULL THEN tenant END) VIRTUAL
                REFERENCES tenants (id) ON DELETE CASCADE
        ) STRICT;
        INSERT INTO volumes_in_order (id, source, tenant, group_id, sim, period, periods, began_at, ends_at, volume, extra, used,
                warned, reached_at)
            SELECT id, source, tenant, group_id, sim, period, periods, began_at, ends_at, volume, extra, used, warned,
                reached_at
            FROM volumes ORDER BY id;
        DROP TABLE volumes;
        ALTER TABLE volumes_in_order RENAME TO volumes;
        CREATE UNIQUE INDEX volumes_sim ON volumes (sim, source) WHERE sim IS NOT NULL;
        CREATE UNIQUE INDEX volumes_group ON volumes (group_id, source) WHERE group_id IS NOT NULL;
        CREATE UNIQUE INDEX volumes_tenant ON volumes (owner_tenant, source) WHERE owner_tenant IS NOT NULL;
        """
}
