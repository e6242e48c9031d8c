import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// Changes of elements in the maps of devices, in one netlink batch: all of them are committed or none.
struct ElementBatch {
    private var bytes: [UInt8] = []
    private let socket: NetlinkSocket
    private var operations: [UInt32: String] = [:]

    /// One attribute holds less than 64 KiB; an element of the larger map takes 40 octets, so this leaves room.
    private static let elementsPerMessage = 1000

    struct Element {
        /// In host order.
        let key: UInt32
        /// As the kernel keeps it, `nil` when the element is to go.
        let data: [UInt8]?
    }

    init(socket: NetlinkSocket) {
        self.socket = socket
        control(UInt16(NFNL_MSG_BATCH_BEGIN))
    }

    mutating func delete(_ keys: [UInt32], from map: String) throws(DataPlaneError) {
        try add(keys.map { Element(key: $0, data: nil) }, map, NFT_MSG_DELSETELEM.rawValue, 0)
    }

    mutating func add(_ elements: [Element], to map: String) throws(DataPlaneError) {
        try add(elements, map, NFT_MSG_NEWSETELEM.rawValue, UInt16(NLM_F_CREATE | NLM_F_EXCL))
    }

    /// - Throws: ``DataPlaneError`` with the first refusal; then nothing is in force.
    consuming func commit() throws(DataPlaneError) {
        guard !operations.isEmpty else { return }
        control(UInt16(NFNL_MSG_BATCH_END))
        let (errors, acknowledged) = try socket.exchange(bytes, operation: "changing devices in the kernel")
        if let first = errors.first {
            throw DataPlaneError(
                errno: first.code, operation: operations[first.sequence] ?? "committing devices to the kernel")
        }
        guard acknowledged == operations.count else {
            throw DataPlaneError(errno: ENOBUFS, operation: "waiting for the kernel's acknowledgement")
        }
    }

    private mutating func control(_ type: UInt16) {
        var request = NetlinkRequest()
        // The resource of a batch is the subsystem, in network order.
        let header = [UInt8(AF_UNSPEC), UInt8(NFNETLINK_V0)] + UInt16(NFNL_SUBSYS_NFTABLES).networkOctets
        request.begin(type: type, flags: NLM_F_REQUEST, sequence: socket.nextSequence(), header: header)
        request.end()
        bytes += request.bytes
    }

    private mutating func add(
        _ elements: [Element], _ map: String, _ type: UInt32, _ flags: UInt16
    ) throws(DataPlaneError) {
        var start = 0
        while start < elements.count {
            let end = min(start + Self.elementsPerMessage, elements.count)
            try message(elements[start..<end], map, type, flags)
            start = end
        }
    }

    private mutating func message(
        _ elements: ArraySlice<Element>, _ map: String, _ type: UInt32, _ flags: UInt16
    ) throws(DataPlaneError) {
        let noMemory = DataPlaneError(errno: ENOMEM, operation: "preparing a change of \(map)")
        guard let set = nftnl_set_alloc() else { throw noMemory }
        // Frees the elements too.
        defer { nftnl_set_free(set) }
        nftnl_set_set_str(set, UInt16(NFTNL_SET_TABLE.rawValue), "cordon")
        nftnl_set_set_str(set, UInt16(NFTNL_SET_NAME.rawValue), map)
        for element in elements {
            guard let new = nftnl_set_elem_alloc() else { throw noMemory }
            var key = element.key.bigEndian
            nftnl_set_elem_set(new, UInt16(NFTNL_SET_ELEM_KEY), &key, 4)
            if let data = element.data {
                nftnl_set_elem_set(new, UInt16(NFTNL_SET_ELEM_DATA), data, UInt32(data.count))
            }
            nftnl_set_elem_add(set, new)
        }
        let sequence = socket.nextSequence()
        operations[sequence] = (type == NFT_MSG_NEWSETELEM.rawValue ? "adding to " : "deleting from ") + map
        let message = [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
            guard
                let header = nftnl_nlmsg_build_hdr(
                    UnsafeMutableRawPointer(buffer.baseAddress)?.assumingMemoryBound(to: CChar.self),
                    UInt16(type), UInt16(NFPROTO_INET), flags | UInt16(NLM_F_ACK), sequence)
            else { return }
            nftnl_set_elems_nlmsg_build_payload(header, set)
            count = Int(header.pointee.nlmsg_len)
        }
        bytes += message
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
