import Domain

extension PolicyReader {
    /// What a rule may do follows from what it is about.
    enum RuleKind {
        /// From devices to places outside.
        case outward
        /// From devices to devices.
        case betweenDevices
        case toDevice
    }

    /// The rule, `nil` after something was reported, and the name whenever that can be read.
    mutating func rule(
        _ node: SourceNode, field: FieldPath
    ) -> (rule: ValidatedPolicy.Rule?, name: (Name, SourcePlace)?) {
        guard let entries = entries(of: node, field: field, known: PolicyKeys.rule) else { return (nil, nil) }
        var name: (Name, SourcePlace)?
        if let node = required("name", in: entries, of: node, field: field, example: "name: telemetry"),
            let parsed = self.name(node, field: field["name"])
        {
            name = (parsed, node.place)
        }
        let isToDevice = self.isToDevice(entries, field: field)
        let direction = isToDevice.flatMap { self.direction(isToDevice: $0, entries, of: node, field: field) }
        let destinations = self.destinations(isToDevice: isToDevice, entries, of: node, field: field)
        let matches = self.matches(entries, field: field)
        var kind: RuleKind?
        if let isToDevice {
            kind = isToDevice ? .toDevice : destinations.map { $0.groups.isEmpty ? .outward : .betweenDevices }
        }
        let action = self.action(
            route: entries["route"], action: entries["action"], kind: kind, of: node, field: field)
        let bandwidth =
            entries["bandwidth"].map { self.bandwidth($0, of: action, field: field["bandwidth"]) } ?? .some(nil)
        let schedule = entries["schedule"].map { self.schedule($0, field: field["schedule"]) } ?? .some(nil)
        let log = entries["log"].map { choice($0, field: field["log"], kind: "a choice", of: Switch.self) }
        let usage =
            entries["usage"].map { self.usage($0, of: action, kind, field: field["usage"]) } ?? .some(false)
        guard let name, let direction, let destinations, let matches, let action, let bandwidth, let schedule,
            let usage
        else { return (nil, name) }
        guard action != .route([.timeServer]) || Self.isTime(matches.matches) else {
            let place = entries["route"]?.place ?? node.place
            report(
                place, field["route"],
                "time-server takes NTP only: write services: ntp, or protocol: udp and ports: [123]")
            return (nil, name)
        }
        let rule = ValidatedPolicy.Rule(
            name: name.0, direction: direction, to: destinations.written, ipv4: destinations.ipv4,
            ipv6: destinations.ipv6, hosts: destinations.hosts, groups: destinations.groups, matches: matches.matches,
            services: matches.services, action: action, bandwidth: bandwidth, schedule: schedule,
            log: log == .on, isUsageCounted: usage)
        return (rule, name)
    }

    private static func isTime(_ matches: [ProtocolPorts]) -> Bool {
        matches.allSatisfy { $0.protocol == IPProtocol.udp && $0.ports == [123...123] }
    }

    // MARK: Direction

    private enum DirectionWord: String, CaseIterable {
        case fromDevice = "from-device"
        case toDevice = "to-device"
    }

    enum Switch: String, CaseIterable {
        case on = "true"
        case off = "false"
    }

    /// `nil` after something was reported.
    private mutating func isToDevice(_ entries: MappingEntries, field: FieldPath) -> Bool? {
        guard let node = entries["direction"] else { return false }
        let word = choice(node, field: field["direction"], kind: "a direction", of: DirectionWord.self)
        return word.map { $0 == .toDevice }
    }

    private mutating func direction(
        isToDevice: Bool, _ entries: MappingEntries, of rule: SourceNode, field: FieldPath
    ) -> ValidatedPolicy.Direction? {
        guard isToDevice else {
            for key in ["via", "from"] {
                guard let node = entries[key] else { continue }
                report(
                    node.place, field[key],
                    "\(key) is for packets to devices: write direction: to-device, or leave it out")
            }
            return entries["via"] == nil && entries["from"] == nil ? .fromDevice : nil
        }
        let via = required(
            "via", in: entries, of: rule, field: field, example: "via: vpn:NAME, the VPN that the packets come through"
        ).flatMap { self.via($0, field: field["via"]) }
        let sources = self.sources(entries["from"], field: field["from"])
        guard let via, let sources else { return nil }
        return .toDevice(via: via, from: sources)
    }

    private mutating func via(_ node: SourceNode, field: FieldPath) -> Name? {
        guard let text = text(node, field: field, example: "vpn:NAME") else { return nil }
        guard text.hasPrefix("vpn:") else {
            let hint = text == "internet" ? ": nothing reaches devices from the internet" : ""
            report(node.place, field, "\(text.quoted) is not a VPN\(hint): write vpn:NAME")
            return nil
        }
        return vpn(text, node, field: field)
    }

    /// The VPN that `vpn:NAME` names.
    private mutating func vpn(_ text: String, _ node: SourceNode, field: FieldPath) -> Name? {
        let known = scope.vpns
        return reference(
            String(text.dropFirst(4)), kind: "VPN", among: known.keys, isKnown: { known[$0] != nil }, node,
            field: field)
    }

    // MARK: Action

    private enum ActionWord: String, CaseIterable {
        case allow, block
    }

    /// - Parameter kind: `nil` when that could not be read; then only the words are looked at.
    private mutating func action(
        route: SourceNode?, action: SourceNode?, kind: RuleKind?, of rule: SourceNode, field: FieldPath
    ) -> RuleAction? {
        switch (route, action) {
        case (nil, nil):
            let choice =
                switch kind {
                case .outward, nil: "either route: internet or action: block"
                case .betweenDevices, .toDevice: "action: allow or action: block"
                }
            report(rule.place, field, "the rule does not say what happens: write \(choice)")
            return nil
        case (let route?, nil):
            let routes = self.routes(route, field: field["route"])
            switch kind {
            case .betweenDevices:
                report(
                    route.place, field["route"],
                    "devices reach each other without a route: write action: allow instead")
            case .toDevice:
                report(
                    route.place, field["route"],
                    "a rule for packets to devices has no route: write action: allow instead")
            case .outward, nil: break
            }
            return routes.map { .route($0) }
        case (nil, let action?):
            let word = choice(action, field: field["action"], kind: "an action", of: ActionWord.self)
            if word == .allow, kind == .outward {
                report(
                    action.place, field["action"],
                    "\"allow\" does not say which way: write route: internet or route: vpn:NAME instead")
            }
            return word.map { $0 == .allow ? .allow : .block }
        case (let route?, let action?):
            _ = routes(route, field: field["route"])
            _ = choice(action, field: field["action"], kind: "an action", of: ActionWord.self)
            report(
                max(route.place, action.place), field, "route and action contradict each other: write one of the two")
            return nil
        }
    }

    private mutating func routes(_ node: SourceNode, field: FieldPath) -> [Route]? {
        let example = "internet, vpn:NAME, or a list of VPNs in the order of preference"
        guard
            let items = list(
                node, field: field, atMost: ValidatedPolicy.maximumRoutes, example: example,
                empty: "so there is no way out")
        else { return nil }
        var routes: [Route] = []
        for item in items {
            guard let route = self.route(item, example: example) else { continue }
            if routes.contains(route) {
                report(item.node.place, item.field, "\"\(route)\" stands in the list already: write it once")
            } else if !routes.isEmpty, route == .timeServer || routes.contains(.timeServer) {
                report(item.node.place, item.field, "time-server stands alone: write route: time-server")
            } else if !routes.isEmpty, route == .internet || routes.contains(.internet) {
                report(
                    item.node.place, item.field,
                    "internet may not stand in a list with VPNs: a packet whose VPNs are all down is blocked, "
                        + "and never falls through to the internet")
            } else {
                routes.append(route)
            }
        }
        return routes
    }

    private mutating func route(_ item: ListedText, example: String) -> Route? {
        if item.text == "internet" { return .internet }
        if item.text == "time-server" {
            guard scope.hasTimeServer else {
                report(item.node.place, item.field, "the operator has no time server: write route: internet")
                return nil
            }
            return .timeServer
        }
        if item.text.hasPrefix("vpn:") { return vpn(item.text, item.node, field: item.field).map { .vpn($0) } }
        if item.text == "block" {
            report(item.node.place, item.field, "\"block\" is not a route: write action: block instead")
            return nil
        }
        let hint = Suggestion.text(for: item.text, among: ["internet"] + scope.vpns.keys.sorted().map { "vpn:\($0)" })
        report(item.node.place, item.field, "\(item.text.quoted) is not a route\(hint): write \(example)")
        return nil
    }
}
