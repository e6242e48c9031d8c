import DNS
import Domain
import TestSupport
import Testing

@Suite struct NameTableTests {
    @Test func `names with one hash are told apart`() {
        let names: [[UInt8]] = [[1, 97, 0], [1, 98, 0], [2, 97, 97, 0], [0]]
        var octets: [UInt8] = [9]
        var table = NameTable()
        var positions: [UInt32] = []
        for name in names.dropLast() {
            let known = table.position(hash: 7 << 32, name, from: 0, among: octets)
            #expect(known == nil)
            positions.append(UInt32(octets.count))
            table.insert(hash: 7 << 32, at: UInt32(octets.count))
            octets += name
        }
        let position = { (name: [UInt8], hash: UInt64) in table.position(hash: hash, name, from: 0, among: octets) }
        for (name, known) in zip(names, positions) { #expect(position(name, 7 << 32) == known) }
        #expect(position(names[3], 7 << 32) == nil)
        #expect(position(names[0], 8 << 32) == nil)
    }

    /// Starts and hashes.
    private static func steps(of name: [UInt8]) -> (starts: [Int], hashes: [UInt64]) {
        NameStep.with(of: name) { steps in
            (steps.indices.map { steps[$0].start }, steps.indices.map { steps[$0].hash })
        }
    }

    @Test func `a name has the hashes of all names above it`() throws {
        var above: DomainName? = try DomainName(parsing: "a.longer-than-eight.acme.example")
        let own = try WireName(#require(above)).octets
        let all = Self.steps(of: own)
        #expect(all.starts == [0, 2, 20, 25, 33])
        for index in 0..<4 {
            let wire = try WireName(#require(above)).octets
            #expect(Array(own[all.starts[index]...]) == wire)
            #expect(Self.steps(of: wire).hashes == Array(all.hashes[index...]))
            above = above?.parent
        }
        #expect(Self.steps(of: [0]).hashes == [all.hashes[4]])
        #expect(Set(all.hashes).count == 5)
    }

    @Test func `the longest name has its steps`() throws {
        let octets = try #require(WireName(Array(repeating: [1, 97], count: 127).flatMap { $0 } + [0])).octets
        let all = Self.steps(of: octets)
        #expect(all.starts == Array(stride(from: 0, through: 254, by: 2)))
    }
}
