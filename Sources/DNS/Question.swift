/// What is asked, as far as an answer depends on it. Of the internet's class (RFC 1035 §3.2.4): no other is passed on.
public struct Question: Hashable, Sendable {
    public let name: WireName
    public let type: UInt16
    public let isDNSSECOK: Bool
    public let isCheckingDisabled: Bool

    public init(name: WireName, type: UInt16, isDNSSECOK: Bool = false, isCheckingDisabled: Bool = false) {
        self.name = name
        self.type = type
        self.isDNSSECOK = isDNSSECOK
        self.isCheckingDisabled = isCheckingDisabled
    }

    /// Octets of a datagram that we take and send: what paths carry in one packet (DNS flag day 2020).
    public static let payloadOctets: UInt16 = 1232

    /// As a query to an upstream. AD is set: what it finds is known, and told to devices that ask.
    /// - Parameter casing: for each letter of the name a bit, from the lowest, that makes it upper case (draft
    ///   vixie-dnsext-dns0x20): an answer by somebody who has not seen the query has to guess them too.
    public func encoded(id: UInt16, casing: UInt128) -> [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(MessageHeader.octets + name.octets.count + 15)
        octets.append(bigEndian: id)
        octets.append(
            bigEndian: MessageHeader.Flag.recursionDesired | MessageHeader.Flag.authenticData
                | (isCheckingDisabled ? MessageHeader.Flag.checkingDisabled : 0))
        octets.append(contentsOf: [0, 1, 0, 0, 0, 0, 0, 1])
        var bits = casing
        for octet in name.octets {
            guard (0x61...0x7a).contains(octet) else {
                octets.append(octet)
                continue
            }
            octets.append(bits & 1 == 1 ? octet & ~0x20 : octet)
            // Names with more letters than that have enough that nobody guesses.
            bits = bits >> 1
        }
        octets.append(bigEndian: type)
        octets.append(bigEndian: QueryMessage.internet)
        octets.append(opt: Self.payloadOctets, code: 0, isDNSSECOK: isDNSSECOK, options: 0)
        return octets
    }
}

/// Whether what came from an upstream's address answers what was sent there.
public enum AnswerMatch: Hashable, Sendable {
    case matches
    /// Not even an answer's header.
    case noAnswer
    case otherID
    case otherQuestion
    /// The question, but not in the case in which it was sent.
    case otherCase

    /// - Parameter query: of ``Question/encoded(id:casing:)``.
    public init(_ bytes: Span<UInt8>, to query: Span<UInt8>, isCaseExact: Bool) {
        self = Self.compare(bytes, query, isCaseExact)
    }

    private static func compare(_ bytes: Span<UInt8>, _ query: Span<UInt8>, _ isCaseExact: Bool) -> AnswerMatch {
        guard bytes.count >= MessageHeader.octets, bytes[2] & 0xf8 == 0x80 else { return .noAnswer }
        guard bytes.uint16(at: 0) == query.uint16(at: 0) else { return .otherID }
        // All but the OPT record's eleven octets, which every query of ours ends with.
        let end = query.count - 11
        guard bytes.uint16(at: 4) == 1, bytes.count >= end else { return .otherQuestion }
        var isSameCase = true
        for index in MessageHeader.octets..<end where bytes[index] != query[index] {
            // The type and class stand behind the name; no letter's other case makes one of them another that is asked.
            guard index < end - 4, WireName.lowered(bytes[index]) == WireName.lowered(query[index]) else {
                return .otherQuestion
            }
            isSameCase = false
        }
        return isSameCase || !isCaseExact ? .matches : .otherCase
    }
}
