import Domain
import PolicyCompiler

/// What the kernel's programs do with packets and quotas (Sources/BPF/usage.c), without rates.
extension RecordingDataPlane.State {
    mutating func set(_ quota: Quota?, _ number: QuotaNumber) {
        guard let quota else {
            counted[number] = nil
            return
        }
        let known = counted[number]
        let isSame = known?.period == quota.period
        let used = isSame ? known?.used ?? 0 : quota.used
        counted[number] = QuotaReading(
            period: quota.period, limit: quota.limit, used: used,
            isReached: used < quota.limit ? false : known?.isReached ?? false)
    }

    /// A packet of a device: what the policy makes of it is not looked at, but that there is one.
    mutating func pass(_ octets: UInt64, of address: IPv4Address) -> Bool {
        guard let device = devices[address], device.policy != .blockAll else { return false }
        guard let limit = device.limit.flatMap({ limits[$0] }) else { return true }
        var taken: [QuotaNumber] = []
        for number in limit.quotas {
            guard let quota = counted[number] else { continue }
            let isSlowing = limit.slowing.contains(number)
            let after = quota.used + octets
            let isWithin = after <= quota.limit
            let notice = quotas[number]?.notice ?? .max
            var passes = isSlowing || (isWithin && !quota.isReached)
            if quota.isReached, !isSlowing { passes = false }
            if passes {
                if quota.used < notice, after >= notice {
                    quotaNotices.append(QuotaNotice(quota: number, period: quota.period, isReached: false))
                }
                taken.append(number)
            }
            let isReached = quota.isReached || !isWithin
            if isReached, !quota.isReached {
                quotaNotices.append(QuotaNotice(quota: number, period: quota.period, isReached: true))
            }
            counted[number] = QuotaReading(
                period: quota.period, limit: quota.limit, used: passes ? after : quota.used, isReached: isReached)
            guard passes else {
                for earlier in taken {
                    guard let quota = counted[earlier] else { continue }
                    counted[earlier] = QuotaReading(
                        period: quota.period, limit: quota.limit, used: quota.used - octets, isReached: quota.isReached)
                }
                return false
            }
        }
        return true
    }
}

extension RecordingDataPlane {
    func pass(_ octets: UInt64, of address: IPv4Address) -> Bool {
        var passes = false
        change { passes = $0.pass(octets, of: address) }
        return passes
    }
}
