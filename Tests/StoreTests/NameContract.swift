import Domain
import Store
import Testing

/// What any store keeps of what the resolver has told devices.
@Suite("Store contract: names") struct NameContract {
    @Test(arguments: StoreUnderTest.allCases)
    func `names are kept by number, replaced by it, and not kept for a policy that is not there`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            let policy = try store.putTestPolicy("meters", of: tenant.id).id
            let name = { (number: Int64, policy: Policy.ID, address: String, until: Timestamp) in
                LearnedName(
                    number: number, policy: policy, address: try IPAddress(parsing: address),
                    name: try DomainName(parsing: "a.example"), until: until)
            }
            let kept = try [
                name(1, policy, "192.0.2.1", noon), name(7, policy, "2001:db8::1", noon),
                name(9, policy, "192.0.2.9", noon),
            ]
            try store.putNames(kept.reversed() + [try name(8, Policy.ID(999), "192.0.2.8", noon)])
            #expect(try store.allNames() == kept)
            let later = try name(7, policy, "2001:db8::1", noon.plus(seconds: 5))
            try store.putNames([later])
            try store.deleteNames([1, 2, 9])
            #expect(try store.allNames() == [later])
        }
    }
}
