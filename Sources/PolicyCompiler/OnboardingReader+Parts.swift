import Domain

extension OnboardingReader {
    // MARK: Policies

    mutating func policy(_ node: SourceNode, _ field: FieldPath) -> OnboardingDocument.PolicyPart? {
        if let included = included(node, field, "telemetry.yaml") {
            guard let included else { return nil }
            do throws(PolicyError) {
                let document = try PolicyDocument(parsing: included.text, file: included.name)
                return policy(document, text: included.text, at: place(node, field), isIncluded: true)
            } catch {
                diagnostics += error.diagnostics
                return nil
            }
        }
        let text = node.yaml
        guard text.utf8.count <= PolicyDocument.maximumOctets else {
            report(
                node.place, field,
                "the policy has \(text.utf8.count) octets; at most \(PolicyDocument.maximumOctets) are allowed")
            return nil
        }
        return policy(
            PolicyDocument(root: node, file: file), text: text, at: place(node, field), isIncluded: false)
    }

    /// A policy that has a name; the rest is read when there is something to look names up in.
    private mutating func policy(
        _ document: PolicyDocument, text: String, at place: DocumentPlace, isIncluded: Bool
    ) -> OnboardingDocument.PolicyPart? {
        var reader = PolicyReader(file: document.file, scope: .empty)
        guard let entries = reader.entries(of: document.root, field: .document, known: PolicyKeys.document) else {
            diagnostics += reader.diagnostics.map { isIncluded ? $0 : $0.inside(place.field) }
            return nil
        }
        // Unknown keys are told of when the whole of it is read.
        reader.diagnostics = []
        let name = reader.required(
            "policy", in: entries, of: document.root, field: .document, example: "policy: telemetry"
        ).flatMap { reader.name($0, field: "policy") }
        diagnostics += reader.diagnostics.map { isIncluded ? $0 : $0.inside(place.field) }
        return name.map {
            OnboardingDocument.PolicyPart(
                name: $0, text: text, place: place, document: document, isIncluded: isIncluded)
        }
    }

    // MARK: Files

    /// The file that stands in place of something; `nil` when none does, and the inner one after something was reported.
    private mutating func included(
        _ node: SourceNode, _ field: FieldPath, _ example: String
    ) -> OnboardingDocument.IncludedFile?? {
        guard case .mapping(let pairs) = node.content, pairs.contains(where: { $0.key == "file" }) else { return nil }
        guard let entries = entries(of: node, field: field, known: OnboardingKeys.included), let file = entries["file"]
        else { return .some(nil) }
        let path = field["file"]
        if case .scalar(let name) = file.content {
            report(
                file.place, path,
                "the text of \(name.quoted) was not sent: cordon tenant onboard puts it in; others write it as "
                    + "file: {name: \(example), text: ...}")
            return .some(nil)
        }
        guard let parts = self.entries(of: file, field: path, known: OnboardingKeys.file) else { return .some(nil) }
        let name = required("name", in: parts, of: file, field: path, example: "name: \(example)").flatMap {
            text($0, field: path["name"], example: example)
        }
        guard let node = required("text", in: parts, of: file, field: path, example: "text: with what is in it") else {
            return .some(nil)
        }
        guard case .scalar(let content) = node.content else {
            report(node.place, path["text"], "expected one value, found \(node.kind)")
            return .some(nil)
        }
        return .some(name.map { OnboardingDocument.IncludedFile(name: $0, text: content) })
    }

    // MARK: SIMs

    mutating func sims(
        _ node: SourceNode
    ) -> ([Placed<OnboardingDocument.Card>], [Placed<OnboardingDocument.IncludedFile>]) {
        let root: FieldPath = "sims"
        if let included = included(node, root, "sims.csv") {
            return ([], included.map { [Placed(value: $0, place: place(node, root))] } ?? [])
        }
        guard case .sequence(let nodes) = node.content else {
            report(
                node.place, root,
                "expected a list of SIMs, found \(node.kind): write - {imsi: \"001010000000001\", "
                    + "iccid: \"8949000000000000001\"}, or file: sims.csv")
            return ([], [])
        }
        guard nodes.count <= OnboardingDocument.maximumSIMs else {
            report(node.place, root, "\(nodes.count) SIMs; at most \(OnboardingDocument.maximumSIMs) are allowed")
            return ([], [])
        }
        var cards: [Placed<OnboardingDocument.Card>] = []
        var files: [Placed<OnboardingDocument.IncludedFile>] = []
        for (index, node) in nodes.enumerated() {
            let field = root[index]
            if let included = included(node, field, "sims.csv") {
                if let included { files.append(Placed(value: included, place: place(node, field))) }
            } else if let card = card(node, field) {
                cards.append(Placed(value: card, place: place(node, field)))
            }
        }
        return (cards, files)
    }

    private mutating func card(_ node: SourceNode, _ field: FieldPath) -> OnboardingDocument.Card? {
        guard let entries = entries(of: node, field: field, known: OnboardingKeys.sim) else { return nil }
        let imsi = required("imsi", in: entries, of: node, field: field, example: "imsi: \"001010000000001\"").flatMap {
            value($0, field: field["imsi"], example: "\"001010000000001\"", by: IMSI.init(parsing:))
        }
        let iccid = required("iccid", in: entries, of: node, field: field, example: "iccid: \"8949000000000000001\"")
            .flatMap {
                value($0, field: field["iccid"], example: "\"8949000000000000001\"", by: ICCID.init(parsing:))
            }
        let msisdn = entries["msisdn"].flatMap {
            value($0, field: field["msisdn"], example: "\"491700000001\"", by: MSISDN.init(parsing:))
        }
        let group = entries["group"].flatMap { name($0, field: field["group"]) }
        let label = entries["name"].flatMap { node in
            value(node, field: field["name"], example: "pump 1") { text throws(ParseError) in
                guard text.utf8.count <= 100 else {
                    throw ParseError(kind: "a SIM's name", text: text, expected: "write 100 octets at most")
                }
                return text
            }
        }
        guard let imsi, let iccid else { return nil }
        return OnboardingDocument.Card(imsi: imsi, iccid: iccid, msisdn: msisdn, group: group, label: label)
    }

    // MARK: VPNs

    mutating func site(_ node: SourceNode, _ field: FieldPath) -> OnboardingDocument.Site? {
        guard let entries = entries(of: node, field: field, known: OnboardingKeys.vpn) else { return nil }
        let name = named(entries, node, field)
        let peer = required("peer", in: entries, of: node, field: field, example: "peer: vpn.acme.example").flatMap {
            value($0, field: field["peer"], example: "vpn.acme.example", by: Tunnel.Peer.init(parsing:))
        }
        let networks = required(
            "remote-networks", in: entries, of: node, field: field, example: "remote-networks: [10.0.0.0/24]"
        ).flatMap {
            values(
                $0, field: field["remote-networks"], atMost: Tunnel.maximumNetworks, example: "10.0.0.0/24",
                empty: "so nothing would be behind it", by: Tunnel.RemoteNetwork.init(parsing:))
        }
        var site = name.flatMap { name in
            peer.flatMap { peer in networks.map { OnboardingDocument.Site(name: name, peer: peer, networks: $0) } }
        }
        let devices = entries["local-network"].flatMap {
            value($0, field: field["local-network"], example: "all or group:NAME", by: Tunnel.Devices.init(parsing:))
        }
        let profile = word(entries, field, "profile", "a profile of algorithms", of: Tunnel.Profile.self)
        let auth = word(entries, field, "auth", "a way to prove who one is", of: Tunnel.Authentication.self)
        let gateway = word(
            entries, field, "gateway-id", "what the gateway says it is", of: Tunnel.GatewayIdentity.self)
        let initiation = word(entries, field, "initiate", "when a VPN is made", of: Tunnel.Initiation.self)
        let encapsulation = entries["force-encapsulation"].flatMap { flag($0, field: field["force-encapsulation"]) }
        let pairs = entries["pair-selectors"].flatMap { flag($0, field: field["pair-selectors"]) }
        let identity = orNothing(entries, field, "peer-id", "fw.acme.example", by: IKEIdentity.init(parsing:))
        let probe = orNothing(entries, field, "probe", "10.0.0.1", by: IPv4Address.init(parsing:))
        let partner = entries["partner"].flatMap { self.partner($0, field["partner"]) }
        let request = entries["certificate-request"].flatMap {
            text($0, field: field["certificate-request"], example: "the request in PEM")
        }
        site?.devices = devices
        site?.profile = profile
        site?.authentication = auth
        site?.gatewayIdentity = gateway
        site?.initiation = initiation
        site?.forcesEncapsulation = encapsulation
        site?.pairsSelectors = pairs
        site?.peerIdentity = identity
        site?.probe = probe
        site?.partner = partner
        site?.certificateRequest = request
        return site
    }

    private mutating func word<Value: RawRepresentable<String> & CaseIterable>(
        _ entries: MappingEntries, _ field: FieldPath, _ key: String, _ kind: String, of type: Value.Type
    ) -> Value? {
        entries[key].flatMap { choice($0, field: field[key], kind: kind, of: type) }
    }

    /// A value, or empty text for none; `nil` where nothing is said.
    private mutating func orNothing<Value>(
        _ entries: MappingEntries, _ field: FieldPath, _ key: String, _ example: String,
        by read: (String) throws(ParseError) -> Value
    ) -> Value?? {
        guard let node = entries[key] else { return nil }
        if case .scalar("") = node.content { return .some(nil) }
        return value(node, field: field[key], example: example, by: read).map { .some($0) }
    }

    private mutating func partner(_ node: SourceNode, _ field: FieldPath) -> Tunnel.Partner? {
        guard let entries = entries(of: node, field: field, known: OnboardingKeys.partner) else { return nil }
        let destinations = entries["destinations"].flatMap {
            values(
                $0, field: field["destinations"], atMost: Tunnel.Partner.maximumDestinations, example: "10.8.0.0/28",
                empty: nil, by: IPv4Prefix.init(parsing:))
        }
        let ports = entries["ports"].flatMap {
            values(
                $0, field: field["ports"], atMost: Tunnel.Partner.maximumPorts, example: "tcp/443", empty: nil,
                by: PartnerPorts.init(parsing:))
        }
        let time = "2026-12-01T00:00:00Z"
        let from = entries["valid-from"].flatMap {
            value($0, field: field["valid-from"], example: time, by: Timestamp.init(parsing:))
        }
        let until = entries["valid-until"].flatMap {
            value($0, field: field["valid-until"], example: time, by: Timestamp.init(parsing:))
        }
        return named(entries, node, field).map {
            Tunnel.Partner(
                name: $0, destinations: destinations ?? [], ports: ports ?? [], validFrom: from, validUntil: until)
        }
    }

    private mutating func values<Value>(
        _ node: SourceNode, field: FieldPath, atMost limit: Int, example: String, empty: String?,
        by read: (String) throws(ParseError) -> Value
    ) -> [Value]? {
        list(node, field: field, atMost: limit, example: example, empty: empty)?.compactMap {
            parsed($0.text, $0.node, field: $0.field, by: read)
        }
    }
}
