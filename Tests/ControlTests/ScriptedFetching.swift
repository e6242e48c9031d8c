import Control
import Domain
import Synchronization

/// Answers fetches of blocklists as a test says.
final class ScriptedFetching: BlocklistFetching {
    enum Answer: Sendable {
        case text(String, tag: String? = nil)
        case unchanged
        case failure(String)
    }

    private struct State {
        var answers: [String: Answer] = [:]
        var requests: [BlocklistRequest] = []
    }

    private let state = Mutex(State())

    var requests: [BlocklistRequest] { state.withLock { $0.requests } }

    func answer(_ address: String, _ answer: Answer) { state.withLock { $0.answers[address] = answer } }

    func fetch(
        _ request: BlocklistRequest, _ body: (Span<UInt8>) throws(BlocklistFetchError) -> Void
    ) async throws(BlocklistFetchError) -> BlocklistAnswer {
        let answer = state.withLock { state in
            state.requests.append(request)
            return state.answers["\(request.address)"]
        }
        switch answer {
        case .text(let text, let tag):
            let bytes = Array(text.utf8)
            try body(bytes.span)
            return .text(entityTag: tag)
        case .unchanged: return .unchanged
        case .failure(let message): throw BlocklistFetchError(message)
        case nil: throw BlocklistFetchError("there is nothing at \(request.address)")
        }
    }
}
