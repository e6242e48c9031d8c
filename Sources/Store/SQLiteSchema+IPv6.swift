extension SQLiteSchema {
    // The same as `pools`, `blocks` and `leases` for IPv6. The numbers are of /64 networks: the first 64 bits of an address
    // as the signed number with the same bits. No pool has networks on both sides of zero. A lease is `unit` networks, from
    // `prefix` on: one, or with a prefix to delegate twice that.
    static let prefixes = """
        CREATE TABLE prefix_pools (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            first INTEGER NOT NULL,
            length INTEGER NOT NULL CHECK (length BETWEEN 3 AND 64),
            block_length INTEGER NOT NULL CHECK (block_length BETWEEN length AND 64),
            delegated_length INTEGER CHECK (delegated_length BETWEEN 60 AND 64),
            last INTEGER NOT NULL CHECK (last = first + (1 << (64 - length)) - 1),
            next_block INTEGER NOT NULL CHECK (next_block BETWEEN first AND last + 1)
        ) STRICT;
        CREATE TRIGGER prefix_pools_do_not_overlap BEFORE INSERT ON prefix_pools
        WHEN EXISTS (SELECT 1 FROM prefix_pools WHERE first <= NEW.last AND last >= NEW.first)
        BEGIN SELECT RAISE(ABORT, 'pools overlap'); END;

        CREATE TABLE prefix_blocks (
            first INTEGER PRIMARY KEY,
            last INTEGER NOT NULL,
            pool INTEGER NOT NULL REFERENCES prefix_pools (id),
            tenant INTEGER NOT NULL REFERENCES tenants (id),
            unit INTEGER NOT NULL CHECK (unit BETWEEN 1 AND 32),
            next INTEGER NOT NULL CHECK (next BETWEEN first AND last + 1),
            leased INTEGER NOT NULL DEFAULT 0 CHECK (leased BETWEEN 0 AND (last + 1 - first) / unit)
        ) STRICT;
        CREATE INDEX prefix_blocks_pool ON prefix_blocks (pool);
        CREATE INDEX prefix_blocks_tenant ON prefix_blocks (tenant, first);
        CREATE INDEX prefix_blocks_with_room ON prefix_blocks (tenant, first) WHERE next <= last;

        CREATE TABLE freed_prefix_blocks (
            seq INTEGER PRIMARY KEY,
            pool INTEGER NOT NULL REFERENCES prefix_pools (id) ON DELETE CASCADE,
            first INTEGER NOT NULL UNIQUE
        ) STRICT;
        CREATE INDEX freed_prefix_blocks_pool ON freed_prefix_blocks (pool, seq);
        CREATE TRIGGER prefix_blocks_with_leases_stay BEFORE DELETE ON prefix_blocks WHEN OLD.leased > 0
        BEGIN SELECT RAISE(ABORT, 'block has leases'); END;
        CREATE TRIGGER prefix_blocks_are_freed AFTER DELETE ON prefix_blocks
        BEGIN INSERT INTO freed_prefix_blocks (pool, first) VALUES (OLD.pool, OLD.first); END;

        CREATE TABLE prefix_leases (
            prefix INTEGER PRIMARY KEY,
            delegated_length INTEGER,
            tenant INTEGER NOT NULL,
            sim INTEGER NOT NULL,
            apn TEXT NOT NULL,
            UNIQUE (sim, apn),
            FOREIGN KEY (tenant, sim) REFERENCES sims (tenant, id)
        ) STRICT;
        CREATE TABLE freed_prefixes (
            seq INTEGER PRIMARY KEY,
            tenant INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
            prefix INTEGER NOT NULL UNIQUE,
            delegated_length INTEGER
        ) STRICT;
        CREATE INDEX freed_prefixes_tenant ON freed_prefixes (tenant, seq);

        CREATE TRIGGER prefix_leases_are_counted AFTER INSERT ON prefix_leases BEGIN
            UPDATE prefix_blocks SET leased = leased + 1
            WHERE first = (SELECT max(first) FROM prefix_blocks WHERE first <= NEW.prefix)
                AND tenant = NEW.tenant AND last >= NEW.prefix;
            SELECT RAISE(ABORT, 'lease outside the blocks of its tenant') WHERE changes() <> 1;
        END;
        CREATE TRIGGER prefix_leases_are_freed AFTER DELETE ON prefix_leases BEGIN
            UPDATE prefix_blocks SET leased = leased - 1
            WHERE first = (SELECT max(first) FROM prefix_blocks WHERE first <= OLD.prefix);
            INSERT INTO freed_prefixes (tenant, prefix, delegated_length)
                VALUES (OLD.tenant, OLD.prefix, OLD.delegated_length);
        END;
        CREATE TRIGGER prefix_leases_never_move BEFORE UPDATE ON prefix_leases
        BEGIN SELECT RAISE(ABORT, 'leases never change'); END;

        -- Every session has the IPv4 lease of its SIM; one without IPv4 is not given the address.
        ALTER TABLE sessions ADD COLUMN has_ipv4 INTEGER NOT NULL DEFAULT 1 CHECK (has_ipv4 IN (0, 1));
        ALTER TABLE sessions ADD COLUMN prefix INTEGER CHECK (has_ipv4 = 1 OR prefix IS NOT NULL);
        ALTER TABLE sessions ADD COLUMN delegated_length INTEGER;
        ALTER TABLE sessions ADD COLUMN open_prefix INTEGER AS (CASE WHEN ended_at IS NULL THEN prefix END) VIRTUAL
            REFERENCES prefix_leases (prefix);
        CREATE UNIQUE INDEX sessions_open_prefix ON sessions (open_prefix) WHERE open_prefix IS NOT NULL;

        ALTER TABLE accounting ADD COLUMN prefix INTEGER;
        """
}
