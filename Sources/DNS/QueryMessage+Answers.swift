public import Domain

/// An answer of our own making.
public enum LocalAnswer: Hashable, Sendable {
    /// The name does not exist.
    case nxdomain
    /// The name has nothing of this type.
    case nodata
    case refused
    /// This address where one of its family is asked for, nothing for other types.
    case address(IPAddress)
}

/// Answers to a device. Each repeats its question octet by octet, in the case in which it was asked, and has an OPT record
/// exactly when the query has one (RFC 6891 §6.1.1). They are written over what the buffer held, so that one buffer
/// serves all.
extension QueryMessage {
    /// Answers a query that is none.
    /// - Returns: `false`, and nothing to send, when there is nothing to answer: not even a header, or an answer.
    public static func writeError(
        _ error: MessageError, answering bytes: Span<UInt8>, into answer: inout [UInt8]
    ) -> Bool {
        answer.removeAll(keepingCapacity: true)
        guard let code = error.responseCode, bytes.count >= MessageHeader.octets, bytes[2] & 0x80 == 0 else {
            return false
        }
        answer.append(bytes, 0..<2)
        let kept = bytes.uint16(at: 2) & (0x7800 | MessageHeader.Flag.recursionDesired)
        answer.append(
            bigEndian: MessageHeader.Flag.answer | MessageHeader.Flag.recursionAvailable | kept | code.rawValue & 0xf)
        var questionEnd = MessageHeader.octets
        if bytes.uint16(at: 4) == 1 {
            do throws(MessageError) {
                let end = try bytes.endOfName(at: questionEnd) + 4
                if end <= bytes.count { questionEnd = end }
            } catch {
                // An answer without a question, then.
            }
        }
        answer.append(contentsOf: [0, questionEnd > MessageHeader.octets ? 1 : 0, 0, 0, 0, 0, 0, 0])
        answer.append(bytes, MessageHeader.octets..<questionEnd)
        if code == .badVersion || hasOPT(bytes, from: questionEnd) {
            answer[11] = 1
            answer.append(
                opt: Question.payloadOctets, code: UInt8(truncatingIfNeeded: code.rawValue >> 4), isDNSSECOK: false,
                options: 0)
        }
        return true
    }

    /// Whether the sender speaks EDNS, as far as it can be read.
    private static func hasOPT(_ bytes: Span<UInt8>, from questionEnd: Int) -> Bool {
        guard bytes.uint16(at: 4) <= 1 else { return false }
        var scan = RecordScan(from: questionEnd)
        let records = (3..<6).reduce(0) { $0 + Int(bytes.uint16(at: 2 * $1)) }
        do throws(MessageError) {
            for _ in 0..<records where try scan.next(in: bytes).type == RecordType.opt { return true }
        } catch {
            // Then it is not known.
        }
        return false
    }

    /// Answers without a record.
    /// - Parameter error: is told to devices that speak EDNS.
    public func writeAnswer(
        _ code: ResponseCode, _ error: ExtendedError? = nil, to bytes: Span<UInt8>, into answer: inout [UInt8]
    ) {
        begin(&answer, bytes, code)
        end(&answer, code, error)
    }

    /// Answers that there is more than fits: the device comes again over TCP.
    public func writeTruncated(to bytes: Span<UInt8>, into answer: inout [UInt8]) {
        begin(&answer, bytes, .noError, MessageHeader.Flag.truncated)
        end(&answer, .noError, nil)
    }

    /// - Parameter seconds: how long devices may remember it.
    public func writeAnswer(
        _ local: LocalAnswer, for seconds: UInt32, _ error: ExtendedError?, to bytes: Span<UInt8>,
        into answer: inout [UInt8]
    ) {
        switch local {
        case .refused: return writeAnswer(.refused, error, to: bytes, into: &answer)
        case .nxdomain, .nodata: break
        case .address(.v4(let address)) where type == RecordType.a:
            begin(&answer, bytes, .noError)
            append(RecordType.a, seconds, 4, to: &answer)
            answer.append(bigEndian: address.bits)
            answer[7] = 1
            return end(&answer, .noError, error)
        case .address(.v6(let address)) where type == RecordType.aaaa:
            begin(&answer, bytes, .noError)
            append(RecordType.aaaa, seconds, 16, to: &answer)
            answer.append(bigEndian: address.bits)
            answer[7] = 1
            return end(&answer, .noError, error)
        case .address: break
        }
        let code: ResponseCode = local == .nxdomain ? .nameError : .noError
        begin(&answer, bytes, code)
        appendSOA(seconds, bytes, to: &answer)
        answer[9] = 1
        end(&answer, code, error)
    }

    /// Answers with records of the question's name.
    /// - Parameters:
    ///   - records: each a type, seconds to live, and data as in a message without compression.
    ///   - limit: octets that the device takes.
    public func writeAnswer(
        records: [(type: UInt16, seconds: UInt32, data: [UInt8])], _ error: ExtendedError?, limit: Int,
        to bytes: Span<UInt8>, into answer: inout [UInt8]
    ) {
        begin(&answer, bytes, .noError)
        for record in records {
            append(record.type, record.seconds, UInt16(truncatingIfNeeded: record.data.count), to: &answer)
            answer.append(contentsOf: record.data)
        }
        answer.put(UInt16(truncatingIfNeeded: records.count), at: 6)
        end(&answer, .noError, error)
        if answer.count > limit { writeTruncated(to: bytes, into: &answer) }
    }

    /// Passes on what an upstream answered.
    /// - Parameters:
    ///   - age: seconds since it was received; they are over in its times to live.
    ///   - limit: octets that the device takes.
    public func writeAnswer(
        _ upstream: UpstreamAnswer, age: UInt32, limit: Int, to bytes: Span<UInt8>, into answer: inout [UInt8]
    ) {
        var code = upstream.responseCode
        // Without OPT there is no room for the upper bits.
        if code.rawValue > 15, edns == nil { code = .serverFailure }
        let hasAD = upstream.isAuthenticData && (isAuthenticDataWanted || isDNSSECOK)
        begin(&answer, bytes, code, hasAD ? MessageHeader.Flag.authenticData : 0)
        let body = upstream.octets
        // The name is the same, so its end is too, and pointers lead where they led.
        answer.append(contentsOf: body[upstream.questionEnd...])
        for index in 6..<10 { answer[index] = body[index] }
        if age > 0 {
            for place in upstream.timesToLive {
                let offset = Int(place)
                let left = answer.uint32(at: offset)
                let seconds = left > age ? left - age : 0
                answer.put(UInt16(truncatingIfNeeded: seconds >> 16), at: offset)
                answer.put(UInt16(truncatingIfNeeded: seconds), at: offset + 2)
            }
        }
        let ends = edns == nil ? 0 : 11
        guard answer.count + ends <= limit else { return writeTruncated(to: bytes, into: &answer) }
        guard edns != nil else { return }
        // Errors are told where there is room for them.
        let errors = answer.count + ends + upstream.extendedErrors.count <= limit ? upstream.extendedErrors : []
        answer[11] = 1
        answer.append(
            opt: Question.payloadOctets, code: UInt8(truncatingIfNeeded: code.rawValue >> 4), isDNSSECOK: isDNSSECOK,
            options: errors.count)
        answer.append(contentsOf: errors)
    }

    // MARK: Parts

    private func begin(
        _ answer: inout [UInt8], _ bytes: Span<UInt8>, _ code: ResponseCode, _ flags: UInt16 = 0
    ) {
        answer.removeAll(keepingCapacity: true)
        answer.append(bigEndian: id)
        answer.append(
            bigEndian: MessageHeader.Flag.answer | MessageHeader.Flag.recursionAvailable | flags
                | (isRecursionDesired ? MessageHeader.Flag.recursionDesired : 0)
                | (isCheckingDisabled ? MessageHeader.Flag.checkingDisabled : 0) | code.rawValue & 0xf)
        answer.append(bigEndian: UInt64(0x0001_0000_0000_0000))
        answer.append(bytes, MessageHeader.octets..<questionEnd)
    }

    private func end(_ answer: inout [UInt8], _ code: ResponseCode, _ error: ExtendedError?) {
        guard edns != nil else { return }
        // As much as fits everybody, so that no error makes an answer too long.
        let text = error.map { $0.text.utf8.count <= 128 ? $0.text : "" } ?? ""
        answer[11] = 1
        answer.append(
            opt: Question.payloadOctets, code: UInt8(truncatingIfNeeded: code.rawValue >> 4), isDNSSECOK: isDNSSECOK,
            options: error == nil ? 0 : 6 + text.utf8.count)
        guard let error else { return }
        answer.append(bigEndian: EDNS.Option.extendedError)
        answer.append(bigEndian: UInt16(truncatingIfNeeded: 2 + text.utf8.count))
        answer.append(bigEndian: error.code.rawValue)
        answer.append(contentsOf: text.utf8)
    }

    /// The start of a record of the question's name.
    private func append(_ type: UInt16, _ seconds: UInt32, _ octets: UInt16, to answer: inout [UInt8]) {
        answer.append(bigEndian: UInt16(0xc000) | UInt16(MessageHeader.octets))
        answer.append(bigEndian: type)
        answer.append(bigEndian: QueryMessage.internet)
        answer.append(bigEndian: seconds)
        answer.append(bigEndian: octets)
    }

    /// RFC 2308 §3: without it nobody remembers that there is nothing. Of the name above, which is one that can have the
    /// asked one below it; its server and mailbox are nobody's (the root).
    private func appendSOA(_ seconds: UInt32, _ bytes: Span<UInt8>, to answer: inout [UInt8]) {
        let label = bytes[MessageHeader.octets]
        // The root has nothing above; and a name of one label ends with the root, which is shorter than a pointer to it.
        let above = MessageHeader.octets + (label == 0 ? 0 : 1 + Int(label))
        if bytes[above] == 0 {
            answer.append(0)
        } else {
            answer.append(bigEndian: UInt16(0xc000) | UInt16(truncatingIfNeeded: above))
        }
        answer.append(bigEndian: RecordType.soa)
        answer.append(bigEndian: QueryMessage.internet)
        answer.append(bigEndian: seconds)
        answer.append(bigEndian: UInt16(22))
        answer.append(contentsOf: [0, 0])
        // Serial, refresh, retry, expire: for secondary servers, of which there are none.
        answer.append(bigEndian: UInt64(1) << 32 | 3600)
        answer.append(bigEndian: UInt64(600) << 32 | 86_400)
        answer.append(bigEndian: seconds)
    }
}

extension [UInt8] {
    /// The start of an OPT record (RFC 6891 §6.1.2); its options follow.
    mutating func append(opt payload: UInt16, code: UInt8, isDNSSECOK: Bool, options: Int) {
        append(0)
        append(bigEndian: RecordType.opt)
        append(bigEndian: payload)
        append(code)
        append(0)
        append(bigEndian: isDNSSECOK ? UInt16(0x8000) : 0)
        append(bigEndian: UInt16(truncatingIfNeeded: options))
    }
}
