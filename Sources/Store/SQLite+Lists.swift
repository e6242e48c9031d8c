import Domain
import GRDB

extension SQLiteReading {
    private static var listColumns: String { "SELECT tenant, name, items, author, updated_at FROM lists" }

    func list(named name: Name, of tenant: Tenant.ID) throws(StoreError) -> SharedList? {
        try row(
            "\(Self.listColumns) WHERE tenant = ? AND name = ?", [tenant.sql, name.sql], SharedList.init(columns:))
    }

    func lists(of tenant: Tenant.ID) throws(StoreError) -> [SharedList] {
        try rows("\(Self.listColumns) WHERE tenant = ? ORDER BY name", [tenant.sql], SharedList.init(columns:))
    }

    func allLists() throws(StoreError) -> [SharedList] {
        try rows("\(Self.listColumns) ORDER BY tenant, name", [], SharedList.init(columns:))
    }

    func services() throws(StoreError) -> [ServiceRecord] {
        try rows(
            "SELECT name, definition, author, updated_at FROM services ORDER BY name", []
        ) { columns throws(StoreError) in
            ServiceRecord(
                name: try columns.name(0), definition: try columns.text(1), author: try columns.text(2),
                updatedAt: try columns.time(3))
        }
    }
}

extension SQLiteTransaction {
    func putList(_ list: SharedList) throws(StoreError) {
        try execute(
            """
            INSERT INTO lists (tenant, name, items, author, updated_at) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (tenant, name) DO UPDATE SET
                items = excluded.items, author = excluded.author, updated_at = excluded.updated_at
            """,
            [
                list.tenant.sql, list.name.sql, list.items.map(\.description).joined(separator: "\n").sql,
                list.author.sql, list.updatedAt.sql,
            ]
        ) { $0.isForeignKey ? .notFound(Self.noTenant) : nil }
    }

    func deleteList(named name: Name, of tenant: Tenant.ID) throws(StoreError) {
        try change(
            "DELETE FROM lists WHERE tenant = ? AND name = ?", [tenant.sql, name.sql],
            missing: "there is no such list of this tenant")
    }

    func putService(_ service: ServiceRecord) throws(StoreError) {
        try execute(
            """
            INSERT INTO services (name, definition, author, updated_at) VALUES (?, ?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET
                definition = excluded.definition, author = excluded.author, updated_at = excluded.updated_at
            """,
            [service.name.sql, service.definition.sql, service.author.sql, service.updatedAt.sql])
    }

    func deleteService(named name: Name) throws(StoreError) {
        try change("DELETE FROM services WHERE name = ?", [name.sql], missing: "there is no such service")
    }
}

extension SharedList {
    fileprivate init(columns: Columns) throws(StoreError) {
        var items: [ListItem] = []
        for line in try columns.text(2).split(separator: "\n") {
            // What was a list item when it was stored is one still.
            items.append(try columns.need(try? ListItem(parsing: line), 2))
        }
        self.init(
            tenant: try columns.id(0), name: try columns.name(1), items: items, author: try columns.text(3),
            updatedAt: try columns.time(4))
    }
}
