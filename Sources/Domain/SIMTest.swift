extension SIM {
    /// How long, and for how much, a SIM in a manufacturing test may be used: as an active one, and judged as one. When
    /// either is over, its sessions end and it is rejected until it is activated.
    public struct TestAllowance: Hashable, Sendable {
        public let until: Timestamp
        /// In both directions together; `nil`: any number.
        public let octets: UInt64?
        /// As its NAS have reported them since the test began.
        public let used: UInt64

        public init(until: Timestamp, octets: UInt64?, used: UInt64 = 0) {
            self.until = until
            self.octets = octets
            self.used = used
        }

        public func isOver(at time: Timestamp) -> Bool {
            time >= until || octets.map { used >= $0 } ?? false
        }
    }

    /// What a test is begun with.
    public struct TestTerms: Hashable, Sendable {
        public let days: UInt16
        public let octets: UInt64?

        public init(days: UInt16 = Self.standardDays, octets: UInt64? = Self.standardOctets) {
            self.days = days
            self.octets = octets
        }

        public static let rangeOfDays: ClosedRange<UInt16> = 1...3650
        /// Whether a test can be begun with these.
        public var isWhole: Bool { Self.rangeOfDays.contains(days) && octets != 0 }

        public static let standardDays: UInt16 = 30
        /// 5 MB.
        public static let standardOctets: UInt64 = 5_000_000

        public func allowance(from time: Timestamp) -> TestAllowance {
            TestAllowance(
                until: Timestamp(milliseconds: time.milliseconds + Int64(days) * 86_400_000), octets: octets)
        }
    }
}
