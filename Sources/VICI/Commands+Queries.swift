extension Commands {
    /// The names of connections that came over vici.
    package struct Connections: Command {
        package static let name = "get-conns"
        package init() {}
        package func answer(in reply: Conversation.Reply) throws(CommandError) -> [String] { try reply.names("conns") }
    }

    /// The identifiers of pre-shared keys.
    package struct SharedKeys: Command {
        package static let name = "get-shared"
        package init() {}
        package func answer(in reply: Conversation.Reply) throws(CommandError) -> [String] { try reply.names("keys") }
    }

    /// The identifiers of private keys.
    package struct Keys: Command {
        package static let name = "get-keys"
        package init() {}
        package func answer(in reply: Conversation.Reply) throws(CommandError) -> [String] { try reply.names("keys") }
    }

    package struct Authorities: Command {
        package static let name = "get-authorities"
        package init() {}

        package func answer(in reply: Conversation.Reply) throws(CommandError) -> [String] {
            try reply.names("authorities")
        }
    }

    /// The IKE_SAs and what they carry.
    package struct Associations: Command {
        package static let name = "list-sas"
        package let ike: String?
        package let child: String?
        /// An IKE_SA that is busy is left out rather than waited for.
        package let skipsBusy: Bool

        package init(ike: String? = nil, child: String? = nil, skipsBusy: Bool = false) {
            self.ike = ike
            self.child = child
            self.skipsBusy = skipsBusy
        }

        package var message: Message {
            var message = Message()
            message.append("ike", ifAny: ike)
            message.append("child", ifAny: child)
            if skipsBusy { message.append("noblock", flag: true) }
            return message
        }

        package var stream: String? { "list-sa" }

        package func answer(in reply: Conversation.Reply) throws(CommandError) -> [IKEAssociation] {
            var associations: [IKEAssociation] = []
            for event in reply.events {
                for (name, section) in event.sections {
                    let association = try IKEAssociation(name: name, section)
                    // 5.9.8 does not know this filter.
                    guard child == nil || association.children.contains(where: { $0.name == child }) else { continue }
                    associations.append(association)
                }
            }
            return associations
        }
    }

    /// The connections as the daemon took them, of whatever source.
    package struct LoadedConnections: Command {
        package static let name = "list-conns"
        package let ike: String?
        package init(ike: String? = nil) { self.ike = ike }

        package var message: Message {
            var message = Message()
            message.append("ike", ifAny: ike)
            return message
        }

        package var stream: String? { "list-conn" }

        package func answer(in reply: Conversation.Reply) throws(CommandError) -> [LoadedConnection] {
            reply.events.flatMap(\.sections).map { LoadedConnection(name: $0.key, $0.section) }
        }
    }
}

/// A connection as the daemon took it.
package struct LoadedConnection: Hashable, Sendable {
    package let name: String
    package let localAddresses: [String]
    package let remoteAddresses: [String]
    /// In the daemon's own form, without its type.
    package let localIdentity: String?
    package let remoteIdentity: String?
    package let children: [Child]

    package struct Child: Hashable, Sendable {
        package let name: String
        package let localSelectors: [String]
        package let remoteSelectors: [String]
    }

    init(name: String, _ section: Message) {
        self.name = name
        localAddresses = section[list: "local_addrs"]
        remoteAddresses = section[list: "remote_addrs"]
        localIdentity = section[section: "local-1"]?["id"]
        remoteIdentity = section[section: "remote-1"]?["id"]
        children = (section[section: "children"]?.sections ?? []).map { name, child in
            Child(name: name, localSelectors: child[list: "local-ts"], remoteSelectors: child[list: "remote-ts"])
        }
    }
}
