/// Where a record lies in its message (RFC 1035 §4.1.3).
struct Record {
    /// Of its owner's name.
    let name: Int
    let type: UInt16
    let recordClass: UInt16
    /// Of its time to live.
    let timeToLiveOffset: Int
    let data: Range<Int>

    /// RFC 2181 §8: what has the highest bit set is zero.
    func timeToLive(in bytes: Span<UInt8>) -> UInt32 {
        let seconds = bytes.uint32(at: timeToLiveOffset)
        return seconds > UInt32(Int32.max) ? 0 : seconds
    }
}

/// Walks records one after the other. Holds no bytes: each step is given them.
struct RecordScan {
    private(set) var offset: Int

    init(from offset: Int) { self.offset = offset }

    mutating func next(in bytes: Span<UInt8>) throws(MessageError) -> Record {
        let name = offset
        let fixed = try bytes.endOfName(at: name)
        guard bytes.count - fixed >= 10 else { throw .truncated }
        let start = fixed + 10
        let length = Int(bytes.uint16(at: fixed + 8))
        guard length <= bytes.count - start else { throw .truncated }
        offset = start + length
        return Record(
            name: name, type: bytes.uint16(at: fixed), recordClass: bytes.uint16(at: fixed + 2),
            timeToLiveOffset: fixed + 4, data: start..<offset)
    }
}
