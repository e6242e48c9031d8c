import Domain
import Lab
import Synchronization
import Testing

/// A device sends numbered datagrams to a host behind a VPN, which sends each back: what is lost, comes twice or comes
/// out elsewhere shows.
enum NumberedFlow {
    struct Report: Sendable {
        var sent: UInt32 = 0
        /// In the order in which they came, at the host of which place.
        var arrivals: [(number: UInt32, place: LabLayout.Enterprise, time: ContinuousClock.Instant)] = []
        var returned: [UInt32] = []

        func arrived(at place: LabLayout.Enterprise) -> [UInt32] {
            arrivals.filter { $0.place == place }.map(\.number)
        }

        /// When the first came there after `time`.
        func first(at place: LabLayout.Enterprise, after time: ContinuousClock.Instant) -> Duration? {
            arrivals.first { $0.place == place && $0.time > time }.map { $0.time - time }
        }

        /// Those that came to no host, or did not come back, of the first `count`.
        func lost(of count: UInt32? = nil) -> [UInt32] {
            let there = Set(arrivals.map(\.number))
            let back = Set(returned)
            return (0..<(count ?? sent)).filter { !there.contains($0) || !back.contains($0) }
        }

        /// Those that came more than once.
        var doubled: [UInt32] {
            var seen: Set<UInt32> = []
            return arrivals.map(\.number).filter { !seen.insert($0).inserted }
        }
    }

    static let devicePort: UInt16 = 40_100
    static let hostPort: UInt16 = 5684

    /// Sends for as long as `body` runs, and then waits half a second for what is on its way.
    /// - Parameters:
    ///   - places: whose first host is asked, which has the same address in all of them.
    ///   - seen: what devices see that as; `nil`: the same.
    static func during(
        from device: PacketGateway.Attached, to places: [LabLayout.Enterprise], seenAs seen: String? = nil,
        in lab: Laboratory, every interval: Duration = .milliseconds(5), _ body: @Sendable () async throws -> Void
    ) async throws -> Report {
        let address = try IPv4Address(parsing: try seen ?? #require(places.first).host)
        let sender = try NamespaceSocket(
            .udp, in: lab.layout.name(of: .ran), address: device.address, port: devicePort)
        let hosts = try places.map { place in
            let host = try IPv4Address(parsing: place.host)
            return (
                place: place,
                socket: try NamespaceSocket(.udp, in: lab.layout.name(of: place), address: host, port: hostPort)
            )
        }
        let isStopping = Atomic(false)
        async let report = {
            var report = Report()
            var next = ContinuousClock.now
            var end: ContinuousClock.Instant?
            while end.map({ ContinuousClock.now < $0 }) ?? true {
                if isStopping.load(ordering: .relaxed) {
                    end = end ?? ContinuousClock.now + .milliseconds(500 * Patience.factor)
                } else {
                    sender.send(octets(report.sent), to: address, port: hostPort)
                    report.sent += 1
                }
                for (place, socket) in hosts {
                    while let datagram = socket.receive() {
                        report.arrivals.append((number(datagram.bytes), place, ContinuousClock.now))
                        socket.send(datagram.bytes, to: datagram.source, port: datagram.port)
                    }
                }
                while let datagram = sender.receive() { report.returned.append(number(datagram.bytes)) }
                next += interval
                try await Task.sleep(until: next)
            }
            return report
        }()
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
        isStopping.store(true, ordering: .relaxed)
        let whole = try await report
        try outcome.get()
        return whole
    }

    /// Whether one datagram gets there and back.
    static func passes(
        from device: PacketGateway.Attached, to place: LabLayout.Enterprise, seenAs seen: String? = nil,
        in lab: Laboratory
    ) async throws -> Bool {
        let report = try await during(from: device, to: [place], seenAs: seen, in: lab, every: .milliseconds(20)) {
            try await Task.sleep(for: .milliseconds(30))
        }
        return !report.returned.isEmpty
    }

    private static func octets(_ number: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(24 - 8 * $0)) }
    }

    private static func number(_ octets: [UInt8]) -> UInt32 { octets.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }
}
