/// A name that looks up itself or a name above it: where that begins, and a keyed hash of the octets from there on.
package struct NameStep: Sendable {
    private let bits: UInt64

    fileprivate init(start: Int, hash: UInt64) {
        bits = hash & ~0xff | UInt64(truncatingIfNeeded: start)
    }

    /// In the octets of the name.
    package var start: Int { Int(bits & 0xff) }
    /// Its lowest octet is zero.
    package var hash: UInt64 { bits & ~0xff }

    /// Calls `body` with the steps of a name: itself, the name without its first label, and so on to the root. They are
    /// made once for each question, whatever number of tables is asked, and on the stack.
    /// - Precondition: the octets are one whole name, in lower case, as ``WireName/octets`` are.
    package static func with<Value>(of name: [UInt8], _ body: (Span<NameStep>) -> Value) -> Value {
        withUnsafeTemporaryAllocation(of: NameStep.self, capacity: WireName.maximumOctets / 2 + 1) { steps in
            var count = 0
            var start = 0
            while name[start] != 0 {
                steps.initializeElement(at: count, to: NameStep(start: start, hash: 0))
                count += 1
                start += 1 + Int(name[start])
            }
            var hash = NameHash()
            steps.initializeElement(at: count, to: NameStep(start: start, hash: hash.value))
            // From the last label on, so that the hash of a name goes on from that of the name above it.
            for index in (0..<count).reversed() {
                let start = steps[index].start
                hash.add(labelAt: start, of: name)
                steps[index] = NameStep(start: start, hash: hash.value)
            }
            return body(UnsafeBufferPointer(rebasing: steps[...count]).span)
        }
    }
}

/// SipHash-1-3 with a key that is new in each process: neither who writes lists nor who asks for names can choose names
/// whose hashes collide.
struct NameHash {
    private static let key: (UInt64, UInt64) = {
        var random = SystemRandomNumberGenerator()
        return (random.next(), random.next())
    }()

    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64

    init() {
        let key = Self.key
        v0 = 0x736f_6d65_7073_6575 ^ key.0
        v1 = 0x646f_7261_6e64_6f6d ^ key.1
        v2 = 0x6c79_6765_6e65_7261 ^ key.0
        v3 = 0x7465_6462_7974_6573 ^ key.1
    }

    /// Adds a label with its length in front, in words of eight octets, the last filled with zeros.
    mutating func add(labelAt start: Int, of name: [UInt8]) {
        let end = start + 1 + Int(name[start])
        var index = start
        while index < end {
            var word: UInt64 = 0
            let stop = min(index + 8, end)
            var shift: UInt64 = 0
            while index < stop {
                word |= UInt64(name[index]) &<< shift
                shift &+= 8
                index += 1
            }
            v3 ^= word
            round()
            v0 ^= word
        }
    }

    /// Of what was added so far.
    var value: UInt64 {
        var copy = self
        copy.v2 ^= 0xff
        copy.round()
        copy.round()
        copy.round()
        return copy.v0 ^ copy.v1 ^ copy.v2 ^ copy.v3
    }

    private mutating func round() {
        v0 = v0 &+ v1
        v1 = (v1 &<< 13 | v1 &>> 51) ^ v0
        v0 = v0 &<< 32 | v0 &>> 32
        v2 = v2 &+ v3
        v3 = (v3 &<< 16 | v3 &>> 48) ^ v2
        v0 = v0 &+ v3
        v3 = (v3 &<< 21 | v3 &>> 43) ^ v0
        v2 = v2 &+ v1
        v1 = (v1 &<< 17 | v1 &>> 47) ^ v2
        v2 = v2 &<< 32 | v2 &>> 32
    }
}
