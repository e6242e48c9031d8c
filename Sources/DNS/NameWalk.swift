/// Walks the labels of a name in a message, through its compression pointers (RFC 1035 §4.1.4). A pointer must lead before
/// the part of the name that it ends, so that a walk comes to its end whatever the octets are. Holds no bytes: each step
/// is given them.
struct NameWalk {
    private var offset: Int
    /// Where the part began in which the walk is: pointers must lead before it.
    private var start: Int
    private var octets = 0
    private var pointers = 0
    /// Where the name ends at the place where it stands; known when the walk has come to a pointer or the root.
    private(set) var end: Int?

    init(at offset: Int) {
        self.offset = offset
        start = offset
    }

    /// As many as a name has labels. A message could else be one long chain of them that each of its records walks.
    private static let maximumPointers = 127

    /// Where the next label's octets lie; `nil` at the root.
    mutating func next(in bytes: Span<UInt8>) throws(MessageError) -> Range<Int>? {
        while true {
            guard offset < bytes.count else { throw .truncated }
            let octet = bytes[offset]
            switch octet >> 6 {
            case 0:
                guard octet > 0 else {
                    end = end ?? offset + 1
                    return nil
                }
                let first = offset + 1
                let next = first + Int(octet)
                guard next <= bytes.count else { throw .truncated }
                octets += 1 + Int(octet)
                // The root needs the last one.
                guard octets < WireName.maximumOctets else { throw .nameTooLong }
                offset = next
                return first..<next
            case 3:
                guard offset + 1 < bytes.count else { throw .truncated }
                let target = Int(bytes.uint16(at: offset) & 0x3fff)
                guard target >= MessageHeader.octets, target < start, pointers < Self.maximumPointers else {
                    throw .pointer
                }
                end = end ?? offset + 2
                pointers += 1
                start = target
                offset = target
            default: throw .labelType
            }
        }
    }
}

extension Span<UInt8> {
    /// Where the name at `offset` ends; all of it has been looked at.
    func endOfName(at offset: Int) throws(MessageError) -> Int {
        var walk = NameWalk(at: offset)
        while try walk.next(in: self) != nil {}
        // The walk has ended at the root.
        return walk.end ?? offset
    }

    func name(at offset: Int) throws(MessageError) -> WireName {
        var octets: [UInt8] = []
        octets.reserveCapacity(64)
        var walk = NameWalk(at: offset)
        while let label = try walk.next(in: self) {
            octets.append(UInt8(truncatingIfNeeded: label.count))
            for index in label { octets.append(WireName.lowered(self[index])) }
        }
        octets.append(0)
        return WireName(known: octets)
    }

    /// Whether the name at `offset` is this one, in whatever case. A name that cannot be read is none.
    func isName(_ name: WireName, at offset: Int) -> Bool {
        var walk = NameWalk(at: offset)
        let octets = name.octets.span
        var index = 0
        do throws(MessageError) {
            while let label = try walk.next(in: self) {
                guard index + label.count < octets.count, Int(octets[index]) == label.count else { return false }
                index += 1
                for place in label {
                    guard WireName.lowered(self[place]) == octets[index] else { return false }
                    index += 1
                }
            }
        } catch {
            return false
        }
        return index == octets.count - 1
    }
}
