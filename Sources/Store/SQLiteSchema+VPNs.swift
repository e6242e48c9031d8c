extension SQLiteSchema {
    static let vpns = """
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
        """

    // A VPN with a row in tunnels is a tunnel, one without is a line. A certificate's tenant stands in its row for the
    // foreign keys: VPN and authority are of one tenant. A secret is sealed for its row and what that belongs to.
    static let tunnels = """
        CREATE TABLE tunnels (
            vpn INTEGER PRIMARY KEY NOT NULL REFERENCES vpns (id) ON DELETE CASCADE,
            peer TEXT NOT NULL CHECK (peer <> ''),
            devices TEXT NOT NULL CHECK (devices <> ''),
            profile TEXT NOT NULL CHECK (profile IN ('default', 'compatible')),
            authentication TEXT NOT NULL CHECK (authentication IN ('psk', 'certificate')),
            peer_identity TEXT CHECK (peer_identity <> ''),
            initiation TEXT NOT NULL CHECK (initiation IN ('always', 'on-demand', 'never')),
            forces_encapsulation INTEGER NOT NULL CHECK (forces_encapsulation IN (0, 1)),
            pairs_selectors INTEGER NOT NULL CHECK (pairs_selectors IN (0, 1)),
            probe TEXT,
            -- Null: the tenant's own.
            partner TEXT,
            -- One a line.
            partner_destinations TEXT CHECK ((partner IS NULL) = (partner_destinations IS NULL)),
            partner_ports TEXT CHECK ((partner IS NULL) = (partner_ports IS NULL)),
            valid_from INTEGER CHECK (valid_from IS NULL OR partner IS NOT NULL),
            valid_until INTEGER CHECK (valid_until IS NULL OR partner IS NOT NULL),
            gateway_identity TEXT NOT NULL CHECK (gateway_identity IN ('name', 'address')),
            CHECK (valid_from < valid_until)
        ) STRICT;

        CREATE TABLE tenant_limits (
            tenant INTEGER PRIMARY KEY NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
            -- Null: what the operator has for everyone.
            vpns INTEGER CHECK (vpns BETWEEN 0 AND 4294967295)
        ) STRICT;

        CREATE TABLE vpn_keys (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            vpn INTEGER NOT NULL REFERENCES tunnels (vpn) ON DELETE CASCADE,
            -- Nonce, ciphertext and tag of AES-256-GCM; the same below.
            sealed_key BLOB NOT NULL CHECK (length(sealed_key) >= 28),
            created_at INTEGER NOT NULL,
            retires_at INTEGER
        ) STRICT;
        CREATE INDEX vpn_keys_vpn ON vpn_keys (vpn, id);
        CREATE INDEX vpn_keys_retired ON vpn_keys (retires_at) WHERE retires_at IS NOT NULL;

        CREATE TABLE tenant_authorities (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            tenant INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
            -- In DER.
            certificate BLOB NOT NULL CHECK (length(certificate) > 0),
            -- Null: the tenant keeps it.
            sealed_key BLOB CHECK (length(sealed_key) >= 28),
            created_at INTEGER NOT NULL,
            retires_at INTEGER,
            UNIQUE (tenant, id)
        ) STRICT;
        CREATE UNIQUE INDEX tenant_authorities_certificate ON tenant_authorities (tenant, certificate)
        WHERE retires_at IS NULL;
        CREATE INDEX tenant_authorities_retired ON tenant_authorities (retires_at) WHERE retires_at IS NOT NULL;

        CREATE UNIQUE INDEX vpns_tenant ON vpns (tenant, id);
        CREATE TABLE vpn_certificates (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            tenant INTEGER NOT NULL,
            vpn INTEGER NOT NULL REFERENCES tunnels (vpn) ON DELETE CASCADE,
            authority INTEGER NOT NULL,
            certificate BLOB NOT NULL CHECK (length(certificate) > 0),
            sealed_key BLOB NOT NULL CHECK (length(sealed_key) >= 28),
            created_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            retires_at INTEGER,
            FOREIGN KEY (tenant, vpn) REFERENCES vpns (tenant, id) ON DELETE CASCADE,
            FOREIGN KEY (tenant, authority) REFERENCES tenant_authorities (tenant, id)
        ) STRICT;
        CREATE INDEX vpn_certificates_vpn ON vpn_certificates (vpn, id);
        CREATE INDEX vpn_certificates_authority ON vpn_certificates (authority);
        CREATE INDEX vpn_certificates_retired ON vpn_certificates (retires_at) WHERE retires_at IS NOT NULL;
        """

    static let peerCertificates = """
        CREATE TABLE peer_certificates (
            vpn INTEGER PRIMARY KEY REFERENCES tunnels (vpn) ON DELETE CASCADE,
            expires_at INTEGER NOT NULL,
            told_days INTEGER
        ) STRICT;
        CREATE INDEX peer_certificates_end ON peer_certificates (expires_at);
        """
}
