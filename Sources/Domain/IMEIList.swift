/// A list of equipment that locks name: the operator's, for ceilings, or a tenant's. What is in it stays in the store.
public struct IMEIList: Hashable, Sendable {
    public typealias ID = Identifier<IMEIList>
    public let id: ID
    /// `nil`: the operator's.
    public let owner: Tenant.ID?
    public let name: Name
    public let count: Int
    public let author: String
    public let updatedAt: Timestamp

    /// Items of one list.
    public static let maximumItems = 2_000_000
    /// Lists of one owner.
    public static let maximumCount = 64

    public init(id: ID, owner: Tenant.ID?, name: Name, count: Int, author: String, updatedAt: Timestamp) {
        self.id = id
        self.owner = owner
        self.name = name
        self.count = count
        self.author = author
        self.updatedAt = updatedAt
    }

    /// One equipment, or all of a model.
    public enum Item: Hashable, Sendable, CustomStringConvertible {
        case imei(IMEI)
        case model(TypeAllocationCode)

        /// Parses an IMEI of 14 to 16 digits or a TAC of 8.
        public init(parsing text: some StringProtocol) throws(ParseError) {
            guard let item = Self(utf8: text.utf8) else {
                throw ParseError(
                    kind: "an IMEI or a TAC", text: text,
                    expected: "write 14, 15 or 16 digits, or the 8 of a device model")
            }
            self = item
        }

        public init?(utf8: some Collection<UInt8>) {
            if let imei = IMEI(utf8: utf8) {
                self = .imei(imei)
            } else if let digits = Digits(utf8, count: 8...8) {
                self = .model(TypeAllocationCode(digits: digits))
            } else {
                return nil
            }
        }

        /// A number of its own: an IMEI's 14 digits, a model's 8 below zero.
        public var key: Int64 {
            switch self {
            case .imei(let imei): Int64(imei.digits.value)
            case .model(let tac): -1 - Int64(tac.digits.value)
            }
        }

        public init?(key: Int64) {
            if key >= 0 {
                guard key < 100_000_000_000_000 else { return nil }
                self = .imei(IMEI(digits: Digits(value: UInt64(key), count: 14)))
            } else {
                guard key >= -100_000_000 else { return nil }
                self = .model(TypeAllocationCode(digits: Digits(value: UInt64(-1 - key), count: 8)))
            }
        }

        public var description: String {
            switch self {
            case .imei(let imei): "\(imei)"
            case .model(let tac): "\(tac)"
            }
        }
    }
}
