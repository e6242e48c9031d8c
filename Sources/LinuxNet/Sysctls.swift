import Domain
import Glibc
import PolicyCompiler

/// The kernel's settings for a gateway. The files show the network namespace of the thread that opens them.
struct Sysctls {
    let layout: GatewayLayout

    private var settings: [(path: String, value: Int)] {
        let interfaces = ["all", layout.sgiInterface.description, layout.wanInterface.description]
        var settings = interfaces.flatMap(Self.settings)
        // An error about a packet of a tunnel must come from an address that the tunnel's selectors have.
        if layout.hasTunnels { settings.append(("ipv4/icmp_errors_use_inbound_ifaddr", 1)) }
        // A router has no socket for most packets; not to look for one with each is the kernel's own advice.
        settings.append(("ipv4/ip_early_demux", 0))
        // Seconds. RFC 4787 §4.3 and RFC 5382 §5: at least 5 minutes for UDP, 2 hours 4 minutes for TCP.
        settings += [
            ("netfilter/nf_conntrack_udp_timeout", 300),
            ("netfilter/nf_conntrack_udp_timeout_stream", 300),
            ("netfilter/nf_conntrack_icmp_timeout", 60),
            ("netfilter/nf_conntrack_tcp_timeout_established", 7440),
        ]
        for state in ["syn_sent", "syn_recv", "fin_wait", "close_wait", "last_ack", "time_wait"] {
            settings.append(("netfilter/nf_conntrack_tcp_timeout_\(state)", 240))
        }
        return settings
    }

    private static func settings(of interface: String) -> [(path: String, value: Int)] {
        [
            // The table itself checks sources, and routes by mark look asymmetric to the kernel.
            ("ipv4/conf/\(interface)/rp_filter", 0),
            // With rules for marks the kernel would look every source up once more, to see that it is not its own.
            // The table does: from sgi only devices come in, from wan only answers.
            ("ipv4/conf/\(interface)/accept_local", 1),
            ("ipv4/conf/\(interface)/accept_redirects", 0),
            ("ipv4/conf/\(interface)/send_redirects", 0),
            ("ipv4/conf/\(interface)/accept_source_route", 0),
        ]
    }

    /// For the interface of a VPN, when it is there.
    func apply(to interface: InterfaceName, isTunnel: Bool) {
        // What cannot be set is seen as packets that do not pass; the interface may go at any moment.
        for setting in Self.settings(of: interface.description) { _ = write(setting.path, setting.value) }
        guard isTunnel else { return }
        // A peer's network that devices see at other addresses has these from here on, and no policy of the kernel's has
        // them. What may come out of this tunnel is the table's to say: it compares the source with the way back, and the
        // device with the tunnel's tenant.
        _ = write("ipv4/conf/\(interface)/disable_policy", 1)
        // The kernel would talk to neighbours that there are not.
        _ = write("ipv6/conf/\(interface)/disable_ipv6", 1)
        // A TUN without a reader has no carrier.
        _ = write("ipv4/conf/\(interface)/ignore_routes_with_linkdown", 0)
    }

    /// - Returns: what could not be set, one sentence each.
    func apply() -> [String] {
        var warnings = settings.compactMap { write($0.path, $0.value) }
        // Gone from newer kernels, where helpers are assigned by rules only.
        if access("/proc/sys/net/netfilter/nf_conntrack_helper", F_OK) == 0 {
            warnings += [write("netfilter/nf_conntrack_helper", 0)].compactMap { $0 }
        }
        return warnings
    }

    /// Only once the table is loaded.
    /// - Returns: whether it was off.
    func startForwarding() throws(DataPlaneError) -> Bool {
        let off = forwarding.filter { !isOn($0) }
        for path in off {
            if let warning = write(path, 1) {
                throw DataPlaneError(code: .notPermitted, operation: "turning forwarding on", detail: warning)
            }
        }
        return !off.isEmpty
    }

    private var forwarding: [String] {
        ["ipv4/ip_forward"] + (layout.hasIPv6 ? ["ipv6/conf/all/forwarding"] : [])
    }

    private func isOn(_ path: String) -> Bool {
        let descriptor = open("/proc/sys/net/\(path)", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var digit: UInt8 = 0
        return read(descriptor, &digit, 1) == 1 && digit == UInt8(ascii: "1")
    }

    func stopForwarding() -> [String] { forwarding.compactMap { write($0, 0) } }

    private func write(_ path: String, _ value: Int) -> String? {
        let path = "/proc/sys/net/\(path)"
        let text = Array("\(value)\n".utf8)
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            return "\(path) cannot be set to \(value): \(DataPlaneError(errno: errno, operation: "opening").detail)"
        }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, text, text.count) == text.count else {
            return "\(path) cannot be set to \(value): \(DataPlaneError(errno: errno, operation: "writing").detail)"
        }
        return nil
    }
}
