import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// Routes and routing rules for the packets of devices.
///
/// Only a mark that the table gives leads to a route, and what has none finds nothing: so without a loaded table
/// nothing is forwarded. The local table comes before all of it, so the gateway's own traffic is not concerned.
struct Routing {
    let layout: GatewayLayout
    let socket: NetlinkSocket

    private struct Rule {
        let name: String
        let preference: UInt32
        var mark: UInt32?
        var interface: String?
        /// `nil` drops without an answer.
        var table: UInt32?
    }

    private var rules: [Rule] {
        let first = layout.firstRulePreference
        return [
            Rule(name: "to the internet", preference: first, mark: RouteMark.internet, table: layout.internetTable),
            // Whatever the address, so that the forward chain sees and counts what nobody has asked for.
            Rule(name: "to devices", preference: first + 1, mark: RouteMark.devices, table: layout.answersTable),
            // What the gateway itself says to a device (ICMP errors) must not take the default route.
            Rule(
                name: "from the gateway to devices", preference: first + 2, interface: "lo",
                table: layout.devicesTable),
            Rule(name: "of other packets from sgi", preference: first + 3, interface: "\(layout.sgiInterface)"),
            Rule(name: "of other packets from wan", preference: first + 4, interface: "\(layout.wanInterface)"),
        ]
    }

    private struct Route: Hashable {
        let destination: IPv4Prefix
        let table: UInt32
        var nextHop: IPv4Address
        /// The interface's number.
        var interface: UInt32
    }

    private func route(to pool: IPv4Prefix) throws(DataPlaneError) -> Route {
        Route(
            destination: pool, table: layout.devicesTable, nextHop: layout.sgiPeer,
            interface: try index(of: layout.sgiInterface))
    }

    private func index(of interface: InterfaceName) throws(DataPlaneError) -> UInt32 {
        let index = if_nametoindex(interface.description)
        guard index != 0 else {
            throw DataPlaneError(
                errno: errno, operation: "routing through \(interface)", detail: "there is no interface \(interface)")
        }
        return index
    }

    /// Adds what is missing and removes routes to pools that are no more.
    /// - Parameter pools: `nil` when they are not known yet; then no route is removed.
    /// - Returns: what was missing, one sentence each.
    func ensure(pools: Set<IPv4Prefix>?) throws(DataPlaneError) -> [String] {
        var added: [String] = []
        for rule in rules where try change(rule, type: RTM_NEWRULE, Int32(NLM_F_CREATE | NLM_F_EXCL), [EEXIST]) {
            added.append("the routing rule \(rule.name) was missing")
        }
        var wanted: Set<Route> = [
            Route(
                destination: .any, table: layout.internetTable, nextHop: layout.wanNextHop,
                interface: try index(of: layout.wanInterface)),
            Route(
                destination: .any, table: layout.answersTable, nextHop: layout.sgiPeer,
                interface: try index(of: layout.sgiInterface)),
        ]
        for pool in pools ?? [] { wanted.insert(try route(to: pool)) }
        let present = try routes()
        for route in wanted.subtracting(present).sorted(by: { $0.destination < $1.destination }) {
            try change(route, RTM_NEWROUTE, Int32(NLM_F_CREATE | NLM_F_REPLACE), [])
            added.append("the route to \(route.destination) was missing")
        }
        guard pools != nil else { return added }
        for route in try routes().subtracting(wanted) { try change(route, RTM_DELROUTE, 0, [ESRCH]) }
        return added
    }

    /// Throws when the socket is not there any more.
    func checkSocket() throws(DataPlaneError) { _ = try routes() }

    /// Removes all of it.
    func remove() throws(DataPlaneError) {
        for route in try routes() { try change(route, RTM_DELROUTE, 0, [ESRCH]) }
        for rule in rules { _ = try change(rule, type: RTM_DELRULE, 0, [ENOENT]) }
    }

    /// - Returns: whether it changed something.
    private func change(
        _ rule: Rule, type: Int, _ flags: Int32, _ harmless: Set<Int32>
    ) throws(DataPlaneError) -> Bool {
        let action = rule.table == nil ? FR_ACT_BLACKHOLE : FR_ACT_TO_TBL
        var request = NetlinkRequest()
        // fib_rule_hdr: family, two lengths, TOS, table, two reserved, action, flags.
        request.begin(
            type: UInt16(type), flags: NLM_F_REQUEST | NLM_F_ACK | flags, sequence: socket.nextSequence(),
            header: [UInt8(AF_INET), 0, 0, 0, 0, 0, 0, UInt8(action), 0, 0, 0, 0])
        request.put(FRA_PRIORITY, native: rule.preference)
        if let mark = rule.mark {
            request.put(FRA_FWMARK, native: mark)
            request.put(FRA_FWMASK, native: .max)
        }
        if let interface = rule.interface { request.put(FRA_IIFNAME, interface) }
        if let table = rule.table { request.put(FRA_TABLE, native: table) }
        request.end()
        return try exchange(request, operation: "changing the routing rule \(rule.name)", harmless)
    }

    @discardableResult
    private func change(
        _ route: Route, _ type: Int, _ flags: Int32, _ harmless: Set<Int32>
    ) throws(DataPlaneError) -> Bool {
        let operation = "changing the route to \(route.destination)"
        var request = NetlinkRequest()
        // rtmsg: family, two lengths, TOS, table, protocol, scope, type, flags.
        request.begin(
            type: UInt16(type), flags: NLM_F_REQUEST | NLM_F_ACK | flags, sequence: socket.nextSequence(),
            header: [
                UInt8(AF_INET), route.destination.length, 0, 0, 0, UInt8(RTPROT_STATIC),
                UInt8(RT_SCOPE_UNIVERSE.rawValue),
                UInt8(RTN_UNICAST), 0, 0, 0, 0,
            ])
        request.put(RTA_TABLE.rawValue, native: route.table)
        if route.destination.length > 0 {
            request.put(RTA_DST.rawValue, route.destination.address.bits.networkOctets)
        }
        request.put(RTA_OIF.rawValue, native: route.interface)
        request.put(RTA_GATEWAY.rawValue, route.nextHop.bits.networkOctets)
        request.end()
        return try exchange(request, operation: operation, harmless)
    }

    private func exchange(
        _ request: NetlinkRequest, operation: String, _ harmless: Set<Int32>
    ) throws(DataPlaneError) -> Bool {
        let (errors, _) = try socket.exchange(request.bytes, operation: operation)
        guard let error = errors.first else { return true }
        if harmless.contains(error.code) { return false }
        throw DataPlaneError(errno: error.code, operation: operation)
    }

    /// The routes in the three tables.
    private func routes() throws(DataPlaneError) -> Set<Route> {
        var found: Set<Route> = []
        var isWhole = false
        // A torn answer is asked for again; changes of routes are rare, so a few times are enough.
        for _ in 0..<5 where !isWhole {
            found = []
            var request = NetlinkRequest()
            request.begin(
                type: UInt16(RTM_GETROUTE), flags: NLM_F_REQUEST | NLM_F_DUMP, sequence: socket.nextSequence(),
                header: [UInt8(AF_INET), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            request.end()
            isWhole = try socket.ask(request.bytes, isDump: true, operation: "reading routes") { message in
                let attributes = message.attributes(after: 12)
                guard message.type == UInt16(RTM_NEWROUTE), message.payload.count >= 12,
                    let table = attributes.first(RTA_TABLE.rawValue)?.native32,
                    [layout.internetTable, layout.devicesTable, layout.answersTable].contains(table)
                else { return }
                let bits = attributes.first(RTA_DST.rawValue)?.uint32 ?? 0
                let prefix = IPv4Prefix(containing: IPv4Address(bits: bits), length: message.payload[1])
                found.insert(
                    Route(
                        destination: prefix, table: table,
                        nextHop: IPv4Address(bits: attributes.first(RTA_GATEWAY.rawValue)?.uint32 ?? 0),
                        interface: attributes.first(RTA_OIF.rawValue)?.native32 ?? 0))
            }
        }
        return found
    }
}
