import Domain
import Foundation
import VICI

/// What a real charon (5.9.8, `charon-systemd` in a network namespace, kernel-libipsec, `retransmit_tries = 3`,
/// `retransmit_timeout = 1.0`, `retransmit_base = 1.3`) told over vici while a peer's charon and it were made to fail:
/// one event a line, with the milliseconds since the start. The first line says how it was made.
struct Capture {
    enum Event {
        /// A line of the log, or an event with the connection it names.
        case line(LogLine)
        case of(connection: String, TunnelEvent)
    }

    private(set) var events: [(milliseconds: Int64, event: Event)]

    static var names: [String] {
        get throws {
            try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".txt") }
                .map { String($0.dropLast(4)) }.sorted()
        }
    }

    private static var folder: URL {
        Bundle.module.resourceURL?.appending(path: "Captures") ?? URL(filePath: "Captures")
    }

    init(_ name: String) throws {
        let text = try String(contentsOf: Self.folder.appending(path: "\(name).txt"), encoding: .utf8)
        events = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 2).map(String.init)
            guard parts.count == 3, let milliseconds = Int64(parts[0]), let event = Self.event(parts[1], parts[2])
            else {
                return nil
            }
            return (milliseconds, event)
        }
    }

    private static func event(_ kind: String, _ rest: String) -> Event? {
        let all = rest.split(separator: " ").map(String.init)
        switch kind {
        case "log":
            let fields = rest.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 6 else { return nil }
            return .line(
                LogLine(
                    group: fields[0], level: Int(fields[1]) ?? 1, ikeName: fields[3] == "-" ? nil : fields[3],
                    ikeID: UInt32(fields[4]), text: fields[5]))
        case "ike-updown":
            guard all.count >= 7, let sa = UInt32(all[2]), let port = UInt16(all[5]),
                let address = try? IPAddress(parsing: all[4])  // what is no address is no event
            else { return nil }
            let identity = all[6...].joined(separator: " ")
            return .of(
                connection: all[1],
                all[0] == "up" ? .ikeUp(sa: sa, address: address, port: port, identity: identity) : .ikeDown(sa: sa))
        case "ike-rekey":
            guard all.count == 3, let old = UInt32(all[1]), let new = UInt32(all[2]) else { return nil }
            return .of(connection: all[0], .ikeRekeyed(sa: old, new: new))
        case "child-updown", "child-rekey":
            guard all.count >= 6, let sa = UInt32(all[2]) else { return nil }
            let (local, remote) = (all[4].split(separator: ","), all[5].split(separator: ","))
            if kind == "child-rekey" { return .of(connection: all[1], .childRekeyed(sa: sa, name: all[3])) }
            return .of(
                connection: all[1],
                all[0] == "up"
                    ? .childUp(sa: sa, name: all[3], local: local.map(String.init), remote: remote.map(String.init))
                    : .childDown(sa: sa, name: all[3]))
        case "initiate":
            return .of(connection: "vpn-7", .initiationEnded(error: all[0] == "ok" ? nil : String(rest.dropFirst(6))))
        default: return nil
        }
    }

    /// The event at this place and the next in the other order.
    mutating func swap(_ place: Int) { events.swapAt(place, place + 1) }

    /// The lines of its log.
    var lines: [LogLine] {
        events.compactMap { if case .line(let line) = $0.event { line } else { nil } }
    }
}

/// A gateway with the one VPN of the captures, `vpn-7`, fed as the product is.
struct Replay {
    static let start = Timestamp(milliseconds: 1_795_918_868_000)  // 2026-11-29
    let vpn = VPN.ID(7)
    private(set) var directory: TunnelDirectory
    private(set) var record: TunnelRecord
    /// Events that were not found to be the VPN's.
    private(set) var unattributed = 0

    init(_ terms: TunnelTerms) {
        var addresses: [IPAddress] = []
        if case .address(let address) = terms.peer { addresses = [address] }
        directory = TunnelDirectory([
            TunnelDirectory.Entry(
                vpn: vpn, connection: "vpn-7", addresses: addresses, peerIdentity: terms.peerIdentity,
                ownIdentity: terms.ownIdentity)
        ])
        record = TunnelRecord(terms, at: Self.start)
    }

    mutating func run(_ capture: Capture) {
        for (milliseconds, event) in capture.events {
            let time = Timestamp(milliseconds: Self.start.milliseconds + milliseconds)
            switch event {
            case .line(let line):
                let delivery = directory.attribute(line)
                if delivery == nil { unattributed += 1 }
                for line in delivery?.lines ?? [] { record.apply(.log(line), at: time) }
            case .of(let connection, let event):
                if connection == "vpn-7" || directory.vpn(connection: connection, sa: event.sa ?? 0) == vpn {
                    record.apply(event, at: time)
                } else {
                    unattributed += 1
                }
            }
        }
    }

    mutating func apply(_ event: TunnelEvent, after milliseconds: Int64) {
        record.apply(event, at: Timestamp(milliseconds: Self.start.milliseconds + milliseconds))
    }
}

extension TunnelEvent {
    var sa: UInt32? {
        switch self {
        case .ikeUp(let sa, _, _, _), .ikeDown(let sa), .ikeRekeyed(let sa, _), .childUp(let sa, _, _, _),
            .childDown(let sa, _), .childRekeyed(let sa, _):
            sa
        default: nil
        }
    }
}

extension TunnelTerms {
    /// The gateway's end of the captures.
    static func lab(
        peer: String = "192.0.2.2", identity: String = "hq.acme.example", networks: [String] = ["10.0.0.0/24"],
        authentication: Tunnel.Authentication = .sharedKey, initiation: Tunnel.Initiation = .always, children: Int = 1
    ) throws -> TunnelTerms {
        TunnelTerms(
            peer: try Tunnel.Peer(parsing: peer), peerIdentity: try IKEIdentity(parsing: identity),
            ownIdentity: try IKEIdentity(parsing: "gw.cordon.example"), authentication: authentication,
            initiation: initiation, devices: [try IPv4Prefix(parsing: "100.64.0.0/24")],
            networks: try networks.map { try IPv4Prefix(parsing: $0) },
            ikeProposals: ["aes256gcm16-prfsha384-ecp384"], espProposals: ["aes256gcm16-ecp384"], children: children)
    }
}
