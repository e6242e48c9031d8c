import Foundation
import Glibc

/// Names, places and addresses of one laboratory. Several can be up side by side: the addresses are the same in each,
/// since each has its own namespaces; only the prefix and the host's API port differ.
public struct LabLayout: Sendable {
    /// Namespaces are `PREFIX-ran`, `PREFIX-gw`, ...; files are in `/run/PREFIX-lab` and `/var/lib/PREFIX-lab`.
    public let prefix: String
    /// Where the API is reached on the host, on 127.0.0.1.
    public let apiPort: UInt16
    /// NAT 1's public addresses, a prefix within 198.19.0.0/16, which NAT 2 hides again.
    public let natPublic: String
    /// Who is told of NAT 1's port blocks, as `cordon.yaml` names them.
    public let natCollectors: [String]
    /// How long an address stands for a name at least, in seconds.
    public let nameSeconds: Int
    /// Of silence, before a VPN's peer is asked whether it is there, in seconds.
    public let deadPeerSeconds: Int
    /// Before what a VPN's peer does not answer is sent again; after 7.1 times as long it is taken for dead.
    public let retransmitMilliseconds: Int
    /// Those that `up` makes; others can be made later.
    public let enterprises: [Enterprise]
    /// The directory that holds `cordon` and `cordond`.
    public let programs: String

    /// - Parameter programs: where the built programs are; by default `CORDON_BIN_DIR`, else the running program's
    ///   own directory.
    /// - Throws: ``LabError`` when the prefix is not 1 to 12 lower-case letters and digits that start with a letter.
    ///   It becomes part of paths that are removed, so nothing else is let in.
    public init(
        prefix: String = "cordon", apiPort: UInt16 = 8080, natPublic: String = "198.19.0.0/28",
        natCollectors: [String] = [], nameSeconds: Int = 300, deadPeerSeconds: Int = 10,
        retransmitMilliseconds: Int = 2000, enterprises: [Enterprise] = [], programs: String? = nil
    ) throws(LabError) {
        let isAllowed = { (byte: UInt8) in (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) }
        guard
            (1...12).contains(prefix.utf8.count), prefix.utf8.allSatisfy(isAllowed),
            let first = prefix.utf8.first, first >= 0x61
        else {
            throw LabError(
                .unsupported,
                "`\(prefix)` cannot be a laboratory's prefix: write 1 to 12 lower-case letters and digits, a letter first"
            )
        }
        self.prefix = prefix
        self.apiPort = apiPort
        self.natPublic = natPublic
        self.natCollectors = natCollectors
        self.nameSeconds = nameSeconds
        self.deadPeerSeconds = deadPeerSeconds
        self.retransmitMilliseconds = retransmitMilliseconds
        self.enterprises = enterprises
        self.programs =
            programs ?? ProcessInfo.processInfo.environment["CORDON_BIN_DIR"] ?? Self.directoryOfRunningProgram
    }

    private static var directoryOfRunningProgram: String {
        guard let path = realpath("/proc/self/exe", nil) else { return "." }
        defer { free(path) }
        return String(String(cString: path).split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 })
    }

    public var cordon: String { programs + "/cordon" }
    public var cordond: String { programs + "/cordond" }

    /// Sockets, configuration, logs, process records. In memory: it is gone after a reboot, as the processes are.
    public var runDirectory: String { "/run/\(prefix)-lab" }
    /// The daemon's store, on a real disk, since its commits wait for one.
    public var stateDirectory: String { "/var/lib/\(prefix)-lab" }
    var processDirectory: String { runDirectory + "/processes" }
    var sessionDirectory: String { runDirectory + "/sessions" }
    /// Where `cordond` makes the files of its unbound, which runs as a user without privileges.
    var resolverDirectory: String { runDirectory + "/resolver" }
    /// The same for its charon.
    var charonDirectory: String { runDirectory + "/charon" }
    /// What that charon takes orders at, as swanctl's `--uri` has it.
    public var gatewayVICIURI: String { "unix://\(charonDirectory)/vici.sock" }
    var logDirectory: String { runDirectory + "/log" }
    /// Written when everything is up, so its presence separates a whole laboratory from an interrupted one.
    var markerFile: String { runDirectory + "/up" }
    var secretFile: String { runDirectory + "/radius.secret" }
    public var apiSocket: String { runDirectory + "/api.sock" }
    public var tokenFile: String { stateDirectory + "/operator.token" }
    public var apiURL: String { "http://127.0.0.1:\(apiPort)" }

    public func log(of process: String) -> String { "\(logDirectory)/\(process).log" }
    /// What the internet's web server was asked: one line per request, the client's address first.
    public var webAccessLog: String { logDirectory + "/access.log" }

    public enum Namespace: String, CaseIterable, Sendable {
        /// The P-GW and all devices.
        case ran
        /// The gateway.
        case gw
        /// The site's outer NAT.
        case edge
        /// The internet.
        case inet
    }

    public func name(of namespace: Namespace) -> String { "\(prefix)-\(namespace.rawValue)" }
    /// Those that are always there.
    var namespaceNames: [String] { Namespace.allCases.map(name(of:)) }
    var enterpriseNames: [String] { Enterprise.allCases.map(name(of:)) }

    // The addresses of design.md section 11.
    public static let gatewaySGi = "198.18.0.1"
    public static let packetGateway = "198.18.0.2"
    public static let gatewayWAN = "198.18.1.1"
    public static let edgeInside = "198.18.1.2"
    /// The only address of the site that the internet ever sees.
    public static let edgeOutside = "203.0.113.1"
    public static let internetRouter = "203.0.113.2"
    public static let pool = "100.64.0.0/10"
    /// Two web servers, an address that no policy of the demo allows, one that many names share as in a CDN, a UDP sink, a
    /// resolver that answers anybody, the authority of the laboratory's zones, a time server.
    public static let web = "192.0.2.10"
    public static let otherWeb = "198.51.100.10"
    public static let forbiddenWeb = "192.0.2.66"
    public static let sharedWeb = "192.0.2.77"
    public static let sink = "192.0.2.20"
    public static let publicResolver = "192.0.2.53"
    public static let authority = "192.0.2.54"
    public static let timeServer = "192.0.2.123"
    static let internetAddresses = [
        web, otherWeb, forbiddenWeb, sharedWeb, sink, publicResolver, authority, timeServer,
    ]
    /// Addresses of names that are there to be many, each with its own: all of them are the sink's.
    public static let manyAddresses = "11.0.0.0/16"
}
