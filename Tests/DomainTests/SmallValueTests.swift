import Domain
import Testing

@Suite struct SmallValueTests {
    @Test func `a pool knows how many blocks it has, and how many addresses a block`() throws {
        let cases: [(prefix: String, block: UInt8, blocks: UInt64, addresses: UInt64)] = [
            ("100.64.0.0/10", 24, 16_384, 254), ("10.0.0.0/8", 30, 4_194_304, 2), ("192.0.2.0/24", 24, 1, 254),
            ("0.0.0.0/0", 30, 1 << 30, 2), ("0.0.0.0/0", 0, 1, 4_294_967_294), ("192.0.2.0/30", 30, 1, 2),
        ]
        for item in cases {
            let pool = AddressPool(id: .init(1), prefix: try IPv4Prefix(parsing: item.prefix), blockLength: item.block)
            #expect(pool.blockCount == item.blocks, "\(item)")
            #expect(pool.addressesPerBlock == item.addresses, "\(item)")
        }
    }

    @Test func `a RAT type prints its name, or its number when it has none`() {
        let named: KeyValuePairs<RATType, String> = [
            .utran: "UTRAN", .geran: "GERAN", .wlan: "WLAN", .gan: "GAN", .hspaEvolution: "HSPA", .eutran: "EUTRAN",
            .virtual: "virtual", .nbIoT: "NB-IoT", .lteM: "LTE-M", .nr: "NR",
        ]
        for (type, text) in named { #expect(type.description == text) }
        // 3GPP TS 29.061 §16.4.7.2.
        #expect(named.map(\.key.rawValue) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 51])
        #expect(RATType(rawValue: 0).description == "RAT-0")
        #expect(RATType(rawValue: 255).description == "RAT-255")
        #expect(Set((0...255).map { RATType(rawValue: $0).description }).count == 256)
    }

    @Test func `a policy's mark follows from its row and keeps to the lower half`() {
        #expect(PolicyMark(policy: .init(1))?.rawValue == 17)
        #expect(PolicyMark(policy: .init(1 << 31 - 17))?.rawValue == 0x7FFF_FFFF)
        for row: Int64 in [0, -1, 1 << 31 - 16, 1 << 31, .max, .min] {
            #expect(PolicyMark(policy: .init(row)) == nil)
        }
        #expect(PolicyMark(rawValue: 0) == nil)
        #expect(PolicyMark(rawValue: 1) == .blockAll)
        #expect(PolicyMark(rawValue: 1 << 31 - 1)?.description == "2147483647")
        #expect(PolicyMark(rawValue: 1 << 31) == nil)
    }

    @Test func `reasons and states have fixed names`() {
        #expect(
            AttachRejection.allCases.map(\.rawValue) == [
                "imsi-missing", "apn-missing", "apn-not-allowed", "sim-unknown", "sim-suspended", "sim-terminated",
                "sim-test-over", "address-pool-exhausted", "pdn-type-not-served", "imei-not-allowed",
                "attach-location-not-allowed", "attach-outside-hours", "attach-not-approved",
                "attach-data-limit-reached",
            ])
        #expect(ViolationReason.allCases.map { Event.Code($0).rawValue } == ViolationReason.allCases.map(\.rawValue))
        #expect(SIM.State.allCases.map(\.rawValue) == ["active", "suspended", "terminated", "test"])
        #expect(NAS.DisconnectKey.allCases.map(\.rawValue) == ["imsi-nsapi", "acct-session-id", "apn-address"])
        #expect(
            Session.EndCause.allCases.map(\.rawValue) == [
                "stopped", "replaced", "nas-started", "nas-stopped", "stale", "unknown-to-nas", "test-over",
            ])
        // RFC 2866 §5.1.
        #expect(AccountingReport.Kind.allCases.map(\.rawValue) == [1, 2, 3, 7, 8])
    }
}
