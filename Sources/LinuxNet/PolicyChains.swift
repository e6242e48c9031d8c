import Domain
import PolicyCompiler

/// Which chains of the kernel belong to which policy. Each has its own, with counters, also where two of them do the
/// same: what one tenant's devices do is not another's to see.
struct PolicyChains {
    private var serials: [PolicyMark: UInt32] = [:]
    private(set) var rulesets: [PolicyMark: Ruleset] = [:]
    /// The bit of each of a policy's sets of names. A set keeps its own from version to version.
    private var bits: [PolicyMark: [[HostPattern]: Int]] = [:]
    private var serial: UInt32
    /// Numbers of what an earlier process has left, which a new chain cannot have.
    private var taken: Set<UInt32>
    /// Chains that are in the kernel already, with what they do, and the policies that they were led to from.
    private var adoptable: [PolicyMark: (serial: UInt32, form: PolicyForm)] = [:]
    private(set) var vpns: [VPNNumber: VPNEntry] = [:]
    private let withIPv6: Bool
    /// What leads to the chains, and on from there.
    private(set) var leads = Leads()
    /// Decisions of earlier versions that hold until the flows which have their numbers are judged anew.
    /// The last come last.
    private(set) var retired: [PolicyMark: [[PolicyPair: UInt32]]] = [:]
    /// So many versions: without flows there is no sweep, and nothing to keep.
    private static let maximumRetired = 4

    /// - Parameters:
    ///   - serial: names are made from numbers above. A number must not come back while a flow may still have it, so a
    ///     process that does not know what the one before it has used begins at random.
    ///   - taken: numbers that are in use in the kernel.
    ///   - found: whole chains that are in the kernel, and may be used.
    ///   - mapped: which of them the kernel leads each policy to.
    init(
        withIPv6: Bool, after serial: UInt32 = 0, taken: Set<UInt32> = [], adopting found: [UInt32: PolicyForm] = [:],
        ledTo mapped: [UInt32: String] = [:]
    ) {
        self.withIPv6 = withIPv6
        self.serial = serial
        self.taken = taken
        for (mark, name) in mapped {
            if let mark = PolicyMark(rawValue: mark), let number = ChainPlace.serial(in: name),
                let form = found[number]
            {
                adoptable[mark] = (number, form)
            }
        }
    }

    /// What the chain writes on flows: the number of its first way; `nil` for a number that no chain can have.
    static func number(_ serial: UInt32) -> UInt32? {
        serial <= lastSerial ? serial << Ruleset.numberBits : nil
    }

    /// The upper half of the numbers is that of routes' marks, and of what names put where a number will be.
    private static let lastSerial: UInt32 = .max >> (Ruleset.numberBits + 1)

    /// The part of a flow's mark that is its chain's number; the rest is the way.
    static let numberMask: UInt32 = .max << Ruleset.numberBits

    /// Names begin anew above a number that was drawn from these.
    static let firstNumbers: Range<UInt32> = 1..<1 << (30 - Ruleset.numberBits)

    /// Two transactions, and why not one: a packet reads rules of the generation that it met first, but elements of
    /// the newest. Under way during a commit it may be led to a chain that has no rules yet in its own generation, and
    /// be lost. So chains are complete before anything leads to them.
    struct Change {
        /// Policies whose chains are to be added, to which nothing leads.
        var additions: [Addition] = []
        /// Policies that lose their chains, with their number.
        var unmapped: [(mark: PolicyMark, serial: UInt32)] = []
        var removed = Leads()
        var added = Leads()
        /// Chains to which nothing leads after that, and their maps.
        var removedChains: [String] = []
        var removedMaps: [String] = []

        var isEmpty: Bool { additions.isEmpty && unmapped.isEmpty && removed.isEmpty && added.isEmpty }

        struct Addition {
            let serial: UInt32
            let ruleset: Ruleset
            /// Of its sets of names.
            let bits: [Int]
        }
    }

    /// Gives the policies these rulesets and forgets the removed ones.
    mutating func change(to new: [PolicyMark: Ruleset], removing removed: Set<PolicyMark>) -> Change {
        var change = Change()
        for (mark, ruleset) in new.sorted(by: { $0.key < $1.key }) where rulesets[mark] != ruleset {
            let old = leads(of: mark)
            retire(mark)
            remove(mark, &change)
            assignBits(mark, ruleset)
            serials[mark] = newSerial(of: mark, for: ruleset, &change)
            rulesets[mark] = ruleset
            move(from: old, to: leads(of: mark), &change)
        }
        for mark in removed.sorted() where new[mark] == nil {
            let old = leads(of: mark)
            remove(mark, &change)
            (retired[mark], bits[mark]) = (nil, nil)
            move(from: old, to: leads(of: mark), &change)
        }
        leads.apply(change)
        return change
    }

    /// The VPNs that packets can take, and the policies' ways with that.
    mutating func change(vpns new: [VPNNumber: VPNEntry]) -> Change {
        var change = Change()
        let differing = Set(new.keys).union(vpns.keys).filter { new[$0] != vpns[$0] }
        let affected = rulesets.filter { !$0.value.vpns.isDisjoint(with: differing) }.keys
        let before = affected.map { ($0, leads(of: $0)) }
        let interfaces = vpnLeads
        vpns = new
        for (mark, old) in before { move(from: old, to: leads(of: mark), &change) }
        move(from: interfaces, to: vpnLeads, &change)
        leads.apply(change)
        return change
    }

    /// Flows have been judged by the present version: what those before it have decided holds no more.
    mutating func forgetRetired(of policies: some Sequence<PolicyMark>) -> Change {
        var change = Change()
        for mark in policies where retired[mark] != nil {
            let old = leads(of: mark)
            retired[mark] = nil
            move(from: old, to: leads(of: mark), &change)
        }
        leads.apply(change)
        return change
    }

    private func move(from old: Leads, to new: Leads, _ change: inout Change) {
        change.removed.insert(old.subtracting(new))
        change.added.insert(new.subtracting(old))
    }

    private mutating func newSerial(of mark: PolicyMark, for ruleset: Ruleset, _ change: inout Change) -> UInt32 {
        if let found = adoptable.removeValue(forKey: mark),
            found.form == PolicyForm(ruleset, bits: bits(of: mark, ruleset), withIPv6: withIPv6)
        {
            return found.serial
        }
        repeat { serial = serial &+ 1 & Self.lastSerial } while serial == 0 || taken.contains(serial)
        change.additions.append(.init(serial: serial, ruleset: ruleset, bits: bits(of: mark, ruleset)))
        return serial
    }

    /// Sets that the version before had keep their bits, and new ones get bits that no set had: so addresses can get theirs
    /// before the chains are changed, and packets under way are judged rightly by the old. (When there are not enough for
    /// that, all are given anew.)
    private mutating func assignBits(_ mark: PolicyMark, _ ruleset: Ruleset) {
        guard !ruleset.hostSets.isEmpty else {
            bits[mark] = nil
            return
        }
        let old = bits[mark] ?? [:]
        var free = Set(0..<Ruleset.HostBit.words * Ruleset.HostBit.perWord).subtracting(old.values).sorted()[...]
        var new: [[HostPattern]: Int] = [:]
        for set in ruleset.hostSets { new[set] = old[set] ?? free.popFirst() }
        if new.count < ruleset.hostSets.count {
            for (place, set) in ruleset.hostSets.enumerated() { new[set] = place }
        }
        bits[mark] = new
    }

    private func bits(of mark: PolicyMark, _ ruleset: Ruleset) -> [Int] {
        ruleset.hostSets.map { bits[mark]?[$0] ?? -1 }
    }

    /// The bits of an address that has these names for the policy's devices.
    func words(of names: [DomainName], for mark: PolicyMark) -> NamedAddresses.Words {
        var words = NamedAddresses.Words.zero
        for (patterns, place) in bits[mark] ?? [:] {
            guard let bit = Ruleset.HostBit(place),
                patterns.contains(where: { pattern in names.contains { pattern.matches($0) } })
            else { continue }
            words[bit.word] |= bit.mask
        }
        return words
    }

    /// All that the policy's sets of names have.
    func bitsInUse(of mark: PolicyMark) -> NamedAddresses.Words {
        var words = NamedAddresses.Words.zero
        for place in (bits[mark] ?? [:]).values {
            if let bit = Ruleset.HostBit(place) { words[bit.word] |= bit.mask }
        }
        return words
    }

    /// Whether no bit has changed its meaning since an earlier version of the policy.
    func keepsBits(of earlier: PolicyChains, for mark: PolicyMark) -> Bool {
        guard let old = earlier.bits[mark], let new = bits[mark] else { return true }
        let taken = Set(old.values)
        return new.allSatisfy { set, place in old[set].map { $0 == place } ?? !taken.contains(place) }
    }

    private mutating func remove(_ mark: PolicyMark, _ change: inout Change) {
        guard let old = rulesets.removeValue(forKey: mark), let serial = serials.removeValue(forKey: mark) else {
            return
        }
        change.unmapped.append((mark, serial))
        let (chains, maps) = Self.names(serial, old, withIPv6: withIPv6)
        change.removedChains += chains
        change.removedMaps += maps
    }

    /// Of all that a ruleset has in the kernel.
    static func names(_ serial: UInt32, _ ruleset: Ruleset, withIPv6: Bool) -> (chains: [String], maps: [String]) {
        let places = PolicyForm.places(of: ruleset, withIPv6: withIPv6)
        let maps = places.flatMap { place in
            (0..<PolicyForm.mapCount(of: ruleset, at: place)).map {
                ChainForm.map(of: place.name(serial: serial), layer: $0)
            }
        }
        return (places.map { $0.name(serial: serial) }, maps)
    }

    /// What answers a flow's responder is not judged by chains: such a flow's number stays good until a sweep has
    /// given it the present version's, or cut it. So those that are still allowed lose nothing.
    private mutating func retire(_ mark: PolicyMark) {
        guard let old = rulesets[mark], let serial = serials[mark], let number = Self.number(serial) else { return }
        var pairs: [PolicyPair: UInt32] = [:]
        for (index, way) in old.ways.enumerated() {
            switch way {
            case .internet, .timeServer, .vpns: continue
            case .group, .access:
                pairs[PolicyPair(policy: mark.rawValue, way: number &+ UInt32(index))] = routeMark(of: way)
            }
        }
        guard !pairs.isEmpty else { return }
        retired[mark] = (retired[mark] ?? []).suffix(Self.maximumRetired - 1) + [pairs]
    }

    // MARK: What leads where

    private func routeMark(of way: Ruleset.Way) -> UInt32 {
        switch way {
        case .internet, .timeServer: RouteMark.internet
        case .vpns(let numbers): numbers.first { vpns[$0]?.isUp == true }.map(RouteMark.of) ?? RouteMark.down
        case .group(let number): RouteMark.of(number)
        // Answers.
        case .access(let number): vpns[number] == nil ? RouteMark.down : RouteMark.of(number)
        }
    }

    private func leads(of mark: PolicyMark) -> Leads {
        var leads = Leads()
        for pairs in retired[mark] ?? [] { leads.decisions.merge(pairs) { $1 } }
        guard let ruleset = rulesets[mark], let serial = serials[mark], let number = Self.number(serial) else {
            return leads
        }
        for (index, way) in ruleset.ways.enumerated() {
            leads.decisions[PolicyPair(policy: mark.rawValue, way: number &+ UInt32(index))] = routeMark(of: way)
            if way == .timeServer { leads.toTimeServer.insert((number &+ UInt32(index)).nativeOctets) }
        }
        for place in PolicyForm.places(of: ruleset, withIPv6: withIPv6) {
            let name = place.name(serial: serial)
            switch place {
            case .outward(let family): leads.chains[.init(map: .policy(family), key: mark.rawValue.nativeOctets)] = name
            case .access(let vpn, let family):
                guard let interface = vpns[vpn]?.interface else { continue }
                let key = mark.rawValue.nativeOctets + interface.octets
                leads.chains[.init(map: .access(family), key: key)] = name
            }
        }
        for vpn in ruleset.vpns {
            guard let interface = vpns[vpn]?.interface else { continue }
            leads.vpns[mark.rawValue.nativeOctets + interface.octets] = RouteMark.of(vpn)
        }
        return leads
    }

    private var vpnLeads: Leads {
        var leads = Leads()
        for (number, entry) in vpns {
            leads.interfaces.insert(entry.interface.octets)
            leads.marks.insert(RouteMark.of(number).nativeOctets + entry.interface.octets)
        }
        return leads
    }

    // MARK: What is there

    func serial(of mark: PolicyMark) -> UInt32? { serials[mark] }

    var serialsByMark: [PolicyMark: UInt32] { serials }

    /// What flows of the policy's devices have now.
    func number(of mark: PolicyMark) -> UInt32? { serials[mark].flatMap(Self.number) }

    /// The highest number that a chain has had; `nil` when there was none.
    var last: UInt32? { rulesets.isEmpty ? nil : serial }

    /// All chains of all policies, in no order.
    var chainNames: Set<String> {
        var names: Set<String> = []
        for (mark, ruleset) in rulesets {
            guard let serial = serials[mark] else { continue }
            for place in PolicyForm.places(of: ruleset, withIPv6: withIPv6) { names.insert(place.name(serial: serial)) }
        }
        return names
    }

    var serialsInUse: Set<UInt32> { Set(serials.values) }

    /// Nothing that is left over from an earlier process is taken up after the start.
    mutating func stopAdopting() { adoptable = [:] }
}

/// A VPN as the kernel takes packets there: an interface, and where it leads.
struct Leads: Hashable {
    /// A map that leads to chains.
    enum ChainMap: Hashable, CaseIterable {
        case policy(Family)
        case access(Family)

        static let allCases: [Self] = Family.allCases.map { .policy($0) } + Family.allCases.map { .access($0) }

        var name: String {
            switch self {
            case .policy(let family): "policy_chain\(family.suffix)"
            case .access(let family): "access_chain\(family.suffix)"
            }
        }
    }

    struct ChainKey: Hashable {
        let map: ChainMap
        /// A policy's mark; with the name of an interface behind it, for packets from VPNs.
        let key: [UInt8]
    }

    var chains: [ChainKey: String] = [:]
    /// Where flows go that have the number of a way, by policy. They leave with their policy's version, and with that
    /// the numbers on flows lose their meaning.
    var decisions: [PolicyPair: UInt32] = [:]
    /// The mark of the VPN behind an interface, by policy: of those that its rules name.
    var vpns: [[UInt8]: UInt32] = [:]
    /// The interfaces of VPNs.
    var interfaces: Set<[UInt8]> = []
    /// VPNs' marks with their interfaces.
    var marks: Set<[UInt8]> = []
    /// Numbers of flows that go to the time server.
    var toTimeServer: Set<[UInt8]> = []

    static let timeServerName = "to_time_server"
    static let interfacesName = "vpn_interfaces"
    static let marksName = "vpn_marks"
    static let vpnsName = "vpn_policies"
    static let decisionsName = "in_force"

    var isEmpty: Bool { self == Leads() }

    /// Those that `other` has not, or has otherwise.
    func subtracting(_ other: Self) -> Self {
        var rest = Leads()
        rest.chains = chains.filter { other.chains[$0.key] != $0.value }
        rest.decisions = decisions.filter { other.decisions[$0.key] != $0.value }
        rest.vpns = vpns.filter { other.vpns[$0.key] != $0.value }
        rest.interfaces = interfaces.subtracting(other.interfaces)
        rest.marks = marks.subtracting(other.marks)
        rest.toTimeServer = toTimeServer.subtracting(other.toTimeServer)
        return rest
    }

    mutating func insert(_ other: Self) {
        chains.merge(other.chains) { $1 }
        decisions.merge(other.decisions) { $1 }
        vpns.merge(other.vpns) { $1 }
        interfaces.formUnion(other.interfaces)
        marks.formUnion(other.marks)
        toTimeServer.formUnion(other.toTimeServer)
    }

    mutating func apply(_ change: PolicyChains.Change) {
        for key in change.removed.chains.keys { chains[key] = nil }
        for key in change.removed.decisions.keys { decisions[key] = nil }
        for key in change.removed.vpns.keys { vpns[key] = nil }
        interfaces.subtract(change.removed.interfaces)
        marks.subtract(change.removed.marks)
        toTimeServer.subtract(change.removed.toTimeServer)
        insert(change.added)
    }
}

/// A policy and the number of a way that a flow of it may have been given.
struct PolicyPair: Hashable {
    let policy: UInt32
    let way: UInt32

    init(policy: UInt32, way: UInt32) { (self.policy, self.way) = (policy, way) }

    var key: [UInt8] { policy.nativeOctets + way.nativeOctets }
}

extension InterfaceName {
    /// As the kernel compares names: filled up with zeros.
    var octets: [UInt8] {
        let name = Array(description.utf8)
        return name + Array(repeating: 0, count: max(0, 16 - name.count))
    }
}
