/// Where a SIM may be used.
public struct LocationLock: Hashable, Sendable {
    /// `nil`: everywhere, as far as the others allow.
    public var allow: Places?
    public var deny: Places?
    public var fence: Fence?
    /// The networks whose SIMs these may be, by the IMSI's first digits; empty: any.
    public var homeNetworks: Set<PLMN>
    /// Reports of the other side, one after the other, before the device counts as being there, out or in again; `nil`: only
    /// the time counts.
    public var afterReports: Int?
    /// Or so long there.
    public var after: TimeSpan?
    /// An older location is not known.
    public var maximumAge: TimeSpan
    public var onViolation: ViolationAction
    public var onUnknown: ViolationAction

    /// One of them is enough.
    public struct Places: Hashable, Sendable {
        public var networks: Set<PLMN>
        public var countries: Set<Country>
        public var areas: Set<TrackingArea>
        public var cells: Set<Cell>

        public init(
            networks: Set<PLMN> = [], countries: Set<Country> = [], areas: Set<TrackingArea> = [], cells: Set<Cell> = []
        ) {
            self.networks = networks
            self.countries = countries
            self.areas = areas
            self.cells = cells
        }

        public var isEmpty: Bool { networks.isEmpty && countries.isEmpty && areas.isEmpty && cells.isEmpty }

        enum Answer { case yes, no, unknown }

        /// Whether a place is among these; unknown when it is in none and the device did not say as much of its place as one
        /// of them asks.
        func contain(_ place: DevicePlace) -> Answer {
            if let network = place.network {
                if networks.contains(network) || !countries.isDisjoint(with: place.countries) { return .yes }
            }
            if let area = place.area, areas.contains(area) { return .yes }
            if let cell = place.cell, cells.contains(cell) { return .yes }
            let isUnsaid =
                place.network == nil || (place.area == nil && areas.contains { $0.network == place.network })
                || (place.cell == nil && cells.contains { $0.network == place.network })
            return isUnsaid ? .unknown : .no
        }
    }

    /// The cells in which the SIM was in its first days; after these it is to stay in them.
    public struct Fence: Hashable, Sendable {
        public var days: Int
        /// Whether other cells of the tracking areas that it was in are in it too.
        public var withNeighbours: Bool

        public init(days: Int, withNeighbours: Bool) {
            self.days = days
            self.withNeighbours = withNeighbours
        }

        public static let days = 1...90
        /// Places of one SIM that are remembered; a device that was in more has no fence that would help.
        public static let maximumPlaces = 256
    }

    public init(
        allow: Places? = nil, deny: Places? = nil, fence: Fence? = nil, homeNetworks: Set<PLMN> = [],
        afterReports: Int? = 1, after: TimeSpan? = nil, maximumAge: TimeSpan = TimeSpan(milliseconds: 86_400_000),
        onViolation: ViolationAction, onUnknown: ViolationAction
    ) {
        self.allow = allow
        self.deny = deny
        self.fence = fence
        self.homeNetworks = homeNetworks
        self.afterReports = afterReports
        self.after = after
        self.maximumAge = maximumAge
        self.onViolation = onViolation
        self.onUnknown = onUnknown
    }
}
