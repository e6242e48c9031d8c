import CNetfilter
import PolicyCompiler
import Synchronization

/// Runs commands in the language of nft: one text, one transaction.
///
/// For chains and rules, which change seldom. A context is made for each text: it costs a fraction of what the
/// transaction does, and there is no socket to lose between two.
enum NFTables {
    /// libnftables keeps some of its parser's state in globals.
    private static let turn = Mutex(())

    /// The caller is in the right network namespace.
    static func run(_ text: String, operation: String) throws(DataPlaneError) {
        try turn.withLock { _ throws(DataPlaneError) in
            guard let context = nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else {
                throw DataPlaneError(code: .unsupported, operation: operation, detail: "libnftables did not start")
            }
            defer { nft_ctx_free(context) }
            nft_ctx_buffer_output(context)
            nft_ctx_buffer_error(context)
            guard nft_run_cmd_from_buffer(context, text) != 0 else { return }
            let said = nft_ctx_get_error_buffer(context).map { String(cString: $0) } ?? ""
            // The library quotes the command, which may be as long as a policy.
            let detail = said.split(separator: "\n").prefix(4).map { $0.prefix(240) }.joined(separator: "; ")
            let isPermission = detail.contains("Operation not permitted")
            throw DataPlaneError(
                code: isPermission ? .notPermitted : .refused, operation: operation,
                detail: detail.isEmpty ? "no reason given" : detail)
        }
    }
}
