/// Where a value lies in its packet. Decoding keeps this of text and octets, and so allocates nothing for a packet that
/// nobody has shown to be authentic yet. Whoever wants the value gives the packet's octets again: others are the
/// caller's mistake, and stop the process when they are too few.
public struct Place: Hashable, Sendable {
    private let offset: UInt16
    private let count: UInt16

    /// - Parameter octets: in a packet, which has at most 4096.
    init(_ octets: Range<Int>) {
        offset = UInt16(truncatingIfNeeded: octets.lowerBound)
        count = UInt16(truncatingIfNeeded: octets.count)
    }

    private var range: Range<Int> { Int(offset)..<Int(offset) + Int(count) }

    /// The octets as sent.
    public func octets(in bytes: Span<UInt8>) -> [UInt8] { range.map { bytes[$0] } }

    /// `nil` when the octets are no UTF-8.
    func text(in bytes: Span<UInt8>) -> String? {
        bytes.extracting(range).withUnsafeBufferPointer { String(validating: $0, as: UTF8.self) }
    }

    /// What `parse` makes of the octets, which some senders end with a NUL.
    func parsed<Value>(in bytes: Span<UInt8>, _ parse: (Slice<UnsafeBufferPointer<UInt8>>) -> Value?) -> Value? {
        bytes.extracting(range).withUnsafeBufferPointer { octets in
            parse(octets.last == 0 ? octets.dropLast() : octets[...])
        }
    }
}
