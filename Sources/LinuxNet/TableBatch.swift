import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// Changes of a table in one netlink batch: all of them are committed or none.
struct TableBatch {
    private var request = NetlinkRequest()
    private let socket: NetlinkSocket
    private let table: String
    private var operations: [Operation] = []

    /// What a message is for, and the name of the part of the table that it changes.
    private struct Operation {
        let sequence: UInt32
        let verb: StaticString
        let name: String
    }

    /// - Parameter table: of the family inet.
    init(socket: NetlinkSocket, table: String = "cordon") {
        self.socket = socket
        self.table = table
        control(UInt16(NFNL_MSG_BATCH_BEGIN))
    }

    /// How many octets it has; the kernel takes them in one system call.
    var size: Int { request.count }

    /// - Throws: ``DataPlaneError`` with the first refusal; then nothing is in force.
    /// - Returns: whether there was anything to commit.
    @discardableResult
    consuming func commit() throws(DataPlaneError) -> Bool {
        guard !operations.isEmpty else { return false }
        control(UInt16(NFNL_MSG_BATCH_END))
        let (errors, acknowledged) = try socket.exchange(request.bytes, operation: "changing the table \(table)")
        if let first = errors.first {
            let operation = operations.first { $0.sequence == first.sequence }.map { "\($0.verb) \($0.name)" }
            throw DataPlaneError(errno: first.code, operation: operation ?? "committing a change of the table \(table)")
        }
        guard acknowledged == operations.count else {
            throw DataPlaneError(errno: ENOBUFS, operation: "waiting for the kernel's acknowledgement")
        }
        return true
    }

    private mutating func control(_ type: UInt16) {
        // The resource of a batch is the subsystem, in network order.
        let header = [UInt8(AF_UNSPEC), UInt8(NFNETLINK_V0)] + UInt16(NFNL_SUBSYS_NFTABLES).networkOctets
        request.begin(type: type, flags: NLM_F_REQUEST, sequence: socket.nextSequence(), header: header)
        request.end()
    }

    /// One message about a part of the table.
    /// - Parameters:
    ///   - tableType: of the attribute that has the table's name.
    ///   - verb: what the message does, as `adding the chain`.
    ///   - name: of the part.
    ///   - body: puts what there is to say beside the table.
    mutating func message(
        _ type: UInt32, _ flags: Int32, table tableType: UInt32, _ verb: StaticString, _ name: String,
        _ body: (inout NetlinkRequest) -> Void = { _ in }
    ) {
        let sequence = socket.nextSequence()
        operations.append(Operation(sequence: sequence, verb: verb, name: name))
        request.begin(
            type: UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(type), flags: NLM_F_REQUEST | NLM_F_ACK | flags,
            sequence: sequence, header: Self.family)
        request.put(tableType, table)
        body(&request)
        request.end()
    }

    private static let family = [UInt8(NFPROTO_INET), UInt8(NFNETLINK_V0), 0, 0]

    /// The table itself.
    mutating func table(_ type: UInt32, _ flags: Int32, _ verb: StaticString) {
        message(type, flags, table: NFTA_TABLE_NAME.rawValue, verb, table)
    }

    mutating func chain(
        _ type: UInt32, _ flags: Int32, _ verb: StaticString, _ name: String,
        _ body: (inout NetlinkRequest) -> Void = { _ in }
    ) {
        message(type, flags, table: NFTA_CHAIN_TABLE.rawValue, verb, name) { chain in
            chain.put(NFTA_CHAIN_NAME.rawValue, name)
            body(&chain)
        }
    }

    /// A set or a map.
    mutating func set(
        _ type: UInt32, _ flags: Int32, _ verb: StaticString, _ name: String,
        _ body: (inout NetlinkRequest) -> Void = { _ in }
    ) {
        message(type, flags, table: NFTA_SET_TABLE.rawValue, verb, name) { set in
            set.put(NFTA_SET_NAME.rawValue, name)
            body(&set)
        }
    }

    /// A rule behind those that its chain has.
    mutating func rule(in chain: String, _ expressions: (inout NetlinkRequest) -> Void) {
        message(
            NFT_MSG_NEWRULE.rawValue, NLM_F_CREATE | NLM_F_APPEND, table: NFTA_RULE_TABLE.rawValue,
            "adding a rule to the chain", chain
        ) { rule in
            rule.put(NFTA_RULE_CHAIN.rawValue, chain)
            rule.nest(NFTA_RULE_EXPRESSIONS.rawValue, expressions)
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
    mutating func add(_ elements: [TableElement], to set: String) {
        change(elements, set, NFT_MSG_NEWSETELEM.rawValue, NLM_F_CREATE | NLM_F_EXCL, "adding to")
    }

    mutating func delete(_ elements: [TableElement], from set: String) {
        change(elements, set, NFT_MSG_DELSETELEM.rawValue, 0, "deleting from")
    }

    /// Deletes all elements.
    mutating func flush(_ set: String) { message(of: set, NFT_MSG_DELSETELEM.rawValue, 0, "emptying") }

    /// In as many messages as it takes: one attribute holds less than 64 KiB.
    private mutating func change(
        _ elements: [TableElement], _ set: String, _ type: UInt32, _ flags: Int32, _ verb: StaticString
    ) {
        var rest = elements[...]
        while !rest.isEmpty {
            message(of: set, type, flags, verb) { message in
                message.nest(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue) { list in
                    let limit = list.count + Self.maximumOctets
                    while list.count < limit, let element = rest.popFirst() {
                        list.nest(NFTA_LIST_ELEM.rawValue) { $0.put(element) }
                    }
                }
            }
        }
    }

    /// Of elements in one message, but for the last of them, which has some hundred octets at most.
    private static let maximumOctets = 60_000

    private mutating func message(
        of set: String, _ type: UInt32, _ flags: Int32, _ verb: StaticString,
        _ elements: (inout NetlinkRequest) -> Void = { _ in }
    ) {
        message(type, flags, table: NFTA_SET_ELEM_LIST_TABLE.rawValue, verb, set) { message in
            message.put(NFTA_SET_ELEM_LIST_SET.rawValue, set)
            elements(&message)
        }
    }
}

extension NetlinkRequest {
    fileprivate mutating func put(_ element: TableElement) {
        nest(NFTA_SET_ELEM_KEY.rawValue) { $0.put(NFTA_DATA_VALUE.rawValue, element.key) }
        if let end = element.keyEnd {
            nest(NFTA_SET_ELEM_KEY_END.rawValue) { $0.put(NFTA_DATA_VALUE.rawValue, end) }
        }
        switch element.value {
        case .none: break
        case .data(let data): nest(NFTA_SET_ELEM_DATA.rawValue) { $0.put(NFTA_DATA_VALUE.rawValue, data) }
        case .jump(let chain): putVerdict(NFTA_SET_ELEM_DATA.rawValue, NFT_JUMP.rawValue, chain: chain)
        }
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
