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
    /// The policies that name a VPN, and the VPNs that have an interface: so that a change of one VPN concerns no others.
    private var namers: [VPNNumber: Set<PolicyMark>] = [:]
    private var interfaceUsers: [InterfaceName: Int] = [:]
    private let withIPv6: Bool
    /// What leads to the chains, and on from there.
    private(set) var leads = Leads()
    /// Decisions of earlier versions that hold until the flows which have their numbers are judged anew.
    /// The last come last.
    private(set) var retired: [PolicyMark: [Retired]] = [:]
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

    /// Of a version: what else flows with its numbers would lose.
    struct Retired {
        var decisions: [PolicyPair: UInt32] = [:]
        /// So that answers are counted and limited on. `nil`: as an earlier process has set it.
        var rates: [[UInt8]: Ruleset.RuleRate?] = [:]

        var isEmpty: Bool { decisions.isEmpty && rates.isEmpty }
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
        /// Chains of VPNs' limits that are made, or get other rules.
        var limits: [VPNLimits.Chain] = []

        var isEmpty: Bool {
            additions.isEmpty && unmapped.isEmpty && removed.isEmpty && added.isEmpty && limits.isEmpty
                && removedChains.isEmpty
        }

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
            for vpn in ruleset.vpns { namers[vpn, default: []].insert(mark) }
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

    /// What an earlier process has left of chains that are no more: it counts and limits answers until all flows have been
    /// judged anew.
    mutating func keepRates(_ numbers: some Sequence<[UInt8]>) {
        var version = Retired()
        for number in numbers where leads.rates[number] == nil { version.rates[number] = .some(nil) }
        guard !version.isEmpty else { return }
        retired[.blockAll] = [version]
        leads.rates.merge(version.rates) { $1 }
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
        for vpn in old.vpns {
            namers[vpn]?.remove(mark)
            if namers[vpn]?.isEmpty == true { namers[vpn] = nil }
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
        var version = Retired()
        for (index, way) in old.ways.enumerated() {
            let number = number &+ UInt32(index)
            if let rate = way.rate { version.rates[number.nativeOctets] = rate }
            switch way.route {
            case .internet, .timeServer, .vpns, .limited: continue
            case .group, .access:
                version.decisions[PolicyPair(policy: mark.rawValue, way: number)] = routeMark(of: way) { vpns[$0] }
            }
        }
        guard !version.isEmpty else { return }
        retired[mark] = (retired[mark] ?? []).suffix(Self.maximumRetired - 1) + [version]
    }

    // MARK: VPNs

    /// The VPNs that packets can take, and the policies' ways with that.
    mutating func change(vpns new: [VPNNumber: VPNEntry]) -> Change {
        var difference: [VPNNumber: VPNEntry?] = new.mapValues { $0 }
        for number in vpns.keys where new[number] == nil { difference[number] = .some(nil) }
        let change = self.change(of: difference)
        apply(difference, change)
        return change
    }

    /// What there would be to change with these. It takes time for them and the policies that name them only, and
    /// copies nothing.
    func change(of difference: [VPNNumber: VPNEntry?]) -> Change {
        var change = Change()
        let differing = difference.filter { vpns[$0.key] != $0.value }
        var affected: Set<PolicyMark> = []
        for number in differing.keys { affected.formUnion(namers[number] ?? []) }
        for mark in affected { move(from: leads(of: mark), to: leads(of: mark, differing), &change) }
        var users: [InterfaceName: Int] = [:]
        for (number, entry) in differing {
            let old = vpns[number]
            move(from: Self.leads(of: number, old), to: Self.leads(of: number, entry), &change)
            if let old { users[old.interface, default: interfaceUsers[old.interface] ?? 0] -= 1 }
            if let entry { users[entry.interface, default: interfaceUsers[entry.interface] ?? 0] += 1 }
            let (was, limits) = (VPNLimits.chains(of: number, old), VPNLimits.chains(of: number, entry))
            if was != limits { change.limits += limits }
            change.removedChains += was.map(\.name).filter { name in !limits.contains { $0.name == name } }
        }
        for (interface, count) in users {
            let hasBeen = interfaceUsers[interface] != nil
            guard hasBeen != (count > 0) else { continue }
            var leads = Leads()
            (leads.interfaces, leads.refusals) = ([interface.octets], [interface.octets])
            if hasBeen { change.removed.insert(leads) } else { change.added.insert(leads) }
        }
        return change
    }

    mutating func apply(_ difference: [VPNNumber: VPNEntry?], _ change: Change) {
        for (number, entry) in difference {
            if let old = vpns[number] {
                let count = (interfaceUsers[old.interface] ?? 0) - 1
                interfaceUsers[old.interface] = count > 0 ? count : nil
            }
            if let entry { interfaceUsers[entry.interface, default: 0] += 1 }
            vpns[number] = entry
        }
        leads.apply(change)
    }

    /// The groups that VPNs are limited to.
    var limitedGroups: Set<GroupNumber> { vpns.values.reduce(into: []) { $0.formUnion($1.tunnel?.groups ?? []) } }

    private static func leads(of number: VPNNumber, _ entry: VPNEntry?) -> Leads {
        var leads = Leads()
        guard let entry else { return leads }
        leads.marks.insert(RouteMark.of(number).nativeOctets + entry.interface.octets)
        leads.limits[entry.interface.octets] = VPNLimits.chains(of: number, entry).first?.name
        return leads
    }

    // MARK: What leads where

    private func routeMark(of way: Ruleset.Way, _ vpn: (VPNNumber) -> VPNEntry?) -> UInt32 {
        switch way {
        case .internet, .timeServer: RouteMark.internet
        case .vpns(let numbers): numbers.first { vpn($0)?.isUp == true }.map(RouteMark.of) ?? RouteMark.down
        case .group(let number): RouteMark.of(number)
        // Answers.
        case .access(let number): vpn(number) == nil ? RouteMark.down : RouteMark.of(number)
        case .limited(let way, _): routeMark(of: way, vpn)
        }
    }

    /// - Parameter difference: VPNs that are otherwise.
    private func leads(of mark: PolicyMark, _ difference: [VPNNumber: VPNEntry?] = [:]) -> Leads {
        let vpn = { (number: VPNNumber) -> VPNEntry? in
            if let changed = difference[number] { changed } else { vpns[number] }
        }
        var leads = Leads()
        for version in retired[mark] ?? [] {
            leads.decisions.merge(version.decisions) { $1 }
            leads.rates.merge(version.rates) { $1 }
        }
        guard let ruleset = rulesets[mark], let serial = serials[mark], let number = Self.number(serial) else {
            return leads
        }
        for (index, way) in ruleset.ways.enumerated() {
            leads.decisions[PolicyPair(policy: mark.rawValue, way: number &+ UInt32(index))] = routeMark(of: way, vpn)
            if way.route == .timeServer { leads.toTimeServer.insert((number &+ UInt32(index)).nativeOctets) }
            if let rate = way.rate { leads.rates[(number &+ UInt32(index)).nativeOctets] = rate }
        }
        for place in PolicyForm.places(of: ruleset, withIPv6: withIPv6) {
            let name = place.name(serial: serial)
            switch place {
            case .outward(let family): leads.chains[.init(map: .policy(family), key: mark.rawValue.nativeOctets)] = name
            case .access(let number, let family):
                guard let interface = vpn(number)?.interface else { continue }
                let key = mark.rawValue.nativeOctets + interface.octets
                leads.chains[.init(map: .access(family), key: key)] = name
            }
        }
        for number in ruleset.vpns {
            guard let interface = vpn(number)?.interface else { continue }
            leads.vpns[mark.rawValue.nativeOctets + interface.octets] = RouteMark.of(number)
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

    /// The chains of VPNs' limits.
    var limitChains: [VPNLimits.Chain] {
        vpns.sorted { $0.key < $1.key }.flatMap { VPNLimits.chains(of: $0.key, $0.value) }
    }

    var serialsInUse: Set<UInt32> { Set(serials.values) }

    /// Nothing that is left over from an earlier process is taken up after the start.
    mutating func stopAdopting() { adoptable = [:] }
}
