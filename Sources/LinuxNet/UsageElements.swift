import Domain
import PolicyCompiler

// Elements of the maps of `usage.c`, as octets and as what they are of.

extension DeviceLimit {
    /// - Parameter earlier: what the kernel has.
    func octets(after earlier: [UInt8]?) -> [UInt8] {
        let numbers = quotas.map(\.rawValue) + [UInt32](repeating: 0, count: Self.maximumQuotas - quotas.count)
        let places = quotas.indices.filter { slowing.contains(quotas[$0]) }
        let mask = places.reduce(UInt32(0)) { $0 | 1 << $1 }
        return numbers.flatMap(\.nativeOctets) + mask.nativeOctets
            + Self.bucket(up, earlier?[16..<48]) + Self.bucket(down, earlier?[48..<80])
            + Self.bucket(slow, earlier?[80..<112]) + Self.bucket(slow, earlier?[112..<144])
    }

    /// What is owed, and the rate.
    private static func bucket(_ rate: RateLimit?, _ earlier: ArraySlice<UInt8>?) -> [UInt8] {
        guard let earlier, Array(earlier.suffix(16)) == rate.pace else {
            return [UInt8](repeating: 0, count: 16) + rate.pace
        }
        return Array(earlier)
    }
}

extension RateLimit? {
    /// Nanoseconds: what 1,024 octets take, and the burst.
    var pace: [UInt8] {
        guard let self else { return [UInt8](repeating: 0, count: 16) }
        let nanoseconds = { (octets: UInt64) in octets * 8_000_000 / (self.rate.bitsPerSecond / 1000) }
        return nanoseconds(1024).nativeOctets + nanoseconds(self.burst).nativeOctets
    }
}

extension QuotaReading {
    /// From an element of `quotas`.
    init?(_ value: UnsafeRawBufferPointer) {
        guard let period = value.native(UInt64.self, at: 0), let limit = value.native(UInt64.self, at: 8),
            let used = value.native(UInt64.self, at: 24), let isReached = value.native(UInt32.self, at: 32)
        else { return nil }
        self.init(period: period, limit: limit, used: used, isReached: isReached != 0)
    }
}

extension UsageReading {
    /// From an element of `devices`.
    init?(device key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard let device = key.device, let counter = value.native(UInt64.self, at: 0),
            let session = value.native(Int64.self, at: 8), let counts = value.counts(at: 24)
        else { return nil }
        self.init(
            counter: counter, way: .internet, device: device, session: session == 0 ? nil : .init(session),
            counts: counts)
    }

    /// From an element of `ways`.
    init?(way key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard value.count >= 48, let counter = key.native(UInt64.self, at: 0),
            let way = key.native(UInt32.self, at: 8).flatMap(UsageWay.init(mark:)), let counts = value.counts(at: 0),
            let device = value[range: 32..<40].device, let session = value.native(Int64.self, at: 40)
        else { return nil }
        self.init(
            counter: counter, way: way, device: device, session: session == 0 ? nil : .init(session), counts: counts)
    }
}

extension UsageWay {
    var mark: UInt32 {
        switch self {
        case .internet: RouteMark.internet
        case .vpn(let vpn): RouteMark.of(vpn)
        case .group: RouteMark.groups.mark
        case .gateway: RouteMark.resolver
        }
    }

    fileprivate init?(mark: UInt32) {
        switch mark {
        case RouteMark.internet: self = .internet
        case RouteMark.resolver: self = .gateway
        case RouteMark.groups.mark: self = .group
        default:
            guard mark & RouteMark.vpns.mask == RouteMark.vpns.mark, let vpn = VPNNumber(mark & ~RouteMark.vpns.mask)
            else {
                return nil
            }
            self = .vpn(vpn)
        }
    }
}

extension IPAddress {
    /// Of a device in `devices`.
    var usageKey: [UInt8] {
        switch self {
        case .v4(let address): [0, 0, 0, 0] + address.bits.networkOctets
        case .v6(let address): Array(address.bits.networkOctets.prefix(8))
        }
    }
}

extension UnsafeRawBufferPointer {
    /// From a key of `devices`.
    fileprivate var device: IPAddress? {
        guard let first = native(UInt32.self, at: 0), let second = native(UInt32.self, at: 4),
            let whole = native(UInt64.self, at: 0)
        else { return nil }
        if first == 0 { return .v4(IPv4Address(bits: UInt32(bigEndian: second))) }
        return .v6(IPv6Address(bits: UInt128(UInt64(bigEndian: whole)) << 64))
    }

    func counts(at offset: Int) -> UsageCounts? {
        guard let octetsUp = native(UInt64.self, at: offset), let packetsUp = native(UInt64.self, at: offset + 8),
            let octetsDown = native(UInt64.self, at: offset + 16),
            let packetsDown = native(UInt64.self, at: offset + 24)
        else { return nil }
        return UsageCounts(octetsUp: octetsUp, packetsUp: packetsUp, octetsDown: octetsDown, packetsDown: packetsDown)
    }
}
