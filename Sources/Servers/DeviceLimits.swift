import DNS
import Domain
import Synchronization

/// What devices and tenants may ask of the resolver, shared by its event loops: a device's queries come to any of them.
final class DeviceLimits: Sendable {
    enum Verdict {
        case admitted, deviceLimit, tenantLimit
    }

    private let devices: [Shard<IPAddress>]
    private let tenants: [Shard<Tenant.ID>]
    private let streams = Mutex<[IPAddress: Int]>([:])
    private let totalStreams = Mutex(0)
    private let limits: DNSSettings.Limits

    init(_ limits: DNSSettings.Limits) {
        self.limits = limits
        devices = (0..<16).map { _ in Shard(rate: limits.queriesPerDevice, burst: limits.burstPerDevice) }
        tenants = (0..<16).map { _ in Shard(rate: limits.queriesPerTenant, burst: limits.burstPerTenant) }
    }

    /// Loops that serve different devices seldom meet.
    private final class Shard<Key: Hashable & Sendable>: Sendable {
        private let buckets: Mutex<TokenBuckets<Key>>

        init(rate: Int, burst: Int) { buckets = Mutex(TokenBuckets(rate: rate, burst: burst)) }

        func take(from key: Key, at now: Int64) -> Bool { buckets.withLock { $0.take(from: key, at: now) } }
    }

    func admit(_ device: IPAddress, of tenant: Tenant.ID, at now: Int64) -> Verdict {
        let device = Self.holder(of: device)
        // The device's first: one that floods must not use up its tenant's.
        guard Self.shard(of: device, in: devices).take(from: device, at: now) else { return .deviceLimit }
        guard Self.shard(of: tenant, in: tenants).take(from: tenant, at: now) else { return .tenantLimit }
        return .admitted
    }

    private static func shard<Key>(of key: Key, in shards: [Shard<Key>]) -> Shard<Key> {
        shards[Int(UInt(bitPattern: key.hashValue) % UInt(shards.count))]
    }

    /// A device has a whole /64 of IPv6 (RFC 7849), and would be another with each address of it.
    private static func holder(of address: IPAddress) -> IPAddress {
        guard case .v6(let address) = address else { return address }
        return .v6(IPv6Address(bits: (address.bits >> 64) << 64))
    }

    /// Whether the device may have one more connection; ``closeStream(of:)`` gives it back.
    func openStream(of device: IPAddress) -> Bool {
        let device = Self.holder(of: device)
        return streams.withLock { streams in
            let own = streams[device] ?? 0
            guard own < limits.streamsPerDevice, isRoomForStream() else { return false }
            streams[device] = own + 1
            return true
        }
    }

    func closeStream(of device: IPAddress) {
        let device = Self.holder(of: device)
        streams.withLock { streams in
            let left = (streams[device] ?? 1) - 1
            streams[device] = left > 0 ? left : nil
            totalStreams.withLock { $0 -= 1 }
        }
    }

    private func isRoomForStream() -> Bool {
        totalStreams.withLock { total in
            guard total < limits.streams else { return false }
            total += 1
            return true
        }
    }
}
