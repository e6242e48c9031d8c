import Store
import Synchronization

/// A store that can be told to run out of room: what is written then is undone at its end.
final class FullStore: Store {
    private let store: any Store
    private let isFull = Atomic<Bool>(false)

    init(_ store: any Store) { self.store = store }

    func set(full: Bool) { isFull.store(full, ordering: .relaxed) }

    func read<Value: Sendable>(_ body: @Sendable @escaping (any StoreReader) throws -> Value) async throws -> Value {
        try await store.read(body)
    }

    func write<Value: Sendable>(
        _ body: @Sendable @escaping (any StoreTransaction) throws -> Value
    ) async throws -> Value {
        let isFull = isFull.load(ordering: .relaxed)
        return try await store.write { transaction in
            let value = try body(transaction)
            if isFull { throw StoreError(code: .unavailable, message: "the disk is full") }
            return value
        }
    }

    func close() async throws { try await store.close() }
}
