/// What devices reach at an enterprise: an MQTT broker, somebody there who wants all that is published, and a CoAP server
/// that says whose it is.
extension LabEnterprise {
    public static let brokerPort = 1883
    /// Of the CoAP server, where its answer is the enterprise's name.
    public static let ownerPath = "owner"

    private var broker: String { "broker-\(place.rawValue)" }
    private var subscriber: String { "subscriber-\(place.rawValue)" }
    private var coapServer: String { "coap-\(place.rawValue)" }
    var services: [String] { place.hasServices ? [broker, subscriber, coapServer] : [] }

    func beginServices() async throws(LabError) {
        guard place.hasServices else { return }
        try await makeBrokerCertificate()
        let path = directory + "/mosquitto.conf"
        try LabFiles.write(
            """
            listener \(Self.brokerPort) \(place.host)
            listener \(Self.secureBrokerPort) \(place.host)
            certfile \(brokerCertificate)
            keyfile \(brokerKey)
            allow_anonymous true
            persistence false
            user root
            log_dest stderr
            log_type all

            """, to: path)
        try await records.start(broker, ["mosquitto", "-c", path], in: namespace)
        // One resource can be made; it is what tells the servers apart.
        try await records.start(coapServer, ["coap-server-notls", "-A", place.host, "-d", "1"], in: namespace)
    }

    /// Returns when all of them answer.
    func awaitServices() async throws(LabError) {
        guard place.hasServices else { return }
        try await waitUntil("\(place.rawValue)'s broker listens", within: .seconds(30)) { () throws(LabError) in
            try requireRunning(broker)
            return brokerLog.contains(" running\n")
        }
        try await records.start(
            subscriber, ["mosquitto_sub", "-h", place.host, "-i", "office", "-t", "#", "-v"], in: namespace)
        try await waitUntil("\(place.rawValue)'s subscriber is heard", within: .seconds(30)) { () throws(LabError) in
            try requireRunning(subscriber)
            return brokerLog.contains("Sending SUBACK to office\n")
        }
        let client = ["coap-client-notls", "-B", "1"]
        let resource = "coap://\(place.host)/\(Self.ownerPath)"
        try await waitUntil("\(place.rawValue)'s CoAP server answers", within: .seconds(30)) { () throws(LabError) in
            try requireRunning(coapServer)
            _ = try await Command(client + ["-m", "put", "-e", place.rawValue, resource], in: namespace).output()
            let answer = try await Command(client + ["-m", "get", resource], in: namespace).output()
            return answer.standardOutput.trimmed == place.rawValue
        }
    }

    private func requireRunning(_ process: String) throws(LabError) {
        guard records.read(process).map(ProcessRecords.isRunning) == true else {
            throw LabError(
                .toolFailed, "\(process) has ended", output: LabFiles.lastLines(20, of: layout.log(of: process)))
        }
    }

    private var brokerLog: String { LabFiles.read(layout.log(of: broker)) ?? "" }

    /// What its subscriber has been sent: a topic and what was published there in each line.
    public var messages: [String] {
        (LabFiles.read(layout.log(of: subscriber)) ?? "").split(separator: "\n").map(String.init)
    }

    /// Where the broker has last seen a client come from.
    public func address(ofClient name: String) -> String? {
        let line = brokerLog.split(separator: "\n").last {
            $0.contains("New client connected from ") && $0.contains(" as \(name) ")
        }
        return line?.firstMatch(of: /connected from ([0-9.]+):/).map { String($0.1) }
    }
}
