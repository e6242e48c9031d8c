import Domain
import Foundation
import Testing

import PKI

/// Certificates, keys and requests that openssl has made; see `Fixtures/make`.
enum Fixture {
    struct Missing: Error { let name: String }

    static func octets(_ name: String) throws -> [UInt8] {
        guard let directory = Bundle.module.resourceURL else { throw Missing(name: name) }
        return Array(try Data(contentsOf: directory.appending(path: "Fixtures/\(name)")))
    }

    static func certificate(_ name: String) throws -> Certificate { try Certificate(parsing: octets("\(name).pem")) }

    static func bundle(_ names: String..., at time: Timestamp = now) throws -> AuthorityBundle {
        try AuthorityBundle(parsing: names.flatMap { try octets("\($0).pem") }, at: time)
    }

    /// Within the life of what is to be valid.
    static let now = Timestamp(milliseconds: 1_782_864_000_000)  // 2026-07-01T00:00:00Z
    static let second: Int64 = 1000
    static let day: Int64 = 86_400_000

    static func days(_ count: Int64) -> Timestamp { Timestamp(milliseconds: now.milliseconds + count * day) }

    /// What reading throws; fails the test when it is something else, or nothing.
    static func reason<Value>(
        _ read: () throws(CertificateError) -> Value, location: SourceLocation = #_sourceLocation
    ) -> CertificateError.Reason? {
        do throws(CertificateError) {
            let value = try read()
            Issue.record("read as \(value)", sourceLocation: location)
            return nil
        } catch {
            return error.reason
        }
    }
}
