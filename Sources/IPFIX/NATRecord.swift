import Domain

/// An event as a Data Record. The values of natEvent are IANA's.
struct NATRecord {
    let template: Template
    let octets: [UInt8]

    static let templates = [portBlock, exhaustion]

    /// RFC 8158, port block allocation and de-allocation. The range is without gaps, so that step and number follow.
    private static let portBlock = Template(
        id: 256,
        fields: [
            .observationTimeMilliseconds, .sourceIPv4Address, .postNATSourceIPv4Address, .portRangeStart,
            .portRangeEnd, .natEvent,
        ])
    /// RFC 8158, addresses exhausted. The pool is the plan, of which there is one.
    private static let exhaustion = Template(id: 257, fields: [.observationTimeMilliseconds, .natPoolID, .natEvent])
    private static let plan: UInt32 = 1

    private enum Kind {
        static let addressesExhausted: UInt8 = 3
        static let portBlockAllocation: UInt8 = 16
        static let portBlockDeallocation: UInt8 = 17
    }

    init(_ event: NATEvent) {
        var octets: [UInt8] = []
        switch event {
        case .allocated(let binding, let device, let time):
            template = Self.portBlock
            octets.append(binding, device, time, Kind.portBlockAllocation)
        case .released(let binding, let device, let time):
            template = Self.portBlock
            octets.append(binding, device, time, Kind.portBlockDeallocation)
        case .exhausted(let time):
            template = Self.exhaustion
            octets.append(bigEndian: time.milliseconds)
            octets.append(bigEndian: Self.plan)
            octets.append(Kind.addressesExhausted)
        }
        self.octets = octets
    }
}

extension [UInt8] {
    /// In the order of the template's fields.
    fileprivate mutating func append(
        _ binding: NATBinding, _ device: IPv4Address, _ time: Timestamp, _ kind: UInt8
    ) {
        append(bigEndian: time.milliseconds)
        append(bigEndian: device.bits)
        append(bigEndian: binding.publicAddress.bits)
        append(bigEndian: binding.firstPort)
        append(bigEndian: binding.lastPort)
        append(kind)
    }
}
