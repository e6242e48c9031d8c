import ArgumentParser
import CLoad
import Glibc

struct Echo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Asks hosts whether they are there (ICMP echo, RFC 792), for many devices, and says when answers begin.",
        discussion: """
            The file has a device's address, which is one of this host's, and an asked host's on each line. Prints \
            "asking", then DEVICE HOST TIME PAUSE for each answer that is the first or comes after a pause: when it \
            came, in seconds since 1970, and for how many seconds none had come.
            """)

    @Option(help: "The file with who asks whom.") var pairs: String
    @Option(help: "Milliseconds from one question to a host to the next.") var every = 5
    @Option(help: "Milliseconds without an answer that are a pause.") var pause = 250
    @Option(help: "Seconds to ask for, at most.") var seconds: Double
    @Flag(help: "End when all have been answered.") var once = false

    private struct Pair: Hashable {
        let device: UInt32
        let host: UInt32
    }

    func run() throws {
        let list = try readPairs()
        guard !list.isEmpty, every > 0 else { throw ValidationError("\(pairs) holds nothing to ask") }
        let socket = try Self.open()
        defer { close(socket) }
        let (devices, hosts) = (list.map(\.device), list.map(\.host))
        // The same message of everybody: addresses say whose an answer is.
        let identifier = UInt16.random(in: .min ... .max)
        let message = Self.message(identifier)
        let begun = cload_now()
        let end = begun + UInt64(seconds * 1e9)
        var answered: [Pair: UInt64] = [:]
        var next = begun
        let known = Set(list)
        print("asking")
        fflush(nil)
        while cload_now() < end, !once || answered.count < known.count {
            if cload_now() >= next {
                // What was missed is not made up for.
                next = max(next, cload_now()) + UInt64(every) * 1_000_000
                for first in stride(from: 0, to: list.count, by: 64) {
                    send(socket, message, devices[first...], hosts[first...], min(64, list.count - first))
                }
            }
            let now = cload_now()
            var waiting = [pollfd(fd: socket, events: Int16(POLLIN), revents: 0)]
            guard poll(&waiting, 1, next > now ? Int32((next - now + 999_999) / 1_000_000) : 0) > 0 else { continue }
            receive(socket) { packet in
                guard let pair = Self.answer(in: packet, identifier), known.contains(pair) else { return }
                let now = cload_now()
                let last = answered.updateValue(now, forKey: pair)
                let silence = now - (last ?? begun)
                guard last == nil || silence > UInt64(pause) * 1_000_000 else { return }
                print(Self.text(pair.device), Self.text(pair.host), Self.clock(), Double(silence) / 1e9)
                fflush(nil)
            }
        }
    }

    private func readPairs() throws -> [Pair] {
        guard let file = fopen(pairs, "r") else { throw ValidationError("\(pairs) cannot be read") }
        defer { fclose(file) }
        var list: [Pair] = []
        var line = [CChar](repeating: 0, count: 128)
        while fgets(&line, 128, file) != nil {
            let text = String(
                decoding: line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let parsed = text.split(separator: " ").map { part in
                var address = in_addr()
                return inet_pton(AF_INET, String(part), &address) == 1 ? UInt32(bigEndian: address.s_addr) : nil
            }
            guard parsed.count == 2, let device = parsed[0], let host = parsed[1] else {
                throw ValidationError("\(pairs): \"\(text)\" is not two addresses")
            }
            list.append(Pair(device: device, host: host))
        }
        return list
    }

    // MARK: Packets

    private static func open() throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_ICMP))
        var roomy: Int32 = 8 << 20
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &roomy, 4)
        // ICMP_FILTER of linux/icmp.h, which has no module: echo replies alone.
        var mask = ~(UInt32(1) << 0)
        guard descriptor >= 0, setsockopt(descriptor, 255, 1, &mask, 4) == 0 else {
            throw ValidationError("no socket: error \(errno)")
        }
        return descriptor
    }

    private static func message(_ identifier: UInt16) -> [UInt8] {
        let (high, low) = (UInt8(identifier >> 8), UInt8(identifier & 0xff))
        // RFC 1071: type 8 and the identifier are all that is not zero.
        let sum = 0x0800 + UInt32(identifier)
        let checksum = ~UInt16(truncatingIfNeeded: sum + sum >> 16)
        return [8, 0, UInt8(checksum >> 8), UInt8(checksum & 0xff), high, low, 0, 0]
    }

    /// What cannot be sent is not answered, and asked again.
    private func send(
        _ socket: Int32, _ message: [UInt8], _ devices: ArraySlice<UInt32>, _ hosts: ArraySlice<UInt32>, _ count: Int
    ) {
        devices.withUnsafeBufferPointer { devices in
            hosts.withUnsafeBufferPointer { hosts in
                guard let devices = devices.baseAddress, let hosts = hosts.baseAddress else { return }
                _ = cload_send_from(socket, devices, hosts, 0, message, Int32(message.count), Int32(count))
            }
        }
    }

    private func receive(_ socket: Int32, _ body: (ArraySlice<UInt8>) -> Void) {
        let stride = 128
        var buffer = [UInt8](repeating: 0, count: 64 * stride)
        var lengths = [UInt16](repeating: 0, count: 64)
        let count = Int(cload_receive(socket, &buffer, Int32(stride), &lengths))
        for index in 0..<max(0, count) { body(buffer[index * stride..<index * stride + Int(lengths[index])]) }
    }

    /// - Parameter packet: with its IP header, as raw sockets give it.
    private static func answer(in packet: ArraySlice<UInt8>, _ identifier: UInt16) -> Pair? {
        let octets = Array(packet)
        guard let first = octets.first else { return nil }
        let header = Int(first & 15) * 4
        guard header >= 20, octets.count >= header + 8, octets[header] == 0,
            UInt16(octets[header + 4]) << 8 | UInt16(octets[header + 5]) == identifier
        else { return nil }
        let address = { (offset: Int) in octets[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) } }
        return Pair(device: address(16), host: address(12))
    }

    // MARK: Text

    private static func text(_ address: UInt32) -> String {
        "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
    }

    private static func clock() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let micros = String(now.tv_nsec / 1000)
        return "\(now.tv_sec)." + String(repeating: "0", count: 6 - micros.count) + micros
    }
}
