/// Types of records, as numbers, for all others pass as they are (RFC 3597).
public enum RecordType {
    public static let a: UInt16 = 1
    public static let cname: UInt16 = 5
    public static let soa: UInt16 = 6
    public static let txt: UInt16 = 16
    public static let aaaa: UInt16 = 28
    /// RFC 6672.
    public static let dname: UInt16 = 39
    /// RFC 6891.
    public static let opt: UInt16 = 41
    /// RFC 9460.
    public static let svcb: UInt16 = 64
    public static let https: UInt16 = 65
    public static let any: UInt16 = 255

    /// Types that only questions and transactions have (RFC 6895 §3.1), and which nobody asks a resolver for: keys and
    /// signatures of transactions, transfers of zones, MAILA and MAILB.
    static func isForbiddenInQuestion(_ type: UInt16) -> Bool {
        type == 0 || type == opt || (249...254).contains(type)
    }
}
