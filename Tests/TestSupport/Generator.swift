import Foundation

/// Pseudo-random numbers that repeat: the same seed gives the same test on every machine (SplitMix64).
public struct Generator: RandomNumberGenerator, Sendable {
    public let seed: UInt64
    private var state: UInt64

    public init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// True once in `n` times.
    public mutating func oneIn(_ n: Int) -> Bool { Int.random(in: 0..<max(1, n), using: &self) == 0 }

    /// One of the elements.
    public mutating func pick<Element>(_ first: Element, _ others: Element...) -> Element {
        others.randomElement(using: &self).map { oneIn(others.count + 1) ? first : $0 } ?? first
    }
}

/// What a property's body threw, with the seed that brings it back.
public struct FailedSeed: Error, CustomStringConvertible {
    public let seed: UInt64
    public let cause: any Error
    public var description: String { "seed \(seed): \(cause)" }
}

/// How many times as many seeds properties are tried with: `CORDON_SEEDS` of the environment, which `make soak` sets.
public let seedFactor = ProcessInfo.processInfo.environment["CORDON_SEEDS"].flatMap { UInt64($0) } ?? 1

/// Runs a property's body with one generator for each seed from zero. The body throws, or names `random.seed` in its
/// expectations, when the property does not hold.
public func forAll(_ count: UInt64 = 500, _ body: (inout Generator) throws -> Void) throws(FailedSeed) {
    for seed in 0..<count * seedFactor {
        var random = Generator(seed: seed)
        do {
            try body(&random)
        } catch {
            throw FailedSeed(seed: seed, cause: error)
        }
    }
}
