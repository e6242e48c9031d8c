public import Domain

/// What an answer leads a device to: the names and addresses in its answer section that follow from the question, through
/// CNAME (RFC 1035 §3.3.1), DNAME (RFC 6672) and SVCB (RFC 9460). Records that do not follow from it teach nothing.
public struct AnswerReview: Hashable, Sendable {
    /// Each name that the question's is an alias of, or is served by, once, in the order in which they are come to.
    public let aliases: [WireName]
    /// The question's name, then the aliases, as far as hosts can have them.
    public let names: [DomainName]
    /// Each once.
    public let addresses: [IPAddress]
    /// The least time to live of the records that were followed, in seconds; zero when there are none.
    public let timeToLive: UInt32
    /// Whether the section has addresses of names that the question does not lead to. Some devices take the first address
    /// that they find, whatever its name.
    public let hasStrayAddresses: Bool

    /// Resolvers give up before that (unbound at 11, BIND at 16).
    static let maximumAliases = 16

    static let nothing = AnswerReview(
        aliases: [], names: [], addresses: [], timeToLive: 0, hasStrayAddresses: false)

    private init(
        aliases: [WireName], names: [DomainName], addresses: [IPAddress], timeToLive: UInt32, hasStrayAddresses: Bool
    ) {
        self.aliases = aliases
        self.names = names
        self.addresses = addresses
        self.timeToLive = timeToLive
        self.hasStrayAddresses = hasStrayAddresses
    }

    init(of records: [Record], to name: WireName, type: UInt16, in bytes: Span<UInt8>) throws(AnswerError) {
        var walk = Walk(name: name, type: type)
        var isFollowed = [Bool](repeating: false, count: records.count)
        var next = 0
        while next < walk.names.count {
            let name = walk.names[next]
            next += 1
            for (index, record) in records.enumerated() where record.recordClass == QueryMessage.internet {
                if try walk.follow(record, from: name, in: bytes) { isFollowed[index] = true }
            }
        }
        aliases = Array(walk.names.dropFirst())
        names = walk.names.compactMap(\.domainName)
        addresses = walk.addresses
        timeToLive = walk.timeToLive ?? 0
        hasStrayAddresses = zip(records, isFollowed).contains { record, isFollowed in
            !isFollowed && (record.type == RecordType.a || record.type == RecordType.aaaa)
        }
    }

    private struct Walk {
        var names: [WireName]
        var addresses: [IPAddress] = []
        var timeToLive: UInt32?
        /// The same, once there are more than a ``few``.
        private var known: Set<IPAddress> = []
        private static let few = 8
        /// Who asks for an alias itself, or for all there is, is not led on by it.
        private let followsAliases: Bool

        init(name: WireName, type: UInt16) {
            names = [name]
            followsAliases = type != RecordType.cname && type != RecordType.any
        }

        /// - Returns: whether the record is the name's.
        mutating func follow(_ record: Record, from name: WireName, in bytes: Span<UInt8>) throws(AnswerError) -> Bool {
            switch record.type {
            case RecordType.a, RecordType.aaaa, RecordType.svcb, RecordType.https:
                guard bytes.isName(name, at: record.name) else { return false }
            case RecordType.cname:
                guard followsAliases, bytes.isName(name, at: record.name) else { return false }
            case RecordType.dname:
                guard followsAliases else { return false }
                return try follow(dname: record, from: name, in: bytes)
            default: return false
            }
            note(record.timeToLive(in: bytes))
            switch record.type {
            case RecordType.cname: try add(try bytes.target(of: record))
            case RecordType.svcb, RecordType.https: try follow(service: record, in: bytes)
            default: try addAddresses(of: record.type == RecordType.a ? 4 : 16, at: record.data, in: bytes, isOne: true)
            }
            return true
        }

        /// The name with what is above it exchanged (RFC 6672 §2.2), whether or not there is a CNAME that says so.
        private mutating func follow(
            dname record: Record, from name: WireName, in bytes: Span<UInt8>
        ) throws(AnswerError) -> Bool {
            let owner = try bytes.checkedName(at: record.name)
            let kept = name.octets.count - owner.octets.count
            guard kept > 0, name.octets[kept...].elementsEqual(owner.octets), name.isLabelStart(kept) else {
                return false
            }
            let target = try bytes.target(of: record)
            guard kept + target.octets.count <= WireName.maximumOctets else { throw .message(.nameTooLong) }
            note(record.timeToLive(in: bytes))
            try add(WireName(known: name.octets[..<kept] + target.octets))
            return true
        }

        /// RFC 9460 §2.2: a priority, the name of the server, and parameters, among them hints to addresses.
        private mutating func follow(service record: Record, in bytes: Span<UInt8>) throws(AnswerError) {
            guard record.data.count >= 3 else { throw .message(.truncated) }
            let target = record.data.lowerBound + 2
            let name = try bytes.checkedName(at: target)
            // The root stands for the owner, or for nobody.
            if name != .root { try add(name) }
            var offset: Int
            do throws(MessageError) { offset = try bytes.endOfName(at: target) } catch { throw .message(error) }
            while offset < record.data.upperBound {
                guard record.data.upperBound - offset >= 4 else { throw .message(.truncated) }
                let key = bytes.uint16(at: offset)
                let value = offset + 4..<offset + 4 + Int(bytes.uint16(at: offset + 2))
                guard value.upperBound <= record.data.upperBound else { throw .message(.truncated) }
                switch key {
                case 4: try addAddresses(of: 4, at: value, in: bytes, isOne: false)
                case 6: try addAddresses(of: 16, at: value, in: bytes, isOne: false)
                default: break
                }
                offset = value.upperBound
            }
        }

        private mutating func addAddresses(
            of octets: Int, at place: Range<Int>, in bytes: Span<UInt8>, isOne: Bool
        ) throws(AnswerError) {
            guard isOne ? place.count == octets : place.count % octets == 0 else { throw .message(.truncated) }
            for offset in stride(from: place.lowerBound, to: place.upperBound, by: octets) {
                let address: IPAddress =
                    octets == 4
                    ? .v4(IPv4Address(bits: bytes.uint32(at: offset)))
                    : .v6(IPv6Address(bits: bytes.uint128(at: offset)))
                if isNew(address) { addresses.append(address) }
            }
        }

        /// Most answers have so few that looking at each costs less than a set.
        private mutating func isNew(_ address: IPAddress) -> Bool {
            guard addresses.count >= Self.few else { return !addresses.contains(address) }
            if known.isEmpty { known.formUnion(addresses) }
            return known.insert(address).inserted
        }

        private mutating func add(_ name: WireName) throws(AnswerError) {
            guard !names.contains(name) else { return }
            guard names.count <= AnswerReview.maximumAliases else { throw .tooManyAliases }
            names.append(name)
        }

        private mutating func note(_ seconds: UInt32) { timeToLive = min(timeToLive ?? seconds, seconds) }
    }
}

extension Span<UInt8> {
    fileprivate func checkedName(at offset: Int) throws(AnswerError) -> WireName {
        do throws(MessageError) { return try name(at: offset) } catch { throw .message(error) }
    }

    /// The name that a CNAME or DNAME consists of.
    fileprivate func target(of record: Record) throws(AnswerError) -> WireName {
        do throws(MessageError) {
            guard try endOfName(at: record.data.lowerBound) == record.data.upperBound else { throw .truncated }
            return try name(at: record.data.lowerBound)
        } catch { throw .message(error) }
    }
}

extension WireName {
    /// Whether a label, or the root, begins there.
    fileprivate func isLabelStart(_ offset: Int) -> Bool {
        var index = 0
        while index < offset { index += 1 + Int(octets[index]) }
        return index == offset
    }
}
