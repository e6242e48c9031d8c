import CNetfilter
import Domain
import PolicyCompiler

/// Reads and deletes tracked connections over a socket of its own: a million of them take a good part of a second, in
/// which devices must be able to attach.
struct FlowSweep {
    private let namespace: NetworkNamespace
    private var socket: NetlinkSocket?

    init(namespace: NetworkNamespace) { self.namespace = namespace }

    /// What to ask the kernel for.
    enum Question {
        case all
        case ofDevices(Set<IPAddress>)
        /// By the numbers of chains.
        case numbers([UInt32])
    }

    mutating func entries(_ question: Question) throws(DataPlaneError) -> [Conntrack.Entry] {
        try linked { conntrack throws(DataPlaneError) in
            switch question {
            case .all: return try conntrack.entries(.all) { _ in true }
            case .ofDevices(let devices):
                let isOne = { (address: IPAddress) in devices.contains(address.device) }
                let addresses = devices.compactMap { device -> IPv4Address? in
                    if case .v4(let address) = device { address } else { nil }
                }
                var found: [Conntrack.Entry] = []
                if let address = addresses.first, addresses.count == 1 {
                    found = try conntrack.entries(.source(address)) { isOne($0.flow.source) }
                    found += try conntrack.entries(.destination(address)) { isOne($0.flow.destination) }
                } else if !addresses.isEmpty {
                    return try conntrack.entries(.all) { isOne($0.flow.source) || isOne($0.flow.destination) }
                }
                guard addresses.count < devices.count else { return found }
                // The kernel knows no filter for a prefix.
                return try found + conntrack.entries(.ofIPv6) { isOne($0.flow.source) || isOne($0.flow.destination) }
            case .numbers(let numbers):
                var found: [Conntrack.Entry] = []
                for number in numbers {
                    found += try conntrack.entries(.mark(number, mask: PolicyChains.numberMask)) { $0.number == number }
                }
                return found
            }
        }
    }

    mutating func delete(_ entries: [Conntrack.Entry]) throws(DataPlaneError) -> Int {
        guard !entries.isEmpty else { return 0 }
        return try linked { conntrack throws(DataPlaneError) in try conntrack.delete(entries) }
    }

    mutating func setMarks(_ marks: [(entry: Conntrack.Entry, mark: UInt32)]) throws(DataPlaneError) {
        guard !marks.isEmpty else { return }
        try linked { conntrack throws(DataPlaneError) in try conntrack.setMarks(marks) }
    }

    /// Opens the socket when there is none, and drops it when it is lost.
    private mutating func linked<Success>(
        _ body: (Conntrack) throws(DataPlaneError) -> Success
    ) throws(DataPlaneError) -> Success {
        let open: NetlinkSocket
        if let socket {
            open = socket
        } else {
            open = try namespace.run { () throws(DataPlaneError) in try NetlinkSocket(bus: NETLINK_NETFILTER) }
            socket = open
        }
        do throws(DataPlaneError) {
            return try body(Conntrack(socket: open))
        } catch {
            if error.code == .connectionLost { socket = nil }
            throw error
        }
    }
}

extension IPAddress {
    /// What the device with this address is known by: an IPv6 address by the first of its /64.
    var device: IPAddress {
        switch self {
        case .v4: self
        case .v6(let address): .v6(IPv6Prefix(containing: address, length: 64).address)
        }
    }
}

extension KernelCore {
    /// Whether it is a device's.
    func knows(_ device: IPAddress) -> Bool {
        switch device {
        case .v4(let address): devices[address] != nil
        case .v6(let address): !devices6.isEmpty && devices6[IPv6Prefix(containing: address, length: 64)] != nil
        }
    }
}

extension Conntrack.Entry {
    /// Of the policy that let it pass.
    var number: UInt32 { mark & PolicyChains.numberMask }
}
