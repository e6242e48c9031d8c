package import Domain

/// An IKE_SA (RFC 7296 §1.2) as the daemon lists it. Ages and times to come are as of then.
package struct IKEAssociation: Hashable, Sendable {
    /// Of its connection, `vpn-17`.
    package let name: String
    /// Of this association alone, until the daemon starts again; rekeying gives another.
    package let id: UInt32
    package let state: State
    package let local: End
    package let remote: End
    package let isInitiator: Bool
    /// Zero until the peer has answered.
    package let initiatorSPI: UInt64
    package let responderSPI: UInt64
    package let nat: NAT
    package let algorithms: Algorithms
    package let establishedSeconds: Int64?
    /// Negative when it is late.
    package let rekeySeconds: Int64?
    /// Tasks in hand, queued or answered, in the daemon's words: `IKE_ESTABLISH`, `CHILD_REKEY`, `IKE_DPD`.
    package let tasks: [String]
    package let children: [ChildAssociation]

    package struct State: RawRepresentable, Hashable, Sendable {
        package let rawValue: String
        package init(rawValue: String) { self.rawValue = rawValue }

        package static let connecting = Self(rawValue: "CONNECTING")
        package static let established = Self(rawValue: "ESTABLISHED")
        package static let rekeying = Self(rawValue: "REKEYING")
        package static let rekeyed = Self(rawValue: "REKEYED")
        package static let deleting = Self(rawValue: "DELETING")
    }

    package struct End: Hashable, Sendable {
        /// `nil` while unknown: `%any`.
        package let address: IPAddress?
        package let port: UInt16?
        /// In the daemon's own form, without its type; `%any` while unknown.
        package let identity: String
    }

    /// Where address translation was seen. With ESP in user space always the remote end, since the daemon pretends it
    /// to have UDP encapsulation.
    package struct NAT: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let local = Self(rawValue: 1)
        package static let remote = Self(rawValue: 2)
        /// Pretended as responder.
        package static let pretended = Self(rawValue: 4)
        package static let any = Self(rawValue: 8)
    }

    /// - Throws: ``CommandError/malformed(key:)`` for what every IKE_SA has.
    package init(name: String, _ section: Message) throws(CommandError) {
        guard let id = section[number: "uniqueid", as: UInt32.self] else { throw .malformed(key: "uniqueid") }
        guard let state = section["state"] else { throw .malformed(key: "state") }
        self.name = name
        self.id = id
        self.state = State(rawValue: state)
        local = End(section, "local")
        remote = End(section, "remote")
        isInitiator = section[flag: "initiator"]
        initiatorSPI = section[hexadecimal: "initiator-spi"] ?? 0
        responderSPI = section[hexadecimal: "responder-spi"] ?? 0
        var nat: NAT = []
        if section[flag: "nat-local"] { nat.insert(.local) }
        if section[flag: "nat-remote"] { nat.insert(.remote) }
        if section[flag: "nat-fake"] { nat.insert(.pretended) }
        if section[flag: "nat-any"] { nat.insert(.any) }
        self.nat = nat
        algorithms = Algorithms(section)
        establishedSeconds = section[number: "established"]
        rekeySeconds = section[number: "rekey-time"]
        tasks = ["tasks-active", "tasks-passive", "tasks-queued"].flatMap { section[list: $0] }
        var children: [ChildAssociation] = []
        for (key, child) in section[section: "child-sas"]?.sections ?? [] where child[section: "new"] == nil {
            children.append(try ChildAssociation(key: key, child))
        }
        self.children = children
    }
}

extension IKEAssociation.End {
    fileprivate init(_ section: Message, _ side: String) {
        address = (section["\(side)-host"]).flatMap { try? IPAddress(parsing: $0) }  // `%any` is no address yet
        port = section[number: "\(side)-port"]
        identity = section["\(side)-id"] ?? "%any"
    }
}

/// What was agreed on, in the daemon's names: `AES_GCM_16`, `PRF_HMAC_SHA2_384`, `ECP_384`.
package struct Algorithms: Hashable, Sendable, CustomStringConvertible {
    package let encryption: String?
    package let encryptionBits: Int?
    /// `nil` with a cipher that authenticates.
    package let integrity: String?
    package let pseudoRandom: String?
    /// Of a CHILD_SA: `nil` for the first, whose keys come of the IKE_SA's exchange.
    package let group: String?

    init(_ section: Message) {
        encryption = section["encr-alg"]
        encryptionBits = section[number: "encr-keysize"]
        integrity = section["integ-alg"]
        pseudoRandom = section["prf-alg"]
        group = section["dh-group"]
    }

    /// `AES_GCM_16-256/PRF_HMAC_SHA2_384/ECP_384`.
    package var description: String {
        let cipher = encryption.map { name in encryptionBits.map { "\(name)-\($0)" } ?? name }
        return [cipher, integrity, pseudoRandom, group].compactMap { $0 }.joined(separator: "/")
    }
}
