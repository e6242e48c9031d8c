/// What the daemon tells unasked, once registered for.
package enum DaemonEvent: Hashable, Sendable {
    /// An IKE_SA is up, or has ended. Of one that never came up nothing is told.
    case ike(isUp: Bool, IKEAssociation)
    /// One CHILD_SA is up, or has ended, alone or with its IKE_SA: then ``ike(isUp:_:)`` comes first.
    case child(isUp: Bool, IKEAssociation)
    case ikeRekeyed(old: IKEAssociation, new: IKEAssociation)
    /// - Parameter ike: without its children.
    case childRekeyed(ike: IKEAssociation, old: ChildAssociation, new: ChildAssociation)
    /// One IKE_SA of a list that was asked for.
    case listed(IKEAssociation)
    case log(LogLine)

    package enum Name: String, CaseIterable, Sendable {
        case ikeUpDown = "ike-updown"
        case childUpDown = "child-updown"
        case ikeRekey = "ike-rekey"
        case childRekey = "child-rekey"
        case listSA = "list-sa"
        case log
        case controlLog = "control-log"

        /// What tells how tunnels are. Not the log: it is many lines for each packet of IKE.
        package static let states: [Name] = [.ikeUpDown, .childUpDown, .ikeRekey, .childRekey]
    }

    package init(_ name: Name, _ message: Message) throws(CommandError) {
        switch name {
        case .log, .controlLog: self = .log(try LogLine(message))
        case .ikeUpDown, .childUpDown, .ikeRekey, .childRekey, .listSA:
            guard let (connection, section) = message.sections.first else { throw .malformed(key: name.rawValue) }
            self = try Self.association(name, message, connection, section)
        }
    }

    private static func association(
        _ name: Name, _ message: Message, _ connection: String, _ section: Message
    ) throws(CommandError) -> Self {
        switch name {
        case .ikeRekey:
            let (old, new) = try pair(in: section)
            return .ikeRekeyed(
                old: try IKEAssociation(name: connection, old), new: try IKEAssociation(name: connection, new))
        case .childRekey:
            guard let (key, child) = section[section: "child-sas"]?.sections.first else {
                throw .malformed(key: "child-sas")
            }
            let (old, new) = try pair(in: child)
            return .childRekeyed(
                ike: try IKEAssociation(name: connection, section), old: try ChildAssociation(key: key, old),
                new: try ChildAssociation(key: key, new))
        // `up` is left out of what has ended.
        case .childUpDown:
            return .child(isUp: message[flag: "up"], try IKEAssociation(name: connection, section))
        case .listSA: return .listed(try IKEAssociation(name: connection, section))
        case .ikeUpDown, .log, .controlLog:
            return .ike(isUp: message[flag: "up"], try IKEAssociation(name: connection, section))
        }
    }

    private static func pair(in section: Message) throws(CommandError) -> (old: Message, new: Message) {
        guard let old = section[section: "old"] else { throw .malformed(key: "old") }
        guard let new = section[section: "new"] else { throw .malformed(key: "new") }
        return (old, new)
    }
}
