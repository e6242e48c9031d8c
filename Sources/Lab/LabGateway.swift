/// The product inside the laboratory: `cordond` in its namespace, and the way to its API from the host.
struct LabGateway: Sendable {
    let layout: LabLayout
    let records: ProcessRecords

    var configuration: String {
        """
        state: \(layout.stateDirectory)
        api: {socket: \(layout.apiSocket)}
        radius: {listen: "\(LabLayout.gatewaySGi)", authentication-port: 1812, accounting-port: 1813}
        dns:
          listen: ["\(LabLayout.gatewaySGi)", "\(LabLayout.gatewaySGi6)"]
          names: {least-seconds: \(layout.nameSeconds)}
          unbound: {directory: \(layout.resolverDirectory), forward: ["\(LabLayout.authority)"], dnssec: false}
        gateway:
          sgi: {interface: sgi, peer: \(LabLayout.packetGateway), peer6: "\(LabLayout.packetGateway6)"}
          wan: {interface: wan, next-hop: \(LabLayout.edgeInside), next-hop6: "\(LabLayout.edgeInside6)"}
          protected: [198.18.0.0/15, \(LabLayout.edgeOutside), "2001:db8:12::/47"]
        vpn:
          listen: ["\(LabLayout.gatewayWAN)"]
          addresses: ["\(LabLayout.edgeOutside)"]
          identity-suffix: vpn.operator.example
          directory: \(layout.charonDirectory)
          dead-peer-seconds: \(layout.deadPeerSeconds)
          retransmit-milliseconds: \(layout.retransmitMilliseconds)
        nat: {public: ["\(layout.natPublic)"], ports-per-device: 512}
        usage: {read-seconds: 10}
        ipfix: {collectors: [\(layout.natCollectors.map { "\"\($0)\"" }.joined(separator: ", "))]}
        pools: [{prefix: \(LabLayout.pool), block: 24}, {prefix: "\(LabLayout.pool6)", block: 48}]
        log-level: info

        """
    }

    /// Starts the daemon and returns when it is ready.
    func startDaemon() async throws(LabError) {
        for program in [layout.cordond, layout.cordon] where !LabFiles.exists(program) {
            throw LabError(.unsupported, "\(program) is not there: build it, or set CORDON_BIN_DIR")
        }
        let path = layout.runDirectory + "/cordon.yaml"
        try LabFiles.write(configuration, to: path)
        try LabFiles.makeDirectory(layout.stateDirectory)
        let daemon = try await records.start(
            "cordond", [layout.cordond, "--config", path], in: layout.name(of: .gw))
        let ready = Command([
            "curl", "-s", "-o", "/dev/null", "-m", "2", "-f", "--unix-socket", layout.apiSocket,
            "http://localhost/readyz",
        ])
        try await waitUntil("cordond is ready", within: .seconds(30), every: .milliseconds(20)) { () throws(LabError) in
            guard ProcessRecords.isRunning(daemon) else {
                throw LabError(
                    .toolFailed, "cordond ended while starting",
                    output: LabFiles.lastLines(30, of: layout.log(of: "cordond")))
            }
            return try await ready.output().status == 0
        }
        // Only behind a loaded ruleset: a gateway that forwards without one would be open.
        try await Command(
            ["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"], in: layout.name(of: .gw)
        ).run()
    }

    /// Makes the API reachable from the host, whose network is not the gateway's.
    func startProxy() async throws(LabError) {
        let proxy = try await records.start(
            "socat",
            [
                "socat", "TCP-LISTEN:\(layout.apiPort),bind=127.0.0.1,fork,reuseaddr",
                "UNIX-CONNECT:\(layout.apiSocket)",
            ])
        let reachable = Command(["curl", "-s", "-o", "/dev/null", "-m", "2", "-f", layout.apiURL + "/readyz"])
        try await waitUntil("the API answers at \(layout.apiURL)", within: .seconds(30)) { () throws(LabError) in
            guard ProcessRecords.isRunning(proxy) else {
                throw LabError(
                    .toolFailed, "port \(layout.apiPort) on 127.0.0.1 cannot be had (--api-port chooses another)",
                    output: LabFiles.lastLines(5, of: layout.log(of: "socat")))
            }
            return try await reachable.output().status == 0
        }
    }
}
