import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// `table inet cordon_trace`: it marks traced devices' packets for the kernel's own trace, and is there only while
/// somebody traces. In the language of nft:
///
///     table inet cordon_trace {
///         set from_devices  { type ipv4_addr; size 1024; counter limit rate 100/second burst 100 packets; }
///         set from_devices6 { type ipv6_addr; size 1024; counter limit rate 100/second burst 100 packets; }
///         chain from_devices {
///             type filter hook prerouting priority mangle - 1; policy accept;
///             iifname SGI ip saddr @from_devices goto from_device
///             iifname SGI ip6 saddr & ffff:ffff:ffff:ffff:: @from_devices6 goto from_device
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
    static let size: UInt32 = 1024
    /// Packets of a device and a direction that are noted in a second.
    static let packetsPerSecond: UInt64 = 100

    enum Side: String, CaseIterable {
        case from = "from_devices"
        case to = "to_devices"

        /// Where the trace of a packet begins.
        var chain: String { self == .from ? "from_device" : "to_device" }
        var replyChain: String { chain + "_reply" }
        fileprivate func set(_ family: Family) -> String { rawValue + family.suffix }
        fileprivate var hook: UInt32 { self == .from ? NF_INET_PRE_ROUTING.rawValue : NF_INET_FORWARD.rawValue }
        /// One before `mangle`, one before `filter`.
        fileprivate var priority: Int32 { self == .from ? -151 : -1 }
    }

    let sgiInterface: InterfaceName
    let socket: NetlinkSocket

    enum Change: Sendable {
        /// Anew, whatever is there.
        case make(Set<IPAddress>)
        /// Of a table that is there.
        case devices(added: Set<IPAddress>, removed: Set<IPAddress>)
        case remove
    }

    /// Makes the change in one transaction.
    func commit(_ change: Change) throws(DataPlaneError) {
        var batch = TableBatch(socket: socket, table: Self.name)
        switch change {
        case .make(let devices):
            delete(&batch)
            batch.table(NFT_MSG_NEWTABLE.rawValue, NLM_F_CREATE, "adding")
            for (index, side) in Side.allCases.enumerated() { define(side, number: UInt32(2 * index + 1), &batch) }
            update(devices, removing: [], &batch)
        case .devices(let added, let removed): update(added, removing: removed, &batch)
        case .remove: delete(&batch)
        }
        try batch.commit()
    }

    private func update(_ added: Set<IPAddress>, removing removed: Set<IPAddress>, _ batch: inout TableBatch) {
        for side in Side.allCases {
            for family in Family.allCases {
                batch.delete(Self.elements(removed, family), from: side.set(family))
                batch.add(Self.elements(added, family), to: side.set(family))
            }
        }
    }

    /// Adds it first: what is not there cannot be deleted.
    private func delete(_ batch: inout TableBatch) {
        batch.table(NFT_MSG_NEWTABLE.rawValue, NLM_F_CREATE, "adding")
        batch.table(NFT_MSG_DELTABLE.rawValue, 0, "deleting")
    }

    /// - Parameter number: of the side's first set.
    private func define(_ side: Side, number: UInt32, _ batch: inout TableBatch) {
        for (index, family) in Family.allCases.enumerated() {
            batch.set(NFT_MSG_NEWSET.rawValue, NLM_F_CREATE, "adding the set", side.set(family)) { set in
                set.put(NFTA_SET_FLAGS.rawValue, network: NFT_SET_EXPR.rawValue)
                set.put(NFTA_SET_KEY_TYPE.rawValue, network: family.addressType)
                set.put(NFTA_SET_KEY_LEN.rawValue, network: UInt32(family.addressLength))
                set.put(NFTA_SET_ID.rawValue, network: number + UInt32(index))
                set.nest(NFTA_SET_DESC.rawValue) { $0.put(NFTA_SET_DESC_SIZE.rawValue, network: Self.size) }
                // Every element gets its own of these.
                set.nest(NFTA_SET_EXPRESSIONS.rawValue) { $0.putCounterAndLimit() }
            }
        }
        for name in [side.replyChain, side.chain] {
            batch.chain(NFT_MSG_NEWCHAIN.rawValue, NLM_F_CREATE, "adding the chain", name)
        }
        batch.chain(NFT_MSG_NEWCHAIN.rawValue, NLM_F_CREATE, "adding the chain", side.rawValue) { chain in
            chain.nest(NFTA_CHAIN_HOOK.rawValue) { hook in
                hook.put(NFTA_HOOK_HOOKNUM.rawValue, network: side.hook)
                hook.put(NFTA_HOOK_PRIORITY.rawValue, network: UInt32(bitPattern: side.priority))
            }
            chain.put(NFTA_CHAIN_TYPE.rawValue, "filter")
            chain.put(NFTA_CHAIN_POLICY.rawValue, network: UInt32(NF_ACCEPT))
        }
        batch.rule(in: side.replyChain) { $0.putTraceMark() }
        batch.rule(in: side.chain) { rule in
            rule.putIsAnswer()
            rule.putImmediate(verdict: NFT_GOTO.rawValue, chain: side.replyChain)
        }
        batch.rule(in: side.chain) { $0.putTraceMark() }
        for family in Family.allCases {
            let number = UInt8(family == .ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6)
            batch.rule(in: side.rawValue) { rule in
                let interface = side == .from ? NFT_META_IIFNAME : NFT_META_OIFNAME
                rule.put({ .meta(key: interface.rawValue, to: $0) }, equals: Octets(sgiInterface.octets))
                rule.put({ .meta(key: NFT_META_NFPROTO.rawValue, to: $0) }, equals: [number])
                rule.putLookup(of: side, family)
                rule.putImmediate(verdict: NFT_GOTO.rawValue, chain: side.chain)
            }
        }
    }

    private static func elements(_ devices: Set<IPAddress>, _ family: Family) -> [TableElement] {
        devices.sorted().compactMap { device in
            switch device {
            case .v4(let address): family == .ipv4 ? TableElement(key: address.bits.networkOctets) : nil
            case .v6(let address): family == .ipv6 ? TableElement(key: address.bits.networkOctets) : nil
            }
        }
    }

    /// How many packets each device has had, noted or not, in both directions.
    func counts() throws(DataPlaneError) -> [IPAddress: UInt64] {
        var found: [IPAddress: UInt64] = [:]
        for name in Side.allCases.flatMap({ side in Family.allCases.map { side.set($0) } }) {
            var request = NetlinkRequest()
            request.begin(
                type: UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(NFT_MSG_GETSETELEM.rawValue),
                flags: NLM_F_REQUEST | NLM_F_DUMP, sequence: socket.nextSequence(),
                header: [UInt8(NFPROTO_INET), UInt8(NFNETLINK_V0), 0, 0])
            request.put(NFTA_SET_ELEM_LIST_TABLE.rawValue, Self.name)
            request.put(NFTA_SET_ELEM_LIST_SET.rawValue, name)
            request.end()
            // Torn, when others change rules meanwhile: what is missing is in the next reading.
            _ = try socket.ask(request.bytes, isDump: true, operation: "counting packets of \(name)") {
                guard let list = $0.attributes(after: 4).first(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue) else { return }
                for element in list.nested {
                    guard let (device, packets) = Self.count(element.nested) else { continue }
                    found[device, default: 0] += packets
                }
            }
        }
        return found
    }

    private static func count(_ element: Attributes) -> (IPAddress, UInt64)? {
        guard
            let device = element.first(NFTA_SET_ELEM_KEY.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)
                .flatMap({ IPAddress(octets: $0.value) }),
            let expressions = element.first(NFTA_SET_ELEM_EXPRESSIONS.rawValue)?.nested
        else { return nil }
        for expression in expressions
        where expression.nested.first(NFTA_EXPR_NAME.rawValue)?.text == "counter" {
            let data = expression.nested.first(NFTA_EXPR_DATA.rawValue)?.nested
            return (device, data?.first(NFTA_COUNTER_PACKETS.rawValue)?.uint64 ?? 0)
        }
        return nil
    }
}

extension NetlinkRequest {
    private static let register = NFT_REG_1.rawValue

    fileprivate mutating func putCounterAndLimit() {
        putExpression("counter")
        putExpression("limit") { limit in
            limit.put(NFTA_LIMIT_RATE.rawValue, Octets(network: TraceTable.packetsPerSecond))
            limit.put(NFTA_LIMIT_UNIT.rawValue, Octets(network: UInt64(1)))
            limit.put(NFTA_LIMIT_BURST.rawValue, network: UInt32(TraceTable.packetsPerSecond))
            limit.put(NFTA_LIMIT_TYPE.rawValue, network: NFT_LIMIT_PKTS.rawValue)
            limit.put(NFTA_LIMIT_FLAGS.rawValue, network: 0)
        }
    }

    /// Whether what the register is loaded with is this.
    fileprivate mutating func put(_ load: (UInt32) -> RuleExpression, equals octets: Octets) {
        put(load(Self.register))
        put(.equal(Self.register, octets))
    }

    /// Whether the device's address is in the side's set.
    fileprivate mutating func putLookup(of side: TraceTable.Side, _ family: Family) {
        let load = side == .from ? RuleExpression.source : RuleExpression.destination
        put(load(family, Self.register))
        if family == .ipv6 { put(.mask(Self.register, Family.deviceMask)) }
        putLookup(in: side.set(family), from: Self.register, to: nil)
    }

    /// `ct direction reply`.
    fileprivate mutating func putIsAnswer() {
        putLoad("ct", NFTA_CT_KEY, NFT_CT_DIRECTION.rawValue, NFTA_CT_DREG, Self.register)
        // IP_CT_DIR_REPLY.
        put(.equal(Self.register, [1]))
    }

    /// `meta nftrace set 1`.
    fileprivate mutating func putTraceMark() {
        putImmediate([1], to: Self.register)
        putLoad("meta", NFTA_META_KEY, NFT_META_NFTRACE.rawValue, NFTA_META_SREG, Self.register)
    }
}

extension IPAddress {
    /// An address in network order; `nil` when the octets are not as many as one has.
    fileprivate init?(octets: UnsafeRawBufferPointer) {
        if octets.count == 4, let bits = octets.native(UInt32.self, at: 0) {
            self = .v4(IPv4Address(bits: UInt32(bigEndian: bits)))
        } else if octets.count == 16, let bits = octets.native(UInt128.self, at: 0) {
            self = .v6(IPv6Address(bits: UInt128(bigEndian: bits)))
        } else {
            return nil
        }
    }
}
