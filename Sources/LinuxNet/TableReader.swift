import CNetfilter
import Glibc
import PolicyCompiler

/// Reads what the kernel holds of `table inet cordon`.
struct TableReader {
    let socket: NetlinkSocket

    /// The number of the last commit to any table of the namespace.
    func generation() throws(DataPlaneError) -> UInt32 {
        var found: UInt32?
        _ = try socket.ask(
            request(NFT_MSG_GETGEN.rawValue, isDump: false) { _ in }, isDump: false,
            operation: "asking for the ruleset's generation"
        ) { found = $0.attributes(after: 4).first(NFTA_GEN_ID.rawValue)?.uint32 }
        guard let found else { throw DataPlaneError(errno: EPROTO, operation: "asking for the ruleset's generation") }
        return found
    }

    /// - Parameter body: called with each message's attributes, again from `reset` on when the dump was torn.
    func dump(
        _ type: UInt32, _ operation: String, _ put: (inout NetlinkRequest) -> Void, reset: () -> Void,
        _ body: (Attributes) -> Void
    ) throws(DataPlaneError) {
        for _ in 0..<8 {
            reset()
            let isWhole = try socket.ask(
                request(type, isDump: true, put), isDump: true, operation: "reading \(operation)"
            ) { body($0.attributes(after: 4)) }
            if isWhole { return }
        }
        throw DataPlaneError(
            code: .refused, operation: "reading \(operation)", detail: "others kept changing it meanwhile")
    }

    private func request(_ type: UInt32, isDump: Bool, _ put: (inout NetlinkRequest) -> Void) -> [UInt8] {
        var request = NetlinkRequest()
        begin(&request, type, isDump ? NLM_F_REQUEST | NLM_F_DUMP : NLM_F_REQUEST)
        put(&request)
        request.end()
        return request.bytes
    }

    private func begin(_ request: inout NetlinkRequest, _ type: UInt32, _ flags: Int32) {
        request.begin(
            type: UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(type), flags: flags, sequence: socket.nextSequence(),
            header: [UInt8(NFPROTO_INET), UInt8(NFNETLINK_V0), 0, 0])
    }

    /// What the table is made of, apart from the elements of the maps of devices.
    func snapshot() throws(DataPlaneError) -> TableSnapshot {
        var snapshot = TableSnapshot()
        try dump(
            NFT_MSG_GETTABLE.rawValue, "tables", { _ in }, reset: { snapshot.parts = [:] },
            { attributes in
                guard attributes.first(NFTA_TABLE_NAME.rawValue)?.text == "cordon" else { return }
                snapshot.add(.table, attributes, [NFTA_TABLE_FLAGS.rawValue])
            })
        guard snapshot.hasTable else { return snapshot }
        var part = TableSnapshot()
        try dump(
            NFT_MSG_GETCHAIN.rawValue, "chains", { _ in }, reset: { part.parts = [:] },
            { attributes in
                guard attributes.first(NFTA_CHAIN_TABLE.rawValue)?.text == "cordon",
                    let name = attributes.first(NFTA_CHAIN_NAME.rawValue)?.text
                else { return }
                part.add(
                    .chain(name), attributes,
                    [NFTA_CHAIN_HOOK.rawValue, NFTA_CHAIN_POLICY.rawValue, NFTA_CHAIN_TYPE.rawValue])
            })
        snapshot.parts.merge(part.parts) { $1 }
        try dump(
            NFT_MSG_GETSET.rawValue, "sets", { $0.put(NFTA_SET_TABLE.rawValue, "cordon") }, reset: { part.parts = [:] },
            { attributes in
                guard let name = attributes.first(NFTA_SET_NAME.rawValue)?.text, TableText.sets.contains(name) else {
                    return
                }
                part.add(
                    .set(name), attributes,
                    [
                        NFTA_SET_FLAGS.rawValue, NFTA_SET_KEY_TYPE.rawValue, NFTA_SET_KEY_LEN.rawValue,
                        NFTA_SET_DATA_TYPE.rawValue, NFTA_SET_DATA_LEN.rawValue,
                    ])
            })
        snapshot.parts.merge(part.parts) { $1 }
        for chain in snapshot.chains { snapshot.parts.merge(try rules(of: chain)) { $1 } }
        for name in ["nas", "pools", "pools6"] where snapshot.parts[.set(name)] != nil {
            snapshot.parts[.elements(name)] = try elementDigest(of: name)
        }
        return snapshot
    }

    /// The digest of a chain's rules; none when it has none.
    func rules(of chain: String) throws(DataPlaneError) -> [TableSnapshot.Part: Int] {
        var hasher: Hasher?
        try eachRule(of: chain, reset: { hasher = nil }) { attributes in
            // All of it, the handle too: a rule that was replaced by its equal is not ours either. But not what its
            // counters say.
            var hash = hasher ?? Hasher()
            for attribute in attributes {
                hash.combine(attribute.type)
                guard attribute.type == NFTA_RULE_EXPRESSIONS.rawValue else {
                    hash.combine(bytes: attribute.value)
                    continue
                }
                for expression in attribute.nested {
                    let isCounter = expression.nested.first(NFTA_EXPR_NAME.rawValue)?.text == "counter"
                    if isCounter { hash.combine(0) } else { hash.combine(bytes: expression.value) }
                }
            }
            hasher = hash
        }
        return hasher.map { [.rules(chain): $0.finalize()] } ?? [:]
    }

    /// A chain at a time: the kernel counts from the first rule of a dump again for each message of it, so that the
    /// rules of all chains at once take minutes (200,000 of them).
    func eachRule(
        of chain: String, reset: () -> Void, _ body: (Attributes) -> Void
    ) throws(DataPlaneError) {
        try dump(
            NFT_MSG_GETRULE.rawValue, "rules of \(chain)",
            {
                $0.put(NFTA_RULE_TABLE.rawValue, "cordon")
                $0.put(NFTA_RULE_CHAIN.rawValue, chain)
            }, reset: reset, body)
    }

    /// The order of elements is the kernel's own and may change, so their digests are added up.
    func elementDigest(of set: String) throws(DataPlaneError) -> Int {
        var sum = 0
        try eachElement(of: set, reset: { sum = 0 }) { element in
            var hasher = Hasher()
            let parts = [NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_FLAGS].map { element.first($0.rawValue) }
            for part in parts {
                hasher.combine(part == nil)
                if let part { hasher.combine(bytes: part.value) }
            }
            sum &+= hasher.finalize()
        }
        return sum
    }

    /// The elements of a map of devices, read until a reading finds none that the readings before it had not.
    ///
    /// The kernel's hash tables grow in the background, some milliseconds after the elements came. A dump goes on, from
    /// message to message, by counting elements, so one that meets a growing table sees some of them twice and misses
    /// others, and nothing marks it as torn (nft_rhash_walk, Linux 6.18: a change of generation is marked, this is not).
    ///
    /// It also counts from the beginning for each message, so that the time grows with the square of the number of
    /// elements: 0.2 s for 100,000, half a minute for a million.
    func settledElements(of map: String) throws(DataPlaneError) -> [UInt32: [UInt8]] {
        var generation = try generation()
        var found = try elements(of: map)
        for _ in 0..<8 {
            let again = try elements(of: map)
            let next = try self.generation()
            defer { generation = next }
            if next != generation {
                found = again
            } else if again.keys.allSatisfy({ found[$0] != nil }) {
                return found
            } else {
                found.merge(again) { $1 }
            }
        }
        throw DataPlaneError(
            code: .refused, operation: "reading elements of \(map)", detail: "others kept changing it meanwhile")
    }

    /// The elements of a map of devices in one reading: address to data. Empty when there is no such map.
    func elements(of map: String) throws(DataPlaneError) -> [UInt32: [UInt8]] {
        var found: [UInt32: [UInt8]] = [:]
        try eachElement(of: map, reset: { found = [:] }) { element in Self.add(element, to: &found) }
        return found
    }

    /// How many elements a map has, which must be there; `nil` when the kernel does not say (before 6.15).
    func count(of map: String) throws(DataPlaneError) -> Int? {
        var count: UInt32?
        // NFTA_SET_COUNT, which older headers lack.
        let attribute = 20
        let question = request(NFT_MSG_GETSET.rawValue, isDump: false) {
            $0.put(NFTA_SET_TABLE.rawValue, "cordon")
            $0.put(NFTA_SET_NAME.rawValue, map)
        }
        _ = try socket.ask(question, isDump: false, operation: "reading the map \(map)") {
            count = $0.attributes(after: 4).first(attribute)?.uint32
        }
        return count.map { Int($0) }
    }

    /// Those elements of a set or map: key to data. A key that is missing ends the answer.
    func elements(of map: String, at keys: [[UInt8]]) throws(DataPlaneError) -> [[UInt8]: [UInt8]] {
        var found: [[UInt8]: [UInt8]] = [:]
        for start in stride(from: 0, to: keys.count, by: 1000) {
            var request = NetlinkRequest()
            begin(&request, NFT_MSG_GETSETELEM.rawValue, NLM_F_REQUEST | NLM_F_ACK)
            request.put(NFTA_SET_ELEM_LIST_TABLE.rawValue, "cordon")
            request.put(NFTA_SET_ELEM_LIST_SET.rawValue, map)
            request.nest(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue) { list in
                for key in keys[start..<min(start + 1000, keys.count)] {
                    list.nest(NFTA_LIST_ELEM.rawValue) { element in
                        element.nest(NFTA_SET_ELEM_KEY.rawValue) { $0.put(NFTA_DATA_VALUE.rawValue, key) }
                    }
                }
            }
            request.end()
            let operation = "reading elements of \(map)"
            let failure = try socket.collect(request.bytes, operation: operation) { message in
                guard let list = message.attributes(after: 4).first(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue) else {
                    return
                }
                for element in list.nested {
                    guard let (key, data) = Self.keyAndData(element.nested) else { continue }
                    found[Array(key.value)] = data
                }
            }
            if failure == ENOENT { break }
            guard failure == 0 else { throw DataPlaneError(errno: failure, operation: operation) }
        }
        return found
    }

    private static func keyAndData(_ element: Attributes) -> (key: Attribute, data: [UInt8])? {
        guard let key = element.first(NFTA_SET_ELEM_KEY.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue) else {
            return nil
        }
        let data = element.first(NFTA_SET_ELEM_DATA.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)
        return (key, data.map { Array($0.value) } ?? [])
    }

    private static func add(_ element: Attributes, to found: inout [UInt32: [UInt8]]) {
        guard let (key, data) = keyAndData(element), let address = key.uint32 else { return }
        found[address] = data
    }

    func counters() throws(DataPlaneError) -> [DataPlaneCounter] {
        var found: [DataPlaneCounter] = []
        try dump(
            NFT_MSG_GETOBJ.rawValue, "counters", { $0.put(NFTA_OBJ_TABLE.rawValue, "cordon") }, reset: { found = [] },
            { attributes in
                guard let name = attributes.first(NFTA_OBJ_NAME.rawValue)?.text, TableText.counters.contains(name),
                    let data = attributes.first(NFTA_OBJ_DATA.rawValue)?.nested
                else { return }
                found.append(
                    DataPlaneCounter(
                        name: name, packets: data.first(NFTA_COUNTER_PACKETS.rawValue)?.uint64 ?? 0,
                        octets: data.first(NFTA_COUNTER_BYTES.rawValue)?.uint64 ?? 0))
            })
        return found
    }

    func eachElement(
        of set: String, reset: () -> Void, _ body: (Attributes) -> Void
    ) throws(DataPlaneError) {
        try dump(
            NFT_MSG_GETSETELEM.rawValue, "elements of \(set)",
            {
                $0.put(NFTA_SET_ELEM_LIST_TABLE.rawValue, "cordon")
                $0.put(NFTA_SET_ELEM_LIST_SET.rawValue, set)
            }, reset: reset,
            { attributes in
                guard let list = attributes.first(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue) else { return }
                for element in list.nested { body(element.nested) }
            })
    }
}

/// Digests of the table's parts, to tell whether somebody has changed them.
struct TableSnapshot: Equatable {
    enum Part: Hashable {
        case table
        case chain(String)
        case rules(String)
        case set(String)
        case elements(String)
    }

    /// What a chain without a hook looks like.
    static var plainChain: Int { Hasher().finalize() }

    /// Digests are good for this process only.
    var parts: [Part: Int] = [:]

    var hasTable: Bool { parts[.table] != nil }
    var chains: [String] { parts.keys.compactMap { if case .chain(let name) = $0 { name } else { nil } } }

    mutating func add(_ part: Part, _ attributes: Attributes, _ relevant: [UInt32]) {
        var hasher = Hasher()
        for attribute in attributes where relevant.contains(UInt32(attribute.type)) {
            hasher.combine(attribute.type)
            hasher.combine(bytes: attribute.value)
        }
        parts[part] = hasher.finalize()
    }

    /// How `self`, which is there, differs from what was `expected`, one sentence each.
    func findings(expected: TableSnapshot) -> [String] {
        guard hasTable else { return ["the table inet cordon was gone"] }
        var findings: [String] = []
        for (part, digest) in expected.parts where parts[part] != digest {
            let isGone = parts[part] == nil
            let finding =
                switch part {
                case .table: "the table's flags had been changed"
                case .chain(let name): "the chain \(name) \(isGone ? "was gone" : "had been changed")"
                case .rules(let name): "rules of the chain \(name) \(isGone ? "were gone" : "had been changed")"
                case .set(let name): "the set \(name) \(isGone ? "was gone" : "had been changed")"
                case .elements(let name): "elements of \(name) had been changed"
                }
            findings.append(finding)
        }
        for part in parts.keys where expected.parts[part] == nil {
            switch part {
            case .chain(let name): findings.append("a foreign chain \(name) was there")
            case .rules(let name): findings.append("foreign rules were in the chain \(name)")
            case .table, .set, .elements: break
            }
        }
        return findings.sorted()
    }
}
