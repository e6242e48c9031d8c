/// What an OPT record says (RFC 6891 §6.1).
public struct EDNS: Hashable, Sendable {
    /// Octets of a datagram that its sender takes.
    public let payloadOctets: UInt16
    /// RFC 3225: the sender wants DNSSEC's records.
    public let isDNSSECOK: Bool
    let version: UInt8
    /// The upper eight bits of the response code.
    let extendedCode: UInt8
    let options: Range<Int>

    enum Option {
        /// RFC 7873.
        static let cookie: UInt16 = 10
        /// RFC 8914.
        static let extendedError: UInt16 = 15
    }

    init(_ record: Record, in bytes: Span<UInt8>) throws(MessageError) {
        guard bytes[record.name] == 0 else { throw .optRecord }
        payloadOctets = record.recordClass
        extendedCode = bytes[record.timeToLiveOffset]
        version = bytes[record.timeToLiveOffset + 1]
        isDNSSECOK = bytes[record.timeToLiveOffset + 2] & 0x80 != 0
        options = record.data
    }

    /// Looks at every option.
    func forEachOption(
        in bytes: Span<UInt8>, _ body: (UInt16, Range<Int>) throws(MessageError) -> Void
    ) throws(MessageError) {
        var offset = options.lowerBound
        while offset < options.upperBound {
            guard options.upperBound - offset >= 4 else { throw .optionLength(0) }
            let code = bytes.uint16(at: offset)
            let length = Int(bytes.uint16(at: offset + 2))
            let start = offset + 4
            guard length <= options.upperBound - start else { throw .optionLength(code) }
            try body(code, start..<start + length)
            offset = start + length
        }
    }
}

/// Why an answer is as it is, in the words of RFC 8914.
public struct ExtendedError: Hashable, Sendable {
    public let code: Code
    /// UTF-8, without a NUL at the end.
    public let text: String

    public init(_ code: Code, _ text: String = "") {
        self.code = code
        self.text = text
    }

    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        public static let other = Self(rawValue: 0)
        public static let blocked = Self(rawValue: 15)
        public static let censored = Self(rawValue: 16)
        public static let filtered = Self(rawValue: 17)
        public static let prohibited = Self(rawValue: 18)
        public static let noReachableAuthority = Self(rawValue: 22)
        public static let networkError = Self(rawValue: 23)
    }
}
