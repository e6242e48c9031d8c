import Crypto
package import Domain
// Crypto gives ciphertexts as Data.
import Foundation

/// Encrypts secrets for the database: AES-256-GCM with a random nonce, and the row's name as associated data, so that
/// a sealed secret moved to another row does not open.
package struct Sealer: Sendable {
    private let key: SymmetricKey

    package init(key: Secret) throws(StoreError) {
        guard key.bytes.count == SecretKeyFile.keyLength else {
            throw .unavailable("the key that encrypts secrets must have \(SecretKeyFile.keyLength) bytes")
        }
        self.key = SymmetricKey(data: key.bytes)
    }

    package func seal(_ secret: [UInt8], row: String) throws(StoreError) -> [UInt8] {
        do {
            let box = try AES.GCM.seal(secret, using: key, authenticating: Array(row.utf8))
            return Array(box.nonce) + Array(box.ciphertext) + Array(box.tag)
        } catch {
            throw .unavailable("a secret could not be encrypted: start cordond again")
        }
    }

    /// `nil` when the bytes were sealed with another key or for another row, or were changed since.
    package func open(_ sealed: [UInt8], row: String) -> [UInt8]? {
        do {
            let box = try AES.GCM.SealedBox(combined: sealed)
            return Array(try AES.GCM.open(box, using: key, authenticating: Array(row.utf8)))
        } catch {
            return nil
        }
    }
}
