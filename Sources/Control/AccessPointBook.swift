import Domain
import Store
import Synchronization

/// Which APNs are one tenant's alone: asked at every admission, so it is not the store that is asked.
final class AccessPointBook: Sendable {
    private let stored = Mutex<[APN: Tenant.ID]>([:])

    func replaceAll(_ points: [AccessPoint]) {
        let owners = points.reduce(into: [:]) { $0[$1.apn] = $1.owner }
        stored.withLock { $0 = owners }
    }

    /// Of the private ones.
    var owners: [APN: Tenant.ID] { stored.withLock { $0 } }
}
