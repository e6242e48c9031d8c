import CNetfilter
import Glibc

/// Expressions of nftables' rules, as nft compiles them (linux/netfilter/nf_tables.h).
extension NetlinkRequest {
    /// One expression of a rule.
    @inline(__always)
    mutating func putExpression(_ name: String, _ data: (inout Self) -> Void = { _ in }) {
        putExpression(NFTA_LIST_ELEM.rawValue, name, data)
    }

    @inline(__always)
    mutating func putExpression(_ type: UInt32, _ name: String, _ data: (inout Self) -> Void = { _ in }) {
        nest(type) { expression in
            expression.put(NFTA_EXPR_NAME.rawValue, name)
            expression.nest(NFTA_EXPR_DATA.rawValue, data)
        }
    }

    /// - Parameter chain: where jump and goto lead.
    mutating func putVerdict(_ type: UInt32, _ verdict: Int32, chain: String? = nil) {
        nest(type) { data in
            data.nest(NFTA_DATA_VERDICT.rawValue) { attributes in
                attributes.put(NFTA_VERDICT_CODE.rawValue, network: UInt32(bitPattern: verdict))
                if let chain { attributes.put(NFTA_VERDICT_CHAIN.rawValue, chain) }
            }
        }
    }

    /// - Parameters:
    ///   - chain: in which the expression is, where it looks into a map of the chain.
    ///   - number: the chain's, from which ways are counted.
    mutating func put(_ expression: RuleExpression, of chain: String = "", _ number: UInt32 = 0) {
        switch expression {
        case .payload(let base, let offset, let length, let register):
            putExpression("payload") { payload in
                payload.put(NFTA_PAYLOAD_DREG.rawValue, network: register)
                payload.put(NFTA_PAYLOAD_BASE.rawValue, network: base)
                payload.put(NFTA_PAYLOAD_OFFSET.rawValue, network: offset)
                payload.put(NFTA_PAYLOAD_LEN.rawValue, network: length)
            }
        case .meta(let key, let register): putLoad("meta", NFTA_META_KEY, key, NFTA_META_DREG, register)
        case .setMark(let register): putLoad("meta", NFTA_META_KEY, NFT_META_MARK.rawValue, NFTA_META_SREG, register)
        case .mask(let register, let mask):
            putExpression("bitwise") { bitwise in
                bitwise.put(NFTA_BITWISE_SREG.rawValue, network: register)
                bitwise.put(NFTA_BITWISE_DREG.rawValue, network: register)
                bitwise.put(NFTA_BITWISE_LEN.rawValue, network: UInt32(mask.count))
                bitwise.putValue(NFTA_BITWISE_MASK.rawValue, mask)
                bitwise.putValue(NFTA_BITWISE_XOR.rawValue, mask.zeroed)
            }
        case .equal(let register, let octets): putComparison(register, NFT_CMP_EQ, octets)
        case .notEqual(let register, let octets): putComparison(register, NFT_CMP_NEQ, octets)
        case .range(let register, let first, let last):
            putExpression("range") { range in
                range.put(NFTA_RANGE_SREG.rawValue, network: register)
                range.put(NFTA_RANGE_OP.rawValue, network: NFT_RANGE_EQ.rawValue)
                range.putValue(NFTA_RANGE_FROM_DATA.rawValue, first)
                range.putValue(NFTA_RANGE_TO_DATA.rawValue, last)
            }
        case .lookup(let layer, let key, let value):
            putLookup(in: ChainForm.map(of: chain, layer: layer), from: key, to: value)
        case .member(let set, let key): putLookup(in: set.name, from: key, to: nil)
        case .find(let map, let key, let value): putLookup(in: map.name, from: key, to: value)
        case .conntrackMark(let register): putLoad("ct", NFTA_CT_KEY, NFT_CT_MARK.rawValue, NFTA_CT_DREG, register)
        case .setConntrackMark(let register): putLoad("ct", NFTA_CT_KEY, NFT_CT_MARK.rawValue, NFTA_CT_SREG, register)
        case .conntrack(let key, let register):
            putExpression("ct") { ct in
                ct.put(NFTA_CT_KEY.rawValue, network: key)
                ct.put(NFTA_CT_DREG.rawValue, network: register)
                // Of the direction in which the flow began: IP_CT_DIR_ORIGINAL.
                ct.put(NFTA_CT_DIRECTION.rawValue, [0] as Octets)
            }
        case .number(let way, let register): putImmediate(Octets(native: number &+ way), to: register)
        case .zero(let register): putImmediate([0, 0, 0, 0], to: register)
        case .mark(let mark, let register): putImmediate(Octets(native: mark), to: register)
        case .counter: putExpression("counter")
        case .update(let set, let register):
            putExpression("dynset") { update in
                update.put(NFTA_DYNSET_SET_NAME.rawValue, set.name)
                update.put(NFTA_DYNSET_OP.rawValue, network: NFT_DYNSET_OP_UPDATE.rawValue)
                update.put(NFTA_DYNSET_SREG_KEY.rawValue, network: register)
            }
        case .goTo(let place): putImmediate(verdict: NFT_GOTO.rawValue, chain: place.name)
        case .return: putImmediate(verdict: NFT_RETURN.rawValue)
        case .accept: putImmediate(verdict: NF_ACCEPT)
        case .other: break
        }
    }

    /// Loads what a key stands for to a register, or sets it from there.
    mutating func putLoad<Key: RawRepresentable<UInt32>>(
        _ name: String, _ keyType: Key, _ key: UInt32, _ registerType: Key, _ register: UInt32
    ) {
        putExpression(name) { load in
            load.put(keyType.rawValue, network: key)
            load.put(registerType.rawValue, network: register)
        }
    }

    private mutating func putComparison(_ register: UInt32, _ operation: nft_cmp_ops, _ octets: Octets) {
        putExpression("cmp") { compare in
            compare.put(NFTA_CMP_SREG.rawValue, network: register)
            compare.put(NFTA_CMP_OP.rawValue, network: operation.rawValue)
            compare.putValue(NFTA_CMP_DATA.rawValue, octets)
        }
    }

    mutating func putLookup(in set: String, from key: UInt32, to value: UInt32?) {
        putExpression("lookup") { lookup in
            lookup.put(NFTA_LOOKUP_SET.rawValue, set)
            lookup.put(NFTA_LOOKUP_SREG.rawValue, network: key)
            if let value { lookup.put(NFTA_LOOKUP_DREG.rawValue, network: value) }
        }
    }

    mutating func putImmediate(_ octets: Octets, to register: UInt32) {
        putExpression("immediate") { immediate in
            immediate.put(NFTA_IMMEDIATE_DREG.rawValue, network: register)
            immediate.putValue(NFTA_IMMEDIATE_DATA.rawValue, octets)
        }
    }

    mutating func putImmediate(verdict: Int32, chain: String? = nil) {
        putExpression("immediate") { immediate in
            immediate.put(NFTA_IMMEDIATE_DREG.rawValue, network: NFT_REG_VERDICT.rawValue)
            immediate.putVerdict(NFTA_IMMEDIATE_DATA.rawValue, verdict, chain: chain)
        }
    }

    private mutating func putValue(_ type: UInt32, _ octets: Octets) {
        nest(type) { $0.put(NFTA_DATA_VALUE.rawValue, octets) }
    }
}
