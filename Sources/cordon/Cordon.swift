import ArgumentParser

@main
struct Cordon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cordon",
        abstract: "Operates Cordon: tenants, SIMs, policies and sessions.",
        discussion: """
            All commands but `lab` speak to cordond's API.

            Environment:
              CORDON_URL         where it is: unix:PATH, http://HOST:PORT or https://HOST:PORT
                                 (default unix:/run/cordon/api.sock)
              CORDON_TOKEN       the token to show, or
              CORDON_TOKEN_FILE  the file that holds it

            Exit codes:
              0   done
              1   refused or failed; the reason is on standard error
              2   policy plan, tenant onboard --plan: applying the document would change something
              3   something that was named does not exist
              4   nothing was changed: another version is in force than the change was made for
              64  the command line or the environment is wrong
              69  cordond cannot be reached

            With --json the API's JSON goes to standard output as it is: one line, or one line per page for the lists \
            of SIMs, sessions, port blocks, events and usage, one line per event for `event follow`. A refusal goes to \
            standard error as problem+json.
            """,
        subcommands: [
            TenantCommand.self, APNCommand.self, PoolCommand.self, NASCommand.self, SIMCommand.self, GroupCommand.self,
            PolicyCommand.self, ListCommand.self, BlocklistCommand.self, ServiceCommand.self, VPNCommand.self,
            DNSCommand.self, SessionCommand.self, SessionPolicyCommand.self, IMEIListCommand.self,
            ApprovalHookCommand.self,
            NATCommand.self, UsageCommand.self, EventCommand.self, TokenCommand.self, AuditCommand.self,
            StatusCommand.self, LabCommand.self,
        ])
}
