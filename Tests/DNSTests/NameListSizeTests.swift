import CMallocCount
import DNS
import Domain
import Foundation
import TestSupport
import Testing

/// Issue 5: a million names in at most 200 MB and 5 s.
@Suite(.serialized) struct NameListSizeTests {
    private static let count = 1_000_000

    /// Names as real lists have them: 10 to 40 characters, three labels.
    private static func text(_ format: BlocklistFormat) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(64 << 20)
        if format == .rpz { bytes += Array("$ORIGIN rpz.example.\n@ SOA a. b. 1 1 1 1 1\n".utf8) }
        for number in 0..<count {
            let name = Self.name(number)
            let line =
                switch format {
                case .hosts: "0.0.0.0 \(name)\n"
                case .rpz: number % 2 == 0 ? "\(name) CNAME .\n" : "*.\(name) CNAME .\n"
                case .plain, .auto: "\(name)\n"
                }
            bytes.append(contentsOf: line.utf8)
        }
        return bytes
    }

    private static func name(_ number: Int) -> String {
        let mixed = UInt64(number) &* 0x9E37_79B9_7F4A_7C15
        return "h\(number).\(String(mixed >> (8 * UInt64(number % 5)), radix: 36)).example"
    }

    /// What this thread has had: what other tests do meanwhile does not count.
    private static func processorTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    /// `VmRSS` of this process, in octets.
    private static func resident() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(Int(line.split(separator: " ").dropLast().last?.split(separator: "\t").last ?? "")) << 10
    }

    @Test(arguments: [BlocklistFormat.hosts, .plain, .rpz])
    func `a million names: room, time, and look-ups without memory`(_ format: BlocklistFormat) throws {
        let text = Self.text(format)
        let before = try Self.resident()
        let start = Self.processorTime()
        var parser = NameListParser(format: .auto)
        for index in stride(from: 0, to: text.count, by: 65_536) {
            parser.consume(text.span.extracting(index..<min(text.count, index + 65_536)))
        }
        let (list, report) = parser.finish()
        let time = Self.processorTime() - start
        let room = try Self.resident() - before
        #expect(report.format == format && report.junkCount == 0)
        #expect(list.count.names + list.count.wildcards == Self.count)
        #expect(room <= 200 << 20)
        #expect(time <= .seconds(5))

        let names = try (0..<1000).map { index in
            let text = Self.name(index * 997)
            return WireName(
                try DomainName(parsing: format == .rpz && index * 997 % 2 == 1 ? "a." + text : text))
        }
        let others = try (0..<1000).map { WireName(try DomainName(parsing: "n\($0).acme.example")) }
        let allocations = cmalloc_count()
        var (hits, misses) = (0, 0)
        for index in 0..<1000 { if case .some = list.match(names[index]) { hits += 1 } }
        for index in 0..<1000 { if case .some = list.match(others[index]) { misses += 1 } }
        #expect(cmalloc_count() - allocations == 0)
        #expect(hits == 1000 && misses == 0)
        let lookups = ContinuousClock.now
        for _ in 0..<100 {
            for name in others { if case .some = list.match(name) { misses += 1 } }
        }
        print(
            "\(format): \(room >> 20) MiB, \(time), \((ContinuousClock.now - lookups) / 100_000) a look-up,",
            "text \(text.count >> 20) MiB")
    }
}
