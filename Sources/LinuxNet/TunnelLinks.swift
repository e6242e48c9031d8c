import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// The interfaces of tunnels, and what is attached to them. The caller is in the gateway's namespace.
struct TunnelLinks {
    let socket: NetlinkSocket

    /// An interface as the kernel has it.
    struct Link: Hashable {
        let index: UInt32
        /// `tun`, `xfrm`, or something else.
        let kind: String
        let mtu: UInt32
        let isUp: Bool
        /// Of an XFRM interface.
        let ifID: UInt32?
    }

    /// The place where a program is attached, as its parent's number.
    enum Hook: UInt32 {
        case ingress = 0xffff_fff2
        case egress = 0xffff_fff3
    }

    // MARK: Reading

    /// By name, those that the gateway gives such names.
    func all() throws(DataPlaneError) -> [InterfaceName: Link] {
        var found: [InterfaceName: Link] = [:]
        for _ in 0..<5 {
            found = [:]
            var request = NetlinkRequest()
            request.begin(
                type: UInt16(RTM_GETLINK), flags: NLM_F_REQUEST | NLM_F_DUMP, sequence: socket.nextSequence(),
                header: Array(repeating: 0, count: 16))
            request.put(IFLA_EXT_MASK, native: UInt32(RTEXT_FILTER_SKIP_STATS))
            request.end()
            let isWhole = try socket.ask(request.bytes, isDump: true, operation: "reading interfaces") { message in
                guard let (name, link) = Self.link(message), name.isOfTunnel else { return }
                found[name] = link
            }
            if isWhole { break }
        }
        return found
    }

    /// `nil` when it is not there.
    func link(_ name: InterfaceName) throws(DataPlaneError) -> Link? {
        var request = NetlinkRequest()
        request.begin(
            type: UInt16(RTM_GETLINK), flags: NLM_F_REQUEST | NLM_F_ACK, sequence: socket.nextSequence(),
            header: Array(repeating: 0, count: 16))
        request.put(IFLA_IFNAME, name.description)
        request.end()
        var found: Link?
        let operation = "reading the interface \(name)"
        let failure = try socket.collect(request.bytes, operation: operation) { message in
            found = Self.link(message)?.link
        }
        guard failure == 0 || failure == ENODEV else { throw DataPlaneError(errno: failure, operation: operation) }
        return found
    }

    private static func link(_ message: NetlinkMessage) -> (name: InterfaceName, link: Link)? {
        let attributes = message.attributes(after: 16)
        guard message.type == UInt16(RTM_NEWLINK), let index = message.payload.native(UInt32.self, at: 4),
            let flags = message.payload.native(UInt32.self, at: 8), let text = attributes.first(IFLA_IFNAME)?.text,
            // Others may have names that Cordon does not know.
            let name = try? InterfaceName(parsing: text)
        else { return nil }
        let information = attributes.first(IFLA_LINKINFO)?.nested
        let data = information?.first(IFLA_INFO_DATA)?.nested
        return (
            name,
            Link(
                index: index, kind: information?.first(IFLA_INFO_KIND)?.text ?? "",
                mtu: attributes.first(IFLA_MTU)?.native32 ?? 0, isUp: flags & 1 != 0,
                ifID: data?.first(IFLA_XFRM_IF_ID)?.native32)
        )
    }

    /// The addresses of interfaces, by their numbers.
    func addresses() throws(DataPlaneError) -> [UInt32: Set<IPv4Address>] {
        var found: [UInt32: Set<IPv4Address>] = [:]
        for _ in 0..<5 {
            found = [:]
            var request = NetlinkRequest()
            request.begin(
                type: UInt16(RTM_GETADDR), flags: NLM_F_REQUEST | NLM_F_DUMP, sequence: socket.nextSequence(),
                header: [UInt8(AF_INET), 0, 0, 0, 0, 0, 0, 0])
            request.end()
            let isWhole = try socket.ask(request.bytes, isDump: true, operation: "reading addresses") { message in
                guard message.type == UInt16(RTM_NEWADDR), let index = message.payload.native(UInt32.self, at: 4),
                    let address = message.attributes(after: 8).first(Self.addressAttribute)?.uint32
                else { return }
                found[index, default: []].insert(IPv4Address(bits: address))
            }
            if isWhole { break }
        }
        return found
    }

    // IFA_LOCAL: linux/if_addr.h.
    private static let addressAttribute = 2

    /// The programs that are attached there, by the kernel's numbers. There is to be one.
    func programs(of interface: UInt32, at hook: Hook) throws(DataPlaneError) -> [UInt32] {
        var found: [UInt32] = []
        var request = NetlinkRequest()
        request.begin(
            type: UInt16(RTM_GETTFILTER), flags: NLM_F_REQUEST | NLM_F_DUMP, sequence: socket.nextSequence(),
            header: Self.header(interface, handle: 0, parent: hook.rawValue, information: 0))
        request.end()
        _ = try socket.ask(request.bytes, isDump: true, operation: "reading filters") { message in
            guard message.type == UInt16(RTM_NEWTFILTER) else { return }
            let attributes = message.attributes(after: 20)
            let options = attributes.first(TCA_OPTIONS)?.nested
            guard attributes.first(TCA_KIND)?.text == "bpf" else { return }
            // A filter's own head comes without options.
            if let id = options?.first(TCA_BPF_ID)?.native32 { found.append(id) }
        }
        return found
    }

    // MARK: Changing

    /// An XFRM interface: what leaves by it is encrypted as policies with its number say, and what those of its number
    /// have decrypted comes in by it.
    func makeXFRM(_ name: InterfaceName, ifID: UInt32) throws(DataPlaneError) {
        var request = NetlinkRequest()
        request.begin(
            type: UInt16(RTM_NEWLINK), flags: NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
            sequence: socket.nextSequence(), header: Array(repeating: 0, count: 16))
        request.put(IFLA_IFNAME, name.description)
        request.nest(IFLA_LINKINFO) { information in
            information.put(IFLA_INFO_KIND, "xfrm")
            information.nest(IFLA_INFO_DATA) { $0.put(IFLA_XFRM_IF_ID, native: ifID) }
        }
        request.end()
        try exchange(request.bytes, operation: "making the interface \(name)")
    }

    /// A TUN without a reader. It has no carrier, and needs none: what leaves by it is led away before its queue.
    func makeTUN(_ name: InterfaceName) throws(DataPlaneError) {
        let result = cnf_make_tun(name.description)
        guard result >= 0 else { throw DataPlaneError(errno: -result, operation: "making the TUN \(name)") }
    }

    func remove(_ interface: UInt32) throws(DataPlaneError) {
        var request = NetlinkRequest()
        request.begin(
            type: UInt16(RTM_DELLINK), flags: NLM_F_REQUEST | NLM_F_ACK, sequence: socket.nextSequence(),
            header: [0, 0, 0, 0] + interface.nativeOctets + Array(repeating: 0, count: 8))
        request.end()
        try exchange(request.bytes, operation: "removing the interface \(interface)", harmless: [ENODEV])
    }

    /// Removes everything that is attached.
    func detach(_ interface: UInt32) throws(DataPlaneError) {
        var request = NetlinkRequest()
        request.begin(
            type: UInt16(RTM_DELQDISC), flags: NLM_F_REQUEST | NLM_F_ACK, sequence: socket.nextSequence(),
            header: Self.header(interface, handle: 0xffff_0000, parent: 0xffff_fff1, information: 0))
        request.end()
        try exchange(
            request.bytes, operation: "detaching from the interface \(interface)", harmless: [ENODEV, ENOENT, EINVAL])
    }

    /// What brings an interface up, with its programs and its address. Programs take the place of those before them
    /// while packets pass.
    /// - Parameter descriptors: of loaded programs.
    func configure(
        _ interface: UInt32, mtu: UInt32?, adding added: Set<IPv4Address> = [], removing removed: Set<IPv4Address> = [],
        programs descriptors: [(hook: Hook, descriptor: Int32, name: String)], operation: String
    ) throws(DataPlaneError) {
        var request = NetlinkRequest()
        request.begin(
            type: UInt16(RTM_NEWQDISC), flags: NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
            sequence: socket.nextSequence(),
            header: Self.header(interface, handle: 0xffff_0000, parent: 0xffff_fff1, information: 0))
        request.put(TCA_KIND, "clsact")
        request.end()
        for (hook, descriptor, name) in descriptors {
            // The first priority, and all protocols (ETH_P_ALL).
            let information = UInt32(1) << 16 | UInt32(UInt16(3).bigEndian)
            request.begin(
                type: UInt16(RTM_NEWTFILTER), flags: NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
                sequence: socket.nextSequence(),
                header: Self.header(interface, handle: 1, parent: hook.rawValue, information: information))
            request.put(TCA_KIND, "bpf")
            request.nest(TCA_OPTIONS) { options in
                options.put(TCA_BPF_FD, native: UInt32(bitPattern: descriptor))
                options.put(TCA_BPF_NAME, name)
                options.put(TCA_BPF_FLAGS, native: UInt32(TCA_BPF_FLAG_ACT_DIRECT))
            }
            request.end()
        }
        for (type, addresses) in [(RTM_DELADDR, removed), (RTM_NEWADDR, added)] {
            for address in addresses.sorted() {
                Self.put(type, address, interface, socket.nextSequence(), in: &request)
            }
        }
        // ifinfomsg: the flag IFF_UP, and that it is the one to change.
        if let mtu {
            request.begin(
                type: UInt16(RTM_SETLINK), flags: NLM_F_REQUEST | NLM_F_ACK, sequence: socket.nextSequence(),
                header: [0, 0, 0, 0] + interface.nativeOctets + UInt32(1).nativeOctets + UInt32(1).nativeOctets)
            request.put(IFLA_MTU, native: mtu)
            request.end()
        }
        try exchange(request.bytes, operation: operation, harmless: [EEXIST, EADDRNOTAVAIL])
    }

    private static func put(
        _ type: Int, _ address: IPv4Address, _ interface: UInt32, _ sequence: UInt32, in request: inout NetlinkRequest
    ) {
        let flags = type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0
        // ifaddrmsg: family, length, flags, scope, interface.
        request.begin(
            type: UInt16(type), flags: NLM_F_REQUEST | NLM_F_ACK | flags, sequence: sequence,
            header: [UInt8(AF_INET), 32, 0, 0] + interface.nativeOctets)
        request.put(addressAttribute, address.bits.networkOctets)
        // IFA_ADDRESS.
        request.put(1, address.bits.networkOctets)
        request.end()
    }

    private func exchange(
        _ bytes: [UInt8], operation: String, harmless: Set<Int32> = []
    ) throws(DataPlaneError) {
        let (errors, _) = try socket.exchange(bytes, operation: operation)
        guard let error = errors.first(where: { !harmless.contains($0.code) }) else { return }
        throw DataPlaneError(errno: error.code, operation: operation)
    }

    /// tcmsg: family, interface, handle, parent, information.
    private static func header(_ interface: UInt32, handle: UInt32, parent: UInt32, information: UInt32) -> [UInt8] {
        [0, 0, 0, 0] + interface.nativeOctets + handle.nativeOctets + parent.nativeOctets + information.nativeOctets
    }
}
