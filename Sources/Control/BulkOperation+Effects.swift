import Domain

/// What an action changes.
extension BulkOperation.Action {
    /// Whether no packet of the SIM passes after it.
    var endsSessions: Bool {
        switch self {
        case .suspend, .terminate: true
        case .resume, .activate, .test, .setGroup, .setLabel: false
        }
    }

    /// Whether it changes SIMs' states.
    var changesState: Bool {
        switch self {
        case .suspend, .terminate, .resume, .activate, .test: true
        case .setGroup, .setLabel: false
        }
    }

    /// Whether it changes which SIMs are in a manufacturing test.
    var endsTest: Bool {
        switch self {
        case .activate, .test: true
        case .suspend, .terminate, .resume, .setGroup, .setLabel: false
        }
    }
}
