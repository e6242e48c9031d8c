BEGIN TRANSACTION;
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
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
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
CREATE TABLE blocks (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    pool INTEGER NOT NULL REFERENCES pools (id),
    tenant INTEGER NOT NULL REFERENCES tenants (id),
    next INTEGER NOT NULL CHECK (next > first AND next <= last),
    leased INTEGER NOT NULL DEFAULT 0 CHECK (leased BETWEEN 0 AND last - first - 1)
) STRICT;
CREATE TABLE dns_exceptions (
    tenant INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    pattern TEXT NOT NULL,
    author TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, pattern)
) STRICT;
CREATE TABLE freed_addresses (
    seq INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    address INTEGER NOT NULL UNIQUE
) STRICT;
CREATE TABLE freed_blocks (
    seq INTEGER PRIMARY KEY,
    pool INTEGER NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    first INTEGER NOT NULL UNIQUE
) STRICT;
CREATE TABLE freed_nat_indexes (nat_index INTEGER PRIMARY KEY) STRICT;
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO "grdb_migrations" VALUES('202611260000-first-light');
INSERT INTO "grdb_migrations" VALUES('202611261930-port-blocks');
INSERT INTO "grdb_migrations" VALUES('202611262000-lists-and-services');
INSERT INTO "grdb_migrations" VALUES('202611280310-nat-log');
INSERT INTO "grdb_migrations" VALUES('202611280330-vpns');
INSERT INTO "grdb_migrations" VALUES('202611282330-blocklists');
INSERT INTO "grdb_migrations" VALUES('202611290030-names');
CREATE TABLE key_check (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sealed BLOB NOT NULL
) STRICT;
CREATE TABLE learned_names (
    policy INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    name TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (policy, address, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE leases (
    address INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    sim INTEGER NOT NULL,
    apn TEXT NOT NULL,
    nat_index INTEGER NOT NULL UNIQUE CHECK (nat_index >= 0),
    UNIQUE (sim, apn),
    FOREIGN KEY (tenant, sim) REFERENCES sims (tenant, id)
) STRICT;
CREATE TABLE lists (
    tenant INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- One a line.
    items TEXT NOT NULL,
    author TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT;
INSERT INTO "lists" VALUES(1,'brokers','198.51.100.7','anna',1795694400000);
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
CREATE TABLE nat_collectors (
    name TEXT PRIMARY KEY NOT NULL,
    plan INTEGER NOT NULL REFERENCES nat_plans (id),
    previous_plan INTEGER REFERENCES nat_plans (id),
    walked INTEGER NOT NULL,
    walk_end INTEGER NOT NULL,
    begun INTEGER NOT NULL,
    ended INTEGER NOT NULL
) STRICT;
CREATE TABLE nat_plans (
    id INTEGER PRIMARY KEY,
    plan TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    -- The last session and the last end under the plan before.
    last_session INTEGER NOT NULL,
    last_end INTEGER NOT NULL
) STRICT;
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
INSERT INTO "policies" VALUES(1,1,'meters',2);
CREATE TABLE policy_versions (
    policy INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    version INTEGER NOT NULL CHECK (version >= 1),
    document TEXT NOT NULL,
    author TEXT NOT NULL,
    comment TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    PRIMARY KEY (policy, version)
) STRICT;
INSERT INTO "policy_versions" VALUES(1,1,'default: allow','anna','first',1795694400000);
INSERT INTO "policy_versions" VALUES(1,2,'default: block','anna','second',1795694401000);
CREATE TABLE pools (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    first INTEGER NOT NULL CHECK (first BETWEEN 0 AND 4294967295),
    length INTEGER NOT NULL CHECK (length BETWEEN 0 AND 30),
    block_length INTEGER NOT NULL CHECK (block_length BETWEEN length AND 30),
    last INTEGER NOT NULL CHECK (last = first + (1 << (32 - length)) - 1 AND last <= 4294967295),
    next_block INTEGER NOT NULL CHECK (next_block BETWEEN first AND last + 1)
) STRICT;
CREATE TABLE services (
    name TEXT NOT NULL PRIMARY KEY,
    definition TEXT NOT NULL,
    author TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE session_ends (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER NOT NULL,
    last_session INTEGER NOT NULL
) STRICT;
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
CREATE TABLE sim_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant INTEGER NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    policy INTEGER,
    UNIQUE (tenant, name),
    UNIQUE (tenant, id),
    FOREIGN KEY (tenant, policy) REFERENCES policies (tenant, id)
) STRICT;
INSERT INTO "sim_groups" VALUES(1,1,'meters',1);
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
CREATE TABLE tenant_dns (
    tenant INTEGER PRIMARY KEY NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    log TEXT NOT NULL,
    sampling INTEGER NOT NULL CHECK (sampling >= 1),
    -- One a line.
    upstreams TEXT NOT NULL
) STRICT;
INSERT INTO "tenant_dns" VALUES(1,'all',1,'');
CREATE TABLE tenants (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    default_policy INTEGER,
    created_at INTEGER NOT NULL,
    FOREIGN KEY (id, default_policy) REFERENCES policies (tenant, id)
) STRICT;
INSERT INTO "tenants" VALUES(1,'acme',1,1795694400000);
INSERT INTO "tenants" VALUES(3,'globex',NULL,1795694400000);
CREATE TABLE tokens (
    name TEXT PRIMARY KEY NOT NULL,
    -- SHA-256 of the token.
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    -- Null: the operator's.
    tenant INTEGER REFERENCES tenants (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE vpns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- Its place at the gateway.
    number INTEGER NOT NULL UNIQUE CHECK (number BETWEEN 0 AND 4095),
    -- What comes in there is the tenant's alone.
    interface TEXT NOT NULL UNIQUE,
    next_hop TEXT,
    next_hop6 TEXT,
    -- One a line.
    networks TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;
INSERT INTO "vpns" VALUES(1,1,'hq',0,'line1','10.255.0.2',NULL,'10.0.0.0/24
10.1.0.0/16
2001:db8:aa::/48',1795694400000);
INSERT INTO "vpns" VALUES(4,3,'hq',2,'wg-globex',NULL,'fe80::1','10.0.0.0/24',1795694400005);
CREATE INDEX tenants_default_policy ON tenants (default_policy) WHERE default_policy IS NOT NULL;
CREATE INDEX sim_groups_policy ON sim_groups (policy) WHERE policy IS NOT NULL;
CREATE INDEX sims_tenant ON sims (tenant, imsi);
CREATE INDEX sims_group ON sims (group_id, imsi) WHERE group_id IS NOT NULL;
CREATE TRIGGER pools_do_not_overlap BEFORE INSERT ON pools
WHEN EXISTS (SELECT 1 FROM pools WHERE first <= NEW.last AND last >= NEW.first)
BEGIN SELECT RAISE(ABORT, 'pools overlap'); END;
CREATE INDEX blocks_pool ON blocks (pool);
CREATE INDEX blocks_tenant ON blocks (tenant, first);
CREATE INDEX blocks_with_room ON blocks (tenant, first) WHERE next < last;
CREATE INDEX freed_blocks_pool ON freed_blocks (pool, seq);
CREATE TRIGGER blocks_with_leases_stay BEFORE DELETE ON blocks WHEN OLD.leased > 0
BEGIN SELECT RAISE(ABORT, 'block has leases'); END;
CREATE TRIGGER blocks_are_freed AFTER DELETE ON blocks
BEGIN INSERT INTO freed_blocks (pool, first) VALUES (OLD.pool, OLD.first); END;
CREATE INDEX freed_addresses_tenant ON freed_addresses (tenant, seq);
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
CREATE UNIQUE INDEX sessions_open_sim ON sessions (open_sim, apn) WHERE open_sim IS NOT NULL;
CREATE UNIQUE INDEX sessions_open_address ON sessions (open_address) WHERE open_address IS NOT NULL;
CREATE INDEX sessions_open_nas ON sessions (open_nas) WHERE open_nas IS NOT NULL;
CREATE INDEX sessions_open ON sessions (id) WHERE ended_at IS NULL;
CREATE INDEX sessions_open_tenant ON sessions (tenant, id) WHERE ended_at IS NULL;
CREATE INDEX sessions_tenant ON sessions (tenant, id);
CREATE INDEX accounting_session ON accounting (session) WHERE session IS NOT NULL;
CREATE INDEX tokens_tenant ON tokens (tenant) WHERE tenant IS NOT NULL;
CREATE TRIGGER audit_is_never_rewritten BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit records never change'); END;
CREATE INDEX sessions_nat_index ON sessions (nat_index, started_at);
CREATE TRIGGER session_ends_are_numbered AFTER UPDATE OF ended_at ON sessions
WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND EXISTS (SELECT 1 FROM nat_collectors)
BEGIN INSERT INTO session_ends (session, last_session) VALUES (NEW.id, (SELECT max(id) FROM sessions)); END;
CREATE UNIQUE INDEX blocklists_name ON blocklists (coalesce(tenant, 0), name);
CREATE INDEX blocklists_tenant ON blocklists (tenant);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('tenants',3);
INSERT INTO "sqlite_sequence" VALUES('policies',1);
INSERT INTO "sqlite_sequence" VALUES('sim_groups',1);
INSERT INTO "sqlite_sequence" VALUES('vpns',4);
COMMIT;
