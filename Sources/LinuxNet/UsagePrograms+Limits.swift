import Domain
import PolicyCompiler

/// Limits and quotas, and rules' rates.
extension UsagePrograms {
    /// What a device owes at a rate stays as long as the rate does.
    func set(_ limits: [LimitNumber: DeviceLimit?]) throws(DataPlaneError) {
        let map = try loaded(.limits)
        var wanted: [(number: LimitNumber, limit: DeviceLimit)] = []
        for (number, limit) in limits {
            if let limit {
                wanted.append((number, limit))
            } else {
                try map.remove(number.rawValue.nativeOctets)
            }
        }
        var rest = wanted[...]
        while !rest.isEmpty {
            // Most are new.
            let part = rest.prefix(Self.limitsAtOnce)
            let octets = Self.elements(part) { octets, one in
                octets.append(native: one.number.rawValue)
                octets.append(native: UInt32(0))
                octets += one.limit.octets(after: nil)
            }
            let added = try program(.addLimits).run(octets, operation: "adding limits")
            rest = rest.dropFirst(part.count)
            for one in part.dropFirst(Int(added)) { try replace(one.limit, one.number, map) }
        }
    }

    private func replace(_ limit: DeviceLimit, _ number: LimitNumber, _ map: BPFMap) throws(DataPlaneError) {
        let key = number.rawValue.nativeOctets
        let known = try map.find(key, size: Int(UsageMap.limits.size.value))
        let wanted = limit.octets(after: known)
        if wanted != known { try map.set(key, wanted) }
    }

    func set(_ quotas: [QuotaNumber: Quota?]) throws(DataPlaneError) {
        var wanted: [(number: QuotaNumber, quota: Quota)] = []
        for (number, quota) in quotas {
            if let quota {
                wanted.append((number, quota))
            } else {
                try loaded(.quotas).remove(number.rawValue.nativeOctets)
            }
        }
        var rest = wanted[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.changesAtOnce)
            let octets = Self.elements(part) { octets, one in
                octets.append(native: one.number.rawValue)
                octets.append(native: UInt32(0))
                octets.append(native: one.quota.period)
                octets.append(native: one.quota.limit)
                octets.append(native: one.quota.notice ?? .max)
                octets.append(native: one.quota.used)
            }
            let operation = "setting quotas"
            guard try program(.setQuotas).run(octets, operation: operation) == part.count else {
                throw DataPlaneError(
                    code: .refused, operation: operation, detail: "the kernel has no room for more quotas")
            }
            rest = rest.dropFirst(part.count)
        }
    }

    /// In the order of the numbers; `nil` for one that is not there.
    func quotas(_ numbers: [QuotaNumber]) throws(DataPlaneError) -> [QuotaReading?] {
        var readings: [QuotaReading?] = []
        readings.reserveCapacity(numbers.count)
        let size = 8 + Int(UsageMap.quotas.size.value)
        let blank = [UInt8](repeating: 0, count: size - 8)
        var rest = numbers[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.changesAtOnce)
            var octets = Self.elements(part) { octets, number in
                octets.append(native: number.rawValue)
                octets.append(native: UInt32(0))
                octets += blank
            }
            _ = try program(.getQuotas).run(&octets, operation: "reading quotas")
            octets.withUnsafeBytes { octets in
                for start in stride(from: 0, to: part.count * size, by: size) {
                    let isPresent = octets.native(UInt32.self, at: start + 4) == 1
                    readings.append(isPresent ? QuotaReading(octets[range: start + 8..<start + size]) : nil)
                }
            }
            rest = rest.dropFirst(part.count)
        }
        return readings
    }

    /// All that are there.
    func quotas() throws(DataPlaneError) -> [QuotaNumber: QuotaReading] {
        var readings: [QuotaNumber: QuotaReading] = [:]
        var place: UInt32?
        repeat {
            place = try read(.quotas, from: place) { key, value in
                guard let number = key.native(UInt32.self, at: 0).flatMap(QuotaNumber.init) else { return }
                readings[number] = QuotaReading(value)
            }
        } while place != nil
        return readings
    }

    /// So many in one call: a packet that the kernel calls a program with has 3,600 octets or so.
    private static let limitsAtOnce = 16

    /// For a program that takes several.
    private static func elements<Element>(
        _ part: ArraySlice<Element>, _ append: (inout [UInt8], Element) -> Void
    ) -> [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(3600)
        for element in part { append(&octets, element) }
        return octets
    }

    /// The rates and counters of rules, by the numbers of their flows; one that is there never changes.
    /// - Parameter isAll: whether others are to go.
    func set(rates: [[UInt8]: Ruleset.RuleRate?], isAll: Bool) throws(DataPlaneError) {
        let map = try loaded(.rates)
        for (number, rate) in rates {
            guard let rate else { continue }
            let rule = UInt64(bitPattern: rate.counted?.rawValue ?? 0)
            try map.set(number, rate.up.pace + rate.down.pace + rule.nativeOctets)
        }
        guard isAll else { return }
        for key in try keys(of: .rates) where rates[key] == nil { try map.remove(key) }
    }

    func removeRates(_ numbers: some Sequence<[UInt8]>) throws(DataPlaneError) {
        let map = try loaded(.rates)
        for number in numbers { try map.remove(number) }
    }

    /// The numbers of the limits and quotas that are there.
    func numbers() throws(DataPlaneError) -> (limits: Set<UInt32>, quotas: Set<UInt32>) {
        let numbers = { (keys: [[UInt8]]) in
            Set(keys.compactMap { key in key.withUnsafeBytes { $0.native(UInt32.self, at: 0) } })
        }
        return (numbers(try keys(of: .limits)), numbers(try keys(of: .quotas)))
    }

    func takeNotices() throws(DataPlaneError) -> [QuotaNotice] {
        let queue = try loaded(.notices)
        var notices: [QuotaNotice] = []
        while let value = try queue.pop(size: Int(UsageMap.notices.size.value)) {
            let notice = value.withUnsafeBytes { value -> QuotaNotice? in
                guard let number = value.native(UInt32.self, at: 0).flatMap(QuotaNumber.init),
                    let isReached = value.native(UInt32.self, at: 4), let period = value.native(UInt64.self, at: 8)
                else { return nil }
                return QuotaNotice(quota: number, period: period, isReached: isReached != 0)
            }
            if let notice { notices.append(notice) }
        }
        return notices
    }
}
