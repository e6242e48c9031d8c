/// NAT 1: which public address and which fixed block of ports belong to which lease (RFC 7422). A pure function of
/// the lease's number, so that only a change of this plan needs to be logged, not flows.
public struct NATPlan: Hashable, Sendable {
    public let publicPrefixes: [IPv4Prefix]
    public let firstPort: UInt16
    public let portsPerDevice: UInt16

    /// - Parameters:
    ///   - publicPrefixes: every address of these is used; none may be in two of them.
    ///   - portsPerDevice: 1...32768.
    ///   - firstPort: ports below are not used; 1024 at least.
    public init(
        publicPrefixes: [IPv4Prefix], portsPerDevice: UInt16 = 512, firstPort: UInt16 = 1024
    ) throws(ParseError) {
        guard !publicPrefixes.isEmpty else {
            throw ParseError(kind: "a NAT plan", text: "", expected: "give at least one public address")
        }
        let sorted = publicPrefixes.sorted()
        for (prefix, next) in zip(sorted, sorted.dropFirst()) where prefix.overlaps(next) {
            throw ParseError(
                kind: "a NAT plan", text: "\(prefix), \(next)", expected: "give each public address once")
        }
        guard (1...32_768).contains(portsPerDevice) else {
            throw ParseError(
                kind: "a port block size", text: "\(portsPerDevice)", expected: "write a number from 1 to 32768")
        }
        guard (1024...32_768).contains(firstPort) else {
            throw ParseError(
                kind: "a first NAT port", text: "\(firstPort)", expected: "write a number from 1024 to 32768")
        }
        self.publicPrefixes = publicPrefixes
        self.portsPerDevice = portsPerDevice
        self.firstPort = firstPort
    }

    public var blocksPerAddress: UInt64 { (65_536 - UInt64(firstPort)) / UInt64(portsPerDevice) }
    /// How many leases can have a block.
    public var capacity: UInt64 { publicPrefixes.reduce(0) { $0 + $1.count } * blocksPerAddress }

    /// The block of lease number `index`, `nil` when the plan has no more.
    public func binding(index: Int64) -> NATBinding? {
        guard index >= 0 else { return nil }
        var (addressIndex, block) = UInt64(index).quotientAndRemainder(dividingBy: blocksPerAddress)
        for prefix in publicPrefixes {
            guard addressIndex >= prefix.count else {
                // Below 2^32, and block × size + first port is at most 65,535 by the definition of blocksPerAddress.
                let first = firstPort + UInt16(block) * portsPerDevice
                return NATBinding(
                    publicAddress: IPv4Address(bits: prefix.first.bits + UInt32(addressIndex)),
                    firstPort: first, lastPort: first + (portsPerDevice - 1))
            }
            addressIndex -= prefix.count
        }
        return nil
    }

    /// The leases that have a block at this address, `nil` when it is none of the plan's.
    public func indexes(publicAddress: IPv4Address) -> ClosedRange<Int64>? {
        var addressIndex: UInt64 = 0
        for prefix in publicPrefixes {
            guard prefix.contains(publicAddress) else {
                addressIndex += prefix.count
                continue
            }
            let first = (addressIndex + UInt64(publicAddress.bits - prefix.first.bits)) * blocksPerAddress
            // At most 2^32 addresses with 64,512 blocks.
            return Int64(first)...Int64(first + blocksPerAddress - 1)
        }
        return nil
    }

    /// The lease in whose block the port is, `nil` when it is in none: the inverse of ``binding(index:)``.
    public func index(publicAddress: IPv4Address, port: UInt16) -> Int64? {
        guard let indexes = indexes(publicAddress: publicAddress), port >= firstPort else { return nil }
        let index = indexes.lowerBound + Int64((port - firstPort) / portsPerDevice)
        return indexes.contains(index) ? index : nil
    }
}

/// The public address and the ports, both ends included, that NAT 1 gives to one device.
public struct NATBinding: Hashable, Sendable {
    public let publicAddress: IPv4Address
    public let firstPort: UInt16
    public let lastPort: UInt16
    public init(publicAddress: IPv4Address, firstPort: UInt16, lastPort: UInt16) {
        self.publicAddress = publicAddress
        self.firstPort = firstPort
        self.lastPort = lastPort
    }
}
