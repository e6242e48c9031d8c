import CNetfilter
import Domain
import PolicyCompiler

/// The state behind the tracing of packets: the table and the socket that hears the kernel's trace.
struct PacketTracer {
    private let sgiInterface: InterfaceName
    private let namespace: NetworkNamespace
    /// `nil`: not known. An earlier process may have left the table.
    private var devices: Set<IPAddress>?
    private var open: Sockets?
    private var assembly = TraceAssembly()

    private struct Sockets {
        let notices: NetlinkSocket
        let table: TraceTable
    }

    init(sgiInterface: InterfaceName, namespace: NetworkNamespace) {
        self.sgiInterface = sgiInterface
        self.namespace = namespace
    }

    /// Messages that are read at once, at most.
    private static let readable = 20_000

    /// - Parameter commit: makes a change in the kernel, and keeps account of it.
    mutating func trace(
        _ wanted: Set<IPAddress>, commit: (TraceTable.Change) throws(DataPlaneError) -> Void
    ) throws(DataPlaneError) {
        guard wanted != devices else { return }
        let present = devices ?? []
        // Until the kernel has taken it, what is there is not known.
        devices = nil
        if wanted.isEmpty {
            try commit(.remove)
            (open, assembly) = (nil, TraceAssembly())
        } else {
            // Before the first packet.
            try listen()
            if present.isEmpty {
                try commit(.make(wanted))
            } else {
                do throws(DataPlaneError) {
                    try commit(
                        .devices(added: wanted.subtracting(present), removed: present.subtracting(wanted)))
                } catch {
                    // Somebody has removed it.
                    guard error.code == .refused else { throw error }
                    try commit(.make(wanted))
                }
            }
        }
        devices = wanted
    }

    private mutating func listen() throws(DataPlaneError) {
        guard open == nil else { return }
        let sgi = sgiInterface
        open = try namespace.run { () throws(DataPlaneError) in
            let notices = try NetlinkSocket(bus: NETLINK_NETFILTER)
            try notices.join(group: NFNLGRP_NFTRACE.rawValue)
            return Sockets(
                notices: notices,
                table: TraceTable(sgiInterface: sgi, socket: try NetlinkSocket(bus: NETLINK_NETFILTER)))
        }
    }

    /// The packets that have ended since the last call.
    mutating func read() throws(DataPlaneError) -> [PacketTrail] {
        guard let open else { return [] }
        var assembly = assembly
        let isWhole = try open.notices.readNotices(limit: Self.readable, operation: "reading the kernel's trace") {
            if let event = TraceEvent($0) { assembly.add(event) }
        }
        if !isWhole { assembly.forget() }
        let ended = assembly.endRound()
        self.assembly = assembly
        return ended
    }

    mutating func counts() throws(DataPlaneError) -> [IPAddress: UInt64] {
        guard let open, devices?.isEmpty == false else { return [:] }
        do throws(DataPlaneError) {
            return try open.table.counts()
        } catch {
            guard error.code == .refused else { throw error }
            // The table is gone, with somebody's `flush ruleset`: it is made anew with the next call of `trace`.
            devices = nil
            return [:]
        }
    }
}
