/// An attribute that may occur any number of times. Decoding only counts it; whoever wants the values gives the packet's
/// octets again.
struct RepeatedAttribute: Sendable {
    /// As in ``Attribute``.
    let vendor: UInt32
    let type: UInt8
    /// How often it occurs: at most 2038 times, each takes two octets.
    var count = 0

    /// Each value as sent, in order.
    func octets(in bytes: Span<UInt8>) -> [[UInt8]] {
        var values: [[UInt8]] = []
        var scan = AttributeScan(until: bytes.count)
        // Decoding has gone over these octets, past the last that was counted, without an error: here is none either.
        while values.count < count, let attribute = try? scan.next(in: bytes) {
            guard attribute.vendor == vendor, attribute.type == type else { continue }
            values.append(attribute.place.octets(in: bytes))
        }
        return values
    }
}
