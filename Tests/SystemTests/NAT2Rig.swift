import Domain
import Lab
import LinuxNet
import PolicyCompiler
import Testing

/// The laboratory's network with both NATs, without the daemon and the peers: devices, the gateway's kernel part, the edge,
/// the internet, and behind a router of the internet a host whose link takes 1,280 octets. Removed with the object.
final class NAT2Rig: Sendable {
    let kernel: Kernel
    let devices: NetworkNamespace
    let internet: NetworkNamespace
    /// Where ``farHost`` is.
    let far: NetworkNamespace
    private let layout: LabLayout

    static let outside = address(LabLayout.edgeOutside)
    static let server = address(LabLayout.web)
    static let router = address(LabLayout.internetRouter)
    static let farHost = address("192.0.2.99")

    private var names: [String] { LabLayout.Namespace.allCases.map(layout.name(of:)) + ["\(layout.prefix)-far"] }

    static func device(_ number: UInt32) -> IPv4Address { IPv4Address(bits: address("100.64.0.0").bits + number) }

    init() async throws {
        layout = try LabLayout(prefix: "cordonnat")
        let names = LabLayout.Namespace.allCases.map(layout.name(of:)) + ["\(layout.prefix)-far"]
        for name in names { shell("ip netns delete \(name) 2>/dev/null") }
        do {
            try await LabNetwork(layout: layout).create()
            let far = "\(layout.prefix)-far"
            let (ran, inet) = (layout.name(of: .ran), layout.name(of: .inet))
            for command in [
                "ip netns add \(far)",
                "ip link add far netns \(inet) type veth peer name inet netns \(far)",
                "ip -n \(inet) addr add 198.51.100.253/30 dev far",
                "ip -n \(inet) link set far mtu 1280 up",
                "ip -n \(far) addr add 198.51.100.254/30 dev inet",
                "ip -n \(far) addr add \(Self.farHost)/32 dev lo",
                "ip -n \(far) link set lo up",
                "ip -n \(far) link set inet up",
                "ip -n \(far) route add default via 198.51.100.253",
                "ip -n \(inet) route add \(Self.farHost) via 198.51.100.254",
                "ip netns exec \(inet) sysctl -q -w net.ipv4.ip_forward=1",
                "ip -n \(ran) addr add \(Self.device(1))/32 dev lo",
                "ip -n \(ran) addr add \(Self.device(2))/32 dev lo",
            ] { try output(of: command + " 2>&1") }
            devices = try NetworkNamespace(named: ran)
            internet = try NetworkNamespace(named: inet)
            self.far = try NetworkNamespace(named: far)

            var gateway = GatewayLayout(
                sgiInterface: try InterfaceName(parsing: "sgi"), sgiPeer: address(LabLayout.packetGateway),
                wanInterface: try InterfaceName(parsing: "wan"), wanNextHop: address(LabLayout.edgeInside),
                protectedPrefixes: [prefix("198.18.0.0/15")])
            gateway.publicPrefixes = [prefix(layout.natPublic)]
            kernel = try Kernel(layout: gateway, namespace: NetworkNamespace(named: layout.name(of: .gw)))
            #expect(try kernel.prepareHost() == [])
            let policy = kernelMark(1)
            // The same ports at two addresses of NAT 1: NAT 2 has to tell them apart.
            let entries = (UInt32(1)...2).map { number in
                DeviceEntry(
                    address: Self.device(number), policy: policy,
                    nat: NATBinding(
                        publicAddress: IPv4Address(bits: prefix(layout.natPublic).first.bits + number),
                        firstPort: 10_008,
                        lastPort: 10_015))
            }
            _ = try kernel.reconcile(
                to: EnforcementState(
                    rulesets: [policy: .allowing("0.0.0.0/0")], devices: entries,
                    nas: [address(LabLayout.packetGateway)], pools: [prefix(LabLayout.pool)]))
            try output(of: "ip netns exec \(layout.name(of: .gw)) sysctl -q -w net.ipv4.ip_forward=1")
        } catch {
            for name in names { shell("ip netns delete \(name) 2>/dev/null") }
            throw error
        }
    }

    deinit { for name in names { shell("ip netns delete \(name)") } }

    /// Runs a command in a namespace of the laboratory.
    @discardableResult
    func run(_ command: String, in namespace: LabLayout.Namespace) throws -> String {
        try output(of: "ip netns exec \(layout.name(of: namespace)) \(command) 2>&1")
    }
}
