import Control
import Domain
import Hummingbird
import PolicyCompiler

extension RouteTable {
    func addVPNs() {
        post("/v1/tenants/{tenant}/vpns") { call in
            let body = try await call.json(NewVPNBody.self)
            let tenant = try call.path("tenant", as: Name.self)
            let vpn = try await call.control.createVPN(
                body.name.value, of: tenant, line: try body.line(), by: call.principal)
            return .created(VPNAnswer(vpn), at: ["tenants", "\(tenant)", "vpns", "\(body.name.value)"])
        }
        get("/v1/tenants/{tenant}/vpns") { call in
            _ = try call.query()
            let vpns = try await call.control.vpns(of: try call.path("tenant"), by: call.principal)
            return .json(Page(items: vpns.map(VPNAnswer.init)))
        }
        get("/v1/tenants/{tenant}/vpns/{vpn}") { call in
            .json(
                VPNAnswer(
                    try await call.control.vpn(try call.path("vpn"), of: try call.path("tenant"), by: call.principal)))
        }
        delete("/v1/tenants/{tenant}/vpns/{vpn}") { call in
            try await call.control.deleteVPN(
                try call.path("vpn"), of: try call.path("tenant"), by: call.principal)
            return .noContent
        }
    }
}

struct NewVPNBody: RequestBody {
    let name: Text<Name>
    /// Of the gateway's host.
    let interface: Text<InterfaceName>
    /// Prefixes of either family, behind it.
    let networks: [Text<ListItem>]
    let nextHop: Text<IPv4Address>?
    let nextHop6: Text<IPv6Address>?
    enum CodingKeys: String, CodingKey, CaseIterable {
        case name, interface, networks
        case nextHop = "next_hop"
        case nextHop6 = "next_hop6"
    }

    func line() throws(ControlError) -> VPN.Line {
        var (networks, networks6): ([IPv4Prefix], [IPv6Prefix]) = ([], [])
        for network in self.networks {
            switch network.value {
            case .ipv4(let prefix): networks.append(prefix)
            case .ipv6(let prefix): networks6.append(prefix)
            case .host(let pattern): throw .wrong("networks", "\"\(pattern)\" is a name: write prefixes")
            }
        }
        return VPN.Line(
            interface: interface.value, nextHop: nextHop?.value, nextHop6: nextHop6?.value, networks: networks,
            networks6: networks6)
    }
}

struct VPNAnswer: Encodable {
    let name: String
    let state: String
    /// As far as the daemon has seen it.
    let since: String?
    let interface: String
    let nextHop: String?
    let nextHop6: String?
    let networks: [String]
    let createdAt: String

    init(_ view: ControlPlane.VPNView) {
        let line = view.vpn.line
        name = "\(view.vpn.name)"
        state = view.isUp ? "up" : "down"
        since = view.since.map { "\($0)" }
        interface = "\(line.interface)"
        nextHop = line.nextHop.map { "\($0)" }
        nextHop6 = line.nextHop6.map { "\($0)" }
        networks = line.networks.map { "\($0)" } + line.networks6.map { "\($0)" }
        createdAt = "\(view.vpn.createdAt)"
    }
}
