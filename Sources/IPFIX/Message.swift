/// One IPFIX Message under way (RFC 7011 §3): a header, then sets of templates or of records.
package struct Message {
    /// Octets of the header.
    package static let headerLength = 16
    /// Octets that the message may have.
    package let limit: Int
    private var octets: [UInt8] = []
    /// Where the set under way begins, and its id.
    private var openSet: (start: Int, id: UInt16)?

    package init(limit: Int, exportSeconds: UInt32, sequence: UInt32, observationDomain: UInt32) {
        self.limit = limit
        octets.reserveCapacity(limit)
        octets.append(bigEndian: UInt16(10))
        // The length, once it is known.
        octets.append(bigEndian: UInt16(0))
        octets.append(bigEndian: exportSeconds)
        octets.append(bigEndian: sequence)
        octets.append(bigEndian: observationDomain)
    }

    package var isEmpty: Bool { octets.count == Self.headerLength }

    /// Adds the templates as one set (§3.4.1). They come first, and are few: there is always room.
    package mutating func append(_ templates: [Template]) {
        openSet(id: 2)
        for template in templates {
            octets.append(bigEndian: template.id)
            octets.append(bigEndian: UInt16(template.fields.count))
            for field in template.fields {
                octets.append(bigEndian: field.element)
                octets.append(bigEndian: field.length)
            }
        }
    }

    /// Adds a record to the template's set (§3.4.3), or to a new one when another set is under way.
    /// - Returns: `false` when it has no room; the message is then as before.
    package mutating func append(_ record: some Collection<UInt8>, of template: Template) -> Bool {
        let isOpen = openSet?.id == template.id
        guard octets.count + (isOpen ? 0 : 4) + record.count <= limit else { return false }
        if !isOpen { openSet(id: template.id) }
        octets += record
        return true
    }

    /// The whole message.
    package consuming func encoded() -> [UInt8] {
        closeSet()
        octets.put(UInt16(octets.count), at: 2)
        return octets
    }

    private mutating func openSet(id: UInt16) {
        closeSet()
        openSet = (octets.count, id)
        octets.append(bigEndian: id)
        octets.append(bigEndian: UInt16(0))
    }

    private mutating func closeSet() {
        guard let set = openSet else { return }
        octets.put(UInt16(octets.count - set.start), at: set.start + 2)
        openSet = nil
    }
}

extension [UInt8] {
    mutating func append(bigEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
    }

    fileprivate mutating func put(_ number: UInt16, at offset: Int) {
        self[offset] = UInt8(number >> 8)
        self[offset + 1] = UInt8(truncatingIfNeeded: number)
    }
}
