import Control
import Hummingbird

/// Finds out whose token a request carries (RFC 6750). A request without a good one is answered 401, wherever it goes,
/// except to the few paths that tell nothing about anybody.
struct AuthenticationMiddleware: RouterMiddleware {
    let control: ControlPlane

    static let openPaths: Set<String> = [
        "/healthz", "/readyz", "/metrics", OpenAPI.path, OpenAPI.policySchemaPath,
    ]

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        if Self.openPaths.contains(request.uri.path) { return try await next(request, context) }
        let given = request.headers[values: .authorization]
        guard let header = given.first else {
            throw Refusal.unauthenticated(
                "send a token: Authorization: Bearer TOKEN", challenge: "Bearer realm=\"cordon\"")
        }
        let parts = header.split(separator: " ", omittingEmptySubsequences: true)
        guard given.count == 1, parts.count == 2, parts[0].lowercased() == "bearer",
            let principal = try await control.principal(secret: String(parts[1]))
        else {
            throw Refusal.unauthenticated(
                "the token is not known; send Authorization: Bearer TOKEN with one made by `cordon token create`",
                challenge: "Bearer realm=\"cordon\", error=\"invalid_token\"")
        }
        var context = context
        context.principal = principal
        return try await next(request, context)
    }
}
