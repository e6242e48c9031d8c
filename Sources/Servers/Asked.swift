import Control
import DNS
import Domain
import NIOCore

/// A query that is being answered.
struct Asked {
    let client: NameClient
    let device: IPAddress
    let query: QueryMessage
    let name: WireName
    let path: ReplyPath
    let since: NIODeadline
    /// Whether a rule has the name.
    var isRuled = false
}

/// The same while it waits, with the octets of the query that its answer repeats.
struct WaitingQuery {
    let asked: Asked
    let octets: [UInt8]
}

/// Where an answer goes.
enum ReplyPath {
    case datagram(DNSDatagramHandler, to: SocketAddress)
    case stream(DNSStreamHandler)

    /// Octets that an answer may have.
    func limit(of query: QueryMessage) -> Int {
        switch self {
        case .datagram: query.datagramLimit(ceiling: Int(Question.payloadOctets))
        case .stream: 65_535
        }
    }

    func send(_ octets: [UInt8]) {
        switch self {
        case .datagram(let handler, let address): handler.send(octets, to: address)
        case .stream(let handler): handler.send(octets)
        }
    }

    /// There will be no answer.
    func abandon() {
        switch self {
        case .datagram: break
        case .stream(let handler): handler.abandon()
        }
    }
}
