extension SQLiteSchema {
    // A session of one bearer, which nearly all are, has no row here: its counters are the session's own.
    static let bearers = """
        ALTER TABLE sessions ADD COLUMN end_cause TEXT;

        CREATE TABLE bearers (
            session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            accounting_session_id TEXT,
            nsapi INTEGER CHECK (nsapi BETWEEN 0 AND 255),
            started_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            ended_at INTEGER,
            octets_up INTEGER NOT NULL,
            octets_down INTEGER NOT NULL,
            packets_up INTEGER NOT NULL,
            packets_down INTEGER NOT NULL,
            seconds INTEGER NOT NULL,
            PRIMARY KEY (session, number)
        ) STRICT, WITHOUT ROWID;
        """

    static let equipmentHistory = """
        CREATE TABLE equipment_history (
            session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            since INTEGER NOT NULL,
            imei TEXT,
            rat INTEGER CHECK (rat BETWEEN 0 AND 255),
            visited_network TEXT,
            location BLOB,
            PRIMARY KEY (session, number)
        ) STRICT, WITHOUT ROWID;
        """

    // A NAS that starts anew loses all its sessions at once. They end some at a time; what is left to end is a row.
    static let nasProfiles = """
        -- One a line; empty: what disconnect_key says.
        ALTER TABLE nas ADD COLUMN attributes TEXT NOT NULL DEFAULT '';
        ALTER TABLE nas ADD COLUMN attempts INTEGER NOT NULL DEFAULT 3 CHECK (attempts BETWEEN 1 AND 10);
        ALTER TABLE nas ADD COLUMN first_wait INTEGER NOT NULL DEFAULT 1000 CHECK (first_wait BETWEEN 100 AND 60000);
        ALTER TABLE nas ADD COLUMN requests_per_second INTEGER NOT NULL DEFAULT 200
            CHECK (requests_per_second BETWEEN 1 AND 65535);
        ALTER TABLE nas ADD COLUMN takes_changes INTEGER NOT NULL DEFAULT 0 CHECK (takes_changes IN (0, 1));
        ALTER TABLE nas ADD COLUMN change_port INTEGER CHECK (change_port BETWEEN 1 AND 65535);
        ALTER TABLE nas ADD COLUMN interim_seconds INTEGER NOT NULL DEFAULT 600
            CHECK (interim_seconds BETWEEN 60 AND 86400);
        ALTER TABLE nas ADD COLUMN stale_intervals INTEGER NOT NULL DEFAULT 6
            CHECK (stale_intervals BETWEEN 0 AND 65535);
        ALTER TABLE nas ADD COLUMN idle_minutes INTEGER NOT NULL DEFAULT 60
            CHECK (idle_minutes BETWEEN 1 AND 4294967295);

        CREATE TABLE nas_losses (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            nas INTEGER NOT NULL REFERENCES nas (id) ON DELETE CASCADE,
            cause TEXT NOT NULL,
            -- Sessions up to this one, and of those only what had begun by the time, if there is one.
            last_session INTEGER NOT NULL,
            begun_by INTEGER
        ) STRICT;
        """

    // A SIM in a manufacturing test is an active one with an allowance: the state column stays 'active'.
    static let testSIMs = """
        ALTER TABLE sims ADD COLUMN test_until INTEGER;
        ALTER TABLE sims ADD COLUMN test_octets INTEGER CHECK (test_octets >= 0);
        ALTER TABLE sims ADD COLUMN test_used INTEGER NOT NULL DEFAULT 0 CHECK (test_used >= 0);
        CREATE INDEX sims_in_test ON sims (id) WHERE test_until IS NOT NULL;
        """

    static let bulkOperations = """
        CREATE TABLE bulk_operations (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            -- Null: the operator's.
            tenant INTEGER REFERENCES tenants (id) ON DELETE CASCADE,
            action TEXT NOT NULL,
            -- What the action is given, one a line.
            arguments TEXT NOT NULL,
            -- In words.
            filter TEXT NOT NULL,
            author TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('running', 'finished', 'cancelled')),
            created_at INTEGER NOT NULL,
            applied_at INTEGER,
            finished_at INTEGER
        ) STRICT;
        CREATE INDEX bulk_operations_open ON bulk_operations (id) WHERE finished_at IS NULL;

        CREATE TABLE bulk_items (
            operation INTEGER NOT NULL REFERENCES bulk_operations (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            -- What was named, where no SIM was found by it; else the SIM's IMSI.
            subject TEXT NOT NULL,
            sim INTEGER,
            state TEXT NOT NULL CHECK (state IN ('waiting', 'applied', 'done', 'unchanged', 'unconfirmed', 'failed')),
            detail TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (operation, number)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX bulk_items_open ON bulk_items (operation, state, number) WHERE state IN ('waiting', 'applied');
        """

    // Leases of one transaction are counted together: a trigger cost as much as the lease. No block goes that has one.
    static let leasesCountedTogether = """
        DROP TRIGGER leases_are_counted;
        DROP TRIGGER blocks_with_leases_stay;
        CREATE TRIGGER blocks_with_leases_stay BEFORE DELETE ON blocks
        WHEN EXISTS (SELECT 1 FROM leases WHERE address > OLD.first AND address < OLD.last)
        BEGIN SELECT RAISE(ABORT, 'block has leases'); END;
        """
}
