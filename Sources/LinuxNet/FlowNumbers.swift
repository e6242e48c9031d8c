import Domain

/// The numbers of chains that tracked flows may have, beside that of the chain which judges their device now.
///
/// A flow keeps the number that a chain has written on it until its device sends again, over any number of versions of the
/// policy and when the device gets another policy. So a number is looked for until a reading of flows has not found it.
struct FlowNumbers {
    /// By the present policy of the flows' devices; with the time of the last change that may have left such flows.
    private var earlier: [PolicyMark: [UInt32: Time]] = [:]
    /// Since when flows may have numbers that are not known; `nil`: never since all flows were read.
    private var unknownSince: Time?
    private var now = Time(value: 0)

    struct Time: Comparable {
        fileprivate var value: UInt64
        static func < (a: Self, b: Self) -> Bool { a.value < b.value }
    }

    init() { loseTrack() }

    private mutating func tick() -> Time {
        now.value += 1
        return now
    }

    /// Flows may have numbers of which nothing is known: an earlier process's, or those of chains that were made anew.
    mutating func loseTrack() { unknownSince = tick() }

    /// Devices of the policy may have flows with these numbers from now on.
    mutating func add(_ numbers: some Sequence<UInt32>, to policy: PolicyMark) {
        let time = tick()
        for number in numbers { earlier[policy, default: [:]][number] = time }
    }

    mutating func forget(_ policy: PolicyMark) { earlier[policy] = nil }

    func numbers(of policy: PolicyMark) -> [UInt32] { earlier[policy].map { Array($0.keys) } ?? [] }

    /// All that flows may have, as far as it is known, beside those of present chains.
    var all: Set<UInt32> { earlier.values.reduce(into: []) { $0.formUnion($1.keys) } }

    /// Before flows are read.
    /// - Returns: the time for ``note(_:of:since:)``, and whether all numbers are known.
    func beginReading() -> (since: Time, isKnown: Bool) { (now, unknownSince == nil) }

    /// What was read.
    /// - Parameters:
    ///   - found: the numbers of flows that are left, without the present chain's.
    ///   - policies: those whose flows were read, with the numbers that are known; `nil`: all flows were read.
    mutating func note(_ found: [PolicyMark: Set<UInt32>], of policies: Set<PolicyMark>?, since time: Time) {
        for policy in policies ?? Set(earlier.keys).union(found.keys) {
            let left = found[policy] ?? []
            var numbers = (earlier[policy] ?? [:]).filter { left.contains($0.key) || $0.value > time }
            for number in left where numbers[number] == nil { numbers[number] = time }
            earlier[policy] = numbers.isEmpty ? nil : numbers
        }
        if policies == nil, let since = unknownSince, since <= time { unknownSince = nil }
    }
}
