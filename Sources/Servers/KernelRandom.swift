import Glibc

/// The kernel's random numbers, 32 at a time: each question to an upstream takes some, and a system call for each of them
/// would be a part of its cost that shows.
struct KernelRandom: RandomNumberGenerator {
    private var words = InlineArray<32, UInt64>(repeating: 0)
    private var left = 0

    mutating func next() -> UInt64 {
        if left == 0 { fill() }
        left -= 1
        defer { words[left] = 0 }
        return words[left]
    }

    private mutating func fill() {
        left = words.count
        // 256 octets are the most that getentropy gives at once.
        let isFilled = withUnsafeMutableBytes(of: &words) { octets in
            octets.baseAddress.map { getentropy($0, octets.count) == 0 } ?? false
        }
        guard !isFilled else { return }
        var system = SystemRandomNumberGenerator()
        for index in words.indices { words[index] = system.next() }
    }
}
