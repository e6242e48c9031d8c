public import Domain

/// What the devices of one policy may look up. Immutable and shared; made anew when the policy, a list or an exception
/// changes. Verdicts allocate nothing, and their cost does not grow with the number of patterns.
public final class NameFilter: Sendable {
    /// What a name is held against, in this order; the first that has it decides.
    public struct Rules: Sendable {
        /// The policy's `dns.deny`.
        public var deny: [HostPattern] = []
        /// Names that no blocklist refuses for this tenant.
        public var exceptions: [HostPattern] = []
        /// The policy's `dns.blocklists`.
        public var lists: [List] = []
        /// The policy's `dns.allow`.
        public var allow: [HostPattern] = []
        /// What rules of the policy let its devices reach: these may be looked up.
        public var reachable: [HostPattern] = []
        /// What rules of the policy have, whether they let it pass or not: its addresses are learned. Allows nothing.
        public var ruled: [HostPattern] = []
        /// What holds for all other names.
        public var isOpen = false

        public init() {}
    }

    /// A blocklist as the policy names it.
    public struct List: Sendable {
        public let name: Name
        public let names: NameList
        /// Counts what it decides for the tenant.
        public let hits: ListHits?

        public init(name: Name, names: NameList, hits: ListHits? = nil) {
            self.name = name
            self.names = names
            self.hits = hits
        }
    }

    public enum Verdict: Hashable, Sendable {
        case allowed
        /// Over UDP the device is told to ask again over TCP, where the name is allowed.
        case allowedOverTCP(Listing)
        case refused(Reason)
    }

    public enum Reason: Hashable, Sendable {
        /// `dns.deny` of the policy.
        case denied
        /// Nothing allows the name.
        case notAllowed
        /// A blocklist has it.
        case listed(Listing)
    }

    /// Where a blocklist has a name, and what it wants.
    public struct Listing: Hashable, Sendable {
        /// The place among ``NameFilter/lists``.
        public let list: Int
        public let entry: NameList.Entry
        /// What the device gets: of a refusal `block` (as the policy says), `nxdomain`, `nodata`, `drop` or `local`.
        public let action: NameList.Action
    }

    /// In the order in which they are asked.
    public let lists: [List]
    private let isOpen: Bool
    private let patterns: PatternTable
    private let hasAddresses: Bool

    private enum Kind: UInt8 {
        case deny = 1
        case exception = 2
        case allow = 4
        case reachable = 8
        case ruled = 16
    }

    public init(_ rules: Rules) {
        lists = rules.lists
        isOpen = rules.isOpen
        hasAddresses = rules.lists.contains { $0.names.count.prefixes > 0 }
        var table = PatternTable()
        for (patterns, kind) in [
            (rules.deny, Kind.deny), (rules.exceptions, .exception), (rules.allow, .allow),
            (rules.reachable, .reachable), (rules.ruled, .ruled),
        ] {
            for pattern in patterns { table.insert(pattern, kind: kind.rawValue) }
        }
        patterns = table
    }

    /// On a name that a device asks for.
    public func verdict(on name: WireName) -> Verdict { judgement(on: name).verdict }

    /// The same, and whether a rule of the policy has the name.
    public func judgement(on name: WireName) -> (verdict: Verdict, isRuled: Bool) {
        let (verdict, kinds) = judgedWithKinds(name)
        return (counted(verdict), kinds & Kind.ruled.rawValue != 0)
    }

    /// Whether a rule of the policy has the name.
    public func isRuled(_ name: WireName) -> Bool {
        NameStep.with(of: name.octets) { patterns.kinds(of: name.octets, $0) } & Kind.ruled.rawValue != 0
    }

    /// On a name that an answer leads to (CNAME, DNAME, SVCB): only what refuses it by itself counts, since nobody lists
    /// the names of the networks that deliver content.
    public func verdict(onAlias name: WireName) -> Verdict { counted(judged(alias: name)) }

    /// On an address that an answer gives for a name. An exception or a list's `rpz-passthru` for that name is one for its
    /// addresses too.
    public func verdict(onAddress address: IPAddress, of name: WireName) -> Verdict {
        hasAddresses ? counted(judged(address, of: name)) : .allowed
    }

    /// As ``verdict(on:)``, without counting it.
    public func judged(_ name: WireName) -> Verdict { judgedWithKinds(name).verdict }

    private func judgedWithKinds(_ name: WireName) -> (verdict: Verdict, kinds: UInt8) {
        NameStep.with(of: name.octets) { steps in
            let kinds = patterns.kinds(of: name.octets, steps)
            switch refusal(name.octets, steps, kinds) {
            case .refused(let reason): return (.refused(reason), kinds)
            case .allowed where isAllowed(kinds): return (.allowed, kinds)
            case .allowedOverTCP(let listing) where isAllowed(kinds): return (.allowedOverTCP(listing), kinds)
            case .allowed, .allowedOverTCP: return (.refused(.notAllowed), kinds)
            }
        }
    }

    private func judged(alias name: WireName) -> Verdict {
        NameStep.with(of: name.octets) { refusal(name.octets, $0, patterns.kinds(of: name.octets, $0)) }
    }

    private func judged(_ address: IPAddress, of name: WireName) -> Verdict {
        NameStep.with(of: name.octets) { steps in
            guard patterns.kinds(of: name.octets, steps) & Kind.exception.rawValue == 0 else { return .allowed }
            for index in lists.indices {
                let list = lists[index].names
                if list.match(name.octets, steps)?.action == .passthru { return .allowed }
                if let match = list.match(address) { return verdict(match, of: index) }
            }
            return .allowed
        }
    }

    /// What a listing with the action `local` answers, for a name that was asked for.
    public func records(of listing: Listing) -> [LocalRecord] { lists[listing.list].names.records(of: listing.entry) }

    private func isAllowed(_ kinds: UInt8) -> Bool {
        isOpen || kinds & (Kind.allow.rawValue | Kind.reachable.rawValue) != 0
    }

    /// What refuses the name by itself.
    private func refusal(_ name: [UInt8], _ steps: Span<NameStep>, _ kinds: UInt8) -> Verdict {
        if kinds & Kind.deny.rawValue != 0 { return .refused(.denied) }
        guard kinds & Kind.exception.rawValue == 0 else { return .allowed }
        for index in lists.indices {
            if let match = lists[index].names.match(name, steps) { return verdict(match, of: index) }
        }
        return .allowed
    }

    private func verdict(_ match: NameList.Match, of list: Int) -> Verdict {
        let listing = Listing(list: list, entry: match.entry, action: match.action)
        switch match.action {
        case .passthru: return .allowed
        case .tcpOnly: return .allowedOverTCP(listing)
        case .block, .nxdomain, .nodata, .drop, .local: return .refused(.listed(listing))
        }
    }

    private func counted(_ verdict: Verdict) -> Verdict {
        switch verdict {
        case .refused(.listed(let listing)), .allowedOverTCP(let listing):
            lists[listing.list].hits?.note(listing.entry)
        case .allowed, .refused(.denied), .refused(.notAllowed): break
        }
        return verdict
    }
}
