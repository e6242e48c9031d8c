import Glibc

/// The laboratory of design.md section 11: brought up, taken down, looked at.
public struct Laboratory: Sendable {
    public let layout: LabLayout
    let records: ProcessRecords
    let network: LabNetwork

    public init(layout: LabLayout) {
        self.layout = layout
        records = ProcessRecords(layout: layout)
        network = LabNetwork(layout: layout)
    }

    /// Whether `up` had anything to do.
    public enum UpResult: Hashable, Sendable {
        case broughtUp
        /// A whole laboratory was found and left as it is, or given the enterprises that it did not have.
        case wasUp
    }

    /// Brings everything up. Remains of an interrupted laboratory are removed first; when this is interrupted or
    /// fails, what it made is removed.
    public func up() async throws(LabError) -> UpResult {
        try requireRoot()
        let lock = try LabLock(directory: layout.runDirectory)
        defer { withExtendedLifetime(lock) {} }
        if isWhole {
            for place in layout.enterprises where !enterprise(place).isThere { try await make(place) }
            return .wasUp
        }
        do throws(LabError) {
            try await removeEverything()
            try await build()
        } catch {
            // The task may be cancelled by now, and a cancelled task cannot run programs: the removal runs apart.
            await regardless {
                try await removeEverything()
                try LabFiles.remove(layout.runDirectory)
            }
            throw error
        }
        return .broughtUp
    }

    /// Removes everything that `up` makes. It is no error when there is nothing.
    public func down() async throws(LabError) {
        try requireRoot()
        let lock = try LabLock(directory: layout.runDirectory)
        defer { withExtendedLifetime(lock) {} }
        try await removeEverything()
        try LabFiles.remove(layout.runDirectory)
    }

    private func build() async throws(LabError) {
        for directory in [layout.processDirectory, layout.sessionDirectory, layout.logDirectory] {
            try LabFiles.makeDirectory(directory)
        }
        // The gateway's unbound finds its files through here, without seeing what else there is.
        chmod(layout.runDirectory, 0o711)
        try LabFiles.write(Self.randomSecret() + "\n", to: layout.secretFile)
        try await network.create()
        let enterprises = layout.enterprises.map(enterprise)
        for enterprise in enterprises {
            try await enterprise.create()
            try await enterprise.beginGateway()
            try await enterprise.beginServices()
        }
        try await LabPeers(layout: layout, records: records).start()
        for enterprise in enterprises {
            try await enterprise.awaitGateway()
            try await enterprise.awaitServices()
        }
        let gateway = LabGateway(layout: layout, records: records)
        try await gateway.startDaemon()
        try await gateway.startProxy()
        try await cli.run([
            "nas", "create", "lab-pgw", "--address", LabLayout.packetGateway, "--secret-file", layout.secretFile,
            "--disconnect-port", "3799", "--disconnect-key", "imsi-nsapi",
        ])
        try await cli.run(["nas", "set", "lab-pgw", "--coa"])
        try LabFiles.write("up\n", to: layout.markerFile)
    }

    /// One of its enterprises, which may not be there yet.
    public func enterprise(_ place: LabLayout.Enterprise) -> LabEnterprise {
        LabEnterprise(place: place, layout: layout, records: records, network: network)
    }

    /// Makes one that is not there, with all that runs there. When this fails, nothing of it is left.
    private func make(_ place: LabLayout.Enterprise) async throws(LabError) {
        let enterprise = enterprise(place)
        do throws(LabError) {
            try await enterprise.create()
            try await enterprise.startGateway()
            try await enterprise.beginServices()
            try await enterprise.awaitServices()
        } catch {
            await regardless {
                try await enterprise.stop()
                try await network.remove([enterprise.namespace])
            }
            throw error
        }
    }

    /// Ends the daemon as a power cut would: SIGKILL. Nothing is waited for.
    public func killGateway() {
        guard let daemon = records.read("cordond"), ProcessRecords.isRunning(daemon) else { return }
        kill(daemon.id, SIGKILL)
    }

    /// Ends the gateway's charon as a crash would, and not the daemon.
    public func killGatewayCharon() throws(LabError) {
        guard let text = LabFiles.read(layout.charonDirectory + "/charon-systemd.pid"), let id = pid_t(text.trimmed)
        else { throw LabError(.notUp, "the gateway's charon does not run") }
        kill(id, SIGKILL)
    }

    /// Ends the daemon as a service manager would, and starts it again on the same state.
    public func restartGateway() async throws(LabError) {
        if let daemon = records.read("cordond") { try await records.stop(daemon) }
        try await LabGateway(layout: layout, records: records).startDaemon()
    }

    private func removeEverything() async throws(LabError) {
        // The daemon first: it should not see its kernel side vanish.
        try await records.stopAll(first: ["cordond", "socat"])
        for signal in [SIGTERM, SIGKILL] {
            let remaining = try await network.processes()
            guard !remaining.isEmpty else { break }
            for process in remaining { kill(process, signal) }
            let deadline = ContinuousClock.now + .seconds(2)
            while try await !network.processes().isEmpty, ContinuousClock.now < deadline {
                try await pause(.milliseconds(20))
            }
        }
        try await network.remove()
        for name in LabFiles.names(in: layout.runDirectory) {
            try LabFiles.remove("\(layout.runDirectory)/\(name)")
        }
        try LabFiles.remove(layout.stateDirectory)
    }

    private func regardless(_ remove: @escaping @Sendable () async throws -> Void) async {
        // Detached: that our task was cancelled must not cut the removal short.
        // Best effort: the failure that led here is the one to report, and `lab down` can be run again.
        await Task.detached { try? await remove() }.value
    }

    private func requireRoot() throws(LabError) {
        guard geteuid() == 0 else {
            throw LabError(.unsupported, "the laboratory makes network namespaces: run this as root")
        }
    }

    private var isWhole: Bool {
        let running = records.all
        return LabFiles.exists(layout.markerFile)
            && Set(network.existing).isSuperset(of: layout.namespaceNames)
            && Set(running.map(\.name)).isSuperset(of: Self.programs)
            && running.filter { Self.programs.contains($0.name) }.allSatisfy(ProcessRecords.isRunning)
    }

    private static let programs: Set = [
        "cordond", "socat", "nginx", "authority", "public-resolver", "chronyd", "freeradius",
    ]

    private static func randomSecret() -> String {
        var random = SystemRandomNumberGenerator()
        return (0..<32).map { _ in String(Int(random.next(upperBound: 16 as UInt)), radix: 16) }.joined()
    }

    /// The command line as operator of this laboratory.
    public var cli: CordonCLI { CordonCLI(layout: layout) }

    // MARK: What people ask of it

    /// One line of `cordon lab status`.
    public struct StatusRow: Hashable, Sendable {
        public let kind: String
        public let name: String
        public let state: String
    }

    public var isUp: Bool { isWhole }

    public func status() -> [StatusRow] {
        let existing = Set(network.existing)
        let wanted = Set(layout.namespaceNames + layout.enterprises.map(layout.name(of:)))
        let namespaces = (layout.namespaceNames + layout.enterpriseNames)
            .filter { wanted.contains($0) || existing.contains($0) }
            .map { StatusRow(kind: "namespace", name: $0, state: existing.contains($0) ? "present" : "absent") }
        let running = Dictionary(records.all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let names = Self.programs.union(running.keys).sorted()
        let processes = names.map { name in
            guard let record = running[name] else { return StatusRow(kind: "process", name: name, state: "absent") }
            let state = ProcessRecords.isRunning(record) ? "running, process \(record.id)" : "ended"
            return StatusRow(kind: "process", name: name, state: state)
        }
        let sessions = LabFiles.names(in: layout.sessionDirectory).filter { !$0.contains(".") }.count
        return namespaces + processes + [
            StatusRow(kind: "sessions", name: "attached devices", state: "\(sessions)"),
            StatusRow(kind: "api", name: layout.apiURL, state: isUp ? "reachable" : "absent"),
        ]
    }

    /// Shell exports for a person or a script that wants to work with the laboratory.
    public func environment() throws(LabError) -> [(name: String, value: String)] {
        guard
            isWhole, let token = LabFiles.read(layout.tokenFile)?.trimmed,
            let secret = LabFiles.read(layout.secretFile)?.trimmed
        else { throw LabError(.notUp, "the laboratory is not up: `cordon lab up` brings it up") }
        var variables = [
            (name: "CORDON_URL", value: layout.apiURL),
            (name: "CORDON_TOKEN", value: token),
            (name: "CORDON_RADIUS_SECRET", value: secret),
        ]
        for namespace in LabLayout.Namespace.allCases {
            variables.append(("CORDON_LAB_NS_\(namespace.rawValue.uppercased())", layout.name(of: namespace)))
        }
        for place in LabLayout.Enterprise.allCases where enterprise(place).isThere {
            let name = place.rawValue.uppercased().replacing("-", with: "_")
            variables.append(("CORDON_LAB_NS_\(name)", layout.name(of: place)))
            variables.append(("CORDON_LAB_VICI_\(name)", layout.viciURI(of: place)))
        }
        return variables
    }

    /// What a test checks after `down`: everything of this laboratory that still exists, one sentence each.
    public func remains() -> [String] {
        network.existing.map { "namespace \($0)" }
            + [layout.runDirectory, layout.stateDirectory].filter(LabFiles.exists).map { "directory \($0)" }
            + records.all.filter(ProcessRecords.isRunning).map { "process \($0.id) (\($0.name))" }
    }
}
