import Glibc

/// The programs that a laboratory left running, recorded by process id and start time, so that one of them is never
/// taken for another process that got its id later.
struct ProcessRecords: Sendable {
    let layout: LabLayout

    struct Record: Hashable, Sendable {
        let name: String
        let id: pid_t
        /// Clock ticks since boot, field 22 of /proc/PID/stat.
        let startTime: UInt64
    }

    /// Starts a program in a session of its own and returns when it is recorded. It outlives the caller; what it
    /// writes goes to ``LabLayout/log(of:)``.
    @discardableResult
    func start(
        _ name: String, _ arguments: [String], in namespace: String? = nil
    ) async throws(LabError) -> Record {
        let path = "\(layout.processDirectory)/\(name)"
        try LabFiles.remove(path)
        // The child records itself before it becomes the program (exec keeps both id and start time), so an
        // interruption at any point leaves no process without a record: where it cannot record itself, because the
        // laboratory is being taken down, it ends.
        let script = """
            set -e
            cut -d' ' -f1,22 /proc/$$/stat >"$1.new"; mv "$1.new" "$1"; exec >>"$2" 2>&1 </dev/null
            shift 2
            exec "$@"
            """
        let command = Command(arguments, in: namespace).fullArguments
        try await Command(
            ["setsid", "--fork", "sh", "-c", script, "sh", path, layout.log(of: name)] + command
        ).run()
        var record: Record?
        try await waitUntil("\(name) starts", within: .seconds(30), every: .milliseconds(1)) { () throws(LabError) in
            record = read(name)
            return record != nil
        }
        guard let record else { throw LabError(.toolFailed, "\(name) was not recorded") }
        return record
    }

    func read(_ name: String) -> Record? {
        let fields = LabFiles.read("\(layout.processDirectory)/\(name)")?.split { $0.isWhitespace } ?? []
        guard fields.count == 2, let id = pid_t(fields[0]), let startTime = UInt64(fields[1]) else { return nil }
        return Record(name: name, id: id, startTime: startTime)
    }

    var all: [Record] {
        LabFiles.names(in: layout.processDirectory).filter { !$0.hasSuffix(".new") }.compactMap(read)
    }

    /// Whether exactly that process still runs. One that has ended and only waits to be reaped does not.
    static func isRunning(_ record: Record) -> Bool {
        // The command's name is in parentheses and may hold anything, so fields are counted from the last one.
        guard
            let stat = LabFiles.read("/proc/\(record.id)/stat"), let end = stat.lastIndex(of: ")")
        else { return false }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return false }
        return UInt64(fields[19]) == record.startTime
    }

    /// Ends the process and what it started in its own session: SIGTERM, after three seconds SIGKILL.
    func stop(_ record: Record) async throws(LabError) {
        for (signal, patience) in [(SIGTERM, Duration.seconds(3)), (SIGKILL, .seconds(2))] {
            guard Self.isRunning(record) else { break }
            kill(record.id, signal)
            let deadline = ContinuousClock.now + patience
            while Self.isRunning(record), ContinuousClock.now < deadline { try await pause(.milliseconds(5)) }
        }
        guard !Self.isRunning(record) else {
            throw LabError(.toolFailed, "\(record.name) (process \(record.id)) does not end")
        }
        try LabFiles.remove("\(layout.processDirectory)/\(record.name)")
    }

    /// Ends all of them, in this order of names first, and closes the records: what has not recorded itself by then
    /// cannot do so any more, and ends.
    func stopAll(first names: [String]) async throws(LabError) {
        let deadline = ContinuousClock.now + .seconds(10)
        let place = { (record: Record) in names.firstIndex(of: record.name) ?? names.count }
        while LabFiles.exists(layout.processDirectory) {
            for record in all.sorted(by: { place($0) < place($1) }) { try await stop(record) }
            for name in LabFiles.names(in: layout.processDirectory) where name.hasSuffix(".new") {
                try LabFiles.remove("\(layout.processDirectory)/\(name)")
            }
            // Fails while somebody has recorded itself meanwhile.
            if rmdir(layout.processDirectory) == 0 { return }
            guard ContinuousClock.now < deadline else {
                throw LabError(.toolFailed, "\(layout.processDirectory) does not become empty")
            }
            try await pause(.milliseconds(2))
        }
    }
}
