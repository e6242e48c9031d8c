import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import TestSupport
import Testing

extension KernelTests {
    @Suite(.serialized) struct Table {
        private let one = kernelMark(1)

        /// What the kernel has, as nft lists it: the text that was loaded, and that it was understood as meant.
        @Test func `the kernel lists the table as recorded`() throws {
            let rig = try KernelRig()
            try rig.start([one: .allowing("192.0.2.0/24", protocols: 6...6)], [kernelDevice(1, one)])
            // Without what nft warns of: rules that it does not write itself.
            let listing = shell("ip netns exec \(rig.gatewayName) nft --numeric-protocol list ruleset 2>/dev/null")
                .output
            // Counters' values are not part of it.
            let lines = listing.split(separator: "\n").filter { !$0.contains("packets") }.map { line in
                String(line.drop { $0 == "\t" })
            }
            #expect(lines.joined(separator: "\n") == Self.recorded)
        }

        @Test func `a golden ruleset is loaded and read back the same`() throws {
            let tests = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
            let golden = "/\(tests)/PolicyCompilerTests/Golden"
            let files = shell("ls \(golden)/*/ruleset.nft").output.split(separator: "\n")
            try #require(!files.isEmpty, "no golden rulesets in \(golden)")
            let rig = try KernelRig()
            for file in files {
                let chain = shell("cat \(file)").output
                let text = """
                    table inet cordon {
                        set observed {
                            type ipv4_addr . ipv4_addr . inet_proto . inet_service . mark
                            size 65536
                            flags dynamic,timeout
                            timeout 1h
                        }
                        set observed6 {
                            type ipv6_addr . ipv6_addr . inet_proto . inet_service . mark
                            size 65536
                            flags dynamic,timeout
                            timeout 1h
                        }
                        set group_1 { type ipv4_addr; }
                        set group_2 { type ipv4_addr; }
                        set group6_1 { type ipv6_addr; }
                        set group6_2 { type ipv6_addr; }
                        map named_0 { type mark . ipv4_addr : mark; }
                        map named6_0 { type mark . ipv6_addr : mark; }
                        \(chain)
                    }
                    """
                try load(text, in: rig)
                let listing = try rig.nft("list table inet cordon")
                let marker = "0x"
                #expect(count(of: marker, in: listing) == count(of: marker, in: chain), "\(file)")
                try rig.nft("delete table inet cordon")
                try load(listing, in: rig)
                #expect(try rig.nft("list table inet cordon") == listing, "\(file)")
                try rig.nft("delete table inet cordon")
            }
        }

        @Test func `every example is compiled and loaded`() throws {
            let rig = try KernelRig()
            try rig.start([:], [])
            let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
            let files = shell("ls \(root)/Examples/*.yaml").output.split(separator: "\n")
            try #require(files.count >= 4)
            for file in files {
                let document = try PolicyDocument(parsing: shell("cat \(file)").output, file: "\(file)")
                let names = try ["hq", "backup", "maintenance", "recorders", "gateways", "cameras"].map {
                    try Name(parsing: $0)
                }
                let scope = PolicyScope(
                    lists: [try Name(parsing: "payment-network"): [.ipv4(prefix("203.0.113.128/26"))]],
                    groups: PolicyScope.groups(names), vpns: PolicyScope.vpns(names),
                    blocklists: [try Name(parsing: "malware")], isTimeZone: { _ in true })
                let policy = try document.validated(in: scope)
                for isOpen in [true, false] {
                    try rig.kernel.install([one: compile(policy) { _ in isOpen }], removing: [])
                    #expect(try rig.kernel.hits(of: one).count == policy.rules.count + 1, "\(file)")
                    #expect(try rig.kernel.verify() == nil, "\(file)")
                }
            }
        }

        private func load(_ text: String, in rig: KernelRig) throws {
            let (status, output) = shell(
                "ip netns exec \(rig.gatewayName) nft -f - 2>&1 <<'END'\n\(text)\nEND")
            try #require(status == 0, "\(output)")
        }

        private func count(of marker: String, in text: String) -> Int {
            var count = 0
            var rest = Substring(text)
            while let range = rest.firstRange(of: marker) {
                count += 1
                rest = rest[range.upperBound...]
            }
            return count
        }

        @Test func `each policy has a chain of its own, and unused chains go`() throws {
            let rig = try KernelRig()
            let (two, three) = (kernelMark(2), kernelMark(3))
            let open = Ruleset.allowing("192.0.2.0/24")
            try rig.start([one: open, two: open, three: .allowing("192.0.2.1")], [])
            // And one for "block everything".
            #expect(try policyChains(rig) == 4)
            try rig.kernel.install([three: open], removing: [])
            #expect(try policyChains(rig) == 4)
            try rig.kernel.install([two: .allowing("192.0.2.7")], removing: [one])
            #expect(try policyChains(rig) == 3)
            try rig.kernel.install([:], removing: [two, three, .blockAll])
            #expect(try policyChains(rig) == 1)
            #expect(try rig.kernel.verify() == nil)
        }

        private func policyChains(_ rig: KernelRig) throws -> Int {
            count(of: "chain policy_", in: try rig.nft("list ruleset"))
        }

        @Test func `a large ruleset is loaded`() throws {
            let rig = try KernelRig()
            let entries = (UInt32(0)..<20_000).map { number in
                Ruleset.Entry(
                    destination: IPv4Prefix(containing: IPv4Address(bits: 0xc000_0000 + number * 2), length: 32),
                    protocols: 6...6, ports: 443...443, rule: 0)
            }
            let clock = ContinuousClock()
            try rig.start([:], [])
            let time = try clock.measure {
                try rig.kernel.install([one: Ruleset(layers: [entries], verdicts: [.internet])], removing: [])
            }
            print("a policy of \(entries.count) boxes: installed in \(time)")
            #expect(try rig.kernel.verify() == nil)
        }

        @Test func `the next process takes the chains over, and makes anew what was changed`() throws {
            let rig = try KernelRig()
            let large = Ruleset(
                layers: [
                    (UInt32(0)..<100).map { number in
                        Ruleset.Entry(
                            destination: IPv4Prefix(containing: IPv4Address(bits: 0xc000_0000 + number), length: 32),
                            protocols: 6...6, ports: 443...443, rule: 0)
                    }
                ], verdicts: [.internet])
            let policies: [PolicyMark: Ruleset] = [
                one: .allowing("192.0.2.0/24", protocols: 6...6), kernelMark(2): .allowing("192.0.2.7"),
                kernelMark(3): Ruleset(
                    layers: [
                        Ruleset.allowing("192.0.2.9", protocols: 6...6, ports: 80...90).layers[0],
                        Ruleset.allowing("0.0.0.0/0").layers[0],
                    ], verdicts: [.internet]),
                kernelMark(4): large,
            ]
            let state = rig.state(policies, [kernelDevice(1, one)])
            try rig.start(policies, [kernelDevice(1, one)])
            let before = try policyLines(rig)
            let second = try Kernel(layout: rig.layout, namespace: rig.gateway)
            _ = try second.reconcile(to: state)
            // With their handles: the very same.
            #expect(try policyLines(rig) == before)
            try rig.nft("insert rule inet cordon policy_3 accept")
            let third = try Kernel(layout: rig.layout, namespace: rig.gateway)
            _ = try third.reconcile(to: state)
            let mended = try rig.nft("list ruleset")
            #expect(!mended.contains("policy_3") && mended.contains("policy_5_0") && mended.contains("policy_6"))
            #expect(try third.verify() == nil)
        }

        /// The one before may have used any number above those that are left, and flows may still have it.
        @Test func `the next process does not go on from the chains that it finds`() throws {
            let rig = try KernelRig()
            try rig.start([one: .allowing("192.0.2.0/24")], [])
            var layout = rig.layout
            layout.firstChain = 2
            let second = try Kernel(layout: layout, namespace: rig.gateway)
            let policies: [PolicyMark: Ruleset] = [
                one: .allowing("192.0.2.0/24"), kernelMark(2): .allowing("192.0.2.7"),
            ]
            _ = try second.reconcile(to: rig.state(policies, []))
            // Two is taken.
            #expect(try rig.nft("list map inet cordon policy_chain").contains("0x00000012 : jump policy_3"))
            layout.firstChain = 1000
            let third = try Kernel(layout: layout, namespace: rig.gateway)
            _ = try third.reconcile(to: rig.state(policies, []))
            try third.install([one: .allowing("192.0.2.8")], removing: [])
            #expect(try rig.nft("list map inet cordon policy_chain").contains("0x00000011 : jump policy_1000"))
            #expect(try third.verify() == nil)
        }

        private func policyLines(_ rig: KernelRig) throws -> [Substring] {
            try rig.nft("-a list ruleset").split(separator: "\n").filter {
                $0.contains("policy_") && !$0.contains("policy_chain #")
            }
        }

        /// Prints what changes cost; asserts only that the kernel has the devices.
        @Test func `a device among 100,000 is changed`() throws {
            let rig = try KernelRig()
            let clock = ContinuousClock()
            try rig.start([one: .allowing("192.0.2.0/24")], [])
            let entries = (UInt32(1)...100_000).map { number -> DeviceEntry in
                let firstPort = 1024 + UInt16(number % 100) * 512
                let nat = NATBinding(
                    publicAddress: IPv4Address(bits: 0xcb00_0000 + number / 100), firstPort: firstPort,
                    lastPort: firstPort + 511)
                let address = IPv4Address(bits: KernelRig.pool.first.bits + number)
                return DeviceEntry(address: address, policy: one, nat: nat)
            }
            let bulk = try clock.measure { try rig.kernel.apply(entries.map { DeviceChange.set($0) }) }
            let changed = entries.prefix(200).map { DeviceEntry(address: $0.address, policy: .blockAll, nat: $0.nat) }
            let single = try clock.measure { for entry in changed { try rig.kernel.apply([.set(entry)]) } }
            var findings: [RepairReport?] = []
            let quiet = try clock.measure { findings.append(try rig.kernel.verify()) }
            try rig.nft("add table inet foreign")
            // Each call looks up some thousands.
            let full = try clock.measure { for _ in 0..<13 { findings.append(try rig.kernel.verify()) } }
            #expect(findings.allSatisfy { $0 == nil })
            let swap = try clock.measure { try rig.kernel.install([one: .allowing("192.0.2.7")], removing: []) }
            let second = try Kernel(layout: rig.layout, namespace: rig.gateway)
            let state = rig.state([one: .allowing("192.0.2.7")], changed + entries.dropFirst(200))
            var report: ReconcileReport?
            let adopt = try clock.measure { report = try second.reconcile(to: state) }
            // So many are replaced, not compared.
            #expect(report == ReconcileReport(devicesAdded: 100_000, devicesRemoved: 100_000, devicesKept: 0))
            #expect(try second.verify() == nil)
            print(
                """
                100,000 devices: loaded in \(bulk), one changed in \(single / 200), a policy changed in \(swap),
                verified in \(quiet), compared in full in \(full), adopted in \(adopt)
                """)
        }
    }
}
