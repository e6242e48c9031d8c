import AsyncHTTPClient
public import Control
package import Domain
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Gets texts of blocklists over https. The server's certificate has to be one that the host trusts, and a request that may
/// reach the internet only goes to an address that was looked at: names are resolved once, here, for each hop.
public struct BlocklistFetcher: BlocklistFetching {
    public struct Settings: Sendable {
        /// Certificates (PEM) that are trusted in place of the host's; `nil`: the host's.
        public var authorities: String?
        public var connectTimeout = Duration.seconds(10)
        /// Without an octet.
        public var idleTimeout = Duration.seconds(60)
        /// For all of it.
        public var timeout = Duration.seconds(600)

        public init(authorities: String? = nil) { self.authorities = authorities }
    }

    static let maximumRedirects = 5
    /// Addresses of a name that are tried.
    private static let maximumAddresses = 3
    private static let maximumEntityTag = 256

    private let settings: Settings
    private let isGlobal: @Sendable (IPAddress) -> Bool

    public init(_ settings: Settings) { self.init(settings) { $0.isGlobal } }

    /// - Parameter isGlobal: for tests, whose servers are on loopback.
    package init(_ settings: Settings, isGlobal: @escaping @Sendable (IPAddress) -> Bool) {
        self.settings = settings
        self.isGlobal = isGlobal
    }

    public func fetch(
        _ request: BlocklistRequest, _ body: (Span<UInt8>) throws(BlocklistFetchError) -> Void
    ) async throws(BlocklistFetchError) -> BlocklistAnswer {
        let end = ContinuousClock.now + settings.timeout
        var address = request.address
        for _ in 0...Self.maximumRedirects {
            switch try await hop(to: address, request, until: end, body) {
            case .answer(let answer): return answer
            case .redirect(let location):
                do throws(ParseError) { address = try address.following(location) } catch {
                    throw BlocklistFetchError("\(address) leads to an address that cannot be used: \(error)")
                }
            }
        }
        throw BlocklistFetchError("\(request.address) leads on more than \(Self.maximumRedirects) times")
    }

    private enum Hop {
        case answer(BlocklistAnswer)
        case redirect(String)
    }

    private func hop(
        to address: HTTPSAddress, _ request: BlocklistRequest, until end: ContinuousClock.Instant,
        _ body: (Span<UInt8>) throws(BlocklistFetchError) -> Void
    ) async throws(BlocklistFetchError) -> Hop {
        let targets = try await targets(of: address.host, request.reach)
        var failure = BlocklistFetchError("\(address.host.text) has no address")
        for target in targets.prefix(Self.maximumAddresses) {
            let http = client(for: address, at: target)
            let result: Result<Hop, BlocklistFetchError>
            do throws(BlocklistFetchError) {
                result = .success(try await exchange(http, address, request, until: end, body))
            } catch {
                result = .failure(error)
            }
            // What does not close has been read.
            try? await http.shutdown()
            switch result {
            case .success(let hop): return hop
            case .failure(let error):
                failure = error
                // Another address may be reachable where this one was not; what answered has answered.
                guard error.isUnreachable else { throw error }
            }
        }
        throw failure
    }

    private func exchange(
        _ http: HTTPClient, _ address: HTTPSAddress, _ request: BlocklistRequest, until end: ContinuousClock.Instant,
        _ body: (Span<UInt8>) throws(BlocklistFetchError) -> Void
    ) async throws(BlocklistFetchError) -> Hop {
        var message = HTTPClientRequest(url: "\(address)")
        message.headers.add(name: "User-Agent", value: "cordon")
        message.headers.add(name: "Accept", value: "text/plain, */*;q=0.5")
        if let tag = request.entityTag { message.headers.add(name: "If-None-Match", value: tag) }
        let response: HTTPClientResponse
        do {
            response = try await http.execute(message, timeout: TimeAmount(settings.timeout))
        } catch {
            throw .unreachable(address, error)
        }
        switch response.status.code {
        case 200: break
        case 304 where request.entityTag != nil: return .answer(.unchanged)
        case 301, 302, 303, 307, 308:
            guard let location = response.headers.first(name: "Location") else {
                throw BlocklistFetchError("\(address) leads nowhere (\(response.status))")
            }
            return .redirect(location)
        default: throw BlocklistFetchError("\(address) answers \(response.status)")
        }
        // Compressed text is not asked for: a little of it may become very much.
        if let coding = response.headers.first(name: "Content-Encoding"), coding != "identity" {
            throw BlocklistFetchError("\(address) answers with compressed text, which was not asked for")
        }
        var pieces = response.body.makeAsyncIterator()
        while true {
            let piece: ByteBuffer?
            do { piece = try await pieces.next() } catch {
                throw BlocklistFetchError("\(address) broke off: \(Self.words(error))")
            }
            guard let piece else { break }
            guard ContinuousClock.now < end else {
                throw BlocklistFetchError("\(address) took longer than \(settings.timeout)")
            }
            try body(piece.readableBytesUInt8Span)
        }
        let tag = response.headers.first(name: "ETag").flatMap { tag in
            tag.utf8.count <= Self.maximumEntityTag && tag.utf8.allSatisfy { (0x20...0x7e).contains($0) } ? tag : nil
        }
        return .answer(.text(entityTag: tag))
    }

    /// A client that connects to this address and no other.
    private func client(for address: HTTPSAddress, at target: IPAddress) -> HTTPClient {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let authorities = settings.authorities { tls.trustRoots = .file(authorities) }
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls, redirectConfiguration: .disallow,
            timeout: .init(connect: TimeAmount(settings.connectTimeout), read: TimeAmount(settings.idleTimeout)))
        configuration.httpVersion = .http1Only
        configuration.connectionPool.retryConnectionEstablishment = false
        if case .name(let name) = address.host { configuration.dnsOverride = ["\(name)": "\(target)"] }
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    // MARK: Addresses

    /// Where the host is, IPv4 first. One that must not be reached forbids the others: whoever answers with both wants
    /// to see which is taken.
    private func targets(
        of host: HTTPSAddress.Host, _ reach: BlocklistRequest.Reach
    ) async throws(BlocklistFetchError) -> [IPAddress] {
        let addresses: [IPAddress]
        // A tenant is not told whether the gateway's resolver knows a name that is not on the internet.
        let refusal =
            switch reach {
            case .anywhere: BlocklistFetchError("\(host.text) could not be resolved")
            case .internet:
                BlocklistFetchError("\(host.text) is not on the internet: lists are fetched from there only")
            }
        switch host {
        case .address(let address): addresses = [address]
        case .name(let name):
            addresses = await HostLookUp.addresses(of: name)
            guard !addresses.isEmpty else { throw refusal }
        }
        guard case .internet(let excepted) = reach else { return addresses }
        let own = Self.ownAddresses()
        let isAllowed = addresses.allSatisfy { address in
            // In tests, an address of the host's own stands for one on the internet.
            guard isGlobal(address), !(address.isGlobal && own.contains(address)) else { return false }
            return !excepted.contains { $0.contains(address) }
        }
        guard isAllowed else { throw refusal }
        return addresses
    }

    /// Of the gateway's interfaces.
    private static func ownAddresses() -> Set<IPAddress> {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        return Set(
            sequence(first: list, next: { $0?.pointee.ifa_next }).compactMap { entry in
                entry.flatMap { $0.pointee.ifa_addr }.flatMap(IPAddress.init(socketAddress:))
            })
    }

    /// What a library says, on one line and not too long.
    fileprivate static func words(_ error: any Error) -> String {
        switch error as? HTTPClientError {
        case .connectTimeout?: "no connection in time"
        case .readTimeout?: "nothing came in time"
        case .deadlineExceeded?: "it took too long"
        default: String("\(error)".map { $0.isNewline ? " " : $0 }.prefix(200))
        }
    }
}

extension BlocklistFetchError {
    private static let unreachable = " cannot be reached: "

    fileprivate static func unreachable(_ address: HTTPSAddress, _ error: any Error) -> Self {
        Self("\(address)\(unreachable)\(BlocklistFetcher.words(error))")
    }

    fileprivate var isUnreachable: Bool { message.contains(Self.unreachable) }
}

extension HTTPSAddress.Host {
    fileprivate var text: String {
        switch self {
        case .name(let name): "\(name)"
        case .address(let address): "\(address)"
        }
    }
}

extension TimeAmount {
    fileprivate init(_ duration: Duration) {
        self = .milliseconds(
            duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000)
    }
}
