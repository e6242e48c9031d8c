import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// What the rules of the chains `usage_*` and this process call (Sources/BPF/usage.c).
enum UsageProgram: String, CaseIterable {
    case up, down, between
    case gatewayUp = "gateway_up"
    case gatewayDown = "gateway_down"
    case ratedUp = "rated_up"
    case ratedDown = "rated_down"
    /// Sets devices' sessions and limits.
    case change
    case setQuotas = "set_quotas"
    case getQuotas = "get_quotas"
    case addLimits = "add_limits"

    fileprivate var type: bpf_prog_type {
        switch self {
        case .up, .down, .between, .gatewayUp, .gatewayDown, .ratedUp, .ratedDown: BPF_PROG_TYPE_SOCKET_FILTER
        case .change, .setQuotas, .getQuotas, .addLimits: BPF_PROG_TYPE_SCHED_CLS
        }
    }
}

/// Its maps, by the names that it has for them.
enum UsageMap: String, CaseIterable {
    case devices, ways, limits, quotas, rates, dues, notices, totals, rules

    /// Octets of keys and values.
    var size: (key: UInt32, value: UInt32) {
        switch self {
        case .devices: (8, 56)
        case .ways: (16, 48)
        case .limits: (4, 144)
        case .quotas: (4, 40)
        case .rates: (4, 40)
        case .dues: (16, 32)
        case .notices: (0, 16)
        case .totals: (4, 24)
        case .rules: (8, 40)
        }
    }

    /// - Parameter capacity: how many devices there may be.
    fileprivate func shape(_ capacity: UInt32) -> cnf_bpf_shape {
        let (type, entries) =
            switch self {
            case .devices, .limits, .quotas: (BPF_MAP_TYPE_HASH, capacity)
            // A device goes two ways at least where it asks our resolver, and has had earlier sessions.
            case .ways: (BPF_MAP_TYPE_HASH, 2 * capacity)
            case .rates: (BPF_MAP_TYPE_HASH, min(capacity, 1 << 16))
            // Those too that are not read yet since their rules are gone.
            case .rules: (BPF_MAP_TYPE_HASH, 2 * min(capacity, 1 << 16))
            // The oldest go where more devices use rules that have rates.
            case .dues: (BPF_MAP_TYPE_LRU_HASH, max(capacity / 8, 1024))
            case .notices: (BPF_MAP_TYPE_QUEUE, min(capacity, 1 << 16))
            case .totals: (BPF_MAP_TYPE_ARRAY, 1)
            }
        // Tables take memory for what is in them only.
        let flags = type == BPF_MAP_TYPE_HASH ? UInt32(BPF_F_NO_PREALLOC) : 0
        return cnf_bpf_shape(type: type.rawValue, key: size.key, value: size.value, entries: entries, flags: flags)
    }

    fileprivate var kernelName: String { "cordon_\(rawValue)" }
    fileprivate var isOfRules: Bool { self == .rates || self == .dues || self == .rules }
}

/// The loaded programs with their maps. They go on counting and limiting without the process, as long as rules call them.
final class UsagePrograms: Sendable {
    private let maps: [UsageMap: BPFMap]
    private let programs: [UsageProgram: BPFProgram]

    /// Counters are numbered from the second of the start on, so that none after it has the number of one before it: as
    /// long as there are fewer than this power of two in a second.
    static let countersASecond: UInt64 = 17

    /// - Parameters:
    ///   - earlier: a program of an earlier process that rules still call: its maps are taken over.
    ///   - start: the first of the numbers that counters get.
    init(after earlier: UInt32?, capacity: UInt32, start: UInt64) throws(DataPlaneError) {
        var maps: [UsageMap: BPFMap] = [:]
        for map in UsageMap.allCases {
            let shape = map.shape(capacity)
            maps[map] = earlier.flatMap { BPFMap(map.kernelName, shape, ofProgram: $0) }
        }
        // Those that belong together. What rules have can be made anew beside what devices have had: rates are set at each
        // start, and an earlier process that counted for no rules has nothing there.
        let isNew = UsageMap.allCases.contains { maps[$0] == nil && !$0.isOfRules }
        for map in UsageMap.allCases where isNew || maps[map] == nil {
            maps[map] = try BPFMap(map.kernelName, map.shape(capacity))
        }
        if isNew {
            try maps[.totals]?.set(UInt32(0).nativeOctets, start.nativeOctets + [UInt8](repeating: 0, count: 16))
        }
        var programs: [UsageProgram: BPFProgram] = [:]
        for program in UsageProgram.allCases {
            let code = try BPFProgram.code(
                of: program.rawValue, UsageInstructions.code[program.rawValue], UsageInstructions.maps[program.rawValue]
            ) { [maps] name in UsageMap(rawValue: name).flatMap { maps[$0] } }
            programs[program] = try BPFProgram("cordon_\(program.rawValue)", type: program.type, code)
        }
        (self.maps, self.programs) = (maps, programs)
    }

    func program(_ program: UsageProgram) throws(DataPlaneError) -> BPFProgram {
        guard let loaded = programs[program] else { throw Self.missing(program.rawValue) }
        return loaded
    }

    func loaded(_ map: UsageMap) throws(DataPlaneError) -> BPFMap {
        guard let loaded = maps[map] else { throw Self.missing(map.rawValue) }
        return loaded
    }

    private static func missing(_ name: String) -> DataPlaneError {
        DataPlaneError(code: .unsupported, operation: "counting usage", detail: "\(name) is not loaded")
    }

    // MARK: Devices

    /// What the kernel holds of a device beside its counts.
    struct DeviceChange {
        let key: [UInt8]
        let session: Session.ID?
        let limit: LimitNumber?
    }

    /// So many in one call.
    static let changesAtOnce = 64
    private static let changeSize = 24

    /// A device for which there is no room is not counted; one that is to be limited cannot be without.
    func apply(_ changes: [DeviceChange]) throws(DataPlaneError) {
        let program = try self.program(.change)
        let operation = "setting devices' sessions and limits"
        var rest = changes[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.changesAtOnce)
            var octets: [UInt8] = []
            octets.reserveCapacity((part.count + 1) * Self.changeSize)
            for change in part {
                octets += change.key + UInt64(bitPattern: change.session?.rawValue ?? 0).nativeOctets
                octets += (change.limit?.rawValue ?? 0).nativeOctets + [0, 0, 0, 0]
            }
            // A key of zeros ends them.
            octets += [UInt8](repeating: 0, count: Self.changeSize)
            rest = rest.dropFirst(Int(try program.run(octets, operation: operation)))
            guard rest.startIndex < part.endIndex, let refused = rest.popFirst() else { continue }
            guard refused.limit == nil else {
                throw DataPlaneError(
                    code: .refused, operation: operation, detail: "the kernel has no room for counters of more devices")
            }
        }
    }

    /// In this order: what moves from the first to the second meanwhile is seen twice, and not missed.
    private static let counted: [UsageMap] = [.devices, .ways]

    func usage(after cursor: UsageCursor?) throws(DataPlaneError) -> UsagePart {
        let table = cursor?.table ?? 0
        guard Self.counted.indices.contains(table) else { return UsagePart(readings: [], next: nil) }
        let map = Self.counted[table]
        var readings: [UsageReading] = []
        // The next table's beginning has no place.
        let place = cursor.flatMap { $0.place == Self.beginning ? nil : $0.place }
        let next = try read(map, from: place) { key, value in
            let reading = map == .devices ? UsageReading(device: key, value) : UsageReading(way: key, value)
            if let reading { readings.append(reading) }
        }
        if let next { return UsagePart(readings: readings, next: UsageCursor(table: table, place: next)) }
        let isLast = table + 1 == Self.counted.count
        return UsagePart(
            readings: readings, next: isLast ? nil : UsageCursor(table: table + 1, place: Self.beginning))
    }

    /// No place that the kernel gives: tables have fewer lists.
    private static let beginning: UInt32 = .max

    func read(
        _ map: UsageMap, from place: UInt32?, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
    ) throws(DataPlaneError) -> UInt32? {
        try loaded(map).read(from: place, key: Int(map.size.key), value: Int(map.size.value), body)
    }

    func keys(of map: UsageMap) throws(DataPlaneError) -> [[UInt8]] {
        var (keys, place): ([[UInt8]], UInt32?) = ([], nil)
        repeat {
            place = try read(map, from: place) { key, _ in keys.append(Array(key)) }
        } while place != nil
        return keys
    }

    /// Forgets what a reading was of when it says the same still. The caller knows that no packet can be counted there.
    /// - Returns: whether it has.
    func forget(_ reading: UsageReading) throws(DataPlaneError) -> Bool {
        let key = reading.counter.nativeOctets + reading.way.mark.nativeOctets + [0, 0, 0, 0]
        let (ways, devices) = (try loaded(.ways), try loaded(.devices))
        var isGone = true
        if let value = try ways.find(key, size: Int(UsageMap.ways.size.value)) {
            isGone = value.withUnsafeBytes { $0.counts(at: 0) } == reading.counts
            if isGone { try ways.remove(key) }
        }
        guard reading.way == .internet,
            let value = try devices.find(reading.device.usageKey, size: Int(UsageMap.devices.size.value)),
            value.withUnsafeBytes({ $0.native(UInt64.self, at: 0) }) == reading.counter
        else { return isGone }
        guard value.withUnsafeBytes({ $0.counts(at: 24) }) == reading.counts else { return false }
        try devices.remove(reading.device.usageKey)
        return isGone
    }

    /// The number of the counter that counts for a device now.
    func counter(of device: IPAddress) throws(DataPlaneError) -> UInt64? {
        try loaded(.devices).find(device.usageKey, size: Int(UsageMap.devices.size.value))?.withUnsafeBytes {
            $0.native(UInt64.self, at: 0)
        }
    }

    /// What has passed although there was no room to count it.
    func uncounted() throws(DataPlaneError) -> DataPlaneCounter {
        let value = try loaded(.totals).value(of: UInt32(0).nativeOctets, size: Int(UsageMap.totals.size.value))
        return value.withUnsafeBytes { value in
            DataPlaneCounter(
                name: "usage_uncounted", packets: value.native(UInt64.self, at: 16) ?? 0,
                octets: value.native(UInt64.self, at: 8) ?? 0)
        }
    }

    // MARK: Rules

    /// What rules' counters say.
    /// - Parameter inUse: the rules of which flows may still be counted.
    func ruleUsage(inUse: Set<CountedRule.ID>) throws(DataPlaneError) -> [RuleUsageReading] {
        var readings: [RuleUsageReading] = []
        var place: UInt32?
        repeat {
            place = try read(.rules, from: place) { key, value in
                guard let rule = key.native(Int64.self, at: 0).map({ CountedRule.ID($0) }),
                    let counter = value.native(UInt64.self, at: 0), let counts = value.counts(at: 8)
                else { return }
                readings.append(
                    RuleUsageReading(rule: rule, counter: counter, counts: counts, isInUse: inUse.contains(rule)))
            }
        } while place != nil
        return readings
    }

    /// The same as of devices.
    func forget(_ reading: RuleUsageReading) throws(DataPlaneError) -> Bool {
        let (rules, key) = (try loaded(.rules), UInt64(bitPattern: reading.rule.rawValue).nativeOctets)
        guard let value = try rules.find(key, size: Int(UsageMap.rules.size.value)) else { return true }
        let isSame = value.withUnsafeBytes {
            $0.native(UInt64.self, at: 0) == reading.counter && $0.counts(at: 8) == reading.counts
        }
        if isSame { try rules.remove(key) }
        return isSame
    }
}
