/// The forms of charon's messages that are understood, all of strongSwan 5.9.8: there is no other way to learn from it
/// why something failed. charon gives them to vici's logger, whose level is 1 for every group whatever `filelog` and
/// `syslog` are set to (`LEVEL_CTRL`, vici_logger.c), and a pool of threads raises the events, so that neighbours may
/// come in another order. The sources' paths are from `src/` there. Each has a message of a real charon in the tests.
package enum CharonMessageTable {
    package struct Entry: Sendable {
        package let pattern: TextPattern
        /// The file that has the format.
        package let source: String
        let meaning: @Sendable (CharonMessage.Gaps) -> CharonMessage

        init(
            _ source: String, _ pattern: StaticString,
            _ meaning: @escaping @Sendable (CharonMessage.Gaps) -> CharonMessage
        ) {
            self.pattern = TextPattern(pattern)
            self.source = source
            self.meaning = meaning
        }
    }

    /// The first that matches decides.
    package static let entries: [Entry] = exchange + authentication + certificates + children + endings

    private static let ike = "libcharon/sa/ikev2/"
    private static let proposal = "libstrongswan/crypto/proposal/proposal.c"
    private static let tasks = ike + "tasks/"

    private static let exchange: [Entry] = [
        Entry(tasks + "ike_init.c", "initiating IKE_SA *[*] to *") { .weCall(address: $0[2]) },
        Entry(tasks + "ike_init.c", "* is initiating an IKE_SA") { .peerCalls(address: $0[0]) },
        Entry("libcharon/processing/jobs/process_message_job.c", "received packet: from *[*] to * bytes)") {
            .packet(address: $0[0], port: $0[1])
        },
        Entry(proposal, "selected proposal: IKE:*") { _ in .ikeProposalChosen },
        Entry(proposal, "selected proposal: ESP:*") { _ in .espProposalChosen },
        Entry(proposal, "received proposals: *") { .peersProposals($0[0]) },
        Entry("libcharon/config/ike_cfg.c, child_cfg.c", "configured proposals: *") { .gatewaysProposals($0[0]) },
        Entry(tasks + "ike_init.c", "received proposals unacceptable") { _ in .noCommonIKEProposal },
        Entry(tasks + "ike_init.c, ike_auth.c", "received * notify error") { .refused(notify: $0[0]) },
        Entry(tasks + "ike_init.c", "peer didn't accept DH group *, it requested *") {
            .otherGroupAskedFor(had: $0[0], wanted: $0[1])
        },
        Entry(tasks + "child_create.c", "already retried with DH group *, ignore requested *") {
            .otherGroupAskedFor(had: $0[0], wanted: $0[1])
        },
        Entry(tasks + "child_create.c", "requested DH group * not contained in any of our proposals") {
            .groupNotOffered($0[0])
        },
        Entry(tasks + "ike_init.c", "giving up after * retries") { _ in .groupNotOffered("") },
        Entry(ike + "task_manager_v2.c", "no IKE config found for *...*, sending *") {
            .noConfiguration(address: $0[1])
        },
        Entry(ike + "task_manager_v2.c", "retransmit * of request with message ID *") {
            .retransmit(count: $0[0], message: $0[1])
        },
        Entry(ike + "task_manager_v2.c", "giving up after * retransmits") { _ in .gaveUp },
        Entry("libcharon/sa/ike_sa.c", "establishing IKE_SA failed, peer not responding") { _ in .notResponding },
        Entry("libcharon/sa/ike_sa.c", "unable to resolve *, initiate aborted") { .unresolved(name: $0[0]) },
        Entry("libcharon/sa/ike_sa.c", "unable to resolve *, retrying in *s") { .unresolved(name: $0[0]) },
        Entry("libcharon/processing/jobs/delete_ike_sa_job.c", "deleting half open IKE_SA with * after timeout") {
            .halfOpenTimedOut(address: $0[0])
        },
        Entry("libcharon/plugins/socket_default/socket_default_socket.c", "error writing to socket: *") {
            .cannotSend(reason: $0[0])
        },
    ]

    private static let authentication: [Entry] = [
        Entry(tasks + "ike_auth.c", "looking for peer configs matching *[*]...*[*]") {
            .configurationSought(own: $0[1], address: $0[2], peer: $0[3])
        },
        Entry(tasks + "ike_auth.c", "no matching peer config found") { _ in .noConfigurationMatches },
        Entry(ike + "authenticators/psk_authenticator.c", "tried * shared key* for '*' - '*', but MAC mismatched") {
            .keyMismatch(own: $0[2], peer: $0[3])
        },
        Entry(ike + "authenticators/psk_authenticator.c", "no shared key found for '*' - '*'") {
            .noKey(own: $0[0], peer: $0[1])
        },
        Entry(ike + "authenticators/pubkey_authenticator.c", "no private key found for '*'") { .noPrivateKey($0[0]) },
        Entry(ike + "authenticators/pubkey_authenticator.c", "no trusted * public key found for '*'") {
            .untrusted(identity: $0[1])
        },
        Entry(ike + "authenticators/pubkey_authenticator.c", "signature validation failed, looking for another key") {
            _ in
            .signatureWrong
        },
        Entry(ike + "authenticators/", "authentication of '*' with * successful") { .peerIs($0[0]) },
        Entry("libstrongswan/credentials/auth_cfg.c", "constraint check failed: *identity '*' required *") {
            .identityRequired($0[1])
        },
        Entry("libstrongswan/credentials/auth_cfg.c", "constraint requires * authentication, but * was used") {
            .methodRequired(wanted: $0[0], used: $0[1])
        },
        Entry("libcharon/encoding/message.c", "parsed INFORMATIONAL request *N(AUTH_FAILED)*") { _ in
            .authenticationRefusedLater
        },
    ]

    private static let certificates: [Entry] = [
        Entry("libstrongswan/credentials/auth_cfg.c", "constraint check failed: peer not authenticated by CA '*'") {
            _ in
            .otherAuthority
        },
        Entry("libstrongswan/credentials/credential_manager.c", "  using trusted ca certificate \"*\"") {
            .issuer($0[0])
        },
        Entry("libstrongswan/credentials/credential_manager.c", "* certificate invalid (valid from * to *)") {
            .certificateInvalid(which: $0[0], from: $0[1], until: $0[2])
        },
        Entry("libstrongswan/credentials/credential_manager.c", "no issuer certificate found for \"*\"") {
            .noIssuer(subject: $0[0])
        },
        Entry("libstrongswan/credentials/credential_manager.c", "  issuer is \"*\"") { .issuer($0[0]) },
        Entry("libstrongswan/credentials/credential_manager.c", "  self-signed certificate \"*\" is not trusted") {
            .selfSigned(subject: $0[0])
        },
        Entry("libstrongswan/plugins/revocation/revocation_validator.c", "certificate was revoked on *, reason: *") {
            .certificateRevoked(at: $0[0])
        },
        Entry(tasks + "ike_cert_pre.c", "received end entity cert \"*\"") { .peerCertificate(subject: $0[0]) },
        Entry(tasks + "ike_cert_pre.c", "received * cert requests for an unknown ca") { _ in .certificateRequestUnknown
        },
    ]

    private static let children: [Entry] = [
        Entry(tasks + "child_create.c", "establishing CHILD_SA *{*}*") { _ in .childBegun },
        Entry(tasks + "child_create.c", "received * notify, no CHILD_SA built") { .childRefused(notify: $0[0]) },
        Entry(tasks + "child_create.c", "no acceptable proposal found") { _ in .noCommonESPProposal },
        Entry(tasks + "child_create.c", "traffic selectors * === * unacceptable") {
            .selectorsUnacceptable(own: $0[0], peer: $0[1])
        },
        Entry(tasks + "child_create.c", "unable to install * in kernel") { .notInstalled(what: $0[0]) },
        Entry(tasks + "child_create.c", "no acceptable traffic selectors found") { _ in .noSelectors },
        Entry(tasks + "child_rekey.c", "CHILD_SA rekeying failed, trying again in * seconds") { _ in .rekeyFailed },
        Entry(tasks + "ike_rekey.c", "IKE_SA rekeying failed, trying again in * seconds") { _ in .rekeyFailed },
    ]

    private static let endings: [Entry] = [
        Entry(tasks + "ike_delete.c", "received DELETE for IKE_SA *") { _ in .peerDeletes },
        Entry(tasks + "ike_delete.c", "sending DELETE for IKE_SA *") { _ in .weDelete },
        Entry(tasks + "child_delete.c", "received DELETE for * CHILD_SA with SPI *") { _ in .peerDeletesChild },
        Entry(tasks + "child_delete.c", "sending DELETE for * CHILD_SA with SPI *") { _ in .weDeleteChild },
        Entry("libcharon/sa/ike_sa_manager.c", "destroying duplicate IKE_SA for peer '*', received INITIAL_CONTACT") {
            .replaced(identity: $0[0])
        },
        Entry("libcharon/sa/ike_sa_manager.c", "deleting duplicate IKE_SA for peer '*' due to uniqueness policy") {
            .replaced(identity: $0[0])
        },
    ]
}
