/// The commands that Cordon gives (vici README, "Client-initiated commands"; as charon 5.9.8 answers them).
package enum Commands {
    package struct Version: Command {
        package static let name = "version"
        package init() {}

        package func answer(in reply: Conversation.Reply) throws(CommandError) -> DaemonVersion {
            guard let daemon = reply.message["daemon"] else { throw .malformed(key: "daemon") }
            guard let version = reply.message["version"] else { throw .malformed(key: "version") }
            return DaemonVersion(
                daemon: daemon, version: version, system: reply.message["sysname"] ?? "",
                release: reply.message["release"] ?? "")
        }
    }

    package struct Statistics: Command {
        package static let name = "stats"
        package init() {}

        package func answer(in reply: Conversation.Reply) throws(CommandError) -> DaemonStatistics {
            guard let associations = reply.message[section: "ikesas"] else { throw .malformed(key: "ikesas") }
            let workers = reply.message[section: "workers"]
            return DaemonStatistics(
                since: reply.message[section: "uptime"]?["since"] ?? "",
                associations: associations[number: "total"] ?? 0,
                halfOpenAssociations: associations[number: "half-open"] ?? 0,
                workers: workers?[number: "total"] ?? 0, idleWorkers: workers?[number: "idle"] ?? 0,
                plugins: reply.message[list: "plugins"])
        }
    }

    /// Reads strongswan.conf again. What only the start of a plugin reads stays as it was.
    package struct ReloadSettings: Command {
        package typealias Answer = Void
        package static let name = "reload-settings"
        package init() {}
    }

    /// Starts a CHILD_SA, and its IKE_SA where there is none. One that is up or on its way already is refused with
    /// `establishing CHILD_SA '…' failed`.
    package struct Initiate: Command {
        package static let name = "initiate"
        package let child: String
        package let ike: String?
        /// How long the daemon waits for the result; `nil`: it answers at once, and events tell. It goes on after it
        /// has stopped waiting.
        package let timeoutMilliseconds: UInt32?
        /// -1: no lines; 1 has the reasons of a failure.
        package let logLevel: Int

        package init(child: String, ike: String? = nil, timeoutMilliseconds: UInt32?, logLevel: Int = 1) {
            self.child = child
            self.ike = ike
            self.timeoutMilliseconds = timeoutMilliseconds
            self.logLevel = logLevel
        }

        package var message: Message {
            var message = Message()
            message.append("child", child)
            message.append("ike", ifAny: ike)
            message.append("timeout", timeout(timeoutMilliseconds))
            message.append("loglevel", "\(logLevel)")
            return message
        }

        package var stream: String? { logLevel < 0 ? nil : "control-log" }

        package func answer(in reply: Conversation.Reply) throws(CommandError) -> [LogLine] {
            let log = LogLine.lines(of: reply.events)
            try reply.checkSuccess(log: log)
            return log
        }
    }

    /// What a command acts on; conditions hold together.
    package struct Selection: Hashable, Sendable {
        package let ike: String?
        package let ikeID: UInt32?
        package let child: String?
        package let childID: UInt32?

        package init(ike: String? = nil, ikeID: UInt32? = nil, child: String? = nil, childID: UInt32? = nil) {
            self.ike = ike
            self.ikeID = ikeID
            self.child = child
            self.childID = childID
        }

        fileprivate func append(to message: inout Message) {
            message.append("child", ifAny: child)
            message.append("child-id", ifAny: childID.map { "\($0)" })
            message.append("ike", ifAny: ike)
            message.append("ike-id", ifAny: ikeID.map { "\($0)" })
        }
    }

    /// Ends CHILD_SAs where the selection names a child, else IKE_SAs with all that they carry.
    package struct Terminate: Command {
        package static let name = "terminate"
        package let selection: Selection
        /// An IKE_SA is gone at once, and the peer told without waiting for its answer. Without force, one whose peer
        /// is not there is left `DELETING` until its retransmissions end, and the answer is `terminating SA failed`.
        package let force: Bool
        package let timeoutMilliseconds: UInt32?

        package init(_ selection: Selection, force: Bool = false, timeoutMilliseconds: UInt32?) {
            self.selection = selection
            self.force = force
            self.timeoutMilliseconds = timeoutMilliseconds
        }

        package var message: Message {
            var message = Message()
            selection.append(to: &message)
            if force { message.append("force", flag: true) }
            message.append("timeout", timeout(timeoutMilliseconds))
            message.append("loglevel", "-1")
            return message
        }

        /// How many ended. Nothing there to end is no error.
        package func answer(in reply: Conversation.Reply) throws(CommandError) -> Int {
            if reply.message["matches"] == "0" { return 0 }
            try reply.checkSuccess()
            guard let terminated: Int = reply.message[number: "terminated"] else {
                throw .malformed(key: "terminated")
            }
            return terminated
        }
    }

    /// Makes new keys now. The answer comes when it has begun.
    package struct Rekey: Command {
        package static let name = "rekey"
        package let selection: Selection
        package init(_ selection: Selection) { self.selection = selection }

        package var message: Message {
            var message = Message()
            selection.append(to: &message)
            return message
        }

        /// How many it has begun with.
        package func answer(in reply: Conversation.Reply) throws(CommandError) -> Int {
            if reply.message["matches"] == "0" { return 0 }
            try reply.checkSuccess()
            guard let matches: Int = reply.message[number: "matches"] else { throw .malformed(key: "matches") }
            return matches
        }
    }

    /// Installs a trap policy: the first packet starts the CHILD_SA. Answered with success by kernel-libipsec as well,
    /// where it does nothing.
    package struct Install: Command {
        package typealias Answer = Void
        package static let name = "install"
        package let child: String
        package let ike: String?

        package init(child: String, ike: String? = nil) {
            self.child = child
            self.ike = ike
        }

        package var message: Message {
            var message = Message()
            message.append("child", child)
            message.append("ike", ifAny: ike)
            return message
        }
    }

    package struct Uninstall: Command {
        package typealias Answer = Void
        package static let name = "uninstall"
        package let child: String
        package let ike: String?

        package init(child: String, ike: String? = nil) {
            self.child = child
            self.ike = ike
        }

        package var message: Message {
            var message = Message()
            message.append("child", child)
            message.append("ike", ifAny: ike)
            return message
        }
    }

    /// -1: the daemon does not wait. Of 0 it would wait for ever.
    private static func timeout(_ milliseconds: UInt32?) -> String { milliseconds.map { "\(max(1, $0))" } ?? "-1" }
}

/// Who answers.
package struct DaemonVersion: Hashable, Sendable {
    package let daemon: String
    /// `5.9.8`.
    package let version: String
    package let system: String
    package let release: String
}

package struct DaemonStatistics: Hashable, Sendable {
    /// When the daemon started, in its own words.
    package let since: String
    package let associations: Int
    package let halfOpenAssociations: Int
    package let workers: Int
    /// None for long: commands and packets wait.
    package let idleWorkers: Int
    package let plugins: [String]

    /// ESP is done in user space.
    package var hasUserSpaceESP: Bool { plugins.contains("kernel-libipsec") }
}
