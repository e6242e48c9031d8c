extension SQLiteSchema {
    // The number of a document's row is its version: each put makes a row of its own in the place of the one before.
    static let sessionPolicies = """
        CREATE TABLE session_policies (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            -- Null: for all tenants, which only a ceiling is.
            tenant INTEGER REFERENCES tenants (id) ON DELETE CASCADE,
            group_id INTEGER REFERENCES sim_groups (id) ON DELETE CASCADE,
            sim INTEGER REFERENCES sims (id) ON DELETE CASCADE,
            is_ceiling INTEGER NOT NULL CHECK (is_ceiling IN (0, 1)),
            document TEXT NOT NULL,
            author TEXT NOT NULL,
            applied_at INTEGER NOT NULL,
            CHECK (tenant IS NOT NULL OR is_ceiling = 1),
            CHECK ((group_id IS NOT NULL) + (sim IS NOT NULL) + is_ceiling <= 1)
        ) STRICT;
        CREATE UNIQUE INDEX session_policies_place
            ON session_policies (coalesce(tenant, 0), is_ceiling, coalesce(group_id, 0), coalesce(sim, 0));
        CREATE INDEX session_policies_tenant ON session_policies (tenant) WHERE tenant IS NOT NULL;
        CREATE INDEX session_policies_group ON session_policies (group_id) WHERE group_id IS NOT NULL;
        CREATE INDEX session_policies_sim ON session_policies (sim) WHERE sim IS NOT NULL;

        CREATE TABLE sim_standings (
            sim INTEGER PRIMARY KEY REFERENCES sims (id) ON DELETE CASCADE,
            first_imei TEXT,
            first_imei_at INTEGER CHECK ((first_imei IS NULL) = (first_imei_at IS NULL)),
            last_imei TEXT,
            last_imei_at INTEGER CHECK ((last_imei IS NULL) = (last_imei_at IS NULL)),
            imei_changes INTEGER NOT NULL,
            location BLOB,
            visited_network TEXT,
            located_at INTEGER,
            -- One a line: level, side, reports of the other side, since when.
            crossings TEXT NOT NULL,
            fence_since INTEGER,
            quarantine_since INTEGER,
            quarantine_until INTEGER,
            quarantine_reason TEXT CHECK ((quarantine_reason IS NULL) = (quarantine_since IS NULL)),
            quarantine_by TEXT CHECK ((quarantine_by IS NULL) = (quarantine_since IS NULL)),
            tolerated_until INTEGER
        ) STRICT;
        CREATE INDEX sim_standings_quarantine ON sim_standings (sim) WHERE quarantine_since IS NOT NULL;

        CREATE TABLE fence_places (
            sim INTEGER NOT NULL REFERENCES sims (id) ON DELETE CASCADE,
            place TEXT NOT NULL,
            first_seen INTEGER NOT NULL,
            PRIMARY KEY (sim, place)
        ) STRICT, WITHOUT ROWID;
        """

    // A restriction outlives its session, as what is told of that. What is to be done does not.
    static let sessionRestrictions = """
        CREATE TABLE session_restrictions (
            session INTEGER PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
            action TEXT NOT NULL CHECK (action IN ('report', 'quarantine', 'block', 'reject')),
            -- Judges the session in quarantine.
            policy INTEGER REFERENCES policies (id),
            -- One a line.
            violations TEXT NOT NULL,
            since INTEGER NOT NULL,
            until INTEGER
        ) STRICT;
        CREATE INDEX session_restrictions_policy ON session_restrictions (policy) WHERE policy IS NOT NULL;

        -- Sessions to judge again by time alone.
        CREATE TABLE session_judgements (
            session INTEGER PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
            judge_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX session_judgements_due ON session_judgements (judge_at);

        -- Sessions that their NAS is to be told to end.
        CREATE TABLE session_rejections (
            session INTEGER PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE
        ) STRICT;

        CREATE TRIGGER session_judgements_end AFTER UPDATE OF ended_at ON sessions
        WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL
        BEGIN
            DELETE FROM session_judgements WHERE session = NEW.id;
            DELETE FROM session_rejections WHERE session = NEW.id;
            UPDATE session_restrictions SET policy = NULL WHERE session = NEW.id AND policy IS NOT NULL;
        END;
        """

    static let imeiLists = """
        CREATE TABLE imei_lists (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            -- Null: the operator's.
            tenant INTEGER REFERENCES tenants (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            item_count INTEGER NOT NULL,
            author TEXT NOT NULL,
            updated_at INTEGER NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX imei_lists_name ON imei_lists (coalesce(tenant, 0), name);
        CREATE INDEX imei_lists_tenant ON imei_lists (tenant) WHERE tenant IS NOT NULL;

        CREATE TABLE imei_list_items (
            list INTEGER NOT NULL REFERENCES imei_lists (id) ON DELETE CASCADE,
            -- The 14 digits of an IMEI, or -1 minus the 8 of a model.
            item INTEGER NOT NULL,
            PRIMARY KEY (list, item)
        ) STRICT, WITHOUT ROWID;
        """

    static let approval = """
        ALTER TABLE sim_standings ADD COLUMN approved_at INTEGER;
        ALTER TABLE sim_standings ADD COLUMN approved_by TEXT CHECK ((approved_by IS NULL) = (approved_at IS NULL));
        ALTER TABLE sim_standings ADD COLUMN hook_approved INTEGER CHECK (hook_approved IN (0, 1));
        ALTER TABLE sim_standings ADD COLUMN hook_answered_at INTEGER
            CHECK ((hook_answered_at IS NULL) = (hook_approved IS NULL));

        -- One row at most.
        CREATE TABLE approval_hook (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            url TEXT NOT NULL,
            -- Nonce, ciphertext and tag of AES-256-GCM.
            sealed_secret BLOB NOT NULL CHECK (length(sealed_secret) >= 28),
            timeout_ms INTEGER NOT NULL,
            cache_ms INTEGER NOT NULL,
            author TEXT NOT NULL,
            updated_at INTEGER NOT NULL
        ) STRICT;
        """
}
