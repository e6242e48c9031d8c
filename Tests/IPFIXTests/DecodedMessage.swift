import IPFIX
import Testing

/// An IPFIX Message read back (RFC 7011 §3), with what a collector has learnt of templates before it.
struct DecodedMessage {
    let exportSeconds: UInt32
    let sequence: UInt32
    let observationDomain: UInt32
    /// Each with its values by Information Element.
    private(set) var records: [[UInt16: UInt64]] = []
    /// Their ids.
    private(set) var templates: [UInt16] = []

    struct Malformed: Error {
        let what: String
    }

    init(_ octets: [UInt8], knowing templates: inout [UInt16: Template]) throws {
        var place = 0
        func number(_ count: Int) throws -> UInt64 {
            guard place + count <= octets.count else { throw Malformed(what: "ends at \(octets.count)") }
            defer { place += count }
            return octets[place..<place + count].reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard try number(2) == 10, try number(2) == octets.count else { throw Malformed(what: "header") }
        exportSeconds = UInt32(try number(4))
        sequence = UInt32(try number(4))
        observationDomain = UInt32(try number(4))
        while place < octets.count {
            let start = place
            let id = UInt16(try number(2))
            let end = start + Int(try number(2))
            guard end > place, end <= octets.count else { throw Malformed(what: "a set's length at \(start)") }
            if id == 2 {
                while place < end {
                    let id = UInt16(try number(2))
                    let fields = try (0..<number(2)).map { _ in
                        Template.Field(UInt16(try number(2)), length: UInt16(try number(2)))
                    }
                    templates[id] = Template(id: id, fields: fields)
                    self.templates.append(id)
                }
            } else {
                guard let template = templates[id] else { throw Malformed(what: "no template \(id)") }
                while place < end {
                    var record: [UInt16: UInt64] = [:]
                    for field in template.fields { record[field.element] = try number(Int(field.length)) }
                    records.append(record)
                }
            }
            guard place == end else { throw Malformed(what: "a set that ends at \(end), not \(place)") }
        }
    }
}
