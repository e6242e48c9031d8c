import Domain
import PolicyCompiler
import Store

/// What documents may name, for each tenant.
struct PolicyScopes: Sendable {
    private let common: PolicyScope
    private let lists: [Tenant.ID: [Name: [ListItem]]]
    private let groups: [Tenant.ID: [Name: GroupNumber]]
    private let vpns: [Tenant.ID: [Name: VPNNumber]]
    private let countedRules: [Tenant.ID: [Name: [Name: CountedRule.ID]]]
    /// Those under `nil` are for all.
    private let blocklists: [Tenant.ID?: Set<Name>]

    init(
        common: PolicyScope, lists: [SharedList], groups: [SIMGroup], vpns: [VPN], blocklists: [Blocklist],
        countedRules: [CountedRule]
    ) {
        self.countedRules = countedRules.reduce(into: [:]) {
            $0[$1.tenant, default: [:]][$1.policy, default: [:]][$1.rule] = $1.id
        }
        self.blocklists = blocklists.reduce(into: [:]) { $0[$1.owner, default: []].insert($1.name) }
        self.common = common
        self.groups = groups.reduce(into: [:]) {
            $0[$1.tenant, default: [:]][$1.name] = GroupNumber(group: $1.id)
        }
        self.vpns = vpns.reduce(into: [:]) { $0[$1.tenant, default: [:]][$1.name] = $1.number }
        self.lists = lists.reduce(into: [:]) { $0[$1.tenant, default: [:]][$1.name] = $1.items }
    }

    subscript(tenant: Tenant.ID) -> PolicyScope {
        var scope = common
        scope.lists = lists[tenant] ?? [:]
        scope.groups = groups[tenant] ?? [:]
        scope.vpns = vpns[tenant] ?? [:]
        scope.countedRules = countedRules[tenant] ?? [:]
        scope.blocklists = (blocklists[nil] ?? []).union(blocklists[tenant] ?? [])
        return scope
    }
}

extension ControlPlane {
    /// What the tenant's documents may name.
    func scope(of tenant: Tenant.ID, _ store: any StoreReader) throws -> PolicyScope {
        var scope = PolicyScopes(
            common: commonScope(try store.services()), lists: try store.lists(of: tenant),
            groups: try store.groups(of: tenant), vpns: try store.vpns(of: tenant),
            blocklists: try store.blocklists(of: nil) + store.blocklists(of: tenant),
            countedRules: try store.countedRules(of: tenant))[tenant]
        // What is in force already stays so where that is not.
        scope.isLimiting = dataPlane.enforcedLimits.contains(.bandwidth)
        return scope
    }

    /// What the documents of all tenants may name.
    func scopes(_ store: any StoreReader) throws -> PolicyScopes {
        PolicyScopes(
            common: commonScope(try store.services()), lists: try store.allLists(), groups: try store.allGroups(),
            vpns: try store.allVPNs(), blocklists: try store.allBlocklists(),
            countedRules: try store.countedRules(of: nil))
    }

    /// What documents of any tenant may name.
    func commonScope(_ services: [ServiceRecord]) -> PolicyScope {
        let time = now()
        var scope = PolicyScope(
            services: .standard.adding(
                ServiceCatalogue(
                    services.reduce(into: [:]) { all, service in
                        // What was a definition when it was stored is one still; else the policies that name it say so.
                        all[service.name] = try? ServiceDefinition(parsing: service.definition).matches
                    })),
            resolverGuard: settings.isResolving ? .standard : nil,
            isTimeZone: { self.wallClock.minuteOfWeek($0, time) != nil })
        scope.hasTimeServer = settings.hasTimeServer
        return scope
    }
}
