package import Domain

/// A CHILD_SA: a pair of ESP associations (RFC 7296 §1.3.1, RFC 4303) as the daemon lists it. Ages and times to come
/// are as of then.
package struct ChildAssociation: Hashable, Sendable {
    /// Of its configuration, `vpn-17` or `vpn-17-2`.
    package let name: String
    /// Of this association alone; rekeying gives another.
    package let id: UInt32
    /// The same through all rekeyings.
    package let requestID: UInt32
    package let state: State
    /// `TUNNEL`.
    package let mode: String
    /// `ESP`; `nil` until there are keys.
    package let `protocol`: String?
    /// ESP in UDP (RFC 3948).
    package let isEncapsulated: Bool
    package let inboundSPI: UInt32?
    package let outboundSPI: UInt32?
    package let algorithms: Algorithms
    package let inbound: Traffic
    package let outbound: Traffic
    package let installedSeconds: Int64?
    /// Negative when it is late.
    package let rekeySeconds: Int64?
    package let lifeSeconds: Int64?
    package let localSelectors: [Selector]
    package let remoteSelectors: [Selector]

    package struct State: RawRepresentable, Hashable, Sendable {
        package let rawValue: String
        package init(rawValue: String) { self.rawValue = rawValue }

        package static let routed = Self(rawValue: "ROUTED")
        package static let installing = Self(rawValue: "INSTALLING")
        package static let installed = Self(rawValue: "INSTALLED")
        package static let rekeying = Self(rawValue: "REKEYING")
        package static let rekeyed = Self(rawValue: "REKEYED")
        package static let deleted = Self(rawValue: "DELETED")
    }

    /// What has passed one way since the association was made.
    package struct Traffic: Hashable, Sendable {
        package let octets: UInt64
        package let packets: UInt64
        /// Since the last; `nil`: none yet.
        package let idleSeconds: Int64?
    }

    /// A traffic selector in the daemon's form: `10.0.0.0/24`, `10.0.0.1/32[tcp/443]`, `10.0.0.1..10.0.0.9`.
    package struct Selector: Hashable, Sendable, CustomStringConvertible {
        package let description: String
        package init(_ text: String) { description = text }

        /// `nil` when it says more or less than a prefix.
        package var prefix: IPv4Prefix? { try? IPv4Prefix(parsing: description) }
    }

    /// Packets pass: its keys are in place, also while new ones are being made.
    package var carriesTraffic: Bool { state == .installed || state == .rekeying }

    /// - Parameter key: of its section, the name where the section itself has none.
    /// - Throws: ``CommandError/malformed(key:)`` for what every CHILD_SA has.
    package init(key: String, _ section: Message) throws(CommandError) {
        guard let id = section[number: "uniqueid", as: UInt32.self] else { throw .malformed(key: "uniqueid") }
        guard let state = section["state"] else { throw .malformed(key: "state") }
        name = section["name"] ?? key
        self.id = id
        requestID = section[number: "reqid"] ?? 0
        self.state = State(rawValue: state)
        mode = section["mode"] ?? ""
        self.protocol = section["protocol"]
        isEncapsulated = section[flag: "encap"]
        inboundSPI = section[hexadecimal: "spi-in"]
        outboundSPI = section[hexadecimal: "spi-out"]
        algorithms = Algorithms(section)
        inbound = Traffic(section, "in")
        outbound = Traffic(section, "out")
        installedSeconds = section[number: "install-time"]
        rekeySeconds = section[number: "rekey-time"]
        lifeSeconds = section[number: "life-time"]
        localSelectors = section[list: "local-ts"].map(Selector.init)
        remoteSelectors = section[list: "remote-ts"].map(Selector.init)
    }
}

extension ChildAssociation.Traffic {
    fileprivate init(_ section: Message, _ way: String) {
        octets = section[number: "bytes-\(way)"] ?? 0
        packets = section[number: "packets-\(way)"] ?? 0
        idleSeconds = section[number: "use-\(way)"]
    }
}
