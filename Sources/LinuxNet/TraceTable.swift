import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// `table inet cordon_trace`: it marks traced devices' packets for the kernel's own trace, and is there only while
/// somebody traces. In the language of nft:
///
///     table inet cordon_trace {
///         set from_devices { type ipv4_addr; size 64; counter limit rate 100/second burst 100 packets; }
///         set to_devices   { type ipv4_addr; size 64; counter limit rate 100/second burst 100 packets; }
///         chain from_devices {
///             type filter hook prerouting priority mangle - 1; policy accept;
///             iifname SGI ip saddr @from_devices goto from_device
///         }
///         chain from_device       { ct direction reply goto from_device_reply; meta nftrace set 1; }
///         chain from_device_reply { meta nftrace set 1; }
///         ...
///     }
///
/// and the same for `to_devices`, in forward, before the filter, where an answer's address has been translated back. A
/// packet of another device meets one look-up in each. The chain in which a packet's trace begins says which side it is
/// on. Each device has a counter, and a limit behind it, at which the rule ends, in its element.
///
/// Not in libnftables' language, since that reads back every chain first, under the lock that admissions wait for: 60 to
/// 110 ms at 10,000 policies.
struct TraceTable {
    static let name = "cordon_trace"
    /// Elements that a set has room for.
    static let size: UInt32 = 64
    /// Packets of a device and a direction that are noted in a second.
    static let packetsPerSecond: UInt64 = 100

    enum Side: String, CaseIterable {
        case from = "from_devices"
        case to = "to_devices"

        /// Where the trace of a packet begins.
        var chain: String { self == .from ? "from_device" : "to_device" }
        var replyChain: String { chain + "_reply" }
        fileprivate var hook: UInt32 { self == .from ? NF_INET_PRE_ROUTING.rawValue : NF_INET_FORWARD.rawValue }
        /// One before `mangle`, one before `filter`.
        fileprivate var priority: Int32 { self == .from ? -151 : -1 }
    }

    let sgiInterface: InterfaceName
    let socket: NetlinkSocket

    enum Change: Sendable {
        /// Anew, whatever is there.
        case make(Set<IPv4Address>)
        /// Of a table that is there.
        case devices(added: Set<IPv4Address>, removed: Set<IPv4Address>)
        case remove
    }

    /// Makes the change in one transaction.
    func commit(_ change: Change) throws(DataPlaneError) {
        var batch = Batch(socket: socket)
        switch change {
        case .make(let devices):
            delete(&batch)
            batch.message(NFT_MSG_NEWTABLE.rawValue, NLM_F_CREATE) { $0.put(NFTA_TABLE_NAME.rawValue, Self.name) }
            for (index, side) in Side.allCases.enumerated() { define(side, number: UInt32(index + 1), &batch) }
            for side in Side.allCases { put(devices, of: side, NFT_MSG_NEWSETELEM.rawValue, &batch) }
        case .devices(let added, let removed):
            for side in Side.allCases {
                put(removed, of: side, NFT_MSG_DELSETELEM.rawValue, &batch)
                put(added, of: side, NFT_MSG_NEWSETELEM.rawValue, &batch)
            }
        case .remove: delete(&batch)
        }
        try batch.commit("changing the table \(Self.name)")
    }

    /// Adds it first: what is not there cannot be deleted.
    private func delete(_ batch: inout Batch) {
        for (type, flags) in [(NFT_MSG_NEWTABLE, NLM_F_CREATE), (NFT_MSG_DELTABLE, 0)] {
            batch.message(type.rawValue, flags) { $0.put(NFTA_TABLE_NAME.rawValue, Self.name) }
        }
    }

    private func define(_ side: Side, number: UInt32, _ batch: inout Batch) {
        batch.message(NFT_MSG_NEWSET.rawValue, NLM_F_CREATE) { set in
            set.put(NFTA_SET_TABLE.rawValue, Self.name)
            set.put(NFTA_SET_NAME.rawValue, side.rawValue)
            set.put(NFTA_SET_FLAGS.rawValue, NFT_SET_EXPR.rawValue.networkOctets)
            // nft's number for ipv4_addr.
            set.put(NFTA_SET_KEY_TYPE.rawValue, UInt32(7).networkOctets)
            set.put(NFTA_SET_KEY_LEN.rawValue, UInt32(4).networkOctets)
            set.put(NFTA_SET_ID.rawValue, number.networkOctets)
            set.nest(NFTA_SET_DESC.rawValue) { $0.put(NFTA_SET_DESC_SIZE.rawValue, Self.size.networkOctets) }
            // Every element gets its own of these.
            set.nest(NFTA_SET_EXPRESSIONS.rawValue) { $0.putCounterAndLimit() }
        }
        for name in [side.replyChain, side.chain] {
            batch.message(NFT_MSG_NEWCHAIN.rawValue, NLM_F_CREATE) { chain in
                chain.put(NFTA_CHAIN_TABLE.rawValue, Self.name)
                chain.put(NFTA_CHAIN_NAME.rawValue, name)
            }
        }
        batch.message(NFT_MSG_NEWCHAIN.rawValue, NLM_F_CREATE) { chain in
            chain.put(NFTA_CHAIN_TABLE.rawValue, Self.name)
            chain.put(NFTA_CHAIN_NAME.rawValue, side.rawValue)
            chain.nest(NFTA_CHAIN_HOOK.rawValue) { hook in
                hook.put(NFTA_HOOK_HOOKNUM.rawValue, side.hook.networkOctets)
                hook.put(NFTA_HOOK_PRIORITY.rawValue, side.priority.networkOctets)
            }
            chain.put(NFTA_CHAIN_TYPE.rawValue, "filter")
            chain.put(NFTA_CHAIN_POLICY.rawValue, UInt32(NF_ACCEPT).networkOctets)
        }
        batch.rule(in: side.replyChain) { $0.putTraceMark() }
        batch.rule(in: side.chain) { rule in
            rule.putConntrackDirection()
            // IP_CT_DIR_REPLY.
            rule.putEqual([1])
            rule.putGoto(side.replyChain)
        }
        batch.rule(in: side.chain) { $0.putTraceMark() }
        batch.rule(in: side.rawValue) { rule in
            let name = Array(sgiInterface.description.utf8)
            rule.putMeta(side == .from ? NFT_META_IIFNAME.rawValue : NFT_META_OIFNAME.rawValue)
            rule.putEqual(name + Array(repeating: 0, count: Int(IFNAMSIZ) - name.count))
            rule.putMeta(NFT_META_NFPROTO.rawValue)
            rule.putEqual([UInt8(NFPROTO_IPV4)])
            rule.putAddress(at: side == .from ? 12 : 16)
            rule.putLookup(side.rawValue, id: number)
            rule.putGoto(side.chain)
        }
    }

    private func put(_ devices: Set<IPv4Address>, of side: Side, _ type: UInt32, _ batch: inout Batch) {
        guard !devices.isEmpty else { return }
        batch.message(type, type == NFT_MSG_NEWSETELEM.rawValue ? NLM_F_CREATE : 0) { request in
            request.put(NFTA_SET_ELEM_LIST_TABLE.rawValue, Self.name)
            request.put(NFTA_SET_ELEM_LIST_SET.rawValue, side.rawValue)
            request.nest(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue) { list in
                for device in devices.sorted() {
                    list.nest(NFTA_LIST_ELEM.rawValue) { element in
                        element.nest(NFTA_SET_ELEM_KEY.rawValue) {
                            $0.put(NFTA_DATA_VALUE.rawValue, device.bits.networkOctets)
                        }
                    }
                }
            }
        }
    }

    /// How many packets each device has had, noted or not, in both directions.
    func counts() throws(DataPlaneError) -> [IPv4Address: UInt64] {
        var found: [IPv4Address: UInt64] = [:]
        for side in Side.allCases {
            var request = NetlinkRequest()
            request.begin(
                type: UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(NFT_MSG_GETSETELEM.rawValue),
                flags: NLM_F_REQUEST | NLM_F_DUMP, sequence: socket.nextSequence(),
                header: [UInt8(NFPROTO_INET), UInt8(NFNETLINK_V0), 0, 0])
            request.put(NFTA_SET_ELEM_LIST_TABLE.rawValue, Self.name)
            request.put(NFTA_SET_ELEM_LIST_SET.rawValue, side.rawValue)
            request.end()
            // Torn, when others change rules meanwhile: what is missing is in the next reading.
            _ = try socket.ask(request.bytes, isDump: true, operation: "counting packets of \(side.rawValue)") {
                guard let list = $0.attributes(after: 4).first(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue) else { return }
                for element in list.nested {
                    guard let (device, packets) = Self.count(element.nested) else { continue }
                    found[device, default: 0] += packets
                }
            }
        }
        return found
    }

    private static func count(_ element: Attributes) -> (IPv4Address, UInt64)? {
        guard
            let key = element.first(NFTA_SET_ELEM_KEY.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)?.uint32,
            let expressions = element.first(NFTA_SET_ELEM_EXPRESSIONS.rawValue)?.nested
        else { return nil }
        for expression in expressions
        where expression.nested.first(NFTA_EXPR_NAME.rawValue)?.text == "counter" {
            let data = expression.nested.first(NFTA_EXPR_DATA.rawValue)?.nested
            return (IPv4Address(bits: key), data?.first(NFTA_COUNTER_PACKETS.rawValue)?.uint64 ?? 0)
        }
        return nil
    }

    /// One transaction.
    private struct Batch {
        private var request = NetlinkRequest()
        private var count = 0
        private let socket: NetlinkSocket

        init(socket: NetlinkSocket) {
            self.socket = socket
            control(UInt16(NFNL_MSG_BATCH_BEGIN))
        }

        private mutating func control(_ type: UInt16) {
            // The resource of a batch is the subsystem, in network order.
            let header = [UInt8(AF_UNSPEC), UInt8(NFNETLINK_V0)] + UInt16(NFNL_SUBSYS_NFTABLES).networkOctets
            request.begin(type: type, flags: NLM_F_REQUEST, sequence: socket.nextSequence(), header: header)
            request.end()
        }

        mutating func message(_ type: UInt32, _ flags: Int32, _ body: (inout NetlinkRequest) -> Void) {
            request.begin(
                type: UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(type), flags: NLM_F_REQUEST | NLM_F_ACK | flags,
                sequence: socket.nextSequence(), header: [UInt8(NFPROTO_INET), UInt8(NFNETLINK_V0), 0, 0])
            body(&request)
            request.end()
            count += 1
        }

        mutating func rule(in chain: String, _ expressions: (inout NetlinkRequest) -> Void) {
            message(NFT_MSG_NEWRULE.rawValue, NLM_F_CREATE | NLM_F_APPEND) { rule in
                rule.put(NFTA_RULE_TABLE.rawValue, TraceTable.name)
                rule.put(NFTA_RULE_CHAIN.rawValue, chain)
                rule.nest(NFTA_RULE_EXPRESSIONS.rawValue, expressions)
            }
        }

        consuming func commit(_ operation: String) throws(DataPlaneError) {
            control(UInt16(NFNL_MSG_BATCH_END))
            let (errors, acknowledged) = try socket.exchange(request.bytes, operation: operation)
            if let first = errors.first { throw DataPlaneError(errno: first.code, operation: operation) }
            guard acknowledged == count else { throw DataPlaneError(errno: ENOBUFS, operation: operation) }
        }
    }
}

/// Expressions, as nft compiles them.
extension NetlinkRequest {
    private mutating func expression(_ name: String, _ data: (inout Self) -> Void) {
        nest(NFTA_LIST_ELEM.rawValue) { element in
            element.put(NFTA_EXPR_NAME.rawValue, name)
            element.nest(NFTA_EXPR_DATA.rawValue, data)
        }
    }

    fileprivate mutating func putCounterAndLimit() {
        expression("counter") { counter in
            counter.put(NFTA_COUNTER_BYTES.rawValue, UInt64(0).networkOctets)
            counter.put(NFTA_COUNTER_PACKETS.rawValue, UInt64(0).networkOctets)
        }
        expression("limit") { limit in
            limit.put(NFTA_LIMIT_RATE.rawValue, TraceTable.packetsPerSecond.networkOctets)
            limit.put(NFTA_LIMIT_UNIT.rawValue, UInt64(1).networkOctets)
            limit.put(NFTA_LIMIT_BURST.rawValue, UInt32(TraceTable.packetsPerSecond).networkOctets)
            limit.put(NFTA_LIMIT_TYPE.rawValue, NFT_LIMIT_PKTS.rawValue.networkOctets)
            limit.put(NFTA_LIMIT_FLAGS.rawValue, UInt32(0).networkOctets)
        }
    }

    private static let register = NFT_REG_1.rawValue.networkOctets

    fileprivate mutating func putMeta(_ key: UInt32) {
        expression("meta") { meta in
            meta.put(NFTA_META_KEY.rawValue, key.networkOctets)
            meta.put(NFTA_META_DREG.rawValue, Self.register)
        }
    }

    fileprivate mutating func putConntrackDirection() {
        expression("ct") { ct in
            ct.put(NFTA_CT_KEY.rawValue, NFT_CT_DIRECTION.rawValue.networkOctets)
            ct.put(NFTA_CT_DREG.rawValue, Self.register)
        }
    }

    fileprivate mutating func putEqual(_ value: [UInt8]) {
        expression("cmp") { compare in
            compare.put(NFTA_CMP_SREG.rawValue, Self.register)
            compare.put(NFTA_CMP_OP.rawValue, NFT_CMP_EQ.rawValue.networkOctets)
            compare.nest(NFTA_CMP_DATA.rawValue) { $0.put(NFTA_DATA_VALUE.rawValue, value) }
        }
    }

    /// Four octets of the IP header.
    fileprivate mutating func putAddress(at offset: UInt32) {
        expression("payload") { payload in
            payload.put(NFTA_PAYLOAD_DREG.rawValue, Self.register)
            payload.put(NFTA_PAYLOAD_BASE.rawValue, NFT_PAYLOAD_NETWORK_HEADER.rawValue.networkOctets)
            payload.put(NFTA_PAYLOAD_OFFSET.rawValue, offset.networkOctets)
            payload.put(NFTA_PAYLOAD_LEN.rawValue, UInt32(4).networkOctets)
        }
    }

    fileprivate mutating func putLookup(_ set: String, id: UInt32) {
        expression("lookup") { lookup in
            lookup.put(NFTA_LOOKUP_SET.rawValue, set)
            lookup.put(NFTA_LOOKUP_SET_ID.rawValue, id.networkOctets)
            lookup.put(NFTA_LOOKUP_SREG.rawValue, Self.register)
        }
    }

    fileprivate mutating func putGoto(_ chain: String) {
        expression("immediate") { immediate in
            immediate.put(NFTA_IMMEDIATE_DREG.rawValue, NFT_REG_VERDICT.rawValue.networkOctets)
            immediate.nest(NFTA_IMMEDIATE_DATA.rawValue) { data in
                data.nest(NFTA_DATA_VERDICT.rawValue) { verdict in
                    verdict.put(NFTA_VERDICT_CODE.rawValue, NFT_GOTO.rawValue.networkOctets)
                    verdict.put(NFTA_VERDICT_CHAIN.rawValue, chain)
                }
            }
        }
    }

    /// `meta nftrace set 1`.
    fileprivate mutating func putTraceMark() {
        expression("immediate") { immediate in
            immediate.put(NFTA_IMMEDIATE_DREG.rawValue, Self.register)
            immediate.nest(NFTA_IMMEDIATE_DATA.rawValue) { $0.put(NFTA_DATA_VALUE.rawValue, [1]) }
        }
        expression("meta") { meta in
            meta.put(NFTA_META_KEY.rawValue, NFT_META_NFTRACE.rawValue.networkOctets)
            meta.put(NFTA_META_SREG.rawValue, Self.register)
        }
    }
}
