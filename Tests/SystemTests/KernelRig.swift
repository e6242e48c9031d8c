import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import Synchronization
import TestSupport
import Testing

/// Three namespaces in a row: devices, the gateway with the kernel under test, the internet. Removed with the object.
final class KernelRig: Sendable {
    let kernel: Kernel
    let layout: GatewayLayout
    let devices: NetworkNamespace
    let gateway: NetworkNamespace
    let internet: NetworkNamespace
    let gatewayName: String
    let names: [String]
    private let lines = Mutex<[String]>([])

    static let pool = prefix("100.64.0.0/10")
    static let nas = address("198.18.0.2")
    static let server = address("192.0.2.10")
    static let gatewayInside = address("198.18.0.1")
    private static let serial = Atomic<Int>(0)

    /// What NAT 1 gives to devices.
    static let publicPrefix = prefix("203.0.113.0/24")

    /// - Parameters:
    ///   - limits: none to speak of unless given.
    ///   - publicPrefixes: of NAT 1, which the gateway protects.
    ///   - tunnels: who encrypts; `nil` without any.
    init(
        limits: GatewayLimits? = nil, publicPrefixes: Set<IPv4Prefix> = [], withIPv6: Bool = false,
        resolver: GatewayLayout.Resolver? = nil, timeServer: IPv4Address? = nil, tunnels: TunnelPath? = nil
    ) throws {
        try #require(geteuid() == 0, "system tests need root: they make network namespaces")
        let serial = Self.serial.add(1, ordering: .relaxed).newValue
        let base = "ct-\(getpid())-\(serial)"
        let (dev, gw, net) = ("\(base)-dev", "\(base)-gw", "\(base)-net")
        names = [dev, gw, net]
        gatewayName = gw
        do {
            try ip(names.map { "netns add \($0)" })
            try ip([
                "link add sgi0 netns \(gw) address 02:00:00:00:00:01 type veth peer name dev0 netns \(dev)"
            ])
            // Neighbours are fixed: a burst must not be lost in the queue of an address that is being resolved.
            try ip(
                [
                    "link set lo up", "link set dev0 address 02:00:00:00:00:02 up", "addr add 198.18.0.2/30 dev dev0",
                    "route add default via 198.18.0.1",
                    "neigh replace 198.18.0.1 lladdr 02:00:00:00:00:01 dev dev0 nud permanent",
                ] + (1...20).map { "addr add 100.64.0.\($0)/32 dev lo" }, in: dev)
            try ip(
                [
                    "link set lo up", "link set sgi0 up", "addr add 198.18.0.1/30 dev sgi0",
                    "neigh replace 198.18.0.2 lladdr 02:00:00:00:00:02 dev sgi0 nud permanent",
                ], in: gw)
            try ip(
                ["link set lo up", "addr add 192.0.2.10/32 dev lo", "addr add 192.0.2.11/32 dev lo"], in: net)
            try Self.makeInternetLink(gw, net)
            if withIPv6 { try Self.addIPv6(dev, gw, net) }
            devices = try NetworkNamespace(named: dev)
            gateway = try NetworkNamespace(named: gw)
            internet = try NetworkNamespace(named: net)
            var layout = GatewayLayout(
                sgiInterface: try InterfaceName(parsing: "sgi0"), sgiPeer: Self.nas,
                wanInterface: try InterfaceName(parsing: "wan0"), wanNextHop: address("198.18.1.2"),
                protectedPrefixes: [prefix("198.18.0.0/24")])
            layout.publicPrefixes = publicPrefixes
            layout.firstChain = 1
            layout.usageCapacity = 1 << 14
            layout.resolver = resolver
            layout.timeServer = timeServer
            (layout.hasTunnels, layout.tunnelPath) = (tunnels != nil, tunnels)
            layout.limits.newConnectionsPerBlock = 10_000_000
            layout.limits.newConnectionsBurst = 10_000_000
            if let limits { layout.limits = limits }
            if withIPv6 {
                layout.sgiPeer6 = address6("2001:db8:f::2")
                layout.wanNextHop6 = address6("2001:db8:e::2")
                layout.protectedPrefixes6 = [prefix6("2001:db8:0:3::/64")]
            }
            self.layout = layout
            kernel = try Kernel(layout: layout, namespace: gateway)
        } catch {
            for name in names { shell("ip netns delete \(name) 2>/dev/null") }
            throw error
        }
    }

    private static func makeInternetLink(_ gateway: String, _ internet: String) throws {
        try ip(["link add wan0 netns \(gateway) address 02:00:00:00:00:03 type veth peer name net0 netns \(internet)"])
        try ip(
            [
                "link set wan0 up", "addr add 198.18.1.1/30 dev wan0", "route add default via 198.18.1.2",
                "neigh replace 198.18.1.2 lladdr 02:00:00:00:00:04 dev wan0 nud permanent",
            ], in: gateway)
        try ip(
            [
                "link set net0 address 02:00:00:00:00:04 up", "addr add 198.18.1.2/30 dev net0",
                "route add default via 198.18.1.1",
                "neigh replace 198.18.1.1 lladdr 02:00:00:00:00:03 dev net0 nud permanent",
            ], in: internet)
    }

    /// The link to the internet goes and comes back: the same names and addresses, other numbers.
    func remakeInternetLink() throws {
        try ip(["link delete wan0"], in: gatewayName)
        try Self.makeInternetLink(gatewayName, names[2])
    }

    deinit { for name in names + lines.withLock({ $0 }) { shell("ip netns delete \(name)") } }

    private static func addIPv6(_ devices: String, _ gateway: String, _ internet: String) throws {
        try ip(
            [
                "addr add 2001:db8:f::2/64 dev dev0 nodad", "route add ::/0 via 2001:db8:f::1",
                "neigh replace 2001:db8:f::1 lladdr 02:00:00:00:00:01 dev dev0 nud permanent",
            ], in: devices)
        try ip(
            [
                "addr add 2001:db8:f::1/64 dev sgi0 nodad", "addr add 2001:db8:e::1/64 dev wan0 nodad",
                "neigh replace 2001:db8:f::2 lladdr 02:00:00:00:00:02 dev sgi0 nud permanent",
                "neigh replace 2001:db8:e::2 lladdr 02:00:00:00:00:04 dev wan0 nud permanent",
            ], in: gateway)
        try ip(
            [
                "addr add 2001:db8:e::2/64 dev net0 nodad", "addr add 2001:db8:ffff::1/128 dev lo nodad",
                "route add ::/0 via 2001:db8:e::1",
                "neigh replace 2001:db8:e::1 lladdr 02:00:00:00:00:03 dev net0 nud permanent",
            ], in: internet)
    }

    /// A line to a tenant's network: the interface `vpnN` of the gateway, and `line0` in a namespace of its own, where
    /// 10.0.0.10 to 10.0.0.12 are.
    func addLine(_ number: Int) throws -> NetworkNamespace {
        let name = "\(names[0].dropLast(4))-vpn\(number)"
        lines.withLock { $0.append(name) }
        let (near, far) = ("02:00:00:01:00:0\(number)", "02:00:00:02:00:0\(number)")
        try ip([
            "netns add \(name)",
            "link add vpn\(number) netns \(gatewayName) address \(near) type veth peer name line0 netns \(name)",
        ])
        try ip(
            [
                "link set vpn\(number) up", "addr add 10.255.\(number).1/30 dev vpn\(number)",
                "addr add 2001:db8:d:\(number)::1/64 dev vpn\(number) nodad",
                "neigh replace 10.255.\(number).2 lladdr \(far) dev vpn\(number) nud permanent",
                "neigh replace 2001:db8:d:\(number)::2 lladdr \(far) dev vpn\(number) nud permanent",
            ], in: gatewayName)
        try ip(
            ["link set lo up", "link set line0 address \(far) up", "addr add 10.255.\(number).2/30 dev line0"]
                + (10...12).map { "addr add 10.0.0.\($0)/32 dev lo" } + [
                    "route add default via 10.255.\(number).1",
                    "neigh replace 10.255.\(number).1 lladdr \(near) dev line0 nud permanent",
                    "addr add 2001:db8:d:\(number)::2/64 dev line0 nodad", "addr add 2001:db8:aa::10/128 dev lo nodad",
                    "route add ::/0 via 2001:db8:d:\(number)::1",
                    "neigh replace 2001:db8:d:\(number)::1 lladdr \(near) dev line0 nud permanent",
                ], in: name)
        return try NetworkNamespace(named: name)
    }

    /// Where ``addLine(_:)`` leads, as the kernel takes it.
    static func line(_ number: Int, networks: Set<IPv4Prefix> = [prefix("10.0.0.0/24")], isUp: Bool = true) -> VPNEntry
    {
        guard let interface = try? InterfaceName(parsing: "vpn\(number)") else { preconditionFailure("\(number)") }
        return VPNEntry(
            interface: interface, networks: networks, networks6: [prefix6("2001:db8:aa::/48")],
            nextHop: IPv4Address(bits: address("10.255.0.2").bits + UInt32(number) << 8),
            nextHop6: IPv6Address(bits: address6("2001:db8:d::2").bits + UInt128(number) << 64), isUp: isUp)
    }

    /// Prepares the host and loads a state with the usual NAS and pool.
    func start(_ rulesets: [PolicyMark: Ruleset], _ entries: [DeviceEntry]) throws {
        #expect(try kernel.prepareHost() == [])
        _ = try kernel.reconcile(to: state(rulesets, entries))
    }

    func state(_ rulesets: [PolicyMark: Ruleset], _ entries: [DeviceEntry]) -> EnforcementState {
        EnforcementState(
            rulesets: rulesets, devices: entries, nas: [Self.nas], pools: [Self.pool],
            pools6: layout.hasIPv6 ? [prefix6("2001:db8:64::/48"), prefix6("2001:db8:6400::/40")] : [])
    }

    /// Runs nft in the gateway's namespace.
    @discardableResult
    func nft(_ command: String) throws -> String {
        let (status, output) = shell("ip netns exec \(gatewayName) nft \(command) 2>&1")
        try #require(status == 0, "nft \(command): \(output)")
        return output
    }

    /// Runs a command in the gateway's namespace.
    func inGateway(_ command: String) throws -> String {
        let (status, output) = shell("ip netns exec \(gatewayName) \(command) 2>&1")
        try #require(status == 0, "\(command): \(output)")
        return output
    }

    func counter(_ name: String) throws -> UInt64 {
        try #require(try kernel.counters().first { $0.name == name }, "no counter \(name)").packets
    }
}

func address(_ text: String) -> IPv4Address {
    do { return try IPv4Address(parsing: text) } catch { preconditionFailure("\(error)") }
}

func prefix(_ text: String) -> IPv4Prefix {
    do { return try IPv4Prefix(parsing: text) } catch { preconditionFailure("\(error)") }
}

func address6(_ text: String) -> IPv6Address {
    do { return try IPv6Address(parsing: text) } catch { preconditionFailure("\(error)") }
}

func prefix6(_ text: String) -> IPv6Prefix {
    do { return try IPv6Prefix(parsing: text) } catch { preconditionFailure("\(error)") }
}

func vpnNumber(_ number: UInt32) -> VPNNumber {
    guard let number = VPNNumber(number) else { preconditionFailure("\(number)") }
    return number
}

func groupNumber(_ number: UInt32) -> GroupNumber {
    guard let number = GroupNumber(number) else { preconditionFailure("\(number)") }
    return number
}

/// `100.64.0.n` with the n-th block of eight ports at 203.0.113.1.
func kernelDevice(_ number: Int, _ mark: PolicyMark, ports: UInt16 = 8, group: GroupNumber? = nil) -> DeviceEntry {
    let first = 10_000 + UInt16(number) * ports
    return DeviceEntry(
        address: IPv4Address(bits: KernelRig.pool.first.bits + UInt32(number)), policy: mark,
        nat: NATBinding(publicAddress: address("203.0.113.1"), firstPort: first, lastPort: first + ports - 1),
        group: group)
}

func kernelMark(_ number: Int64) -> PolicyMark {
    guard let mark = PolicyMark(policy: Policy.ID(number)) else { preconditionFailure("no mark for \(number)") }
    return mark
}

extension Ruleset {
    static func allowing(
        _ destination: String, protocols: ClosedRange<UInt8> = 0...255, ports: ClosedRange<UInt16> = 0...65_535
    ) -> Ruleset {
        Ruleset(
            layers: [[Entry(destination: prefix(destination), protocols: protocols, ports: ports, rule: 0)]],
            verdicts: [.internet])
    }
}

@discardableResult
func shell(_ command: String) -> (status: Int32, output: String) {
    guard let pipe = popen(command, "r") else { return (-1, "popen: error \(errno)") }
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = fread(&buffer, 1, buffer.count, pipe)
        guard count > 0 else { break }
        output += buffer[..<count]
    }
    return (pclose(pipe), String(decoding: output, as: UTF8.self))
}

private func ip(_ lines: [String], in namespace: String? = nil) throws {
    let text = lines.joined(separator: "\n")
    let place = namespace.map { "-n \($0) " } ?? ""
    let (status, output) = shell("ip \(place)-batch - 2>&1 <<'END'\n\(text)\nEND")
    try #require(status == 0, "ip: \(output)")
}
