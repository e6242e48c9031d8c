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

    func queueWrite<Value: Sendable>(
        _ body: @Sendable @escaping (any StoreTransaction) throws -> Value,
        orElse other: (@Sendable (any StoreTransaction) throws -> Value)?,
        completion: @Sendable @escaping (Result<Value, any Error>) -> Void
    ) {
        let isFull = isFull.load(ordering: .relaxed)
        store.queueWrite(
            { transaction in
                let value = try body(transaction)
                if isFull { throw StoreError(code: .unavailable, message: "the disk is full") }
                return value
            }, orElse: other, completion: completion)
    }

    func close() async throws { try await store.close() }
}
