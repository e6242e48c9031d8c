/// What a device asks. Decoding keeps where things lie and so allocates nothing; whoever wants the name gives the
/// message's octets again.
public struct QueryMessage: Hashable, Sendable {
    public let id: UInt16
    public let type: UInt16
    public let recordClass: UInt16
    public let isRecursionDesired: Bool
    /// AD: the sender understands it in answers (RFC 6840 §5.7).
    public let isAuthenticDataWanted: Bool
    /// CD (RFC 4035 §3.2.2).
    public let isCheckingDisabled: Bool
    public let edns: EDNS?
    /// The question's end; it begins after the header.
    let questionEnd: Int

    public static let internet: UInt16 = 1

    /// Octets after the last record are ignored.
    /// - Throws: ``MessageError``; ``writeError(_:answering:into:)`` answers it.
    public init(decoding bytes: Span<UInt8>) throws(MessageError) {
        let header = try MessageHeader(decoding: bytes)
        guard !header.isAnswer else { throw .direction }
        guard header.operation == 0 else { throw .operation(header.operation) }
        guard header.questions == 1 else { throw .questionCount(header.questions) }
        guard header.answers == 0, header.authorities == 0 else { throw .queryWithRecords }
        let nameEnd = try bytes.endOfName(at: MessageHeader.octets)
        guard bytes.count - nameEnd >= 4 else { throw .truncated }
        id = header.id
        isRecursionDesired = header.flags & MessageHeader.Flag.recursionDesired != 0
        isAuthenticDataWanted = header.flags & MessageHeader.Flag.authenticData != 0
        isCheckingDisabled = header.flags & MessageHeader.Flag.checkingDisabled != 0
        type = bytes.uint16(at: nameEnd)
        recordClass = bytes.uint16(at: nameEnd + 2)
        questionEnd = nameEnd + 4
        guard !RecordType.isForbiddenInQuestion(type) else { throw .questionType(type) }

        var edns: EDNS?
        var scan = RecordScan(from: questionEnd)
        for _ in 0..<header.additionals {
            let record = try scan.next(in: bytes)
            guard record.type == RecordType.opt else { continue }
            guard edns == nil else { throw .optRecord }
            edns = try EDNS(record, in: bytes)
        }
        if let edns {
            // Before the options: what they mean is the version's to say.
            guard edns.version == 0 else { throw .ednsVersion(edns.version) }
            try edns.forEachOption(in: bytes) { code, value throws(MessageError) in
                guard code == EDNS.Option.cookie else { return }
                // RFC 7873 §5.2.2. A cookie that is right is none of ours and left without an answer, as by a server
                // that knows none: a gateway knows whose an address is.
                guard value.count == 8 || (16...40).contains(value.count) else { throw .optionLength(code) }
            }
        }
        self.edns = edns
    }

    public var isDNSSECOK: Bool { edns?.isDNSSECOK ?? false }

    /// In lower case.
    public func name(in bytes: Span<UInt8>) -> WireName {
        // Without pointers: there is nothing in front that one could lead to.
        var octets: [UInt8] = []
        octets.reserveCapacity(questionEnd - 4 - MessageHeader.octets)
        for index in MessageHeader.octets..<questionEnd - 4 { octets.append(WireName.lowered(bytes[index])) }
        return WireName(known: octets)
    }

    /// What an answer needs of the message, for one that is not written at once.
    public func octets(of bytes: Span<UInt8>) -> [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(questionEnd)
        octets.append(bytes, 0..<questionEnd)
        return octets
    }

    /// Octets that an answer over UDP may have (RFC 1035 §4.2.1, RFC 6891 §6.2.3 to §6.2.5).
    /// - Parameter ceiling: what paths are trusted to carry in one packet.
    public func datagramLimit(ceiling: Int) -> Int {
        guard let edns else { return 512 }
        return max(512, min(Int(edns.payloadOctets), ceiling))
    }
}
