package import Domain
import Synchronization

/// The last rejections, in front of the engine: a device that is rejected asks again at once, for ever, and a fleet of them
/// would keep store and engine busy with what has been decided. What is repeated is answered from here.
///
/// A rejection is remembered for half a minute at most, and forgotten at once when anything that an administrator can
/// change is changed: what comes after the change is decided by it.
package final class VerdictBook: Sendable {
    package struct Limits: Sendable {
        /// SIMs that are remembered at most; at some 200 octets each.
        package var capacity = 262_144
        package var lifetime = Duration.seconds(30)

        package init() {}
    }

    private struct Rejection {
        let apn: APN?
        let nas: NAS.ID
        let pdnType: PDNType
        let reason: AttachRejection
        let until: ContinuousClock.Instant

        func isOf(_ request: AttachRequest) -> Bool {
            apn == request.apn && nas == request.nas && pdnType == request.pdnType
        }
    }

    private struct State {
        /// Two generations: when the younger is half of what may be, it becomes the older, and that is forgotten.
        var young: [IMSI: [Rejection]] = [:]
        var old: [IMSI: [Rejection]] = [:]
        var changes: UInt64 = 0
    }

    private let state = Mutex(State())
    private let limits: Limits
    /// APNs, NAS and PDN types by which one SIM is remembered.
    private static let perSIM = 4

    package init(limits: Limits = Limits()) { self.limits = limits }

    /// Why the same question was answered with a rejection; `nil`: it has to be decided.
    package func rejection(of request: AttachRequest, at now: ContinuousClock.Instant) -> AttachRejection? {
        guard let imsi = request.imsi else { return nil }
        return state.withLock { state in
            guard let known = state.young[imsi] ?? state.old[imsi] else { return nil }
            return known.first { $0.isOf(request) && $0.until > now }?.reason
        }
    }

    /// How often something was changed. To be asked before deciding.
    package var changes: UInt64 { state.withLock { $0.changes } }

    /// Remembers rejections, unless something has changed since they were begun to be decided.
    package func remember(
        _ rejections: [(request: AttachRequest, reason: AttachRejection)], since changes: UInt64,
        at now: ContinuousClock.Instant
    ) {
        state.withLock { state in
            guard state.changes == changes else { return }
            for (request, reason) in rejections where reason.isLasting {
                guard let imsi = request.imsi else { continue }
                var known = (state.young[imsi] ?? state.old[imsi] ?? []).filter {
                    $0.until > now && !$0.isOf(request)
                }
                if known.count >= Self.perSIM { known.removeFirst() }
                known.append(
                    Rejection(
                        apn: request.apn, nas: request.nas, pdnType: request.pdnType, reason: reason,
                        until: now + limits.lifetime))
                state.young[imsi] = known
            }
            guard state.young.count >= max(1, limits.capacity / 2) else { return }
            state.old = state.young
            state.young = [:]
        }
    }

    /// Something has changed that may decide otherwise about anything.
    package func forgetAll() {
        state.withLock { state in
            state.changes &+= 1
            state.young = [:]
            state.old = [:]
        }
    }

    package var count: Int { state.withLock { $0.young.count + $0.old.count } }
}

extension AttachRejection {
    /// Whether only an administrator's change makes it another. Pools fill and empty by themselves.
    var isLasting: Bool {
        switch self {
        case .simUnknown, .simSuspended, .simTerminated, .simTestOver, .apnNotAllowed, .apnMissing, .pdnTypeNotServed:
            true
        // What session policies find depends on the time, on the place and on what is asked of others.
        case .imsiMissing, .addressPoolExhausted, .imeiNotAllowed, .locationNotAllowed, .outsideHours, .notApproved,
            .dataLimitReached:
            false
        }
    }
}
