/// How records of one kind are laid out (RFC 7011 §3.4.1): Information Elements of IANA's registry and their lengths.
package struct Template: Hashable, Sendable {
    /// 256 or higher; also names the sets of its records.
    package let id: UInt16
    package let fields: [Field]

    package struct Field: Hashable, Sendable {
        /// IANA's number of the Information Element.
        package let element: UInt16
        /// Octets.
        package let length: UInt16

        package init(_ element: UInt16, length: UInt16) {
            self.element = element
            self.length = length
        }
    }

    package init(id: UInt16, fields: [Field]) {
        self.id = id
        self.fields = fields
    }

    /// Octets of one record.
    package var recordLength: Int { fields.reduce(0) { $0 + Int($1.length) } }
}

extension Template.Field {
    // RFC 8158 says which of these an event has; the numbers are IANA's.
    static let observationTimeMilliseconds = Self(323, length: 8)
    static let natEvent = Self(230, length: 1)
    static let natPoolID = Self(283, length: 4)
    static let sourceIPv4Address = Self(8, length: 4)
    static let postNATSourceIPv4Address = Self(225, length: 4)
    static let portRangeStart = Self(361, length: 2)
    static let portRangeEnd = Self(362, length: 2)
}
