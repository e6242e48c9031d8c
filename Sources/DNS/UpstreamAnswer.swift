/// What an upstream answered, taken apart once and given to any number of devices. What stands in the additional section
/// is not kept: nobody asked for it, and nothing in it follows from the question.
public final class UpstreamAnswer: Sendable {
    public let question: Question
    public let responseCode: ResponseCode
    /// There is more, over TCP.
    public let isTruncated: Bool
    public let review: AnswerReview
    /// How long others may be given it, in seconds. Zero: nobody but who asked.
    public let lifetime: UInt32
    /// Whether the upstream says that it found the answer forged (RFC 8914 §4.7 to §4.13): another, which does not look,
    /// must not be asked instead.
    public let isBogus: Bool

    /// From the header to the end of the authority section.
    let octets: [UInt8]
    let questionEnd: Int
    let isAuthenticData: Bool
    /// Where times to live stand.
    let timesToLive: [UInt16]
    /// Options of RFC 8914, as they came.
    let extendedErrors: [UInt8]
    /// What it takes in memory, about.
    let cost: Int

    /// A day, as every cache of resolvers has it (RFC 8767 §4).
    public static let maximumLifetime: UInt32 = 86_400
    /// RFC 2308 §7.1 allows five minutes; RFC 9520 §3.2 wants a second at least.
    public static let failureLifetime: UInt32 = 5

    /// - Parameter bytes: of which ``AnswerMatch`` says that they answer the question.
    public init(decoding bytes: Span<UInt8>, to question: Question) throws(AnswerError) {
        var parts: Parts
        do throws(MessageError) { parts = try Parts(decoding: bytes) } catch { throw .message(error) }
        self.question = question
        responseCode = parts.responseCode
        isTruncated = parts.isTruncated
        isAuthenticData = parts.isAuthenticData
        questionEnd = parts.questionEnd
        extendedErrors = parts.extendedErrors
        isBogus = parts.isBogus
        timesToLive = parts.timesToLive
        var octets: [UInt8] = []
        octets.reserveCapacity(parts.authorityEnd)
        octets.append(bytes, 0..<parts.authorityEnd)
        self.octets = octets
        // Of a truncated one nothing is used, and nothing of a failure teaches.
        review =
            parts.isTruncated || (responseCode != .noError && responseCode != .nameError)
            ? .nothing
            : try AnswerReview(of: parts.answers, to: question.name, type: question.type, in: bytes)
        lifetime = parts.isTruncated ? 0 : parts.lifetime(answering: question.type, in: bytes)
        cost =
            octets.count + question.name.octets.count + 2 * timesToLive.count + extendedErrors.count
            + review.aliases.reduce(0) { $0 + $1.octets.count + 80 } + review.names.count * 80
            + review.addresses.count * 32 + 512
    }

    private struct Parts {
        let responseCode: ResponseCode
        let isTruncated: Bool
        let isAuthenticData: Bool
        let questionEnd: Int
        let authorityEnd: Int
        var answers: [Record] = []
        var soa: Record?
        var timesToLive: [UInt16] = []
        var extendedErrors: [UInt8] = []
        var isBogus = false

        init(decoding bytes: Span<UInt8>) throws(MessageError) {
            let header = try MessageHeader(decoding: bytes)
            guard header.isAnswer else { throw .direction }
            guard header.questions == 1 else { throw .questionCount(header.questions) }
            let nameEnd = try bytes.endOfName(at: MessageHeader.octets)
            guard bytes.count - nameEnd >= 4 else { throw .truncated }
            questionEnd = nameEnd + 4
            isTruncated = header.flags & MessageHeader.Flag.truncated != 0
            isAuthenticData = header.flags & MessageHeader.Flag.authenticData != 0
            let code = header.flags & 0xf
            guard !isTruncated else {
                responseCode = ResponseCode(rawValue: code)
                authorityEnd = questionEnd
                return
            }

            var scan = RecordScan(from: questionEnd)
            for index in 0..<Int(header.answers) + Int(header.authorities) {
                let record = try scan.next(in: bytes)
                timesToLive.append(UInt16(truncatingIfNeeded: record.timeToLiveOffset))
                if index < Int(header.answers) {
                    answers.append(record)
                } else if record.type == RecordType.soa, soa == nil {
                    soa = record
                }
            }
            authorityEnd = scan.offset
            var edns: EDNS?
            for _ in 0..<header.additionals {
                let record = try scan.next(in: bytes)
                guard record.type == RecordType.opt else { continue }
                guard edns == nil else { throw .optRecord }
                edns = try EDNS(record, in: bytes)
            }
            responseCode = ResponseCode(rawValue: UInt16(edns?.extendedCode ?? 0) << 4 | code)
            var errors: [UInt8] = []
            var isBogus = false
            try edns?.forEachOption(in: bytes) { code, value throws(MessageError) in
                guard code == EDNS.Option.extendedError else { return }
                guard value.count >= 2 else { throw .optionLength(code) }
                let reason = bytes.uint16(at: value.lowerBound)
                if (5...12).contains(reason) { isBogus = true }
                // More than a few words are not passed on.
                guard errors.count + value.count <= 256 else { return }
                errors.append(bytes, value.lowerBound - 4..<value.upperBound)
            }
            extendedErrors = errors
            self.isBogus = isBogus
        }

        func lifetime(answering type: UInt16, in bytes: Span<UInt8>) -> UInt32 {
            guard responseCode == .noError || responseCode == .nameError else {
                return responseCode == .serverFailure ? UpstreamAnswer.failureLifetime : 0
            }
            var lifetime = UpstreamAnswer.maximumLifetime
            var hasAnswer = false
            for record in answers {
                lifetime = min(lifetime, record.timeToLive(in: bytes))
                if record.type == type || type == RecordType.any { hasAnswer = true }
            }
            guard responseCode == .nameError || !hasAnswer else { return lifetime }
            // RFC 2308 §5: as long as the SOA says, and not at all without one. Its MINIMUM stands last.
            guard let soa, soa.data.count >= 22 else { return 0 }
            return min(lifetime, soa.timeToLive(in: bytes), bytes.uint32(at: soa.data.upperBound - 4))
        }
    }
}
