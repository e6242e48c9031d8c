import GRDB

/// The tables, as a list of migrations that only ever grows: a migration that was released is never edited.
///
/// What must never be is refused by the schema, not by the code that writes: names and numbers that are unique, a
/// group, policy or lease of another tenant, an address given twice, a second session on the same SIM and APN.
///
/// How values are kept: an IMSI as its `key`, an IPv4 address as its number, a time in milliseconds since 1970, a
/// session token as 16 bytes with the highest first, a 64-bit counter as the signed number with the same bits (so
/// that SQL must not compare or add counters).
package enum SQLiteSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("202611260000-first-light") { db in
            for part in [tenants, sims, pools, nas, sessions, administration] { try db.execute(sql: part) }
        }
        migrator.registerMigration("202611261930-port-blocks") { db in
            // Who had a block of NAT 1 at a time: the last session of its number that had begun.
            try db.execute(sql: "CREATE INDEX sessions_nat_index ON sessions (nat_index, started_at)")
        }
        migrator.registerMigration("202611262000-lists-and-services") { db in
            try db.execute(sql: listsAndServices)
        }
        migrator.registerMigration("202611280310-nat-log") { db in try db.execute(sql: natLog) }
        migrator.registerMigration("202611280330-vpns") { db in try db.execute(sql: vpns) }
        migrator.registerMigration("202611282330-blocklists") { db in try db.execute(sql: blocklists) }
        migrator.registerMigration("202611290030-names") { db in try db.execute(sql: names) }
        migrator.registerMigration("202611290230-tunnels") { db in try db.execute(sql: tunnels) }
        migrator.registerMigration("202611290330-apns") { db in try db.execute(sql: accessPoints) }
        migrator.registerMigration("202611291130-events") { db in try db.execute(sql: events) }
        migrator.registerMigration("202611291200-session-policies") { db in try db.execute(sql: sessionPolicies) }
        migrator.registerMigration("202611291210-session-restrictions") { db in
            try db.execute(sql: sessionRestrictions)
        }
        migrator.registerMigration("202611291220-imei-lists") { db in try db.execute(sql: imeiLists) }
        migrator.registerMigration("202611291230-approval") { db in try db.execute(sql: approval) }
        migrator.registerMigration("202611291240-bearers") { db in try db.execute(sql: bearers) }
        migrator.registerMigration("202611291241-equipment-history") { db in try db.execute(sql: equipmentHistory) }
        migrator.registerMigration("202611291242-nas-profiles") { db in try db.execute(sql: nasProfiles) }
        migrator.registerMigration("202611291243-test-sims") { db in try db.execute(sql: testSIMs) }
        migrator.registerMigration("202611291244-bulk-operations") { db in try db.execute(sql: bulkOperations) }
        migrator.registerMigration("202611291615-names-in-order") { db in try db.execute(sql: namesInOrder) }
        migrator.registerMigration("202611291640-usage") { db in try db.execute(sql: usage) }
        migrator.registerMigration("202611291648-event-parts") { db in try db.execute(sql: eventParts) }
        migrator.registerMigration("202611291650-limits") { db in try db.execute(sql: limits) }
        migrator.registerMigration("202611291900-prefixes") { db in try db.execute(sql: prefixes) }
        migrator.registerMigration("202611292330-peer-certificates") { db in try db.execute(sql: peerCertificates) }
        migrator.registerMigration("202611292337-volume-numbers") { db in try db.execute(sql: volumeNumbers) }
        migrator.registerMigration("202611292340-rule-usage") { db in try db.execute(sql: ruleUsage) }
        migrator.registerMigration("202611300240-leases-counted-together") { db in
            try db.execute(sql: leasesCountedTogether)
        }
        return migrator
    }

    /// Their names, oldest first: when each was written, and what it is for.
    package static var migrations: [String] { migrator.migrations }

    // AUTOINCREMENT where rows are deleted and something outside the table remembers the number: history, audit,
    // tokens, and a policy's mark in the kernel. A number must not come back with another meaning.
    private static let tenants = """
        CREATE TABLE tenants (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE,
            default_policy INTEGER,
            created_at INTEGER NOT NULL,
            FOREIGN KEY (id, default_policy) REFERENCES policies (tenant, id)
        ) STRICT;
        CREATE INDEX tenants_default_policy ON tenants (default_policy) WHERE default_policy IS NOT NULL;

        CREATE TABLE policies (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            tenant INTEGER NOT NULL REFERENCES tenants (id),
            name TEXT NOT NULL,
            version INTEGER NOT NULL CHECK (version >= 1),
            UNIQUE (tenant, name),
            UNIQUE (tenant, id),
            -- The version in force exists. Deferred, because the policy's row comes first.
            FOREIGN KEY (id, version) REFERENCES policy_versions (policy, version) DEFERRABLE INITIALLY DEFERRED
        ) STRICT;

        CREATE TABLE policy_versions (
            policy INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
            version INTEGER NOT NULL CHECK (version >= 1),
            document TEXT NOT NULL,
            author TEXT NOT NULL,
            comment TEXT NOT NULL,
            applied_at INTEGER NOT NULL,
            PRIMARY KEY (policy, version)
        ) STRICT;

        CREATE TABLE sim_groups (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            tenant INTEGER NOT NULL REFERENCES tenants (id),
            name TEXT NOT NULL,
            policy INTEGER,
            UNIQUE (tenant, name),
            UNIQUE (tenant, id),
            FOREIGN KEY (tenant, policy) REFERENCES policies (tenant, id)
        ) STRICT;
        CREATE INDEX sim_groups_policy ON sim_groups (policy) WHERE policy IS NOT NULL;
        """

    private static let sims = """
        CREATE TABLE sims (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            tenant INTEGER NOT NULL REFERENCES tenants (id),
            imsi INTEGER NOT NULL UNIQUE,
            iccid TEXT NOT NULL UNIQUE,
            msisdn TEXT UNIQUE,
            group_id INTEGER,
            label TEXT NOT NULL CHECK (length(label) <= 100),
            state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'terminated')),
            created_at INTEGER NOT NULL,
            UNIQUE (tenant, id),
            FOREIGN KEY (tenant, group_id) REFERENCES sim_groups (tenant, id)
        ) STRICT;
        CREATE INDEX sims_tenant ON sims (tenant, imsi);
        CREATE INDEX sims_group ON sims (group_id, imsi) WHERE group_id IS NOT NULL;
        """

    // An address is free in exactly one of two places: at or after its block's `next`, or in `freed_addresses`.
    // A block likewise: at or after its pool's `next_block`, or in `freed_blocks`. Each step is a look-up in an
    // index, whatever the number of leases.
    private static let pools = """
        CREATE TABLE pools (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            first INTEGER NOT NULL CHECK (first BETWEEN 0 AND 4294967295),
            length INTEGER NOT NULL CHECK (length BETWEEN 0 AND 30),
            block_length INTEGER NOT NULL CHECK (block_length BETWEEN length AND 30),
            last INTEGER NOT NULL CHECK (last = first + (1 << (32 - length)) - 1 AND last <= 4294967295),
            next_block INTEGER NOT NULL CHECK (next_block BETWEEN first AND last + 1)
        ) STRICT;
        CREATE TRIGGER pools_do_not_overlap BEFORE INSERT ON pools
        WHEN EXISTS (SELECT 1 FROM pools WHERE first <= NEW.last AND last >= NEW.first)
        BEGIN SELECT RAISE(ABORT, 'pools overlap'); END;

        CREATE TABLE blocks (
            first INTEGER PRIMARY KEY,
            last INTEGER NOT NULL,
            pool INTEGER NOT NULL REFERENCES pools (id),
            tenant INTEGER NOT NULL REFERENCES tenants (id),
            next INTEGER NOT NULL CHECK (next > first AND next <= last),
            leased INTEGER NOT NULL DEFAULT 0 CHECK (leased BETWEEN 0 AND last - first - 1)
        ) STRICT;
        CREATE INDEX blocks_pool ON blocks (pool);
        CREATE INDEX blocks_tenant ON blocks (tenant, first);
        CREATE INDEX blocks_with_room ON blocks (tenant, first) WHERE next < last;

        CREATE TABLE freed_blocks (
            seq INTEGER PRIMARY KEY,
            pool INTEGER NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
            first INTEGER NOT NULL UNIQUE
        ) STRICT;
        CREATE INDEX freed_blocks_pool ON freed_blocks (pool, seq);
        CREATE TRIGGER blocks_with_leases_stay BEFORE DELETE ON blocks WHEN OLD.leased > 0
        BEGIN SELECT RAISE(ABORT, 'block has leases'); END;
        CREATE TRIGGER blocks_are_freed AFTER DELETE ON blocks
        BEGIN INSERT INTO freed_blocks (pool, first) VALUES (OLD.pool, OLD.first); END;

        CREATE TABLE leases (
            address INTEGER PRIMARY KEY,
            tenant INTEGER NOT NULL,
            sim INTEGER NOT NULL,
            apn TEXT NOT NULL,
            nat_index INTEGER NOT NULL UNIQUE CHECK (nat_index >= 0),
            UNIQUE (sim, apn),
            FOREIGN KEY (tenant, sim) REFERENCES sims (tenant, id)
        ) STRICT;
        CREATE TABLE freed_addresses (
            seq INTEGER PRIMARY KEY,
            tenant INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
            address INTEGER NOT NULL UNIQUE
        ) STRICT;
        CREATE INDEX freed_addresses_tenant ON freed_addresses (tenant, seq);
        CREATE TABLE freed_nat_indexes (nat_index INTEGER PRIMARY KEY) STRICT;

        CREATE TRIGGER leases_are_counted AFTER INSERT ON leases BEGIN
            UPDATE blocks SET leased = leased + 1
            WHERE first = (SELECT max(first) FROM blocks WHERE first < NEW.address)
                AND tenant = NEW.tenant AND last > NEW.address;
            SELECT RAISE(ABORT, 'lease outside the blocks of its tenant') WHERE changes() <> 1;
        END;
        CREATE TRIGGER leases_are_freed AFTER DELETE ON leases BEGIN
            UPDATE blocks SET leased = leased - 1
            WHERE first = (SELECT max(first) FROM blocks WHERE first < OLD.address);
            INSERT INTO freed_addresses (tenant, address) VALUES (OLD.tenant, OLD.address);
            INSERT INTO freed_nat_indexes (nat_index) VALUES (OLD.nat_index);
        END;
        CREATE TRIGGER leases_never_move BEFORE UPDATE ON leases
        BEGIN SELECT RAISE(ABORT, 'leases never change'); END;
        """

    private static let nas = """
        CREATE TABLE nas (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE,
            address INTEGER NOT NULL UNIQUE CHECK (address BETWEEN 0 AND 4294967295),
            -- Nonce, ciphertext and tag of AES-256-GCM.
            sealed_secret BLOB NOT NULL CHECK (length(sealed_secret) >= 28),
            requires_message_authenticator INTEGER NOT NULL CHECK (requires_message_authenticator IN (0, 1)),
            disconnect_port INTEGER NOT NULL CHECK (disconnect_port BETWEEN 0 AND 65535),
            disconnect_key TEXT NOT NULL
        ) STRICT;
        """

    // History outlives the SIM and the NAS it names, so only an active session refers to them: the open_ columns are
    // null once it has ended, and a foreign key does not look at null.
    private static let sessions = """
        CREATE TABLE sessions (
            id INTEGER PRIMARY KEY,
            token BLOB NOT NULL UNIQUE CHECK (length(token) = 16),
            tenant INTEGER NOT NULL,
            sim INTEGER NOT NULL,
            imsi INTEGER NOT NULL,
            nas INTEGER NOT NULL,
            apn TEXT NOT NULL,
            address INTEGER NOT NULL,
            nat_index INTEGER NOT NULL,
            imei TEXT,
            rat INTEGER CHECK (rat BETWEEN 0 AND 255),
            visited_network TEXT,
            location BLOB,
            charging_id INTEGER CHECK (charging_id BETWEEN 0 AND 4294967295),
            nsapi INTEGER CHECK (nsapi BETWEEN 0 AND 255),
            accounting_session_id TEXT,
            started_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            ended_at INTEGER,
            octets_up INTEGER NOT NULL,
            octets_down INTEGER NOT NULL,
            packets_up INTEGER NOT NULL,
            packets_down INTEGER NOT NULL,
            seconds INTEGER NOT NULL,
            open_sim INTEGER AS (CASE WHEN ended_at IS NULL THEN sim END) VIRTUAL,
            open_nas INTEGER AS (CASE WHEN ended_at IS NULL THEN nas END) VIRTUAL,
            open_address INTEGER AS (CASE WHEN ended_at IS NULL THEN address END) VIRTUAL,
            FOREIGN KEY (tenant, open_sim) REFERENCES sims (tenant, id),
            FOREIGN KEY (open_nas) REFERENCES nas (id),
            FOREIGN KEY (open_address) REFERENCES leases (address)
        ) STRICT;
        CREATE UNIQUE INDEX sessions_open_sim ON sessions (open_sim, apn) WHERE open_sim IS NOT NULL;
        CREATE UNIQUE INDEX sessions_open_address ON sessions (open_address) WHERE open_address IS NOT NULL;
        CREATE INDEX sessions_open_nas ON sessions (open_nas) WHERE open_nas IS NOT NULL;
        CREATE INDEX sessions_open ON sessions (id) WHERE ended_at IS NULL;
        CREATE INDEX sessions_open_tenant ON sessions (tenant, id) WHERE ended_at IS NULL;
        CREATE INDEX sessions_tenant ON sessions (tenant, id);

        CREATE TABLE accounting (
            id INTEGER PRIMARY KEY,
            session INTEGER REFERENCES sessions (id),
            nas INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            token BLOB CHECK (length(token) = 16),
            imsi INTEGER,
            apn TEXT,
            address INTEGER,
            accounting_session_id TEXT,
            imei TEXT,
            rat INTEGER,
            visited_network TEXT,
            location BLOB,
            charging_id INTEGER,
            nsapi INTEGER,
            octets_up INTEGER NOT NULL,
            octets_down INTEGER NOT NULL,
            packets_up INTEGER NOT NULL,
            packets_down INTEGER NOT NULL,
            seconds INTEGER NOT NULL,
            terminate_cause INTEGER,
            is_last_bearer INTEGER NOT NULL CHECK (is_last_bearer IN (0, 1)),
            time INTEGER NOT NULL,
            received_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX accounting_session ON accounting (session) WHERE session IS NOT NULL;
        """

    private static let administration = """
        CREATE TABLE tokens (
            name TEXT PRIMARY KEY NOT NULL,
            -- SHA-256 of the token.
            digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
            -- Null: the operator's.
            tenant INTEGER REFERENCES tenants (id) ON DELETE CASCADE,
            created_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX tokens_tenant ON tokens (tenant) WHERE tenant IS NOT NULL;

        CREATE TABLE audit (
            id INTEGER PRIMARY KEY,
            time INTEGER NOT NULL,
            actor TEXT NOT NULL,
            action TEXT NOT NULL,
            target TEXT NOT NULL,
            detail TEXT NOT NULL
        ) STRICT;
        CREATE TRIGGER audit_is_never_rewritten BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'audit records never change'); END;

        -- One row: a known value under the key that seals the secrets.
        CREATE TABLE key_check (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            sealed BLOB NOT NULL
        ) STRICT;
        """

    private static let listsAndServices = """
        CREATE TABLE lists (
            tenant INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            -- One a line.
            items TEXT NOT NULL,
            author TEXT NOT NULL,
            updated_at INTEGER NOT NULL,
            PRIMARY KEY (tenant, name)
        ) STRICT;

        CREATE TABLE services (
            name TEXT NOT NULL PRIMARY KEY,
            definition TEXT NOT NULL,
            author TEXT NOT NULL,
            updated_at INTEGER NOT NULL
        ) STRICT;
        """

    // The texts are files beside the database, each under the name of its digest.
    private static let blocklists = """
        CREATE TABLE blocklists (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            -- Null: the operator's.
            tenant INTEGER REFERENCES tenants (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            format TEXT NOT NULL,
            -- Null: somebody brings the text.
            url TEXT,
            fetch_seconds INTEGER CHECK ((url IS NULL) = (fetch_seconds IS NULL)),
            checksum BLOB CHECK (length(checksum) = 32),
            maximum_octets INTEGER NOT NULL,
            author TEXT NOT NULL,
            updated_at INTEGER NOT NULL,
            digest BLOB CHECK (length(digest) = 32),
            octets INTEGER CHECK ((digest IS NULL) = (octets IS NULL)),
            entity_tag TEXT,
            good_at INTEGER,
            tried_at INTEGER,
            error TEXT
        ) STRICT;
        CREATE UNIQUE INDEX blocklists_name ON blocklists (coalesce(tenant, 0), name);
        CREATE INDEX blocklists_tenant ON blocklists (tenant);

        CREATE TABLE dns_exceptions (
            tenant INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
            pattern TEXT NOT NULL,
            author TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            PRIMARY KEY (tenant, pattern)
        ) STRICT;
        """

    // The beginnings of sessions are the numbers of their rows, which only grow. Ends are numbered when there is somebody to
    // be told, each with the last session that had begun by then: the order of all of it, whatever the clock did. A
    // report does not set ended_at, and an admission ends no session unless it replaces one, so that neither pays.
    private static let natLog = """
        CREATE TABLE nat_plans (
            id INTEGER PRIMARY KEY,
            plan TEXT NOT NULL,
            began_at INTEGER NOT NULL,
            -- The last session and the last end under the plan before.
            last_session INTEGER NOT NULL,
            last_end INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE nat_collectors (
            name TEXT PRIMARY KEY NOT NULL,
            plan INTEGER NOT NULL REFERENCES nat_plans (id),
            previous_plan INTEGER REFERENCES nat_plans (id),
            walked INTEGER NOT NULL,
            walk_end INTEGER NOT NULL,
            begun INTEGER NOT NULL,
            ended INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE session_ends (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            session INTEGER NOT NULL,
            last_session INTEGER NOT NULL
        ) STRICT;
        CREATE TRIGGER session_ends_are_numbered AFTER UPDATE OF ended_at ON sessions
        WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND EXISTS (SELECT 1 FROM nat_collectors)
        BEGIN INSERT INTO session_ends (session, last_session) VALUES (NEW.id, (SELECT max(id) FROM sessions)); END;
        """
}
