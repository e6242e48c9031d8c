import Synchronization

/// How often a list decided for one tenant, and by which of its entries most. Counted from any thread without a lock, in
/// a fixed number of octets.
public final class ListHits: Sendable {
    /// Entries that are counted one by one. With more than that, a count may be too high by what the rarest of them had
    /// (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005).
    public static let entries = 64

    private let sum = Atomic<UInt64>(0)
    /// The entry in the upper half, how often in the lower; zero: free. No entry of a list has the number zero.
    private let slots = InlineArray<64, Atomic<UInt64>> { _ in Atomic(0) }

    public init() {}

    public var total: UInt64 { sum.load(ordering: .relaxed) }

    /// Most hits first.
    public var top: [(entry: NameList.Entry, hits: UInt32)] {
        slots.indices.compactMap { index in
            let slot = slots[index].load(ordering: .relaxed)
            return slot == 0
                ? nil
                : (NameList.Entry(bits: UInt32(truncatingIfNeeded: slot >> 32)), UInt32(truncatingIfNeeded: slot))
        }
        .sorted { ($0.hits, $1.entry.bits) > ($1.hits, $0.entry.bits) }
    }

    func note(_ entry: NameList.Entry) {
        sum.add(1, ordering: .relaxed)
        let own = UInt64(entry.bits) << 32
        // Somebody else may change the slot in between. Counts are for people: after some tries this one is left out.
        for _ in 0..<8 {
            var least = (index: 0, slot: UInt64.max)
            for index in slots.indices {
                let slot = slots[index].load(ordering: .relaxed)
                if slot & 0xffff_ffff_0000_0000 == own, slot != 0 {
                    least = (index, slot)
                    break
                }
                if slot & 0xffff_ffff < least.slot & 0xffff_ffff { least = (index, slot) }
                if slot == 0 { break }
            }
            let count = min(least.slot & 0xffff_ffff, 0xffff_fffe) + 1
            if slots[least.index].compareExchange(
                expected: least.slot, desired: own | count, ordering: .relaxed
            ).exchanged {
                return
            }
        }
    }
}
