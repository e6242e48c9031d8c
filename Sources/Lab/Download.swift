/// A device that downloads: curl in the background, its file watched. One request, never repeated, so a file that grows
/// is one TCP connection that lives.
public struct Download: Sendable {
    let lab: Laboratory
    let device: PacketGateway.Attached
    private let record: ProcessRecords.Record

    private static func file(_ lab: Laboratory, _ device: PacketGateway.Attached) -> String {
        "\(lab.layout.runDirectory)/download-\(device.sim.imsi)"
    }

    /// Returns when the first octets are there.
    public static func start(
        in lab: Laboratory, by device: PacketGateway.Attached, from address: String = LabLayout.web
    ) async throws(LabError) -> Download {
        try LabFiles.remove(file(lab, device))
        return try await request(in: lab, by: device, from: address)
    }

    /// Asks for the rest (RFC 9110 §14.2), since a connection that was cut does not come back. Returns when more octets
    /// are there.
    public func goOn(from address: String = LabLayout.web) async throws(LabError) -> Download {
        try await lab.records.stop(record)
        return try await Self.request(in: lab, by: device, from: address)
    }

    private static func request(
        in lab: Laboratory, by device: PacketGateway.Attached, from address: String
    ) async throws(LabError) -> Download {
        let file = file(lab, device)
        let before = LabFiles.size(of: file)
        let record = try await lab.records.start(
            "download-\(device.sim.imsi)",
            [
                "curl", "-sS", "--interface", "\(device.address)", "-C", "-", "-o", file,
                "http://\(address):443/endless",
            ], in: lab.layout.name(of: .ran))
        let download = Download(lab: lab, device: device, record: record)
        try await waitUntil("\(device.sim.name) downloads", within: .seconds(5)) { download.octets > before + 200_000 }
        return download
    }

    /// Received so far.
    public var octets: Int { LabFiles.size(of: Self.file(lab, device)) }
    public var isRunning: Bool { ProcessRecords.isRunning(record) }

    /// When the file last grew, once it has not grown for `silence`.
    /// - Throws: ``LabError`` `timedOut` when it still grows after five seconds.
    public func lastGrowth(before silence: Duration = .milliseconds(700)) async throws(LabError)
        -> ContinuousClock.Instant
    {
        var size = octets
        var last = ContinuousClock.now
        let deadline = last + .seconds(5)
        while ContinuousClock.now - last < silence {
            guard ContinuousClock.now < deadline else {
                throw LabError(.timedOut, "the download of \(device.sim.name) goes on")
            }
            try await pause(.milliseconds(2))
            let now = octets
            if now != size { (size, last) = (now, ContinuousClock.now) }
        }
        return last
    }

    public func stop() async throws(LabError) {
        try await lab.records.stop(record)
        try LabFiles.remove(Self.file(lab, device))
    }
}
