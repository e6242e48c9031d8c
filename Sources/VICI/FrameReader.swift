/// Makes packets of a stream's octets, in whatever pieces they come. After an error the stream has lost its place, and
/// its connection is to be closed.
package struct FrameReader: Sendable {
    private var buffer: [UInt8] = []
    /// How many octets of the buffer have been given out as packets.
    private var read = 0

    package init() {}

    /// Octets that wait for the rest of their packet: at most ``Packet/maximumLength`` and what was appended last.
    package var waiting: Int { buffer.count - read }

    package mutating func append(_ bytes: some Sequence<UInt8>) {
        if read > 0 {
            buffer.removeFirst(read)
            read = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next packet; `nil` when it has not come whole.
    package mutating func next() throws(WireError) -> Packet? {
        guard waiting >= 4 else { return nil }
        let start = read + 4
        let stated = buffer[read..<start].reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
        guard stated > 0, stated <= UInt32(Packet.maximumLength) else {
            throw .packetLength(Int(clamping: stated))
        }
        let end = start + Int(stated)
        guard end <= buffer.count else { return nil }
        read = end
        return try Packet(decoding: buffer.span.extracting(start..<end))
    }
}
