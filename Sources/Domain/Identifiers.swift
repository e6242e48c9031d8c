/// The row number of a resource in the store. A type of its own for each resource, so that one cannot be taken for
/// another; never shown to tenants, who use names.
public struct Identifier<Resource>: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: Int64
    public init(_ rawValue: Int64) { self.rawValue = rawValue }
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public var description: String { String(rawValue) }
}
