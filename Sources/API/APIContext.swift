import Control
package import Hummingbird
package import Logging

/// What goes along with a request: who asks.
package struct APIContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// Set by ``AuthenticationMiddleware``; without it no route under `/v1` runs.
    var principal: Principal?

    package init(source: ApplicationRequestContextSource) { coreContext = .init(source: source) }

    /// A context without a connection, as tests need it.
    package init(logger: Logger) { coreContext = .init(source: LoggerSource(logger: logger)) }

    private struct LoggerSource: RequestContextSource {
        let logger: Logger
    }
}
