import Control
import Hummingbird
import Logging

/// What goes along with a request: who asks.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// Set by ``AuthenticationMiddleware``; without it no route under `/v1` runs.
    var principal: Principal?

    init(source: ApplicationRequestContextSource) { coreContext = .init(source: source) }

    /// A context without a connection, as tests need it.
    init(logger: Logger) { coreContext = .init(source: LoggerSource(logger: logger)) }

    private struct LoggerSource: RequestContextSource {
        let logger: Logger
    }
}
