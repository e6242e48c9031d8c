import ArgumentParser
import Glibc

/// Plays a P-GW with many devices against any RADIUS server, and checks every answer.
@main
struct RADIUSLoad: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "radius-load",
        abstract: "Sends Access- and Accounting-Requests of many SIMs, measures, and checks each answer.",
        discussion: """
            Prints one line per phase: what was sent, how fast, how long answers took, and what was wrong: lost (no \
            answer to three tries), rejected, forged (a wrong authenticator), doubled (an address given to two SIMs).
            Exit code 1 when anything was.
            """)

    @Option(help: "The server's address.") var server: String
    @Option(help: "The source of the requests.") var source = "198.18.0.2"
    @Option(help: "The file that holds the shared secret.") var secretFile: String
    @Option(help: "Digits that all IMSIs begin with.") var imsiPrefix = "00101"
    @Option(help: "The first SIM's number.") var first = 0
    @Option(help: "SIMs.") var count = 100_000
    @Option(help: "Requests under way at any time.") var inFlight = 1000
    @Option(help: "Requests a second, whatever comes back, instead of --in-flight.") var rate: Double?
    @Option(help: "Sockets.") var sockets = 16
    @Option(help: "Milliseconds to the first repetition of a request.") var patience: UInt64 = 2000
    @Option(help: "How often a request is sent before it counts as lost.") var attempts = 3
    @Flag(help: "End after the first phase in which something was lost: the server is gone.") var stopAtLoss = false
    @Option(help: "What to send, in this order: auth, start, interim, stop.") var phases = "auth,start,interim,stop"
    @Flag(help: "The SIMs have sessions already: their reports name them by IMSI and APN.") var haveSessions = false
    @Option(help: "The equipment of all SIMs: 16 digits.") var imeisv = "3514512012345601"
    @Option(help: "The LTE cell that all SIMs are in, of 28 bits.") var cell: UInt32 = 256
    @Flag(help: "Expect that every SIM is rejected.") var expectRejects = false
    @Flag(help: "Do not mind that SIMs get the same address.") var sharedAddress = false
    @Option(help: "A file to write `imsi address answered sent` to, one line for each SIM admitted: the last phases.")
    var write: String?

    /// What a SIM's Access-Accept said.
    private struct Grant {
        var address: UInt32
        var token: [UInt8]
        /// The last phase whose request was answered, and the last that was sent.
        var answered: Substring
        var sent: Substring
    }

    func run() throws {
        let secret = try Self.secret(in: secretFile)
        let place = Place(imeisv: imeisv, cell: cell)
        let subscribers = (first..<first + count).map { Subscriber(number: $0, imsiPrefix: imsiPrefix, place: place) }
        let begun = haveSessions ? Grant(address: 0, token: [], answered: "", sent: "") : nil
        var grants = [Grant?](repeating: begun, count: count)
        var isFine = true
        for phase in phases.split(separator: ",") {
            let status: Subscriber.Status?
            switch phase {
            case "auth": status = nil
            case "start": status = .start
            case "interim": status = .interim
            case "stop": status = .stop
            default: throw ValidationError("there is no phase \(phase)")
            }
            let port: UInt16 = status == nil ? 1812 : 1813
            let descriptors = try (0..<sockets).map { _ in try connected(port: port) }
            defer { for descriptor in descriptors { close(descriptor) } }
            var load = Run(sockets: descriptors, patience: patience, attempts: attempts)
            var asked: [Int] = []
            for (index, subscriber) in subscribers.enumerated() {
                let identifier = load.nextIdentifier
                if let status {
                    guard let grant = grants[index] else { continue }
                    load.append(
                        subscriber.accountingRequest(
                            status, identifier: identifier, address: grant.address, token: grant.token, secret: secret))
                } else {
                    load.append(subscriber.accessRequest(identifier: identifier, secret: secret))
                }
                asked.append(index)
                grants[index]?.sent = phase
            }
            guard !asked.isEmpty else { throw ValidationError("\(phase): no SIM was admitted, so nothing can be sent") }
            try load.send(rate.map { .open(perSecond: $0) } ?? .closed(inFlight: inFlight))

            var (lost, rejected, forged, doubled) = (0, 0, 0, 0)
            var addresses: Set<UInt32> = []
            for (place, index) in asked.enumerated() {
                let bytes = load.answer(place)
                guard !bytes.isEmpty else {
                    lost += 1
                    continue
                }
                guard let answer = Answer(bytes, to: load.request(place), secret: secret) else {
                    forged += 1
                    continue
                }
                if status != nil {
                    if answer.code == 5 { grants[index]?.answered = phase } else { rejected += 1 }
                } else if answer.code == 2, let address = answer.address {
                    if !addresses.insert(address).inserted, !sharedAddress { doubled += 1 }
                    grants[index] = Grant(address: address, token: answer.token, answered: phase, sent: phase)
                } else {
                    rejected += 1
                }
            }
            isFine = isFine && lost + (expectRejects ? asked.count - rejected : rejected) + forged + doubled == 0
            report(String(phase), load, lost: lost, rejected: rejected, forged: forged, doubled: doubled)
            if stopAtLoss, lost > 0 { break }
        }
        if let write {
            try Self.write(
                zip(subscribers, grants).compactMap { subscriber, grant in
                    grant.map { "\(subscriber.imsi) \(Self.text($0.address)) \($0.answered) \($0.sent)" }
                }, to: write)
        }
        if !isFine { throw ExitCode.failure }
    }

    private func report(_ phase: String, _ load: Run, lost: Int, rejected: Int, forged: Int, doubled: Int) {
        let sorted = load.latencies.filter { $0 > 0 }.sorted()
        let percentile = { (part: Double) -> String in
            guard let last = sorted.last else { return "-" }
            let value = part >= 1 ? last : sorted[Int(Double(sorted.count - 1) * part)]
            return Self.decimals(Double(value) / 1e6)
        }
        print(
            "phase=\(phase) requests=\(load.count) seconds=\(Self.decimals(load.seconds)) "
                + "rate=\(Int(Double(sorted.count) / load.seconds)) p50_ms=\(percentile(0.5)) p99_ms=\(percentile(0.99)) "
                + "max_ms=\(percentile(1)) retransmitted=\(load.retransmitted) lost=\(lost) rejected=\(rejected) "
                + "forged=\(forged) doubled=\(doubled) unexpected=\(load.unexpected)")
        fflush(nil)
    }

    private static func decimals(_ value: Double) -> String {
        let thousandths = Int((value * 1000).rounded())
        let rest = String(thousandths % 1000)
        return "\(thousandths / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }

    private static func text(_ address: UInt32) -> String {
        (0..<4).map { String(address >> (24 - 8 * $0) & 0xff) }.joined(separator: ".")
    }

    private func connected(port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var roomy: Int32 = 8 << 20
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &roomy, socklen_t(MemoryLayout<Int32>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &roomy, socklen_t(MemoryLayout<Int32>.size))
        var from = sockaddr_in()
        var to = sockaddr_in()
        guard
            inet_pton(AF_INET, source, &from.sin_addr) == 1, inet_pton(AF_INET, server, &to.sin_addr) == 1
        else { throw ValidationError("\(source) and \(server) must be IPv4 addresses") }
        (from.sin_family, to.sin_family) = (sa_family_t(AF_INET), sa_family_t(AF_INET))
        to.sin_port = port.bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafePointer(to: &from) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
        }
        let isConnected = withUnsafePointer(to: &to) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard descriptor >= 0, isBound == 0, isConnected == 0 else {
            throw Run.Failure("no socket from \(source) to \(server):\(port): error \(errno)")
        }
        return descriptor
    }

    private static func secret(in path: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else { throw ValidationError("\(path) cannot be read") }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = fread(&bytes, 1, bytes.count, file)
        return bytes.prefix(count).filter { $0 > 0x20 }
    }

    private static func write(_ lines: [String], to path: String) throws {
        guard let file = fopen(path, "w") else { throw ValidationError("\(path) cannot be written") }
        for line in lines { fputs(line + "\n", file) }
        guard fclose(file) == 0 else { throw ValidationError("\(path) cannot be written") }
    }
}
