import CNetfilter
import Domain
import PolicyCompiler

/// What is attached to the interfaces of tunnels (Sources/BPF/tunnel.c).
enum TunnelProgram: String, CaseIterable {
    /// Where packets leave by `vpnN`.
    case toPeer = "to_peer"
    /// Where they come in by it: the kernel's ESP.
    case fromPeer = "from_peer"
    /// Where they come in by the IKE daemon's TUN.
    case fromDaemon = "from_daemon"
}

/// Its maps, by the names that it has for them.
enum TunnelMap: String, CaseIterable {
    case links, outward, inward, blocks, sources, settings, counts

    /// Octets of a value of ``counts``.
    static let countSize = 32
    /// In ``counts``, behind the VPNs: what came from the daemon for none of them.
    static let unassigned = VPNNumber.limit

    fileprivate var shape: cnf_bpf_shape {
        let trie = BPF_MAP_TYPE_LPM_TRIE.rawValue
        // Tries and this table take memory for what is in them only.
        let sparse = UInt32(BPF_F_NO_PREALLOC)
        let networks = VPNNumber.limit * UInt32(Tunnel.maximumNetworks)
        return switch self {
        case .links:
            cnf_bpf_shape(
                type: BPF_MAP_TYPE_HASH.rawValue, key: 4, value: 8, entries: 2 * VPNNumber.limit, flags: sparse)
        case .outward, .inward: cnf_bpf_shape(type: trie, key: 12, value: 8, entries: networks, flags: sparse)
        case .blocks: cnf_bpf_shape(type: trie, key: 8, value: 4, entries: 1 << 20, flags: sparse)
        case .sources: cnf_bpf_shape(type: trie, key: 12, value: 12, entries: networks, flags: sparse)
        case .settings: cnf_bpf_shape(type: BPF_MAP_TYPE_ARRAY.rawValue, key: 4, value: 4, entries: 1, flags: 0)
        case .counts:
            cnf_bpf_shape(
                type: BPF_MAP_TYPE_ARRAY.rawValue, key: 4, value: UInt32(Self.countSize), entries: VPNNumber.limit + 1,
                flags: 0)
        }
    }

    fileprivate func make() throws(DataPlaneError) -> BPFMap { try BPFMap(kernelName, shape) }

    fileprivate func found(inProgram id: UInt32) -> BPFMap? { BPFMap(kernelName, shape, ofProgram: id) }

    private var kernelName: String { "cordon_\(rawValue)" }
}

/// The loaded programs with their maps. They stay in force without the process, as long as they are attached.
final class TunnelPrograms {
    private let maps: [TunnelMap: BPFMap]
    private let programs: [TunnelProgram: BPFProgram]

    /// - Parameter earlier: a program of an earlier process that is still attached: its counts go on, and so does where
    ///   packets to peers go.
    init(after earlier: UInt32?) throws(DataPlaneError) {
        var maps: [TunnelMap: BPFMap] = [:]
        for map in TunnelMap.allCases {
            let isKept = map == .counts || map == .settings
            let found = isKept ? earlier.flatMap { map.found(inProgram: $0) } : nil
            if let found { maps[map] = found } else { maps[map] = try map.make() }
        }
        var programs: [TunnelProgram: BPFProgram] = [:]
        for program in TunnelProgram.allCases {
            programs[program] = try BPFProgram("cordon_\(program.rawValue)", try Self.code(of: program, maps))
        }
        (self.maps, self.programs) = (maps, programs)
    }

    private static func code(
        of program: TunnelProgram, _ maps: [TunnelMap: BPFMap]
    ) throws(DataPlaneError) -> [UInt8] {
        try BPFProgram.code(
            of: program.rawValue, TunnelInstructions.code[program.rawValue], TunnelInstructions.maps[program.rawValue]
        ) { name in TunnelMap(rawValue: name).flatMap { maps[$0] } }
    }

    func descriptor(of program: TunnelProgram) -> Int32 { programs[program]?.descriptor ?? -1 }
    func id(of program: TunnelProgram) -> UInt32 { programs[program]?.id ?? 0 }

    func apply(_ change: TunnelChange) throws(DataPlaneError) {
        for (element, value) in change.set { try maps[element.map]?.set(element.key, value) }
        for element in change.removed { try maps[element.map]?.remove(element.key) }
    }

    /// Where packets to peers go: an interface, or with `nil` to nobody.
    func setTarget(_ interface: UInt32?) throws(DataPlaneError) {
        try maps[.settings]?.set(UInt32(0).nativeOctets, (interface ?? 0).nativeOctets)
    }

    /// Zero for nobody.
    func target() throws(DataPlaneError) -> UInt32 {
        let value = try maps[.settings]?.value(of: UInt32(0).nativeOctets, size: 4) ?? []
        return value.withUnsafeBytes { $0.native(UInt32.self, at: 0) } ?? 0
    }

    /// The kernel encrypts what leaves by the interface.
    static let alone: UInt32 = .max

    func counters(of number: UInt32) throws(DataPlaneError) -> TunnelCounters {
        let value = try maps[.counts]?.value(of: number.nativeOctets, size: TunnelMap.countSize) ?? []
        return value.withUnsafeBytes { bytes in
            var counters = TunnelCounters()
            counters.packetsToPeer = bytes.native(UInt64.self, at: 0) ?? 0
            counters.octetsToPeer = bytes.native(UInt64.self, at: 8) ?? 0
            counters.packetsFromPeer = bytes.native(UInt64.self, at: 16) ?? 0
            counters.octetsFromPeer = bytes.native(UInt64.self, at: 24) ?? 0
            return counters
        }
    }

    func resetCounters(of number: VPNNumber) throws(DataPlaneError) {
        try maps[.counts]?.set(
            number.rawValue.nativeOctets, Array(repeating: 0, count: TunnelMap.countSize))
    }
}
