import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// Reads and deletes the kernel's tracked connections.
struct Conntrack {
    let socket: NetlinkSocket

    /// What identifies a tracked connection: its original tuple, as the kernel wants it back, and its number.
    struct Entry: Sendable {
        let flow: Flow
        let mark: UInt32
        /// Whether it has a place in NAT 1.
        let isTranslated: Bool
        /// Since its last packet.
        let silentSeconds: UInt32
        /// In network order as read: ports, or ICMP's identifier.
        fileprivate let protocolParts: [UInt8: [UInt8]]
        fileprivate let id: [UInt8]
    }

    /// What the kernel leaves out before it answers.
    enum Filter {
        case all
        case source(IPv4Address)
        case destination(IPv4Address)
        case ofIPv6
        /// Of either family, as the rest.
        case mark(UInt32, mask: UInt32)
    }

    /// The connections that `isWanted`.
    func entries(_ filter: Filter, where isWanted: (Entry) -> Bool) throws(DataPlaneError) -> [Entry] {
        switch filter {
        case .all, .mark, .ofIPv6: return try dump(filter, isWanted)
        case .source, .destination:
            do throws(DataPlaneError) {
                return try dump(filter, isWanted)
            } catch {
                // Kernels before 5.8 have no such filter.
                guard error.code != .connectionLost else { throw error }
                return try dump(.all, isWanted)
            }
        }
    }

    private func dump(_ filter: Filter, _ isWanted: (Entry) -> Bool) throws(DataPlaneError) -> [Entry] {
        var request = NetlinkRequest()
        let family =
            switch filter {
            case .all, .mark: AF_UNSPEC
            case .source, .destination: AF_INET
            case .ofIPv6: AF_INET6
            }
        begin(&request, IPCTNL_MSG_CT_GET.rawValue, NLM_F_REQUEST | NLM_F_DUMP, family)
        // Bit 0 stands for the source address, bit 1 for the destination's.
        switch filter {
        case .all, .ofIPv6: break
        case .source(let source): put(&request, CTA_IP_V4_SRC.rawValue, source, flag: 1)
        case .destination(let destination): put(&request, CTA_IP_V4_DST.rawValue, destination, flag: 2)
        case .mark(let mark, let mask):
            request.put(CTA_MARK.rawValue, mark.networkOctets)
            request.put(CTA_MARK_MASK.rawValue, mask.networkOctets)
        }
        request.end()
        var entries: [Entry] = []
        // A torn dump misses at most what came or went meanwhile, and new packets are judged by the new policy.
        _ = try socket.ask(request.bytes, isDump: true, operation: "reading tracked connections") { message in
            guard let entry = Self.entry(message.attributes(after: 4)), isWanted(entry) else { return }
            entries.append(entry)
        }
        return entries
    }

    private func put(_ request: inout NetlinkRequest, _ type: UInt32, _ address: IPv4Address, flag: UInt32) {
        request.nest(CTA_TUPLE_ORIG.rawValue) { tuple in
            tuple.nest(CTA_TUPLE_IP.rawValue) { $0.put(type, address.bits.networkOctets) }
        }
        request.nest(CTA_FILTER.rawValue) { filter in
            filter.put(CTA_FILTER_ORIG_FLAGS.rawValue, native: flag)
            filter.put(CTA_FILTER_REPLY_FLAGS.rawValue, native: 0)
        }
    }

    /// - Returns: how many were there to delete.
    func delete(_ entries: [Entry]) throws(DataPlaneError) -> Int {
        try change(entries, "deleting tracked connections") { entry, request in
            begin(&request, IPCTNL_MSG_CT_DELETE.rawValue, NLM_F_REQUEST | NLM_F_ACK, entry.flow.family)
            put(entry, in: &request)
            request.put(CTA_ID.rawValue, entry.id)
        }
    }

    /// Gives connections other marks.
    func setMarks(_ marks: [(entry: Entry, mark: UInt32)]) throws(DataPlaneError) {
        // By place, since entries have no order.
        var number = 0
        _ = try change(marks.map(\.entry), "marking tracked connections") { entry, request in
            begin(&request, IPCTNL_MSG_CT_NEW.rawValue, NLM_F_REQUEST | NLM_F_ACK, entry.flow.family)
            put(entry, in: &request)
            request.put(CTA_MARK.rawValue, marks[number].mark.networkOctets)
            request.put(CTA_ID.rawValue, entry.id)
            number += 1
        }
    }

    /// - Parameter begin: begins the message for an entry.
    /// - Returns: how many were there to change.
    private func change(
        _ entries: [Entry], _ operation: String, _ begin: (Entry, inout NetlinkRequest) -> Void
    ) throws(DataPlaneError) -> Int {
        var changed = 0
        // Answers must fit the receive buffer: 256 of them take a few hundred kilobytes.
        for start in stride(from: 0, to: entries.count, by: 256) {
            var request = NetlinkRequest()
            for entry in entries[start..<min(start + 256, entries.count)] {
                begin(entry, &request)
                request.end()
            }
            let (errors, acknowledged) = try socket.exchange(request.bytes, operation: operation)
            changed += acknowledged
            if let error = errors.first(where: { $0.code != ENOENT }) {
                throw DataPlaneError(errno: error.code, operation: operation)
            }
        }
        return changed
    }

    private func put(_ entry: Entry, in request: inout NetlinkRequest) {
        request.nest(CTA_TUPLE_ORIG.rawValue) { tuple in
            tuple.nest(CTA_TUPLE_IP.rawValue) { address in
                let isIPv4 = entry.flow.family == AF_INET
                address.put(isIPv4 ? CTA_IP_V4_SRC.rawValue : CTA_IP_V6_SRC.rawValue, entry.flow.source.octets)
                address.put(isIPv4 ? CTA_IP_V4_DST.rawValue : CTA_IP_V6_DST.rawValue, entry.flow.destination.octets)
            }
            tuple.nest(CTA_TUPLE_PROTO.rawValue) { parts in
                for (type, value) in entry.protocolParts.sorted(by: { $0.key < $1.key }) { parts.put(type, value) }
            }
        }
    }

    private func begin(_ request: inout NetlinkRequest, _ type: UInt32, _ flags: Int32, _ family: Int32 = AF_INET) {
        request.begin(
            type: UInt16(NFNL_SUBSYS_CTNETLINK) << 8 | UInt16(type), flags: flags, sequence: socket.nextSequence(),
            header: [UInt8(family), UInt8(NFNETLINK_V0), 0, 0])
    }

    /// IPS_SRC_NAT (linux/netfilter/nf_conntrack_common.h).
    private static let sourceNAT: UInt32 = 1 << 4

    private static func entry(_ attributes: Attributes) -> Entry? {
        guard let tuple = attributes.first(CTA_TUPLE_ORIG.rawValue)?.nested,
            let addresses = tuple.first(CTA_TUPLE_IP.rawValue)?.nested,
            let source = IPAddress(reading: addresses, CTA_IP_V4_SRC.rawValue, CTA_IP_V6_SRC.rawValue),
            let destination = IPAddress(reading: addresses, CTA_IP_V4_DST.rawValue, CTA_IP_V6_DST.rawValue),
            let parts = tuple.first(CTA_TUPLE_PROTO.rawValue)?.nested,
            let number = parts.first(CTA_PROTO_NUM.rawValue)?.uint8,
            let id = attributes.first(CTA_ID.rawValue)
        else { return nil }
        var protocolParts: [UInt8: [UInt8]] = [:]
        for part in parts { protocolParts[UInt8(truncatingIfNeeded: part.type)] = Array(part.value) }
        // The kernel keeps GRE's keys as ports.
        let hasPorts = Int32(number) != Int32(IPPROTO_GRE)
        let state = attributes.first(CTA_PROTOINFO.rawValue)?.nested.first(CTA_PROTOINFO_TCP.rawValue)?.nested
            .first(CTA_PROTOINFO_TCP_STATE.rawValue)?.uint8
        // One that is kept for ever is not known to be silent.
        let silent = attributes.first(CTA_TIMEOUT.rawValue)?.uint32.map { left in
            Self.silence(protocol: number, tcpState: state, secondsLeft: left)
        }
        let port = { (type: UInt32) in hasPorts ? parts.first(type)?.uint16 ?? 0 : 0 }
        return Entry(
            flow: Flow(
                source: source, destination: destination, protocol: number,
                sourcePort: port(CTA_PROTO_SRC_PORT.rawValue), destinationPort: port(CTA_PROTO_DST_PORT.rawValue)),
            mark: attributes.first(CTA_MARK.rawValue)?.uint32 ?? 0,
            isTranslated: (attributes.first(CTA_STATUS.rawValue)?.uint32 ?? 0) & sourceNAT != 0,
            silentSeconds: silent ?? 0, protocolParts: protocolParts, id: Array(id.value))
    }

    /// Connections that could not be entered because their translated tuple was taken.
    func failedInsertions() throws(DataPlaneError) -> UInt64 {
        var request = NetlinkRequest()
        begin(&request, IPCTNL_MSG_CT_GET_STATS_CPU.rawValue, NLM_F_REQUEST | NLM_F_DUMP)
        request.end()
        var sum: UInt64 = 0
        _ = try socket.ask(request.bytes, isDump: true, operation: "reading conntrack's statistics") { message in
            sum += UInt64(message.attributes(after: 4).first(CTA_STATS_INSERT_FAILED.rawValue)?.uint32 ?? 0)
        }
        return sum
    }
}

extension Flow {
    fileprivate var family: Int32 { if case .v4 = source { AF_INET } else { AF_INET6 } }
}

extension IPAddress {
    fileprivate init?(reading addresses: Attributes, _ ipv4: UInt32, _ ipv6: UInt32) {
        if let bits = addresses.first(ipv4)?.uint32 {
            self = .v4(IPv4Address(bits: bits))
        } else if let value = addresses.first(ipv6)?.value, value.count == 16 {
            self = .v6(IPv6Address(bits: value.reduce(0) { $0 << 8 | UInt128($1) }))
        } else {
            return nil
        }
    }

    /// In network order.
    var octets: [UInt8] {
        switch self {
        case .v4(let address): address.bits.networkOctets
        case .v6(let address): address.bits.networkOctets
        }
    }
}
