public import Domain

/// The names of one blocklist, and what is done with each. Immutable and shared between the filters of all policies that
/// name the list. How it lies in memory: docs/decisions/0017.
public final class NameList: Sendable {
    /// What a list says about a name or an address (draft-vixie-dnsop-dns-rpz-00 §3).
    public enum Action: Hashable, Sendable {
        /// Refused as the policy that names the list answers refused names.
        case block
        case nxdomain
        case nodata
        /// Neither this list nor one behind it refuses it.
        case passthru
        /// No answer at all.
        case drop
        /// Over UDP the device is told to ask again over TCP.
        case tcpOnly
        /// Answered with ``NameList/records(of:)``.
        case local
    }

    /// One name, wildcard or prefix of this list.
    public struct Entry: Hashable, Sendable {
        /// Where the name stands in the list's octets; with the highest bit, the number of a prefix.
        let bits: UInt32
        static let prefixBit: UInt32 = 1 << 31
    }

    public struct Match: Hashable, Sendable {
        public let entry: Entry
        public let action: Action
    }

    /// How many names there are, how many names that mean all below them, and how many prefixes.
    public let count: Count

    public struct Count: Hashable, Sendable {
        public var names = 0
        public var wildcards = 0
        public var prefixes = 0
        public init(names: Int = 0, wildcards: Int = 0, prefixes: Int = 0) {
            self.names = names
            self.wildcards = wildcards
            self.prefixes = prefixes
        }
    }

    let octets: [UInt8]
    private let exact: NameTable
    private let below: NameTable
    private let prefixes: PrefixTable
    private let answers: [[LocalRecord]]

    init(octets: [UInt8], exact: NameTable, below: NameTable, prefixes: PrefixTable, answers: [[LocalRecord]]) {
        self.octets = octets
        self.exact = exact
        self.below = below
        self.prefixes = prefixes
        self.answers = answers
        count = Count(names: exact.count, wildcards: below.count, prefixes: prefixes.count)
    }

    public static let empty = Builder().finished()

    /// The name itself goes before the longest name above it that stands for all below it.
    public func match(_ name: WireName) -> Match? { NameStep.with(of: name.octets) { match(name.octets, $0) } }

    func match(_ name: [UInt8], _ steps: Span<NameStep>) -> Match? {
        if let position = exact.position(of: steps[0], in: name, among: octets) { return match(at: position) }
        guard below.count > 0 else { return nil }
        for index in 1..<steps.count {
            if let position = below.position(of: steps[index], in: name, among: octets) { return match(at: position) }
        }
        return nil
    }

    /// The longest prefix decides.
    public func match(_ address: IPAddress) -> Match? {
        prefixes.index(of: address).map {
            Match(entry: Entry(bits: Entry.prefixBit | UInt32($0)), action: prefixes.action(at: $0).action)
        }
    }

    /// What is answered when the action is ``Action/local``.
    public func records(of entry: Entry) -> [LocalRecord] {
        guard entry.bits & Entry.prefixBit == 0 else {
            return prefixes.action(at: Int(entry.bits & ~Entry.prefixBit)).answer.map { answers[$0] } ?? []
        }
        let position = Int(entry.bits)
        guard EntryHeader.action(octets[position - 1]) == .local else { return [] }
        return answers[EntryHeader.answer(in: octets, before: position)]
    }

    /// The name, the wildcard or the prefix as text.
    public func text(of entry: Entry) -> String {
        guard entry.bits & Entry.prefixBit == 0 else {
            return prefixes.text(at: Int(entry.bits & ~Entry.prefixBit))
        }
        let start = Int(entry.bits)
        var end = start
        while octets[end] != 0 { end += 1 + Int(octets[end]) }
        let name = WireName(known: Array(octets[start...end]))
        guard EntryHeader.isWildcard(octets[start - 1]) else { return "\(name)" }
        return name == .root ? "*" : "*.\(name)"
    }

    private func match(at position: UInt32) -> Match {
        Match(entry: Entry(bits: position), action: EntryHeader.action(octets[Int(position) - 1]))
    }
}

/// What stands in front of a name: one octet for what is done with it and whether it is a wildcard, and in front of that,
/// only with local data, four for the number of the answer, lowest first.
enum EntryHeader {
    private static let wildcardBit: UInt8 = 1 << 7

    static func octet(_ action: NameList.Action, isWildcard: Bool) -> UInt8 {
        let code: UInt8 =
            switch action {
            case .block: 0
            case .nxdomain: 1
            case .nodata: 2
            case .passthru: 3
            case .drop: 4
            case .tcpOnly: 5
            case .local: 6
            }
        return code | (isWildcard ? wildcardBit : 0)
    }

    static func action(_ octet: UInt8) -> NameList.Action {
        switch octet & ~wildcardBit {
        case 0: .block
        case 1: .nxdomain
        case 2: .nodata
        case 3: .passthru
        case 4: .drop
        case 5: .tcpOnly
        default: .local
        }
    }

    static func isWildcard(_ octet: UInt8) -> Bool { octet & wildcardBit != 0 }

    static func answer(in octets: [UInt8], before position: Int) -> Int {
        (0..<4).reduce(0) { $0 | Int(octets[position - 5 + $1]) << (8 * $1) }
    }

    static func setAnswer(_ answer: Int, in octets: inout [UInt8], before position: Int) {
        for index in 0..<4 {
            octets[position - 5 + index] = UInt8(truncatingIfNeeded: answer >> (8 * index))
        }
    }
}
