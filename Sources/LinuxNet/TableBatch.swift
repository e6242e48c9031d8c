import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// Changes of `table inet cordon` in one netlink batch: all of them are committed or none.
struct TableBatch {
    private var bytes: [UInt8] = []
    private let socket: NetlinkSocket
    private var operations: [UInt32: String] = [:]

    init(socket: NetlinkSocket) {
        self.socket = socket
        control(UInt16(NFNL_MSG_BATCH_BEGIN))
    }

    /// How many octets it has; the kernel takes them in one system call.
    var size: Int { bytes.count }

    /// - Throws: ``DataPlaneError`` with the first refusal; then nothing is in force.
    /// - Returns: whether there was anything to commit.
    @discardableResult
    consuming func commit() throws(DataPlaneError) -> Bool {
        guard !operations.isEmpty else { return false }
        control(UInt16(NFNL_MSG_BATCH_END))
        let (errors, acknowledged) = try socket.exchange(bytes, operation: "changing the table in the kernel")
        if let first = errors.first {
            throw DataPlaneError(
                errno: first.code, operation: operations[first.sequence] ?? "committing a change of the table")
        }
        guard acknowledged == operations.count else {
            throw DataPlaneError(errno: ENOBUFS, operation: "waiting for the kernel's acknowledgement")
        }
        return true
    }

    private mutating func control(_ type: UInt16) {
        var request = NetlinkRequest()
        // The resource of a batch is the subsystem, in network order.
        let header = [UInt8(AF_UNSPEC), UInt8(NFNETLINK_V0)] + UInt16(NFNL_SUBSYS_NFTABLES).networkOctets
        request.begin(type: type, flags: NLM_F_REQUEST, sequence: socket.nextSequence(), header: header)
        request.end()
        bytes += request.bytes
    }

    /// One message. `fill` puts the attributes after the header, 64 KiB at most.
    mutating func message(
        _ type: UInt32, _ flags: Int32, _ operation: String, _ fill: (UnsafeMutablePointer<nlmsghdr>) -> Void
    ) {
        let sequence = socket.nextSequence()
        operations[sequence] = operation
        bytes += [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
            guard
                let header = nftnl_nlmsg_build_hdr(
                    UnsafeMutableRawPointer(buffer.baseAddress)?.assumingMemoryBound(to: CChar.self),
                    UInt16(type), UInt16(NFPROTO_INET), UInt16(flags | NLM_F_ACK), sequence)
            else { return }
            fill(header)
            count = Int(header.pointee.nlmsg_len)
        }
    }
}

/// An element of a set or map, as the kernel keeps it.
struct TableElement: Hashable {
    let key: [UInt8]
    /// The last key of an interval.
    var keyEnd: [UInt8]?
    var value = Value.none

    enum Value: Hashable {
        /// Of a set, or of a map when it is to go.
        case none
        case data([UInt8])
        case jump(chain: String)
    }
}

extension TableBatch {
    mutating func add(_ elements: [TableElement], to set: String) throws(DataPlaneError) {
        try change(elements, set, NFT_MSG_NEWSETELEM.rawValue, NLM_F_CREATE | NLM_F_EXCL, "adding to \(set)")
    }

    mutating func delete(_ elements: [TableElement], from set: String) throws(DataPlaneError) {
        try change(elements, set, NFT_MSG_DELSETELEM.rawValue, 0, "deleting from \(set)")
    }

    /// Deletes all elements.
    mutating func flush(_ set: String) throws(DataPlaneError) {
        try message([], set, NFT_MSG_DELSETELEM.rawValue, 0, "emptying \(set)")
    }

    private mutating func change(
        _ elements: [TableElement], _ set: String, _ type: UInt32, _ flags: Int32, _ operation: String
    ) throws(DataPlaneError) {
        // One attribute holds less than 64 KiB. An element of the map of NAT takes 40 octets, an interval of three
        // fields with a verdict up to 100.
        let perMessage = elements.first?.keyEnd == nil ? 1000 : 500
        var start = 0
        while start < elements.count {
            let end = min(start + perMessage, elements.count)
            try message(elements[start..<end], set, type, flags, operation)
            start = end
        }
    }

    private mutating func message(
        _ elements: ArraySlice<TableElement>, _ name: String, _ type: UInt32, _ flags: Int32, _ operation: String
    ) throws(DataPlaneError) {
        let set = try Self.set(name)
        // Frees the elements too.
        defer { nftnl_set_free(set) }
        for element in elements {
            guard let new = nftnl_set_elem_alloc() else { throw Self.noMemory }
            nftnl_set_elem_set(new, UInt16(NFTNL_SET_ELEM_KEY), element.key, UInt32(element.key.count))
            if let end = element.keyEnd {
                nftnl_set_elem_set(new, UInt16(NFTNL_SET_ELEM_KEY_END), end, UInt32(end.count))
            }
            switch element.value {
            case .none: break
            case .data(let data):
                nftnl_set_elem_set(new, UInt16(NFTNL_SET_ELEM_DATA), data, UInt32(data.count))
            case .jump(let chain):
                nftnl_set_elem_set_u32(new, UInt16(NFTNL_SET_ELEM_VERDICT), UInt32(bitPattern: NFT_JUMP.rawValue))
                nftnl_set_elem_set_str(new, UInt16(NFTNL_SET_ELEM_CHAIN), chain)
            }
            nftnl_set_elem_add(set, new)
        }
        message(type, flags, operation) { header in nftnl_set_elems_nlmsg_build_payload(header, set) }
    }
}

extension DeviceEntry {
    /// A mark is a number in host order.
    var policyData: [UInt8] { policy.rawValue.nativeOctets }
}

extension NATBinding {
    /// First address, first port, last address, last port, each in a register of four octets.
    var elementData: [UInt8] {
        let address = publicAddress.bits.networkOctets
        return address + firstPort.networkOctets + [0, 0] + address + lastPort.networkOctets + [0, 0]
    }
}
