import Control
import Hummingbird
import PolicyCompiler
import Store

/// What needs no token and says nothing about any tenant.
extension RouteTable {
    func addOpenRoutes(registry: PrometheusRegistry) {
        let control = control
        // The process answers: reason enough not to restart it.
        router.get("/healthz") { _, _ in Response.text("ok\n") }
        router.get("/readyz") { _, _ in
            control.isReady
                ? Response.text("ready\n")
                : Response.text("starting: kernel and store are not together yet\n", status: .serviceUnavailable)
        }
        router.get("/metrics") { _, _ in
            var text = registry.text()
            await Self.append(control, to: &text)
            return Response.text(text, type: "text/plain; version=0.0.4")
        }
        router.get(RouterPath(OpenAPI.path)) { _, _ in
            Response.constant(OpenAPI.text, type: "application/json")
        }
        router.get(RouterPath(OpenAPI.policySchemaPath)) { _, _ in
            Response.constant(PolicySchema.json, type: "application/schema+json")
        }
    }

    /// What is not counted in this process: the kernel's counters, and how much the store holds.
    private static func append(_ control: ControlPlane, to text: inout String) async {
        var samples: [PrometheusSample] = []
        // A source that cannot be read leaves its samples out and says so in `..._up`.
        let counters = try? await control.counters()
        samples.append(PrometheusSample("cordon_dataplane_up", "gauge", value: counters == nil ? 0 : 1))
        for counter in (counters ?? []).sorted(by: { $0.name < $1.name }) {
            let labels = [("counter", counter.name)]
            samples.append(
                PrometheusSample("cordon_dataplane_packets_total", "counter", labels, value: counter.packets))
            samples.append(
                PrometheusSample("cordon_dataplane_octets_total", "counter", labels, value: counter.octets))
        }
        let counts = try? await control.counts()
        samples.append(PrometheusSample("cordon_store_up", "gauge", value: counts == nil ? 0 : 1))
        if let counts {
            samples.append(PrometheusSample("cordon_tenants", "gauge", value: counts.tenants))
            samples.append(PrometheusSample("cordon_sims", "gauge", value: counts.sims))
            samples.append(PrometheusSample("cordon_sessions_active", "gauge", value: counts.activeSessions))
            samples.append(PrometheusSample("cordon_policies", "gauge", value: counts.policies))
        }
        PrometheusSample.write(samples, to: &text)
    }
}
