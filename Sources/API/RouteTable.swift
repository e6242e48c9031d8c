import Control
import HTTPTypes
import Hummingbird

/// Where the routes are put. A route under `/v1` can only be added with a handler that is given who asks: none can run
/// without a token, whatever the path looks like.
struct RouteTable {
    let router: Router<APIContext>
    let control: ControlPlane

    typealias Handler = @Sendable (Call) async throws -> Response

    func get(_ path: RouterPath, _ handler: @escaping Handler) { add(.get, path, handler) }
    func post(_ path: RouterPath, _ handler: @escaping Handler) { add(.post, path, handler) }
    func put(_ path: RouterPath, _ handler: @escaping Handler) { add(.put, path, handler) }
    func patch(_ path: RouterPath, _ handler: @escaping Handler) { add(.patch, path, handler) }
    func delete(_ path: RouterPath, _ handler: @escaping Handler) { add(.delete, path, handler) }

    private func add(_ method: HTTPRequest.Method, _ path: RouterPath, _ handler: @escaping Handler) {
        let control = control
        router.on(path, method: method) { request, context in
            guard let principal = context.principal else {
                throw Refusal.unauthenticated("send a token", challenge: "Bearer realm=\"cordon\"")
            }
            return try await handler(
                Call(request: request, context: context, principal: principal, control: control))
        }
    }

    /// Gives every path a 405 for the methods that it does not have (RFC 9110 §15.5.6). Called last.
    func refuseOtherMethods() {
        let methods = Dictionary(grouping: router.routes, by: { $0.path.description })
        for routes in methods.values {
            guard let path = routes.first?.path else { continue }
            var allowed = Set(routes.map(\.method))
            if allowed.contains(.get) { allowed.insert(.head) }
            let list = allowed.map(\.rawValue).sorted().joined(separator: ", ")
            for method in Self.usualMethods.subtracting(allowed) {
                router.on(path, method: method) { _, _ -> Response in
                    throw Refusal(
                        status: .methodNotAllowed, code: "method-not-allowed",
                        detail: "this path takes \(list) and not \(method.rawValue)", headers: [.allow: list])
                }
            }
        }
    }

    private static let usualMethods: Set<HTTPRequest.Method> = [.get, .head, .post, .put, .patch, .delete, .options]
}
