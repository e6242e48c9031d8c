import Domain
import Foundation
import Store
import Testing

@Suite("Store contract: blocklists, DNS exceptions")
struct BlocklistContract {
    private static func settings(_ url: String? = nil, checksum: UInt8? = nil) throws -> Blocklist.Settings {
        Blocklist.Settings(
            format: .rpz, source: try url.map { .web(try HTTPSAddress(parsing: $0), seconds: 3600) } ?? .upload,
            checksum: checksum.flatMap { TextDigest(octets: Array(repeating: $0, count: 32)) }, maximumOctets: 1 << 40)
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a blocklist comes back as it was put, and keeps its status when it is said anew`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withTransaction { store in
            let first = try store.putBlocklist(
                name: .test("malware"), of: nil, settings: Self.settings("https://lists.example/a?b", checksum: 3),
                author: "anna", at: noon)
            #expect(first.owner == nil && first.status == Blocklist.Status())
            #expect(first.settings == (try Self.settings("https://lists.example/a?b", checksum: 3)))
            #expect(
                try store.blocklist(named: .test("malware"), of: nil) == first && store.blocklist(first.id) == first)
            let text = Blocklist.Text(
                digest: try #require(TextDigest(octets: Array(repeating: 7, count: 32))), octets: 12, entityTag: "\"1\""
            )
            let status = Blocklist.Status(
                text: text, goodAt: noon, triedAt: noon.plus(seconds: 9), error: "not found")
            try store.setStatus(status, of: first.id)
            let second = try store.putBlocklist(
                name: .test("malware"), of: nil, settings: Self.settings(), author: "bert", at: noon.plus(seconds: 60))
            #expect(second.id == first.id && second.status == status && second.author == "bert")
            #expect(second.settings == (try Self.settings()))
            try store.setStatus(Blocklist.Status(), of: first.id)
            #expect(try store.blocklist(first.id)?.status == Blocklist.Status())
            try store.deleteBlocklist(first.id)
            #expect(try store.allBlocklists() == [])
            #expect(refusal { try store.deleteBlocklist(first.id) }?.code == .notFound)
            #expect(refusal { try store.setStatus(status, of: first.id) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `blocklists and exceptions are named inside their owner, and go with it`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon).id
            let globex = try store.insertTenant(name: .test("globex"), at: noon).id
            let put = { (name: String, owner: Tenant.ID?) in
                try store.putBlocklist(
                    name: .test(name), of: owner, settings: Self.settings(), author: "anna", at: noon)
            }
            let common = try put("ads", nil)
            let ours = [try put("ads", acme), try put("malware", acme)]
            let theirs = try put("ads", globex)
            #expect(try store.blocklists(of: nil) == [common] && store.blocklists(of: acme) == ours)
            #expect(try store.blocklist(named: .test("malware"), of: globex) == nil)
            #expect(try store.allBlocklists() == [common] + ours + [theirs])
            #expect(refusal { try put("ads", Tenant.ID(999)) }?.code == .notFound)

            let exception = { (pattern: String, tenant: Tenant.ID) in
                DNSException(
                    tenant: tenant, pattern: try HostPattern(parsing: pattern), author: "anna", createdAt: noon)
            }
            let ourException = try exception("*.acme.example", acme)
            let theirException = try exception("*.acme.example", globex)
            for one in [ourException, theirException, ourException] { try store.putDNSException(one) }
            #expect(try store.dnsExceptions(of: acme) == [ourException])
            #expect(try store.allDNSExceptions() == [ourException, theirException])
            #expect(
                refusal { try store.putDNSException(try exception("a.example", Tenant.ID(999))) }?.code == .notFound)
            try store.deleteDNSException(theirException.pattern, of: globex)
            #expect(
                refusal { try store.deleteDNSException(theirException.pattern, of: globex) }?.code == .notFound)

            try store.deleteTenant(acme)
            #expect(try store.allBlocklists() == [common, theirs] && store.allDNSExceptions() == [])
        }
    }
}

@Suite struct TextDirectoryTests {
    private static func read(_ digest: TextDigest, in texts: TextDirectory) throws -> [UInt8] {
        let reader = try texts.reader(of: digest)
        var bytes: [UInt8] = []
        while try reader.next({ piece in for index in piece.indices { bytes.append(piece[index]) } }) {}
        return bytes
    }

    private static func write(_ text: String, in texts: TextDirectory) throws -> TextDigest {
        let draft = try texts.draft()
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: 1000) {
            try draft.write(bytes.span.extracting(start..<min(start + 1000, bytes.count)))
        }
        #expect(draft.octets == Int64(bytes.count))
        return try draft.commit()
    }

    @Test func `a text comes back as it was written, and is known by its digest`() throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let texts = try TextDirectory(path: directory.file("var/texts"))
        let text = String(repeating: "0.0.0.0 ads.example\n", count: 50_000)
        let digest = try Self.write(text, in: texts)
        #expect(try Self.read(digest, in: texts) == Array(text.utf8))
        #expect(try directory.mode("var/texts/\(digest)") == 0o600 && directory.mode("var/texts") == 0o700)
        // FIPS 180-2, appendix B.1.
        #expect(
            try Self.write("abc", in: texts).description
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(try Self.write("abc", in: texts) == Self.write("abc", in: texts))
    }

    @Test func `what was not written to its end is not there, and what was changed is refused`() throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let texts = try TextDirectory(path: directory.path)
        var digest: TextDigest?
        do {
            let draft = try texts.draft()
            try draft.write(Array("half".utf8).span)
            digest = draft.digest
        }
        #expect(try ScratchDirectory.names(in: directory) == [])
        #expect(refusal { try texts.reader(of: try #require(digest)) }?.code == .unavailable)
        let whole = try Self.write("whole", in: texts)
        try Array("while".utf8).withUnsafeBytes { try Data($0).write(to: URL(filePath: directory.file("\(whole)"))) }
        let error = refusal { try Self.read(whole, in: texts) }
        #expect(error?.code == .unavailable && error?.message.contains("not what was written") == true)
    }

    @Test func `what nobody needs is removed when it is old`() throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let texts = try TextDirectory(path: directory.path)
        let kept = try Self.write("kept", in: texts)
        let lost = try Self.write("lost", in: texts)
        try texts.removeAll(but: [kept], olderThan: 3600)
        #expect(try ScratchDirectory.names(in: directory).count == 2)
        try texts.removeAll(but: [kept], olderThan: 0)
        #expect(try ScratchDirectory.names(in: directory) == ["\(kept)"])
        #expect(refusal { try texts.reader(of: lost) }?.code == .unavailable)
    }
}

extension ScratchDirectory {
    fileprivate static func names(in directory: ScratchDirectory) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
    }
}
