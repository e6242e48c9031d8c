extension Commands {
    /// Loads a connection, in place of the one of its name. What is up stays up as it was made.
    package struct LoadConnection: Command {
        package typealias Answer = Void
        package static let name = "load-conn"
        package let connection: String
        package let settings: Message

        package init(_ connection: String, _ settings: Message) {
            self.connection = connection
            self.settings = settings
        }

        package var message: Message {
            var message = Message()
            message.append(connection, section: settings)
            return message
        }
    }

    /// Nothing new is made of this connection; what is up stays.
    package struct UnloadConnection: Command {
        package typealias Answer = Void
        package static let name = "unload-conn"
        package let connection: String
        package init(_ connection: String) { self.connection = connection }

        package var message: Message {
            var message = Message()
            message.append("name", connection)
            return message
        }
    }

    /// A pre-shared key, in place of the one of this identifier.
    package struct LoadShared: Command {
        package typealias Answer = Void
        package static let name = "load-shared"
        package let identifier: String
        package let secret: [UInt8]
        /// Who has it, as ``IKEIdentity/vici`` writes them. As few as name it alone: see ``TunnelPlan/secretOwners``.
        package let owners: [String]

        package init(_ identifier: String, secret: [UInt8], owners: [String]) {
            self.identifier = identifier
            self.secret = secret
            self.owners = owners
        }

        package var message: Message {
            var message = Message()
            message.append("id", identifier)
            message.append("type", "IKE")
            message.append("data", octets: secret)
            message.append("owners", list: owners)
            return message
        }
    }

    /// Answered with success also when there is none.
    package struct UnloadShared: Command {
        package typealias Answer = Void
        package static let name = "unload-shared"
        package let identifier: String
        package init(_ identifier: String) { self.identifier = identifier }

        package var message: Message {
            var message = Message()
            message.append("id", identifier)
            return message
        }
    }

    /// A private key. The answer is its identifier: the SHA-1 of its public key, in hexadecimal.
    package struct LoadKey: Command {
        package enum Kind: String, CaseIterable, Sendable {
            case any, rsa, ecdsa
        }

        package static let name = "load-key"
        package let kind: Kind
        /// PKCS #8 or the kind's own form, DER or PEM.
        package let octets: [UInt8]

        package init(_ kind: Kind = .any, octets: [UInt8]) {
            self.kind = kind
            self.octets = octets
        }

        package var message: Message {
            var message = Message()
            message.append("type", kind.rawValue)
            message.append("data", octets: octets)
            return message
        }

        package func answer(in reply: Conversation.Reply) throws(CommandError) -> String {
            try reply.checkSuccess()
            guard let identifier = reply.message["id"] else { throw .malformed(key: "id") }
            return identifier
        }
    }

    package struct UnloadKey: Command {
        package typealias Answer = Void
        package static let name = "unload-key"
        package let identifier: String
        package init(_ identifier: String) { self.identifier = identifier }

        package var message: Message {
            var message = Message()
            message.append("id", identifier)
            return message
        }
    }

    /// A certificate that is kept until ``ClearCredentials``: nothing unloads one alone. One that is given with a connection,
    /// as Cordon does, is kept as well (decision 0022); CAs are given as ``LoadAuthority``, which can be replaced and
    /// unloaded.
    package struct LoadCertificate: Command {
        package enum Flag: String, CaseIterable, Sendable {
            case none = "NONE"
            /// Refused unless its basic constraints say CA.
            case authority = "CA"
        }

        package typealias Answer = Void
        package static let name = "load-cert"
        package let flag: Flag
        /// DER or PEM.
        package let octets: [UInt8]

        package init(_ flag: Flag = .none, octets: [UInt8]) {
            self.flag = flag
            self.octets = octets
        }

        package var message: Message {
            var message = Message()
            message.append("type", "X509")
            message.append("flag", flag.rawValue)
            message.append("data", octets: octets)
            return message
        }
    }

    /// Forgets what peers sent and what was fetched; what was loaded stays.
    package struct FlushCertificates: Command {
        package typealias Answer = Void
        package static let name = "flush-certs"
        package init() {}

        package var message: Message {
            var message = Message()
            message.append("type", "X509")
            return message
        }
    }

    /// A CA under a name, in place of the one of this name.
    package struct LoadAuthority: Command {
        package typealias Answer = Void
        package static let name = "load-authority"
        package let authority: String
        /// DER or PEM.
        package let certificate: [UInt8]

        package init(_ authority: String, certificate: [UInt8]) {
            self.authority = authority
            self.certificate = certificate
        }

        package var message: Message {
            var settings = Message()
            settings.append("cacert", octets: certificate)
            var message = Message()
            message.append(authority, section: settings)
            return message
        }
    }

    package struct UnloadAuthority: Command {
        package typealias Answer = Void
        package static let name = "unload-authority"
        package let authority: String
        package init(_ authority: String) { self.authority = authority }

        package var message: Message {
            var message = Message()
            message.append("name", authority)
            return message
        }
    }

    /// Forgets every certificate, key and secret that came over vici, and the cache. Authorities stay.
    package struct ClearCredentials: Command {
        package typealias Answer = Void
        package static let name = "clear-creds"
        package init() {}
    }
}
