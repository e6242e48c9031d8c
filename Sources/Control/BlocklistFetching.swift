public import Domain

/// Gets texts of blocklists over the web.
public protocol BlocklistFetching: Sendable {
    /// - Parameter body: is given the text piece by piece. What it throws ends the fetch.
    func fetch(
        _ request: BlocklistRequest, _ body: (Span<UInt8>) throws(BlocklistFetchError) -> Void
    ) async throws(BlocklistFetchError) -> BlocklistAnswer
}

public struct BlocklistRequest: Hashable, Sendable {
    public let address: HTTPSAddress
    /// What is there already, as the server calls it.
    public let entityTag: String?
    public let reach: Reach

    public enum Reach: Hashable, Sendable {
        /// Wherever the gateway's host gets.
        case anywhere
        /// Only what everybody on the internet gets to: nothing private, nothing of the gateway, none of these.
        case internet(except: Set<IPPrefix>)
    }

    public init(address: HTTPSAddress, entityTag: String?, reach: Reach) {
        self.address = address
        self.entityTag = entityTag
        self.reach = reach
    }
}

public enum BlocklistAnswer: Hashable, Sendable {
    /// Still what the entity tag stands for.
    case unchanged
    case text(entityTag: String?)
}

/// Why a text was not got.
public struct BlocklistFetchError: Error, Hashable, CustomStringConvertible {
    /// What is wrong, for who wrote the address: nothing about the gateway's own network.
    public let message: String

    public init(_ message: String) { self.message = message }

    public var description: String { message }
}
