import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// The chains whose rules count and limit what was let pass. Their rules are not nft's to write: the match is one of
/// iptables' (xt_bpf), through nft_compat.
enum UsageChain: String, CaseIterable {
    case up = "usage_up"
    case down = "usage_down"
    case between = "usage_between"
    /// What the gateway itself takes, and what it sends.
    case input = "usage_input"
    case output = "usage_output"
    /// For flows of rules that have rates.
    case ratedUp = "rated_up"
    case ratedDown = "rated_down"

    /// Where packets go that a program does not let pass.
    static let refusal = "limited"
    static let names = Set(allCases.map(\.rawValue))

    fileprivate var program: UsageProgram {
        switch self {
        case .up: .up
        case .down: .down
        case .between: .between
        case .input: .gatewayUp
        case .output: .gatewayDown
        case .ratedUp: .ratedUp
        case .ratedDown: .ratedDown
        }
    }
}

extension TableBatch {
    /// Fills the chains, whatever is there, in one step.
    /// - Parameter programs: `nil` where the kernel lacks what they need: then all passes.
    mutating func setUsage(_ programs: UsagePrograms?) throws(DataPlaneError) {
        table(NFT_MSG_NEWTABLE.rawValue, NLM_F_CREATE, "adding the table")
        for name in UsageChain.allCases.map(\.rawValue) + [UsageChain.refusal] {
            chain(NFT_MSG_NEWCHAIN.rawValue, NLM_F_CREATE, "adding the chain", name)
        }
        for chain in UsageChain.allCases {
            deleteRules(of: chain.rawValue)
            let program = try programs?.program(chain.program)
            rule(in: chain.rawValue) { rule in
                let register = NFT_REG_1.rawValue
                let isRated = chain == .ratedUp || chain == .ratedDown
                // What else a program can see of a packet is its number in queues.
                if isRated {
                    rule.put(.conntrackMark(to: register))
                    rule.putLoad("meta", NFTA_META_KEY, NFT_META_PRIORITY.rawValue, NFTA_META_SREG, register)
                }
                if let program { rule.putMatch(program) }
                // Not for what comes behind.
                if isRated {
                    rule.put(.zero(to: register))
                    rule.putLoad("meta", NFTA_META_KEY, NFT_META_PRIORITY.rawValue, NFTA_META_SREG, register)
                }
                if chain == .down || chain == .ratedDown {
                    rule.put(.zero(to: register))
                    rule.put(.setMark(from: register))
                }
                rule.put(.accept)
            }
            rule(in: chain.rawValue) { $0.putImmediate(verdict: NFT_GOTO.rawValue, chain: UsageChain.refusal) }
        }
    }
}

extension NetlinkRequest {
    /// iptables' match `bpf` in its revision 1 (struct xt_bpf_info_v1): a descriptor, and in its unused rest which program
    /// that is, to find it again.
    fileprivate mutating func putMatch(_ program: BPFProgram) {
        var info = UInt16(XT_BPF_MODE_FD_ELF.rawValue).nativeOctets + [0, 0] + program.descriptor.nativeOctets
        info += program.id.nativeOctets
        info += [UInt8](repeating: 0, count: MemoryLayout<xt_bpf_info_v1>.size - info.count)
        putExpression("match") { match in
            match.put(NFTA_MATCH_NAME.rawValue, "bpf")
            match.put(NFTA_MATCH_REV.rawValue, network: 1)
            match.put(NFTA_MATCH_INFO.rawValue, info)
        }
    }
}

extension TableReader {
    /// Asks whether there is the match, as iptables does: a modular kernel loads it then. In a table of both families it
    /// would look for a module of another name.
    func loadMatch() throws(DataPlaneError) {
        var request = NetlinkRequest()
        request.begin(
            type: UInt16(NFNL_SUBSYS_NFT_COMPAT) << 8 | UInt16(NFNL_MSG_COMPAT_GET), flags: NLM_F_REQUEST,
            sequence: socket.nextSequence(), header: [UInt8(AF_INET), UInt8(NFNETLINK_V0), 0, 0])
        request.put(NFTA_COMPAT_NAME, "bpf")
        request.put(NFTA_COMPAT_REV, network: 1)
        // A match, and not a target.
        request.put(NFTA_COMPAT_TYPE, network: 0)
        request.end()
        _ = try socket.ask(request.bytes, isDump: false, operation: "looking for the match bpf (xt_bpf)") { _ in }
    }

    /// A program that rules call, one that uses all maps; `nil` when there is none.
    func usageProgram() throws(DataPlaneError) -> UInt32? {
        var found: UInt32?
        try eachRule(of: UsageChain.ratedUp.rawValue, reset: { found = nil }) { attributes in
            guard let list = attributes.first(NFTA_RULE_EXPRESSIONS.rawValue) else { return }
            for expression in list.nested where expression.nested.first(NFTA_EXPR_NAME.rawValue)?.text == "match" {
                let data = expression.nested.first(NFTA_EXPR_DATA.rawValue)?.nested
                found = data?.first(NFTA_MATCH_INFO.rawValue)?.value.native(UInt32.self, at: 8)
            }
        }
        return found
    }
}
