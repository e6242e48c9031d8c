import CNetfilter
import Domain
import PolicyCompiler

/// One message of the kernel's trace: what one rule, or the end of one chain, did with a packet.
struct TraceEvent {
    /// The same for all messages about a packet. Another packet may have it as soon as this one is gone.
    let packet: UInt32
    let table: String
    let chain: String
    /// `nil` for the end of a chain.
    let rule: UInt64?
    let verdict: Verdict
    let mark: UInt32
    /// In the first message of each hook.
    let header: PacketHeader?

    enum Verdict: Hashable {
        case drop
        case accept
        /// To other chains or rules, or back.
        case onward
    }

    /// `nil` for what is no message of a trace.
    init?(_ message: NetlinkMessage) {
        guard message.type == UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(NFT_MSG_TRACE.rawValue) else { return nil }
        var fields: [UInt16: Attribute] = [:]
        for attribute in message.attributes(after: 4) { fields[attribute.type] = attribute }
        let field = { (type: nft_trace_attributes) in fields[UInt16(truncatingIfNeeded: type.rawValue)] }
        guard let packet = field(NFTA_TRACE_ID)?.uint32, let table = field(NFTA_TRACE_TABLE)?.text,
            let chain = field(NFTA_TRACE_CHAIN)?.text
        else { return nil }
        self.packet = packet
        self.table = table
        self.chain = chain
        rule = field(NFTA_TRACE_RULE_HANDLE)?.uint64
        mark = field(NFTA_TRACE_MARK)?.uint32 ?? 0
        let code =
            field(NFTA_TRACE_VERDICT)?.nested.first(NFTA_VERDICT_CODE.rawValue)?.uint32
            ?? field(NFTA_TRACE_POLICY)?.uint32
        verdict =
            switch code {
            case UInt32(NF_DROP): .drop
            case UInt32(NF_ACCEPT): .accept
            default: .onward
            }
        header = field(NFTA_TRACE_NETWORK_HEADER).flatMap { network in
            PacketHeader(network: network.value, transport: field(NFTA_TRACE_TRANSPORT_HEADER)?.value)
        }
    }
}

/// What a trace is told of a packet's octets.
struct PacketHeader: Hashable {
    let source: IPAddress
    let destination: IPAddress
    let `protocol`: UInt8
    let octets: Int
    /// Of TCP and UDP.
    let sourcePort: UInt16?
    let destinationPort: UInt16?
    /// An ICMP message about another packet (RFC 792, RFC 4443 §2.1).
    let isError: Bool

    /// `nil` when it is neither IPv4 nor IPv6.
    init?(network: UnsafeRawBufferPointer, transport: UnsafeRawBufferPointer?) {
        let isIPv4 = network.first.map { $0 >> 4 == 4 } ?? false
        guard isIPv4 || network.first.map({ $0 >> 4 == 6 }) ?? false,
            let length = network.native(UInt16.self, at: isIPv4 ? 2 : 4).map({ Int(UInt16(bigEndian: $0)) }),
            let number = network.native(UInt8.self, at: isIPv4 ? 9 : 6),
            let source = Self.address(network, at: isIPv4 ? 12 : 8, isIPv4),
            let destination = Self.address(network, at: isIPv4 ? 16 : 24, isIPv4)
        else { return nil }
        self.source = source
        self.destination = destination
        `protocol` = number
        // IPv6 tells what comes behind its header.
        octets = isIPv4 ? length : 40 + length
        let hasPorts = number == 6 || number == 17
        let port = { (offset: Int) in
            hasPorts ? transport?.native(UInt16.self, at: offset).map { UInt16(bigEndian: $0) } : nil
        }
        sourcePort = port(0)
        destinationPort = port(2)
        // Unreachable, source quench, redirect, time exceeded, parameter problem; in ICMPv6 all below 128.
        let errors: [UInt8] = [3, 4, 5, 11, 12]
        let type = transport?.first
        isError =
            isIPv4 ? number == 1 && type.map(errors.contains) ?? false : number == 58 && type.map { $0 < 128 } ?? false
    }

    private static func address(_ octets: UnsafeRawBufferPointer, at offset: Int, _ isIPv4: Bool) -> IPAddress? {
        isIPv4
            ? octets.native(UInt32.self, at: offset).map { .v4(IPv4Address(bits: UInt32(bigEndian: $0))) }
            : octets.native(UInt128.self, at: offset).map { .v6(IPv6Address(bits: UInt128(bigEndian: $0))) }
    }
}

/// Puts the messages of traces together, packet by packet.
struct TraceAssembly {
    private var pending: [UInt32: PacketTrail] = [:]
    private var ended: [PacketTrail] = []
    private var round = 0
    private var order = 0

    mutating func add(_ event: TraceEvent) {
        if event.table == TraceTable.name {
            begin(event)
        } else if var trail = pending[event.packet] {
            trail.add(event)
            trail.round = round
            if trail.drop == nil { pending[event.packet] = trail } else { end(trail, event.packet) }
        }
    }

    private mutating func begin(_ event: TraceEvent) {
        guard let header = event.header, let side = TraceTable.Side.allCases.first(where: { $0.begins(event.chain) })
        else { return }
        let isReply = event.chain == side.replyChain
        if side == .to, var trail = pending[event.packet], trail.header == header, trail.isReplyTo == nil {
            // From one traced device to another.
            trail.isReplyTo = isReply
            trail.round = round
            pending[event.packet] = trail
            return
        }
        if let earlier = pending[event.packet] { end(earlier, event.packet) }
        order += 1
        var trail = PacketTrail(header: header, order: order, round: round)
        if side == .from { trail.isReplyFrom = isReply } else { trail.isReplyTo = isReply }
        pending[event.packet] = trail
    }

    private mutating func end(_ trail: PacketTrail, _ packet: UInt32) {
        pending[packet] = nil
        ended.append(trail)
    }

    /// After all that was there has been added: the packets to which nothing more happens. The kernel does not say when a
    /// packet has left. It takes some microseconds from one end to the other, so one of which nothing came since the
    /// round before has.
    mutating func endRound() -> [PacketTrail] {
        for (packet, trail) in pending where trail.round < round { end(trail, packet) }
        round += 1
        // In their order: one that was dropped at once waits for those that came before it.
        let first = pending.values.map(\.order).min() ?? .max
        defer { ended.removeAll { $0.order < first } }
        return ended.filter { $0.order < first }.sorted { $0.order < $1.order }
    }

    /// Some messages are missing, so what the others say cannot be relied on.
    mutating func forget() { (pending, ended) = ([:], []) }
}

extension TraceTable.Side {
    fileprivate func begins(_ name: String) -> Bool { name == chain || name == replyChain }
}

/// What the kernel's trace says of one packet.
struct PacketTrail {
    let header: PacketHeader
    fileprivate let order: Int
    fileprivate var round: Int
    /// Seen as a traced device's: whether as an answer.
    fileprivate(set) var isReplyFrom: Bool?
    /// Seen on its way to a traced device: whether as an answer.
    fileprivate(set) var isReplyTo: Bool?
    /// The last rule of a policy's chain that it met.
    fileprivate(set) var policy: Rule?
    fileprivate(set) var drop: Rule?
    fileprivate(set) var isForwarded = false
    fileprivate(set) var mark: UInt32 = 0

    struct Rule: Hashable {
        let table: String
        let chain: String
        /// `nil` for the chain's end.
        let handle: UInt64?
    }

    fileprivate init(header: PacketHeader, order: Int, round: Int) {
        self.header = header
        self.order = order
        self.round = round
    }

    fileprivate mutating func add(_ event: TraceEvent) {
        let rule = Rule(table: event.table, chain: event.chain, handle: event.rule)
        if event.verdict == .drop { drop = rule }
        guard event.table == "cordon" else { return }
        mark = event.mark
        if case .outward = ChainPlace(chain: event.chain) { policy = rule }
        if event.verdict == .accept, event.chain == "filter_forward" || UsageChain.names.contains(event.chain) {
            isForwarded = true
        }
    }
}
