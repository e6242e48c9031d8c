/// The two enterprises of the demonstration and their devices, all attached.
public struct Fleet: Sendable {
    /// An enterprise with meters.
    public let acme: [PacketGateway.Attached]
    /// Another, with trackers.
    public let globex: [PacketGateway.Attached]

    /// SIMs of each.
    public static let size = 50

    static let acmeSIMs = (1...size).map { LabSIM(tenant: "acme", tenantNumber: 1, group: "meters", number: $0) }
    static let globexSIMs = (1...size).map { LabSIM(tenant: "globex", tenantNumber: 2, group: "trackers", number: $0) }

    /// Where devices report over UDP.
    public static let reportPort: UInt16 = 5683
    /// What a device listens on, as some do who should not.
    static let devicePort: UInt16 = 7000

    static let meters = """
        policy: meters
        default: block
        rules:
          - name: telemetry
            to: [198.51.100.0/24, \(LabLayout.web)]
            protocol: tcp
            ports: [443, 8000-8100]
            route: internet
          - name: reports
            to: [\(LabLayout.sink)]
            protocol: udp
            ports: [\(reportPort)]
            route: internet
          - name: no-time
            to: [192.0.2.0/24]
            protocol: udp
            ports: [123]
            action: block
          - name: shop
            to: [shop.example.com, brief.example.com]
            protocol: tcp
            ports: [443]
            route: internet
          - name: many
            to: ["*.many.example.com"]
            protocol: udp
            ports: [\(reportPort)]
            route: internet
        dns:
          allow: [example.com, "*.example.com"]
          deny: [tracker.example, "*.tracker.example"]

        """

    /// The same without the first web server.
    static let metersWithoutWeb = meters.replacing(", \(LabLayout.web)]", with: "]")

    /// The same with a server for iperf3 to measure with, which uses TCP and UDP.
    static let metersWithSpeedTest = policy(
        meters,
        with: ["tcp", "udp"].map { kind in
            "{name: speed-\(kind), to: [\(LabLayout.otherWeb)], protocol: \(kind), "
                + "ports: [\(speedPorts)-\(speedPorts + 1)], route: internet}"
        })
    /// The first of two.
    static let speedPorts = 5201

    static let trackers = """
        policy: trackers
        default: block
        rules:
          - name: positions
            to: [\(LabLayout.web)]
            protocol: tcp
            ports: [443]
            route: internet
          - name: reports
            to: [\(LabLayout.sink)]
            protocol: udp
            ports: [\(reportPort)]
            route: internet
        dns:
          allow: [shop.example.com, tracker.example]

        """

    static func csv(_ sims: [LabSIM]) -> String {
        ([LabSIM.csvHeader] + sims.map(\.csvRow)).joined(separator: "\n") + "\n"
    }
}
