/// A prefix of either family.
public protocol AddressPrefix: Hashable, Comparable, Sendable {
    associatedtype Address: Hashable, Comparable, Sendable
    /// Every address.
    static var any: Self { get }
    /// The length of one address.
    static var bits: UInt8 { get }
    var length: UInt8 { get }
    var address: Address { get }
    var first: Address { get }
    var last: Address { get }
    init(containing address: Address, length: UInt8)
    func contains(_ other: Address) -> Bool
    func contains(_ other: Self) -> Bool
}

extension AddressPrefix {
    /// The prefix around this one with `length` bits, of which this has at least as many.
    public func widened(to length: UInt8) -> Self { Self(containing: address, length: length) }
}

extension IPv4Prefix: AddressPrefix {
    public static var bits: UInt8 { 32 }
}

extension IPv6Prefix: AddressPrefix {
    public static var bits: UInt8 { 128 }
}
