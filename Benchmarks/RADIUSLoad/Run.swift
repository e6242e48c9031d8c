import CLoad
import Glibc

/// Requests made before the clock starts, sent by one thread over many sockets, and their answers kept for later.
struct Run {
    /// How requests are let go.
    enum Pace {
        /// So many wait for their answers at any time.
        case closed(inFlight: Int)
        /// So many each second, whatever comes back.
        case open(perSecond: Double)
    }

    static let perSocket = 256
    /// Consecutive requests that go to the same socket: one system call.
    static let burst = 32
    private static let stride = 256

    let sockets: [Int32]
    /// How long the first answer to a request is waited for, in milliseconds; each next one that much longer.
    let patience: UInt64
    /// How often a request is sent before it counts as lost.
    let attempts: Int
    private var packets: [UInt8] = []
    private var offsets: [UInt32] = []
    private var lengths: [UInt16] = []
    /// Nanoseconds from the first sending to the answer; 0 for none.
    private(set) var latencies: [UInt64] = []
    private var answers: [UInt8] = []
    private var answerLengths: [UInt16] = []
    private(set) var seconds = 0.0
    private(set) var retransmitted = 0
    private(set) var unexpected = 0

    init(sockets: [Int32], patience: UInt64, attempts: Int) {
        self.sockets = sockets
        self.patience = patience
        self.attempts = attempts
    }

    var count: Int { offsets.count }
    private func place(_ index: Int) -> (socket: Int, identifier: Int) {
        let burst = index / Self.burst
        let socket = burst % sockets.count
        return (socket, (burst / sockets.count * Self.burst + index % Self.burst) % Self.perSocket)
    }

    /// The identifier that the next request has to have.
    var nextIdentifier: UInt8 { UInt8(place(count).identifier) }

    mutating func append(_ packet: [UInt8]) {
        offsets.append(UInt32(packets.count))
        lengths.append(UInt16(packet.count))
        packets += packet
    }

    func request(_ index: Int) -> ArraySlice<UInt8> {
        packets[Int(offsets[index])..<Int(offsets[index]) + Int(lengths[index])]
    }

    /// The answer's octets, empty when none came.
    func answer(_ index: Int) -> ArraySlice<UInt8> {
        answers[index * Self.stride..<index * Self.stride + Int(answerLengths[index])]
    }

    mutating func send(_ pace: Pace) throws {
        latencies = [UInt64](repeating: 0, count: count)
        answers = [UInt8](repeating: 0, count: count * Self.stride)
        answerLengths = [UInt16](repeating: 0, count: count)
        var sentAt = [UInt64](repeating: 0, count: count)
        var tries = [UInt8](repeating: 0, count: count)
        var slots = [Int](repeating: -1, count: sockets.count * Self.perSocket)
        var buffer = [UInt8](repeating: 0, count: 64 * Self.stride)
        var received = [UInt16](repeating: 0, count: 64)

        var watched = sockets.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }

        let start = cload_now()
        var (next, inFlight, done) = (0, 0, 0)
        let sweep = min(100_000_000, patience * 500_000)
        var nextSweep = start + sweep
        while done < count {
            var now = cload_now()
            var allowed =
                switch pace {
                case .closed(let limit): min(count - next, limit - inFlight)
                case .open(let rate): min(count - next, Int(Double(now - start) / 1e9 * rate) - next)
                }
            while allowed > 0 {
                // As many as go to the same socket, and whose identifiers are free.
                let (socket, _) = place(next)
                var burst = 0
                while burst < allowed, burst < Self.burst - next % Self.burst,
                    slots[socket * Self.perSocket + place(next + burst).identifier] < 0
                {
                    burst += 1
                }
                guard burst > 0 else { break }
                let taken = offsets[next...].withUnsafeBufferPointer { offsets in
                    lengths[next...].withUnsafeBufferPointer { lengths in
                        cload_send(sockets[socket], packets, offsets.baseAddress, lengths.baseAddress, Int32(burst))
                    }
                }
                guard taken > 0 else { break }
                for index in next..<next + Int(taken) {
                    slots[socket * Self.perSocket + place(index).identifier] = index
                    sentAt[index] = now
                    tries[index] = 1
                }
                next += Int(taken)
                inFlight += Int(taken)
                allowed -= Int(taken)
            }

            poll(&watched, nfds_t(watched.count), 1)
            now = cload_now()
            for socket in watched.indices where watched[socket].revents != 0 {
                let got = cload_receive(sockets[socket], &buffer, Int32(Self.stride), &received)
                guard got >= 0 else { throw Failure("receiving: error \(errno)") }
                for place in 0..<Int(got) {
                    let bytes = buffer[
                        place * Self.stride..<place * Self.stride + min(Int(received[place]), Self.stride)]
                    guard bytes.count >= 20 else {
                        unexpected += 1
                        continue
                    }
                    let slot = socket * Self.perSocket + Int(bytes[bytes.startIndex + 1])
                    let index = slots[slot]
                    guard index >= 0 else {
                        // An answer to what has its answer: of a repeated request it may be the second.
                        unexpected += 1
                        continue
                    }
                    slots[slot] = -1
                    latencies[index] = max(1, now - sentAt[index])
                    answerLengths[index] = UInt16(bytes.count)
                    for (offset, byte) in bytes.enumerated() { answers[index * Self.stride + offset] = byte }
                    inFlight -= 1
                    done += 1
                }
            }

            guard now > nextSweep else { continue }
            nextSweep = now + sweep
            for slot in slots.indices {
                let index = slots[slot]
                guard index >= 0, now - sentAt[index] > patience * 1_000_000 * UInt64(tries[index]) else {
                    continue
                }
                guard Int(tries[index]) < attempts else {
                    slots[slot] = -1
                    inFlight -= 1
                    done += 1
                    continue
                }
                tries[index] += 1
                retransmitted += 1
                _ = cload_send(sockets[slot / Self.perSocket], packets, [offsets[index]], [lengths[index]], 1)
            }
        }
        seconds = Double(cload_now() - start) / 1e9
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}
