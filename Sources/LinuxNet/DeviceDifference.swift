import Domain
import PolicyCompiler

/// What has to change in the maps of devices.
struct DeviceDifference {
    /// In host order; small, since there may be millions.
    private struct Element {
        let key: UInt32
        let data: [UInt8]
    }

    private var policyDeletions: [UInt32] = []
    private var policyAdditions: [Element] = []
    private var natDeletions: [UInt32] = []
    private var natAdditions: [Element] = []
    /// By set or map: of IPv6, and of groups that rules name.
    private var otherDeletions: [String: [TableElement]] = [:]
    private var otherAdditions: [String: [TableElement]] = [:]

    var isEmpty: Bool {
        policyDeletions.isEmpty && policyAdditions.isEmpty && natDeletions.isEmpty && natAdditions.isEmpty
            && otherDeletions.isEmpty && otherAdditions.isEmpty
    }

    /// From what the kernel is known to hold for one address to what it should.
    /// - Parameter named: the groups that rules name.
    mutating func change(
        _ address: IPv4Address, from old: DeviceEntry?, to new: DeviceEntry?, named: Set<GroupNumber>
    ) {
        changeGroup(
            address.bits.networkOctets, .ipv4, from: old?.group.flatMap { named.contains($0) ? $0 : nil },
            to: new?.group.flatMap { named.contains($0) ? $0 : nil })
        if old?.policy != new?.policy {
            changePolicy(address.bits, hadOne: old != nil, to: new?.policyData)
        }
        if old?.nat != new?.nat {
            changeNAT(address.bits, hadOne: old?.nat != nil, to: new?.nat?.elementData)
        }
    }

    /// The same for a prefix.
    mutating func change(
        _ prefix: IPv6Prefix, from old: DeviceEntry6?, to new: DeviceEntry6?, named: Set<GroupNumber>
    ) {
        let key = prefix.address.bits.networkOctets
        changeGroup(
            key, .ipv6, from: old?.group.flatMap { named.contains($0) ? $0 : nil },
            to: new?.group.flatMap { named.contains($0) ? $0 : nil })
        guard old?.policy != new?.policy else { return }
        if old != nil { otherDeletions["device_policy6", default: []].append(TableElement(key: key)) }
        if let new {
            otherAdditions["device_policy6", default: []].append(
                TableElement(key: key, value: .data(new.policy.rawValue.nativeOctets)))
        }
    }

    private mutating func changeGroup(
        _ key: [UInt8], _ family: Family, from old: GroupNumber?, to new: GroupNumber?
    ) {
        guard old != new else { return }
        if let old {
            for (set, element) in old.elements(key, family) { otherDeletions[set, default: []].append(element) }
        }
        if let new {
            for (set, element) in new.elements(key, family) { otherAdditions[set, default: []].append(element) }
        }
    }

    /// From what was read from the kernel to what it should hold.
    mutating func change(
        policies: [UInt32: [UInt8]], bindings: [UInt32: [UInt8]], to devices: [IPv4Address: DeviceEntry]
    ) {
        for key in policies.keys where devices[IPv4Address(bits: key)] == nil { policyDeletions.append(key) }
        for key in bindings.keys where devices[IPv4Address(bits: key)]?.nat == nil { natDeletions.append(key) }
        for (address, entry) in devices {
            let policy = policies[address.bits]
            if policy != entry.policyData { changePolicy(address.bits, hadOne: policy != nil, to: entry.policyData) }
            guard let data = entry.nat?.elementData else { continue }
            let binding = bindings[address.bits]
            if binding != data { changeNAT(address.bits, hadOne: binding != nil, to: data) }
        }
    }

    private mutating func changePolicy(_ key: UInt32, hadOne: Bool, to data: [UInt8]?) {
        if hadOne { policyDeletions.append(key) }
        if let data { policyAdditions.append(.init(key: key, data: data)) }
    }

    private mutating func changeNAT(_ key: UInt32, hadOne: Bool, to data: [UInt8]?) {
        if hadOne { natDeletions.append(key) }
        if let data { natAdditions.append(.init(key: key, data: data)) }
    }

    /// In one transaction.
    /// - Returns: whether there was anything to change.
    @discardableResult
    func commit(over socket: NetlinkSocket) throws(DataPlaneError) -> Bool {
        var batch = TableBatch(socket: socket)
        batch.delete(Self.elements(policyDeletions), from: "device_policy")
        batch.delete(Self.elements(natDeletions), from: "device_nat")
        for (set, elements) in otherDeletions { batch.delete(elements, from: set) }
        for (set, elements) in otherAdditions { batch.add(elements, to: set) }
        batch.add(Self.elements(natAdditions), to: "device_nat")
        batch.add(Self.elements(policyAdditions), to: "device_policy")
        return try batch.commit()
    }

    private static func elements(_ keys: [UInt32]) -> [TableElement] {
        keys.map { TableElement(key: $0.networkOctets) }
    }

    private static func elements(_ elements: [Element]) -> [TableElement] {
        elements.map { TableElement(key: $0.key.networkOctets, value: .data($0.data)) }
    }

    /// Empties both maps and fills them anew, each in one transaction: a packet meets the old elements or the new. For
    /// maps that are too large to be read (``TableReader/settledElements(of:)``). A binding is there before its policy.
    static func replaceAll(with devices: [IPv4Address: DeviceEntry], over socket: NetlinkSocket) throws(DataPlaneError)
    {
        var batch = TableBatch(socket: socket)
        batch.flush("device_nat")
        try fill(devices.values, "device_nat", { $0.nat?.elementData }, &batch)
        try batch.commit()
        batch = TableBatch(socket: socket)
        batch.flush("device_policy")
        try fill(devices.values, "device_policy", { $0.policyData }, &batch)
        try batch.commit()
    }

    private static func fill(
        _ entries: some Collection<DeviceEntry>, _ map: String, _ data: (DeviceEntry) -> [UInt8]?,
        _ batch: inout TableBatch
    ) throws(DataPlaneError) {
        var elements: [TableElement] = []
        for entry in entries {
            guard let data = data(entry) else { continue }
            elements.append(TableElement(key: entry.address.bits.networkOctets, value: .data(data)))
            guard elements.count == 10_000 else { continue }
            batch.add(elements, to: map)
            elements.removeAll(keepingCapacity: true)
        }
        batch.add(elements, to: map)
    }

    /// The difference as findings, one sentence for each map.
    var findings: [String] {
        let maps = [
            ("device_policy", policyDeletions, policyAdditions), ("device_nat", natDeletions, natAdditions),
        ]
        return maps.compactMap { name, deletions, additions in
            let deleted = Set(deletions)
            let missing = additions.count { !deleted.contains($0.key) }
            let wrong = additions.count - missing
            let foreign = deletions.count - wrong
            guard missing + wrong + foreign > 0 else { return nil }
            return "in \(name) \(missing) elements were missing, \(wrong) were wrong and \(foreign) were foreign"
        }
    }
}

extension GroupNumber {
    /// What the kernel holds of a device of the group, by set: one for policies' chains to ask, and one for the packets
    /// that these have let pass.
    func elements(_ device: [UInt8], _ family: Family) -> [(set: String, element: TableElement)] {
        [
            (family.group(self), TableElement(key: device)),
            ("group_devices\(family.suffix)", TableElement(key: device + RouteMark.of(self).nativeOctets)),
        ]
    }
}
