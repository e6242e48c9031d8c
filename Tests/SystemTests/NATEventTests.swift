import Domain
import Foundation
import Glibc
import Lab
import Subprocess
import Testing

/// NAT events at real collectors: nfdump's, and what tshark reads of the packets, since nfdump 1.7 keeps addresses, event
/// and time of an IPFIX record and not its ports.
@Suite(.serialized) struct NATEventTests {
    /// Attached, ended, attached again, told while nobody listens, with the daemon killed in between, until NAT 1 is full:
    /// what the collectors have been told is what the table of port blocks says.
    @Test func `what a session had of NAT 1 comes to the collectors, whatever ends in between`() async throws {
        let collectors = ["\(LabLayout.sink):4739", "tcp:\(LabLayout.sink):4740"]
        // 126 blocks.
        let layout = try testLayout(
            prefix: "cordonipfix", apiPort: 18084, natPublic: "198.19.0.0/32", natCollectors: collectors)
        let lab = Laboratory(layout: layout)
        try await lab.down()
        _ = try await lab.up()
        do {
            try await tell(lab)
        } catch {
            try await lab.down()
            throw error
        }
        try await lab.down()
        #expect(lab.remains() == [])
    }

    private func tell(_ lab: Laboratory) async throws {
        let sims = (1...130).map { LabSIM(tenant: "fleet", tenantNumber: 5, group: "", number: $0) }
        let csv = ([LabSIM.csvHeader] + sims.map(\.csvRow)).joined(separator: "\n") + "\n"
        try await lab.cli.run(["tenant", "create", "fleet"])
        try await lab.cli.run(["sim", "import", "-", "--tenant", "fleet", "--atomic"], input: csv)
        let radius = PacketGateway(lab: lab)

        // Nobody listens yet.
        let early = try await radius.attach(Array(sims[0..<3]))
        try #require(early.count == 3)
        try await lab.killGateway(restarting: true)
        for collector in ["udp:\(LabLayout.sink):4739", "tcp:\(LabLayout.sink):4740"] {
            try await wait(for: "errors of \(collector)") {
                try metric("cordon_ipfix_errors_total{collector=\"\(collector)\"}", lab) > 0
            }
        }
        let log = try output(of: "cat \(lab.layout.log(of: "cordond"))")
        #expect(log.contains("a collector of NAT events cannot be reached"))

        let listeners = try await Listeners(lab.layout)
        defer { listeners.stop() }
        try await wait(for: "the three that waited") { try listeners.blocks(.udp).count >= 3 }
        try await radius.detach([early[0]])
        let again = try await radius.attach([sims[0]])
        try #require(again.count == 1)
        // The answer is out, so the session is in the store; the collectors may not know it yet.
        try await lab.killGateway(restarting: true)
        try await radius.detach([early[1]])
        let many = try await radius.attach(Array(sims[3...]))
        #expect(many.count == 127)
        try await radius.detach(Array(many[50..<60]))
        let start = ContinuousClock.now
        try await radius.detach([early[2]])

        let table = try await expected(lab)
        try await wait(for: "all events over UDP") { try listeners.blocks(.udp) == table }
        print("all NAT events at the collector \(ContinuousClock.now - start) after the last of them")
        try await wait(for: "all events over TCP") { try listeners.blocks(.tcp) == table }
        // 130 devices, of which four find no block, and one that had a second session.
        #expect(table.count { $0.hasPrefix("16,") } == 127)
        #expect(table.count { $0.hasPrefix("17,") } == 13)
        let full = try listeners.exhaustions()
        #expect(!full.isEmpty && full.allSatisfy { $0 == "3,1" }, "\(full)")

        listeners.stop()
        let collected = try listeners.collected()
        #expect(Set(collected.filter { !$0.hasPrefix("3,") }) == Set(table.map { Self.withoutPorts($0) }))
        #expect(collected.contains { $0.hasPrefix("3,") })
        let report = try output(of: "cat \(listeners.directory)/nfcapd.log")
        #expect(!report.contains("Process_ipfix: Corrupt") && report.contains("Bad Packets: 0"), "\(report)")
        #expect(try metric("cordon_ipfix_events_total{collector=\"udp:\(LabLayout.sink):4739\"}", lab) > 127)
    }

    /// What the table of port blocks says, as events: `natEvent,device,public address,first port,last port,time`.
    private func expected(_ lab: Laboratory) async throws -> Set<String> {
        var events: Set<String> = []
        for row in try await lab.cli.run(["nat", "blocks", "--csv"]).split(separator: "\n").dropFirst() {
            let fields = row.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            try #require(fields.count == 8, "\(row)")
            for (event, time) in [("16", fields[6]), ("17", fields[7])] where !time.isEmpty {
                let milliseconds = try Timestamp(parsing: time).milliseconds
                events.insert("\(event),\(fields[3]),\(fields[0]),\(fields[1]),\(fields[2]),\(milliseconds)")
            }
        }
        return events
    }

    private static func withoutPorts(_ event: String) -> String {
        let fields = event.split(separator: ",")
        return (fields[0...2] + fields[5...]).joined(separator: ",")
    }

    private func metric(_ series: String, _ lab: Laboratory) throws -> Int {
        let layout = lab.layout
        let text = try output(
            of: "curl -s -f -H \"Authorization: Bearer $(cat \(layout.tokenFile))\" \(layout.apiURL)/metrics")
        let line = text.split(separator: "\n").first { $0.hasPrefix(series + " ") }
        return line?.split(separator: " ").last.flatMap { Int($0) } ?? 0
    }

    private func wait(for what: String, _ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try await !condition() {
            try #require(ContinuousClock.now < deadline, "\(what): not within a minute")
            try await Task.sleep(for: .milliseconds(200))
        }
    }
}

extension Laboratory {
    fileprivate func killGateway(restarting: Bool) async throws {
        killGateway()
        if restarting { try await restartGateway() }
    }
}

/// nfcapd for UDP, socat for TCP, and tcpdump for what both are sent, in the laboratory's internet.
private final class Listeners {
    enum Transport: String {
        case udp
        case tcp

        var port: Int { self == .udp ? 4739 : 4740 }
    }

    let directory: String
    private var processes: [pid_t] = []

    init(_ layout: LabLayout) async throws {
        directory = layout.runDirectory + "/collector"
        try output(of: "mkdir -p \(directory)/flows")
        let sink = LabLayout.sink
        for (name, command) in [
            ("tcpdump", "tcpdump -Z root -U -n -s 0 -i internet -w \(directory)/packets.pcap port 4739 or port 4740"),
            ("nfcapd", "nfcapd -p 4739 -b \(sink) -w \(directory)/flows -t 3600"),
            ("socat", "socat -u TCP-LISTEN:4740,bind=\(sink),fork,reuseaddr OPEN:/dev/null"),
        ] {
            // From a thread of Swift's a program inherits that no signal reaches it, unless Subprocess starts it.
            let started = try await Subprocess.run(
                .name("sh"),
                arguments: [
                    "-c",
                    """
                    setsid nsenter --net=/run/netns/\(layout.name(of: .inet)) -- \(command) \
                        >\(directory)/\(name).log 2>&1 </dev/null & echo $!
                    """,
                ], output: .string(limit: 64))
            let process = started.standardOutput.split(separator: "\n").first.flatMap { pid_t($0) }
            processes.append(try #require(process))
            // Nothing is sent to the listeners before there is what records it.
            for _ in 0..<100 where name == "tcpdump" {
                if try output(of: "cat \(directory)/tcpdump.log").contains("listening on") { break }
                usleep(50_000)
            }
        }
    }

    /// Returns when they have ended. Once more does no harm.
    func stop() {
        for process in processes { kill(process, SIGTERM) }
        for process in processes {
            // One that has ended and that nobody waits for stays as a zombie.
            let isRunning = { shell("ps -o stat= -p \(process)").output.first.map { $0 != "Z" } ?? false }
            for _ in 0..<100 where isRunning() { usleep(50_000) }
        }
        processes = []
    }

    deinit { stop() }

    /// The events of blocks that were sent, each once.
    func blocks(_ transport: Transport) throws -> Set<String> {
        let columns = [
            "nat_event", "srcaddr", "post_natsource_ipv4_address", "port_range_start", "port_range_end",
            "observation_time_milliseconds",
        ]
        var events: Set<String> = []
        for record in try records(transport, columns, template: 256) {
            let time = try Self.milliseconds(record[5])
            events.insert((record[0...4] + ["\(time)"]).joined(separator: ","))
        }
        return events
    }

    /// `natEvent,natPoolId` of the other records.
    func exhaustions() throws -> [String] {
        try records(.udp, ["nat_event", "nat_pool_id"], template: 257).map { $0.joined(separator: ",") }
    }

    /// The records of one template: tshark as JSON keeps each one's fields together.
    private func records(_ transport: Transport, _ columns: [String], template: Int) throws -> [[String]] {
        // Incomplete at its end, as long as tcpdump writes.
        let json = shell(
            """
            tshark -n -r \(directory)/packets.pcap -d \(transport.rawValue).port==\(transport.port),cflow \
            -Y 'cflow and \(transport.rawValue).dstport==\(transport.port)' -T json --no-duplicate-keys 2>/dev/null
            """
        ).output
        guard !json.isEmpty else { return [] }
        let packets = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [[String: Any]])
        var found: [[String]] = []
        for packet in packets {
            let layers = (packet["_source"] as? [String: Any])?["layers"]
            collect(layers, columns.map { "cflow." + $0 }, into: &found)
        }
        let width = columns.count
        return found.filter { $0.count == width }
    }

    /// The values of every object that has all of the columns.
    private func collect(_ value: Any?, _ columns: [String], into found: inout [[String]]) {
        if let object = value as? [String: Any] {
            let values = columns.compactMap { object[$0] as? String }
            if values.count == columns.count { found.append(values) }
            for member in object.values { collect(member, columns, into: &found) }
        } else if let list = value as? [Any] {
            for member in list { collect(member, columns, into: &found) }
        }
    }

    /// `Nov 28, 2026 03:06:31.071000000 UTC`.
    private static func milliseconds(_ text: String) throws -> Int64 {
        let words = text.split(whereSeparator: { " ,".contains($0) })
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        try #require(words.count == 5 && words[4] == "UTC", "\(text)")
        let month = try #require(months.firstIndex(of: String(words[0]))) + 1
        let pad = { (number: String) in number.count < 2 ? "0" + number : number }
        return try Timestamp(
            parsing: "\(words[2])-\(pad("\(month)"))-\(pad(String(words[1])))T\(words[3].prefix(12))Z"
        ).milliseconds
    }

    /// What nfdump has: `natEvent,device,public address,time`, or `3,time`.
    func collected() throws -> [String] {
        let raw = try output(of: "nfdump -R \(directory)/flows -o raw")
        var events: [String] = []
        for record in raw.components(separatedBy: "Flow Record:").dropFirst() {
            var fields: [String: String] = [:]
            for line in record.split(separator: "\n") {
                let parts = line.split(separator: "=", maxSplits: 1)
                guard parts.count == 2 else { continue }
                let value = parts[1].drop { $0 == " " }.prefix { $0 != " " && $0 != ":" }
                fields[parts[0].trimmingCharacters(in: .whitespaces)] = String(value)
            }
            let event = try #require(fields["nat event"], "\(record)")
            let time = try #require(fields["Event time"], "\(record)")
            events.append(
                event == "3"
                    ? "3,\(time)"
                    : [event, fields["src addr"] ?? "", fields["src xlt ip"] ?? "", time].joined(separator: ","))
        }
        return events
    }
}
