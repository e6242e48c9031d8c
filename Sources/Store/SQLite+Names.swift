import Domain
import GRDB

extension SQLiteReading {
    func allNames() throws(StoreError) -> [LearnedName] {
        try rows("SELECT policy, address, name, until FROM learned_names", [], LearnedName.init(columns:))
    }
}

extension SQLiteTransaction {
    func putNames(_ names: [LearnedName]) throws(StoreError) {
        for name in names {
            try execute(
                """
                INSERT INTO learned_names (policy, address, name, until)
                SELECT id, ?, ?, ? FROM policies WHERE id = ?
                ON CONFLICT (policy, address, name) DO UPDATE SET until = excluded.until
                """,
                [name.address.description.sql, name.name.description.sql, name.until.sql, name.policy.sql])
        }
    }

    func deleteName(_ name: DomainName, at address: IPAddress, of policy: Policy.ID) throws(StoreError) {
        try execute(
            "DELETE FROM learned_names WHERE policy = ? AND address = ? AND name = ?",
            [policy.sql, address.description.sql, name.description.sql])
    }
}

extension LearnedName {
    fileprivate init(columns: Columns) throws(StoreError) {
        let (address, name) = (try columns.text(1), try columns.text(2))
        self.init(
            policy: try columns.id(0), address: try columns.need(try? IPAddress(parsing: address), 1),
            name: try columns.need(try? DomainName(parsing: name), 2), until: try columns.time(3))
    }
}
