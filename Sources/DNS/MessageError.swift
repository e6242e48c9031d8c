/// Why a message is not taken. The sender's fault, so each has a counter; the payload is integers only, since this is
/// thrown on a path that anybody can flood.
public enum MessageError: Error, Hashable, Sendable {
    /// It ends inside a header, a name or a record.
    case truncated
    /// A label type other than length and pointer (RFC 1035 §4.1.4, RFC 6891 §5).
    case labelType
    /// A name of more than 255 octets (RFC 1035 §2.3.4).
    case nameTooLong
    /// A pointer to itself, ahead or into the header, or more pointers than a name has labels.
    case pointer
    /// An answer where a query should be, or the other way round.
    case direction
    /// RFC 1035 §4.1.1: an operation that is not a query.
    case operation(UInt8)
    /// Not one question.
    case questionCount(UInt16)
    /// A query with records in its answer or authority section.
    case queryWithRecords
    /// A record type that no question can have.
    case questionType(UInt16)
    /// More than one OPT record, or one that is not the root's (RFC 6891 §6.1.1).
    case optRecord
    /// An option of EDNS that does not fit, or has not the length that it must have (RFC 7873 §5.2.2).
    case optionLength(UInt16)
    /// RFC 6891 §6.1.3: a version of EDNS that is not 0.
    case ednsVersion(UInt8)

    /// The reason in counters.
    public var label: String {
        switch self {
        case .truncated: "truncated"
        case .labelType: "label-type"
        case .nameTooLong: "name-too-long"
        case .pointer: "pointer"
        case .direction: "direction"
        case .operation: "operation"
        case .questionCount: "question-count"
        case .queryWithRecords: "query-with-records"
        case .questionType: "question-type"
        case .optRecord: "opt-record"
        case .optionLength: "option-length"
        case .ednsVersion: "edns-version"
        }
    }

    /// What the sender is answered; `nil`: nothing, since an answer to an answer may go round for ever.
    public var responseCode: ResponseCode? {
        switch self {
        case .direction: nil
        case .operation: .notImplemented
        case .ednsVersion: .badVersion
        case .truncated, .labelType, .nameTooLong, .pointer, .questionCount, .queryWithRecords, .questionType,
            .optRecord,
            .optionLength:
            .formatError
        }
    }
}
