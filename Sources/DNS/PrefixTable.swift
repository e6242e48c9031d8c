import Domain

/// What a list says of addresses.
struct PrefixTable: Sendable {
    /// What is done, and the number of the answer when that is local data.
    struct Outcome: Hashable, Sendable {
        let action: NameList.Action
        let answer: Int?
    }

    enum Prefix: Hashable, Sendable, CustomStringConvertible {
        case v4(IPv4Prefix)
        case v6(IPv6Prefix)

        var description: String {
            switch self {
            case .v4(let prefix): "\(prefix)"
            case .v6(let prefix): "\(prefix)"
            }
        }
    }

    /// IPv4 in the clothes of IPv6 (RFC 4291 §2.5.5.2), the length accordingly.
    private struct Key: Hashable {
        let bits: UInt128
        let length: UInt8

        init(_ bits: UInt128, length: UInt8) {
            self.bits = length == 0 ? 0 : bits & ~0 << UInt128(128 - length)
            self.length = length
        }
    }

    private var indexes: [Key: Int] = [:]
    private var entries: [(prefix: Prefix, outcome: Outcome)] = []
    /// The lengths that there are, longest first.
    private var v4Lengths: [UInt8] = []
    private var v6Lengths: [UInt8] = []

    var count: Int { entries.count }

    func index(of address: IPAddress) -> Int? {
        guard !entries.isEmpty else { return nil }
        let bits = Self.bits(of: address)
        let lengths =
            switch address {
            case .v4: v4Lengths
            case .v6: v6Lengths
            }
        for length in lengths {
            if let index = indexes[Key(bits, length: length)] { return index }
        }
        return nil
    }

    func index(of prefix: Prefix) -> Int? { indexes[Self.key(prefix)] }

    func action(at index: Int) -> Outcome { entries[index].outcome }

    func text(at index: Int) -> String { "\(entries[index].prefix)" }

    mutating func insert(_ prefix: Prefix, _ outcome: Outcome) {
        let key = Self.key(prefix)
        indexes[key] = entries.count
        entries.append((prefix, outcome))
        let add = { (lengths: inout [UInt8]) in
            guard !lengths.contains(key.length) else { return }
            lengths.append(key.length)
            lengths.sort(by: >)
        }
        switch prefix {
        case .v4: add(&v4Lengths)
        case .v6: add(&v6Lengths)
        }
    }

    mutating func replace(at index: Int, by outcome: Outcome) { entries[index].outcome = outcome }

    private static func bits(of address: IPAddress) -> UInt128 {
        switch address {
        case .v4(let address): 0xffff << 32 | UInt128(address.bits)
        case .v6(let address): address.bits
        }
    }

    private static func key(_ prefix: Prefix) -> Key {
        switch prefix {
        case .v4(let prefix): Key(bits(of: .v4(prefix.address)), length: 96 + prefix.length)
        case .v6(let prefix): Key(prefix.address.bits, length: prefix.length)
        }
    }
}
