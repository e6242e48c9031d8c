/// The broker's certificate, of an authority that each enterprise has of its own.
extension LabEnterprise {
    public static let secureBrokerPort = 8883
    /// The authority's certificate, in PEM: what a device has to know.
    public var brokerAuthority: String { directory + "/broker-ca.pem" }
    var brokerCertificate: String { directory + "/broker.pem" }
    var brokerKey: String { directory + "/broker-key.pem" }

    func makeBrokerCertificate() async throws(LabError) {
        let new = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
        ]
        let authorityKey = directory + "/broker-ca-key.pem"
        try await Command(
            new + ["-subj", "/CN=\(place.rawValue) MQTT CA", "-keyout", authorityKey, "-out", brokerAuthority]
        ).run()
        try await Command(
            new + [
                "-CA", brokerAuthority, "-CAkey", authorityKey, "-subj", "/CN=broker.\(place.rawValue).example",
                "-addext", "subjectAltName=IP:\(place.host)", "-addext", "basicConstraints=critical,CA:FALSE",
                "-addext", "extendedKeyUsage=serverAuth", "-keyout", brokerKey, "-out", brokerCertificate,
            ]
        ).run()
    }

    /// Publishes, for whoever asks later.
    func leave(_ text: String, at topic: String) async throws(LabError) {
        try await Command(
            ["mosquitto_pub", "-h", place.host, "-q", "1", "-r", "-t", topic, "-m", text], in: namespace
        ).run()
    }
}
