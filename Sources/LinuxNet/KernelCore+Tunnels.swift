import CNetfilter
import Domain
import Glibc
import PolicyCompiler

extension KernelCore {
    func tunnelPath() throws(DataPlaneError) -> TunnelPath {
        if let path = tunnels.path { return path }
        let path: TunnelPath
        if let forced = layout.tunnelPath {
            path = forced
        } else {
            path = try withTunnelLinks { links throws(DataPlaneError) in try TunnelProbe(routes: links.socket).path() }
        }
        tunnels.path = path
        return path
    }

    /// In the gateway's namespace.
    private func withTunnelLinks<Success>(
        _ body: (TunnelLinks) throws(DataPlaneError) -> Success
    ) throws(DataPlaneError) -> Success {
        try linked { link throws(DataPlaneError) in
            try namespace.run { () throws(DataPlaneError) in try body(TunnelLinks(socket: link.routes)) }
        }
    }

    private var tunnelMTU: UInt32 { min(layout.tunnelMTU, tunnels.daemonMTU ?? .max) }

    // MARK: All of them

    /// Makes the tunnels' interfaces, and takes up those that are there: what is attached to them is replaced while
    /// packets pass, and goes on counting.
    /// - Returns: the numbers of interfaces that are nobody's any more, to be removed once nothing leads to them.
    func startTunnels(_ vpns: [VPNNumber: VPNEntry]) throws(DataPlaneError) -> [UInt32] {
        if layout.hasTunnels { _ = try tunnelPath() }
        let (found, addresses) = try withTunnelLinks { links throws(DataPlaneError) in
            (try links.all(), try links.addresses())
        }
        // Others may have interfaces with such names, which are of other kinds.
        let ours = found.filter { ["tun", "xfrm"].contains($0.value.kind) }
        if tunnels.programs == nil {
            let earlier = try withTunnelLinks { links throws(DataPlaneError) -> UInt32? in
                for link in ours.values {
                    if let program = try links.programs(of: link.index, at: .egress).first { return program }
                }
                return nil
            }
            if earlier != nil || vpns.values.contains(where: { $0.tunnel != nil }) { try loadTunnels(after: earlier) }
        }
        tunnels.places = [:]
        for number in tunnels.maps.numbers where vpns[number]?.tunnel == nil {
            try tunnels.programs?.apply(tunnels.maps.change(number, to: nil))
        }
        try placeTunnels(vpns, present: (ours, addresses))
        try takeUpDaemon()
        let used = Set(vpns.values.map(\.interface))
        return ours.filter { !used.contains($0.key) }.map(\.value.index)
    }

    private func openWatch() throws(DataPlaneError) {
        tunnels.watch = try namespace.run { () throws(DataPlaneError) in
            let socket = try NetlinkSocket(bus: NETLINK_ROUTE)
            for group in [RTNLGRP_LINK, RTNLGRP_TC, RTNLGRP_IPV4_IFADDR] { try socket.join(group: group.rawValue) }
            return socket
        }
    }

    private func loadTunnels(after earlier: UInt32?) throws(DataPlaneError) {
        try openWatch()
        let programs = try TunnelPrograms(after: earlier)
        switch try tunnelPath() {
        case .kernel: try programs.setTarget(TunnelPrograms.alone)
        case .userSpace: if try programs.target() == TunnelPrograms.alone { try programs.setTarget(nil) }
        }
        tunnels.programs = programs
    }

    /// What an earlier process has attached to the daemon's TUN is replaced too.
    private func takeUpDaemon() throws(DataPlaneError) {
        guard tunnels.path == .userSpace, let programs = tunnels.programs else { return }
        let known = try programs.target()
        let target = tunnels.daemon?.interface ?? known
        guard target != 0, target != TunnelPrograms.alone else { return }
        let name = try namespace.run { () throws(DataPlaneError) -> InterfaceName? in
            var text = [CChar](repeating: 0, count: Int(IFNAMSIZ))
            guard if_indextoname(target, &text) != nil else { return nil }
            // The kernel's own name for it; when Cordon does not know such names, it is not the daemon's.
            return try? InterfaceName(
                parsing: String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
        if let name { try attachTunnels(to: name) }
    }

    /// Removes interfaces, by their numbers.
    func removeTunnels(_ interfaces: [UInt32]) throws(DataPlaneError) {
        guard !interfaces.isEmpty else { return }
        try withTunnelLinks { links throws(DataPlaneError) in
            for interface in interfaces { try links.remove(interface) }
        }
    }

    /// All of them, and what is attached to the daemon's TUN.
    func removeTunnels() throws(DataPlaneError) {
        try withTunnelLinks { links throws(DataPlaneError) in
            for link in try links.all().values where ["tun", "xfrm"].contains(link.kind) {
                try links.remove(link.index)
            }
        }
        if let daemon = tunnels.daemon {
            try withTunnelLinks { links throws(DataPlaneError) in try links.detach(daemon.interface) }
        }
        tunnels = Tunnels()
    }

    // MARK: Some of them

    /// Makes or changes what the VPNs have that are tunnels.
    /// - Parameter present: interfaces and addresses, when all have been asked for.
    func placeTunnels(
        _ vpns: [VPNNumber: VPNEntry],
        present: (links: [InterfaceName: TunnelLinks.Link], addresses: [UInt32: Set<IPv4Address>])? = nil
    ) throws(DataPlaneError) {
        let wanted = vpns.filter { $0.value.tunnel != nil }.sorted { $0.key < $1.key }
        guard !wanted.isEmpty else { return }
        let path = try tunnelPath()
        if tunnels.programs == nil { try loadTunnels(after: nil) }
        guard let programs = tunnels.programs else { return }
        try withTunnelLinks { links throws(DataPlaneError) in
            for (number, entry) in wanted {
                guard let tunnel = entry.tunnel else { continue }
                let known = tunnels.places[number]
                let (interface, isNew) =
                    if let known { (known.interface, false) } else {
                        try interface(of: number, path, present?.links, links)
                    }
                if isNew { try programs.resetCounters(of: number) }
                try programs.apply(
                    tunnels.maps.change(number, to: .init(interface: interface, entry: tunnel, isUp: entry.isUp)))
                let addresses = tunnel.gatewayAddresses
                guard known?.addresses != addresses else { continue }
                let before = present?.addresses[interface] ?? known?.addresses ?? []
                try links.configure(
                    interface, mtu: tunnelMTU, adding: addresses, removing: before.subtracting(addresses),
                    programs: attached(path, programs), operation: "setting up the interface \(number.tunnelInterface)")
                tunnels.places[number] = Tunnels.Place(interface: interface, addresses: addresses)
            }
        }
    }

    private func attached(
        _ path: TunnelPath, _ programs: TunnelPrograms
    ) -> [(hook: TunnelLinks.Hook, descriptor: Int32, name: String)] {
        Self.hooks(path).map { (hook: $0, descriptor: programs.descriptor(of: $1), name: $1.rawValue) }
    }

    private static func hooks(_ path: TunnelPath) -> [(TunnelLinks.Hook, TunnelProgram)] {
        switch path {
        case .kernel: [(.egress, .toPeer), (.ingress, .fromPeer)]
        case .userSpace: [(.egress, .toPeer)]
        }
    }

    /// Finds the interface, or makes it. One of another kind that has its name has to go.
    private func interface(
        of number: VPNNumber, _ path: TunnelPath, _ present: [InterfaceName: TunnelLinks.Link]?, _ links: TunnelLinks
    ) throws(DataPlaneError) -> (number: UInt32, isNew: Bool) {
        let name = number.tunnelInterface
        let found = if let present { present[name] } else { try links.link(name) }
        if let found {
            if isRight(found, number, path) { return (found.index, false) }
            try links.remove(found.index)
        }
        switch path {
        case .kernel: try links.makeXFRM(name, ifID: Self.ifID(of: number))
        case .userSpace: try links.makeTUN(name)
        }
        let index = if_nametoindex(name.description)
        guard index != 0 else { throw DataPlaneError(errno: errno, operation: "looking for the interface \(name)") }
        return (index, true)
    }

    /// The number by which policies and states of the kernel's IPsec are a VPN's. Zero would be none.
    private static func ifID(of number: VPNNumber) -> UInt32 { number.rawValue + 1 }

    private func isRight(_ link: TunnelLinks.Link, _ number: VPNNumber, _ path: TunnelPath) -> Bool {
        switch path {
        case .kernel: link.kind == "xfrm" && link.ifID == Self.ifID(of: number)
        case .userSpace: link.kind == "tun"
        }
    }

    /// Of VPNs that are no more, or no tunnels any more.
    func removeTunnels(_ numbers: Set<VPNNumber>) throws(DataPlaneError) {
        var interfaces: [UInt32] = []
        for number in numbers.sorted() {
            try tunnels.programs?.apply(tunnels.maps.change(number, to: nil))
            if let place = tunnels.places.removeValue(forKey: number) { interfaces.append(place.interface) }
        }
        try removeTunnels(interfaces)
    }

    // MARK: The daemon

    func attachTunnels(to name: InterfaceName) throws(DataPlaneError) {
        guard try tunnelPath() == .userSpace else { return }
        if tunnels.programs == nil { try loadTunnels(after: nil) }
        guard let programs = tunnels.programs else { return }
        try withTunnelLinks { links throws(DataPlaneError) in
            guard let link = try links.link(name) else {
                throw DataPlaneError(
                    code: .refused, operation: "leading tunnels to \(name)", detail: "there is no interface \(name)")
            }
            try links.configure(
                link.index, mtu: nil,
                programs: [(.ingress, programs.descriptor(of: .fromDaemon), TunnelProgram.fromDaemon.rawValue)],
                operation: "leading tunnels to \(name)")
            try programs.setTarget(link.index)
            tunnels.daemon = (name, link.index)
            let before = tunnelMTU
            tunnels.daemonMTU = link.mtu < layout.tunnelMTU ? link.mtu : nil
            guard tunnelMTU != before else { return }
            for (number, place) in tunnels.places {
                try links.configure(
                    place.interface, mtu: tunnelMTU, programs: [],
                    operation: "setting the MTU of \(number.tunnelInterface)")
            }
        }
    }

    // MARK: Looking after them

    /// Mends what others have done to interfaces of tunnels.
    /// - Returns: what was wrong, one sentence each.
    func verifyTunnels() throws(DataPlaneError) -> [String] {
        guard let programs = tunnels.programs else { return [] }
        let (touched, isWhole) = try touchedInterfaces()
        var findings: [String] = []
        let suspects = tunnels.places.filter { !isWhole || touched.contains($0.value.interface) }
        if !suspects.isEmpty {
            let path = try tunnelPath()
            let wrong = try withTunnelLinks { links throws(DataPlaneError) in
                let addresses = try links.addresses()
                var wrong: [VPNNumber: String] = [:]
                for (number, place) in suspects {
                    let found = try self.finding(number, place, path, programs, links)
                    let hasAddresses = addresses[place.interface] ?? [] == place.addresses
                    wrong[number] =
                        found ?? (hasAddresses ? nil : "the address of \(number.tunnelInterface) had been changed")
                }
                return wrong
            }
            findings += wrong.values.sorted()
            for number in wrong.keys { tunnels.places[number] = nil }
            try placeTunnels(chains.vpns.filter { wrong[$0.key] != nil })
            prepare(chains.vpns.filter { wrong[$0.key] != nil }.values)
        }
        return try findings + verifyDaemon(touched, isWhole, programs)
    }

    /// Interfaces that something has happened to since the last call, and whether that is all of them.
    private func touchedInterfaces() throws(DataPlaneError) -> (Set<UInt32>, isWhole: Bool) {
        var touched: Set<UInt32> = []
        do throws(DataPlaneError) {
            let operation = "reading what has become of interfaces"
            let isWhole = try tunnels.watch?.readNotices(limit: 1 << 14, operation: operation) { message in
                // In messages about interfaces, addresses and filters alike.
                if let interface = message.payload.native(UInt32.self, at: 4) { touched.insert(interface) }
            }
            return (touched, isWhole ?? false)
        } catch {
            guard error.code == .connectionLost else { throw error }
            try openWatch()
            return (touched, false)
        }
    }

    private func finding(
        _ number: VPNNumber, _ place: Tunnels.Place, _ path: TunnelPath, _ programs: TunnelPrograms,
        _ links: TunnelLinks
    ) throws(DataPlaneError) -> String? {
        let name = number.tunnelInterface
        guard let link = try links.link(name) else { return "the interface \(name) was gone" }
        guard isRight(link, number, path), link.index == place.interface else {
            return "the interface \(name) was made anew"
        }
        guard link.isUp, link.mtu == tunnelMTU else { return "the interface \(name) had been changed" }
        for (hook, program) in Self.hooks(path)
        where try links.programs(of: link.index, at: hook) != [programs.id(of: program)] {
            return "a filter of the interface \(name) was gone"
        }
        return nil
    }

    private func verifyDaemon(
        _ touched: Set<UInt32>, _ isWhole: Bool, _ programs: TunnelPrograms
    ) throws(DataPlaneError) -> [String] {
        guard let (name, interface) = tunnels.daemon else { return [] }
        let present = try namespace.run { () throws(DataPlaneError) in if_nametoindex(name.description) }
        guard present != 0 else { return [] }
        if present != interface {
            try attachTunnels(to: name)
            return ["the interface \(name) was made anew"]
        }
        guard !isWhole || touched.contains(interface) else { return [] }
        let attached = try withTunnelLinks { links throws(DataPlaneError) in
            try links.programs(of: interface, at: .ingress)
        }
        guard attached != [programs.id(of: .fromDaemon)] else { return [] }
        try attachTunnels(to: name)
        return ["a filter of the interface \(name) was gone"]
    }

    // MARK: Counting

    func tunnelCounters(of vpns: Set<VPNNumber>?) throws(DataPlaneError) -> [VPNNumber: TunnelCounters] {
        guard let programs = tunnels.programs, !tunnels.places.isEmpty, snapshot != nil else { return [:] }
        let refused = try linked { link throws(DataPlaneError) in
            try link.reader.counters(ofElements: Leads.refusalsName)
        }
        var all: [VPNNumber: TunnelCounters] = [:]
        for number in vpns ?? Set(tunnels.places.keys) where tunnels.places[number] != nil {
            var counters = try programs.counters(of: number.rawValue)
            counters.refusedPackets = refused[number.tunnelInterface.octets]?.packets ?? 0
            all[number] = counters
        }
        return all
    }
}
