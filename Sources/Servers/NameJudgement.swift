import Control
import DNS
import Domain

/// What a device gets instead of an answer.
struct Refusal {
    let content: Content
    let error: ExtendedError

    enum Content {
        case local(LocalAnswer)
        /// Records that a list has in place of the truth.
        case records([LocalRecord])
        case nothing
    }
}

extension NameClient {
    /// For a name that may not be looked up, or an answer that leads to one.
    func refusal(_ reason: NameFilter.Reason) -> Refusal {
        switch reason {
        // RFC 8914 §4.16 to §4.19: what the device's owner asked for is filtered, what it was never given is prohibited.
        case .denied:
            Refusal(content: .local(localAnswer), error: ExtendedError(.filtered, "the policy denies this name"))
        case .notAllowed:
            Refusal(
                content: .local(localAnswer), error: ExtendedError(.prohibited, "the policy does not allow this name"))
        case .listed(let listing):
            Refusal(
                content: content(of: listing),
                error: ExtendedError(.blocked, "the blocklist \(filter.lists[listing.list].name) has this name"))
        }
    }

    /// For an answer with an address that it may not have.
    var rebindingRefusal: Refusal {
        Refusal(
            content: .local(localAnswer),
            error: ExtendedError(.blocked, "the answer has an address of a private network"))
    }

    private func content(of listing: NameFilter.Listing) -> Refusal.Content {
        switch listing.action {
        case .nxdomain: .local(.nxdomain)
        case .nodata: .local(.nodata)
        case .drop: .nothing
        case .local: .records(filter.records(of: listing))
        // The last two refuse nothing, and do not come here.
        case .block, .passthru, .tcpOnly: .local(localAnswer)
        }
    }

    private var localAnswer: LocalAnswer {
        switch blockAnswer {
        case .nxdomain: .nxdomain
        case .nodata: .nodata
        case .refused: .refused
        case .address(let address): .address(address)
        }
    }
}

extension LocalRecord {
    /// As a record for a question; `nil` when it is of another type.
    func record(answering name: WireName, _ type: UInt16) -> (type: UInt16, seconds: UInt32, data: [UInt8])? {
        let own: (type: UInt16, data: [UInt8])
        switch data {
        case .address(.v4(let address)):
            own = (RecordType.a, withUnsafeBytes(of: address.bits.bigEndian, Array.init))
        case .address(.v6(let address)):
            own = (RecordType.aaaa, withUnsafeBytes(of: address.bits.bigEndian, Array.init))
        case .text(let strings):
            own = (RecordType.txt, strings.flatMap { [UInt8(truncatingIfNeeded: $0.count)] + $0.prefix(255) })
        // An alias answers a question of every type.
        case .alias(let target): return (RecordType.cname, timeToLive, target.octets)
        case .aliasBelow(let target):
            guard let target = WireName(name.octets.dropLast() + target.octets) else { return nil }
            return (RecordType.cname, timeToLive, target.octets)
        }
        guard type == own.type || type == RecordType.any else { return nil }
        return (own.type, timeToLive, own.data)
    }
}
