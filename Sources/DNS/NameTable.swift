/// Where names stand in an array of octets that the owner of the table keeps: open addressing, eight octets a slot, so that
/// a name that is not there costs one line of the processor's cache.
package struct NameTable: Sendable {
    /// The upper half of the hash, then the name's position; zero: free.
    private var slots: [UInt64] = []
    package private(set) var count = 0

    package init() {}

    /// Where the name stands of which `name`, from the step's start on, is the same.
    package func position(of step: NameStep, in name: [UInt8], among octets: [UInt8]) -> UInt32? {
        position(hash: step.hash, name, from: step.start, among: octets)
    }

    package func position(hash: UInt64, _ name: [UInt8], from start: Int, among octets: [UInt8]) -> UInt32? {
        guard !slots.isEmpty else { return nil }
        let tag = UInt32(truncatingIfNeeded: hash &>> 32)
        let mask = slots.count - 1
        var index = Int(tag) & mask
        while slots[index] != 0 {
            let position = UInt32(truncatingIfNeeded: slots[index])
            // Hashes may be the same; names are compared to the last octet, so that none is taken for another.
            if UInt32(truncatingIfNeeded: slots[index] &>> 32) == tag,
                Self.isEqual(octets, at: Int(position), name, from: start)
            {
                return position
            }
            index = (index + 1) & mask
        }
        return nil
    }

    /// - Precondition: the name is not there yet, and its position is not zero.
    package mutating func insert(hash: UInt64, at position: UInt32) {
        // At most five eighths are taken: a search for what is not there looks at two slots on average.
        if (count + 1) * 8 > slots.count * 5 { grow() }
        Self.put((hash & ~0xffff_ffff) | UInt64(position), in: &slots)
        count += 1
    }

    private mutating func grow() {
        var larger = [UInt64](repeating: 0, count: max(8, slots.count * 2))
        for slot in slots where slot != 0 { Self.put(slot, in: &larger) }
        slots = larger
    }

    private static func put(_ slot: UInt64, in slots: inout [UInt64]) {
        let mask = slots.count - 1
        var index = Int(slot &>> 32) & mask
        while slots[index] != 0 { index = (index + 1) & mask }
        slots[index] = slot
    }

    private static func isEqual(_ octets: [UInt8], at position: Int, _ name: [UInt8], from start: Int) -> Bool {
        let count = name.count - start
        guard octets.count - position >= count else { return false }
        for index in 0..<count where octets[position + index] != name[start + index] { return false }
        return true
    }
}
