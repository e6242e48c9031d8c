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
        /// In network order as read: ports, or ICMP's identifier.
        fileprivate let protocolParts: [UInt8: [UInt8]]
        fileprivate let id: [UInt8]
    }

    /// What the kernel leaves out before it answers.
    enum Filter {
        case all
        case source(IPv4Address)
        case mark(UInt32, mask: UInt32)
    }

    /// The IPv4 connections that `isWanted`.
    func entries(_ filter: Filter, where isWanted: (Entry) -> Bool) throws(DataPlaneError) -> [Entry] {
        if case .source = filter {
            do throws(DataPlaneError) {
                return try dump(filter, isWanted)
            } catch {
                // Kernels before 5.8 have no such filter.
                guard error.code != .connectionLost else { throw error }
                return try dump(.all, isWanted)
            }
        }
        return try dump(filter, isWanted)
    }

    private func dump(_ filter: Filter, _ isWanted: (Entry) -> Bool) throws(DataPlaneError) -> [Entry] {
        var request = NetlinkRequest()
        begin(&request, IPCTNL_MSG_CT_GET.rawValue, NLM_F_REQUEST | NLM_F_DUMP)
        switch filter {
        case .all: break
        case .source(let source):
            request.nest(CTA_TUPLE_ORIG.rawValue) { tuple in
                tuple.nest(CTA_TUPLE_IP.rawValue) { $0.put(CTA_IP_V4_SRC.rawValue, source.bits.networkOctets) }
            }
            request.nest(CTA_FILTER.rawValue) { filter in
                // Bit 0 stands for the source address.
                filter.put(CTA_FILTER_ORIG_FLAGS.rawValue, native: 1)
                filter.put(CTA_FILTER_REPLY_FLAGS.rawValue, native: 0)
            }
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

    /// - Returns: how many were there to delete.
    func delete(_ entries: [Entry]) throws(DataPlaneError) -> Int {
        var deleted = 0
        // Answers must fit the receive buffer: 256 of them take a few hundred kilobytes.
        for start in stride(from: 0, to: entries.count, by: 256) {
            var request = NetlinkRequest()
            for entry in entries[start..<min(start + 256, entries.count)] { put(entry, in: &request) }
            let (errors, acknowledged) = try socket.exchange(
                request.bytes, operation: "deleting tracked connections")
            deleted += acknowledged
            if let error = errors.first(where: { $0.code != ENOENT }) {
                throw DataPlaneError(errno: error.code, operation: "deleting a tracked connection")
            }
        }
        return deleted
    }

    private func put(_ entry: Entry, in request: inout NetlinkRequest) {
        begin(&request, IPCTNL_MSG_CT_DELETE.rawValue, NLM_F_REQUEST | NLM_F_ACK)
        request.nest(CTA_TUPLE_ORIG.rawValue) { tuple in
            tuple.nest(CTA_TUPLE_IP.rawValue) { address in
                address.put(CTA_IP_V4_SRC.rawValue, entry.flow.source.bits.networkOctets)
                address.put(CTA_IP_V4_DST.rawValue, entry.flow.destination.bits.networkOctets)
            }
            tuple.nest(CTA_TUPLE_PROTO.rawValue) { parts in
                for (type, value) in entry.protocolParts.sorted(by: { $0.key < $1.key }) { parts.put(type, value) }
            }
        }
        request.put(CTA_ID.rawValue, entry.id)
        request.end()
    }

    private func begin(_ request: inout NetlinkRequest, _ type: UInt32, _ flags: Int32) {
        request.begin(
            type: UInt16(NFNL_SUBSYS_CTNETLINK) << 8 | UInt16(type), flags: flags, sequence: socket.nextSequence(),
            header: [UInt8(AF_INET), UInt8(NFNETLINK_V0), 0, 0])
    }

    private static func entry(_ attributes: Attributes) -> Entry? {
        guard let tuple = attributes.first(CTA_TUPLE_ORIG.rawValue)?.nested,
            let addresses = tuple.first(CTA_TUPLE_IP.rawValue)?.nested,
            let source = addresses.first(CTA_IP_V4_SRC.rawValue)?.uint32,
            let destination = addresses.first(CTA_IP_V4_DST.rawValue)?.uint32,
            let parts = tuple.first(CTA_TUPLE_PROTO.rawValue)?.nested,
            let number = parts.first(CTA_PROTO_NUM.rawValue)?.uint8,
            let id = attributes.first(CTA_ID.rawValue)
        else { return nil }
        var protocolParts: [UInt8: [UInt8]] = [:]
        for part in parts { protocolParts[UInt8(truncatingIfNeeded: part.type)] = Array(part.value) }
        // The kernel keeps GRE's keys as ports.
        let hasPorts = Int32(number) != Int32(IPPROTO_GRE)
        let port = { (type: UInt32) in hasPorts ? parts.first(type)?.uint16 ?? 0 : 0 }
        return Entry(
            flow: Flow(
                source: IPv4Address(bits: source), destination: IPv4Address(bits: destination), protocol: number,
                sourcePort: port(CTA_PROTO_SRC_PORT.rawValue), destinationPort: port(CTA_PROTO_DST_PORT.rawValue)),
            mark: attributes.first(CTA_MARK.rawValue)?.uint32 ?? 0, protocolParts: protocolParts,
            id: Array(id.value))
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
