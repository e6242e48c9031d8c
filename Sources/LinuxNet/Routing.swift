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

    /// Of either family.
    struct Route: Hashable {
        let family: Family
        /// The address and the number of bits.
        let destination: [UInt8]
        let length: UInt8
        let table: UInt32
        /// `nil` where the interface leads to one peer only.
        var nextHop: [UInt8]?
        /// The interface's number.
        var interface: UInt32

        init<Prefix: KernelPrefix>(
            to destination: Prefix, table: UInt32, nextHop: Prefix.Address?, interface: UInt32
        ) {
            family = Prefix.family
            self.destination = Prefix.octets(destination.address)
            length = destination.length
            self.table = table
            self.nextHop = nextHop.map(Prefix.octets)
            self.interface = interface
        }

        /// Whether one takes the other's place.
        func isAlike(_ other: Self) -> Bool {
            family == other.family && destination == other.destination && length == other.length && table == other.table
        }

        fileprivate init(
            _ family: Family, destination: [UInt8], length: UInt8, table: UInt32, nextHop: [UInt8]?, interface: UInt32
        ) {
            self.family = family
            self.destination = destination
            self.length = length
            self.table = table
            self.nextHop = nextHop
            self.interface = interface
        }
    }

    private func index(of interface: InterfaceName) throws(DataPlaneError) -> UInt32 {
        let index = if_nametoindex(interface.description)
        guard index != 0 else {
            throw DataPlaneError(
                errno: errno, operation: "routing through \(interface)", detail: "there is no interface \(interface)")
        }
        return index
    }

    /// What there should be.
    private func routes(
        pools: Set<IPv4Prefix>, pools6: Set<IPv6Prefix>, vpns: [VPNNumber: VPNEntry]
    ) throws(DataPlaneError) -> Set<Route> {
        let (sgi, wan) = (try index(of: layout.sgiInterface), try index(of: layout.wanInterface))
        var routes: Set<Route> = [
            Route(to: IPv4Prefix.any, table: layout.internetTable, nextHop: layout.wanNextHop, interface: wan),
            Route(to: IPv4Prefix.any, table: layout.answersTable, nextHop: layout.sgiPeer, interface: sgi),
        ]
        for pool in pools {
            routes.insert(Route(to: pool, table: layout.devicesTable, nextHop: layout.sgiPeer, interface: sgi))
        }
        if let peer = layout.sgiPeer6, let hop = layout.wanNextHop6 {
            routes.insert(Route(to: IPv6Prefix.any, table: layout.internetTable, nextHop: hop, interface: wan))
            routes.insert(Route(to: IPv6Prefix.any, table: layout.answersTable, nextHop: peer, interface: sgi))
            for pool in pools6 {
                routes.insert(Route(to: pool, table: layout.devicesTable, nextHop: peer, interface: sgi))
            }
        }
        for (number, vpn) in vpns { routes.formUnion(self.routes(of: number, vpn)) }
        return routes
    }

    private func routes(of number: VPNNumber, _ vpn: VPNEntry) -> Set<Route> {
        // An interface that is not there has no routes, and its VPN is down.
        let interface = if_nametoindex(vpn.interface.description)
        guard interface != 0 else { return [] }
        let table = layout.table(of: number)
        var routes: Set<Route> = []
        for network in vpn.networks {
            routes.insert(Route(to: network, table: table, nextHop: vpn.nextHop, interface: interface))
        }
        guard layout.hasIPv6 else { return routes }
        for network in vpn.networks6 {
            routes.insert(Route(to: network, table: table, nextHop: vpn.nextHop6, interface: interface))
        }
        return routes
    }

    /// Changes the routes and the rules of one VPN, and asks for no others. Its interface is there, if it is to be.
    /// - Parameter numbers: of the VPNs that there are before, and after.
    func change(
        _ number: VPNNumber, from old: VPNEntry?, to new: VPNEntry?,
        _ numbers: (before: VPNNumberSet, after: VPNNumberSet)
    ) throws(DataPlaneError) {
        let wanted = new.map { routes(of: number, $0) } ?? []
        let present = old.map { routes(of: number, $0) } ?? []
        // Also those that may be there: its interface may have been made anew.
        for route in wanted {
            try change(route, RTM_NEWROUTE, Int32(NLM_F_CREATE | NLM_F_REPLACE), [ENETDOWN, ENETUNREACH])
        }
        for route in present.subtracting(wanted) where !wanted.contains(where: { $0.isAlike(route) }) {
            try change(route, RTM_DELROUTE, 0, [ESRCH, ENODEV])
        }
        let rules = RoutingRules(layout: layout)
        let (before, after) = (
            rules.path(to: number, among: numbers.before), rules.path(to: number, among: numbers.after)
        )
        for family in layout.families {
            for rule in after.subtracting(before).sorted(by: { $0.preference > $1.preference }) {
                // Not there: to ask the kernel for that takes as long as adding it.
                _ = try change(rule, family, type: RTM_NEWRULE, Int32(NLM_F_CREATE), [])
            }
            // Those that go somewhere first.
            for rule in before.subtracting(after).sorted(by: { $0.preference < $1.preference }) {
                _ = try change(rule, family, type: RTM_DELRULE, 0, [ENOENT])
            }
        }
    }

    /// Adds what is missing and removes what leads to pools and VPNs that are no more.
    /// - Parameter state: `nil` when that is not known yet; then nothing is removed.
    /// - Returns: what was missing, one sentence each.
    func ensure(
        _ state: (pools: Set<IPv4Prefix>, pools6: Set<IPv6Prefix>, vpns: [VPNNumber: VPNEntry])?
    ) throws(DataPlaneError) -> [String] {
        let wanted = try routes(
            pools: state?.pools ?? [], pools6: state?.pools6 ?? [], vpns: state?.vpns ?? [:])
        var findings: [String] = []
        let present = try presentRoutes()
        for route in wanted.subtracting(present) {
            let isThere = try change(route, RTM_NEWROUTE, Int32(NLM_F_CREATE | NLM_F_REPLACE), [ENETDOWN, ENETUNREACH])
            // The kernel takes a VPN's routes away when its interface goes down.
            if isThere, !vpnTables.contains(route.table) { findings.append("the route to \(route.name) was missing") }
        }
        if state != nil {
            for route in try presentRoutes().subtracting(wanted) { try change(route, RTM_DELROUTE, 0, [ESRCH]) }
        }
        for family in layout.families {
            findings += try ensureRules(family, state.map { Array($0.vpns.keys) })
        }
        return findings.sorted()
    }

    /// Rules that others go to are there before those, and gone after.
    private func ensureRules(_ family: Family, _ vpns: [VPNNumber]?) throws(DataPlaneError) -> [String] {
        let wanted = RoutingRules(layout: layout).rules(vpns: vpns ?? [])
        let present = try presentRules(family)
        var findings: [String] = []
        let foreign = vpns == nil ? [] : present.subtracting(wanted)
        // One with another meaning in the same place would come before ours.
        for rule in foreign.sorted(by: { $0.preference < $1.preference }) {
            _ = try change(rule, family, type: RTM_DELRULE, 0, [ENOENT])
        }
        for rule in wanted.subtracting(present).sorted(by: { $0.preference > $1.preference }) {
            if try change(rule, family, type: RTM_NEWRULE, Int32(NLM_F_CREATE | NLM_F_EXCL), [EEXIST]) {
                findings.append("the routing rule \(rule.preference) was missing")
            }
        }
        return findings
    }

    /// Throws when the socket is not there any more.
    func checkSocket() throws(DataPlaneError) { _ = try presentRoutes() }

    /// Removes all of it.
    func remove() throws(DataPlaneError) {
        for route in try presentRoutes() { try change(route, RTM_DELROUTE, 0, [ESRCH]) }
        for family in layout.families {
            for rule in try presentRules(family) { _ = try change(rule, family, type: RTM_DELRULE, 0, [ENOENT]) }
        }
    }

    /// - Returns: whether it changed something.
    private func change(
        _ rule: RoutingRules.Rule, _ family: Family, type: Int, _ flags: Int32, _ harmless: Set<Int32>
    ) throws(DataPlaneError) -> Bool {
        let action =
            switch rule.action {
            case .table: FR_ACT_TO_TBL
            case .goTo: FR_ACT_GOTO
            case .nothing: FR_ACT_NOP
            case .blackhole: FR_ACT_BLACKHOLE
            }
        let ruleFlags: UInt32 = rule.isInverted ? UInt32(FIB_RULE_INVERT) : 0
        var request = NetlinkRequest()
        // fib_rule_hdr: family, two lengths, TOS, table, two reserved, action, flags.
        request.begin(
            type: UInt16(type), flags: NLM_F_REQUEST | NLM_F_ACK | flags, sequence: socket.nextSequence(),
            header: [family.number, 0, 0, 0, 0, 0, 0, UInt8(action)] + ruleFlags.nativeOctets)
        request.put(FRA_PRIORITY, native: rule.preference)
        if let mark = rule.mark {
            request.put(FRA_FWMARK, native: mark)
            request.put(FRA_FWMASK, native: rule.mask)
        }
        if let interface = rule.interface { request.put(FRA_IIFNAME, interface) }
        switch rule.action {
        case .table(let table): request.put(FRA_TABLE, native: table)
        case .goTo(let preference): request.put(FRA_GOTO, native: preference)
        case .nothing, .blackhole: break
        }
        request.end()
        return try exchange(request, operation: "changing the routing rule \(rule.preference)", harmless)
    }

    private func presentRules(_ family: Family) throws(DataPlaneError) -> Set<RoutingRules.Rule> {
        let ours = RoutingRules(layout: layout).preferences
        var found: Set<RoutingRules.Rule> = []
        try dump(UInt16(RTM_GETRULE), family, "routing rules", reset: { found = [] }) { message in
            let attributes = message.attributes(after: 12)
            guard message.type == UInt16(RTM_NEWRULE), message.payload.count >= 12,
                let preference = attributes.first(FRA_PRIORITY)?.native32, ours.contains(preference)
            else { return }
            let action: RoutingRules.Rule.Action
            switch Int(message.payload[7]) {
            case FR_ACT_TO_TBL: action = .table(attributes.first(FRA_TABLE)?.native32 ?? 0)
            case FR_ACT_GOTO: action = .goTo(attributes.first(FRA_GOTO)?.native32 ?? 0)
            case FR_ACT_NOP: action = .nothing
            default: action = .blackhole
            }
            let flags = message.payload.native(UInt32.self, at: 8) ?? 0
            found.insert(
                RoutingRules.Rule(
                    preference: preference, action: action, mark: attributes.first(FRA_FWMARK)?.native32,
                    mask: attributes.first(FRA_FWMASK)?.native32 ?? .max,
                    isInverted: flags & UInt32(FIB_RULE_INVERT) != 0,
                    interface: attributes.first(FRA_IIFNAME)?.text))
        }
        return found
    }

    @discardableResult
    private func change(
        _ route: Route, _ type: Int, _ flags: Int32, _ harmless: Set<Int32>
    ) throws(DataPlaneError) -> Bool {
        let operation = "changing the route to \(route.name)"
        var request = NetlinkRequest()
        // rtmsg: family, two lengths, TOS, table, protocol, scope, type, flags.
        let scope = route.nextHop == nil && route.family == .ipv4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
        request.begin(
            type: UInt16(type), flags: NLM_F_REQUEST | NLM_F_ACK | flags, sequence: socket.nextSequence(),
            header: [
                route.family.number, route.length, 0, 0, 0, UInt8(RTPROT_STATIC), UInt8(scope.rawValue),
                UInt8(RTN_UNICAST), 0, 0, 0, 0,
            ])
        request.put(RTA_TABLE.rawValue, native: route.table)
        if route.length > 0 { request.put(RTA_DST.rawValue, route.destination) }
        request.put(RTA_OIF.rawValue, native: route.interface)
        if let nextHop = route.nextHop { request.put(RTA_GATEWAY.rawValue, nextHop) }
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

    /// A torn answer is asked for again; changes of routes are rare, so a few times are enough.
    private func dump(
        _ type: UInt16, _ family: Family, _ what: String, reset: () -> Void, _ body: (NetlinkMessage) -> Void
    ) throws(DataPlaneError) {
        for _ in 0..<5 {
            reset()
            var request = NetlinkRequest()
            request.begin(
                type: type, flags: NLM_F_REQUEST | NLM_F_DUMP, sequence: socket.nextSequence(),
                header: [family.number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            request.end()
            if try socket.ask(request.bytes, isDump: true, operation: "reading \(what)", body) { return }
        }
    }

    private var vpnTables: Range<UInt32> { layout.firstVPNTable..<layout.firstVPNTable + VPNNumber.limit }

    /// The routes in our tables.
    private func presentRoutes() throws(DataPlaneError) -> Set<Route> {
        let fixed = [layout.internetTable, layout.devicesTable, layout.answersTable]
        var all: Set<Route> = []
        for family in layout.families {
            var found: Set<Route> = []
            try dump(UInt16(RTM_GETROUTE), family, "routes", reset: { found = [] }) { message in
                let attributes = message.attributes(after: 12)
                guard message.type == UInt16(RTM_NEWROUTE), message.payload.count >= 12,
                    let table = attributes.first(RTA_TABLE.rawValue)?.native32,
                    fixed.contains(table) || vpnTables.contains(table)
                else { return }
                let none = Array(repeating: UInt8(0), count: Int(family.addressLength))
                found.insert(
                    Route(
                        family, destination: attributes.first(RTA_DST.rawValue).map { Array($0.value) } ?? none,
                        length: message.payload[1], table: table,
                        nextHop: attributes.first(RTA_GATEWAY.rawValue).map { Array($0.value) },
                        interface: attributes.first(RTA_OIF.rawValue)?.native32 ?? 0))
            }
            all.formUnion(found)
        }
        return all
    }
}

extension Routing.Route {
    /// For messages.
    fileprivate var name: String {
        let octets = destination
        let address =
            octets.count == 4
            ? IPv4Address(bits: octets.reduce(0) { $0 << 8 | UInt32($1) }).description
            : IPv6Address(bits: octets.reduce(0) { $0 << 8 | UInt128($1) }).description
        return "\(address)/\(length)"
    }
}

extension Family {
    fileprivate var number: UInt8 { UInt8(self == .ipv4 ? AF_INET : AF_INET6) }
}

extension GatewayLayout {
    /// The families that the gateway forwards.
    var families: [Family] { hasIPv6 ? [.ipv4, .ipv6] : [.ipv4] }
}
