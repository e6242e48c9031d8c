import ArgumentParser
import CLoad
import Glibc

struct Send: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sends packets over an interface, as fast as one core can.",
        discussion: """
            With --seconds, the packets of --flows flows again and again. With --once, one packet of each flow. The \
            devices of the flows are spread evenly over the file of addresses; each flow has another device until all \
            have one. With --sockets they are sent by UDP sockets, as programs send them, and go where the routes \
            lead; else whole frames are put on the interface, which costs less. Prints sent=N seconds=S.
            """)

    @Option(help: "The interface to send over.") var interface: String
    @Option(help: "Its MAC address.") var from: String
    @Option(help: "The gateway's MAC address.") var to: String
    @Option(help: "The file with the devices' addresses, one a line.") var addresses: String
    @Option(help: "How many devices send, spread over the file; all by default.") var devices: Int?
    @Option(help: "Flows.") var flows = 10_000
    @Option(help: "The lowest source port.") var firstPort: UInt16 = 20_000
    @Option(help: "Seconds to send for.") var seconds: Double?
    @Flag(help: "Send one packet of each flow.") var once = false
    @Flag(help: "Send by UDP sockets.") var sockets = false
    @Option(help: "Packets a second at most.") var rate: Double?

    func run() throws {
        guard once != (seconds != nil), flows > 0 else { throw ValidationError("give --seconds or --once") }
        let known = try Self.addresses(in: addresses)
        guard !known.isEmpty else { throw ValidationError("\(addresses) holds no address") }
        let senders = min(devices ?? known.count, known.count, flows)
        let (source, target) = (try Self.mac(from), try Self.mac(to))
        var list = (0..<flows).map { number in
            // Later rounds over the devices differ in their source port.
            Frames.Flow(
                source: known[number % senders * known.count / senders], destination: Servers.address(number),
                sourcePort: firstPort &+ UInt16(truncatingIfNeeded: number / senders * 7 + number % 7),
                destinationPort: Servers.port)
        }
        list.shuffle()
        let sender: any Sender
        if sockets {
            sender = try SocketSender(list, from: firstPort)
        } else {
            var frames = Frames()
            for flow in list { frames.append(flow, from: source, to: target) }
            sender = try FrameSender(frames, interface: interface)
        }
        let start = cload_now()
        let end = seconds.map { start + UInt64($0 * 1e9) }
        var sent = 0
        var next = 0
        var now = start
        while end.map({ now < $0 }) ?? (sent < flows) {
            if let rate, Double(sent) > Double(now - start) / 1e9 * rate {
                usleep(100)
                now = cload_now()
                continue
            }
            let taken = sender.send(from: next)
            if taken > 0 {
                sent += taken
                next = (next + taken) % list.count
            }
            now = cload_now()
        }
        print("sent=\(sent) seconds=\(Double(now - start) / 1e9)")
    }

    private static func addresses(in path: String) throws -> [UInt32] {
        guard let file = fopen(path, "r") else { throw ValidationError("\(path) cannot be read") }
        defer { fclose(file) }
        var result: [UInt32] = []
        var line = [CChar](repeating: 0, count: 64)
        while fgets(&line, 64, file) != nil {
            var address = in_addr()
            if let end = line.firstIndex(of: 10) { line[end] = 0 }
            guard inet_pton(AF_INET, line, &address) == 1 else { throw ValidationError("\(path): not an address") }
            result.append(UInt32(bigEndian: address.s_addr))
        }
        return result
    }

    private static func mac(_ text: String) throws -> [UInt8] {
        let octets = text.split(separator: ":").compactMap { UInt8($0, radix: 16) }
        guard octets.count == 6 else { throw ValidationError("\(text) is not a MAC address") }
        return octets
    }
}
