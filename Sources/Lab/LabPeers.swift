/// The real programs around the gateway: their configurations and how they are started.
struct LabPeers: Sendable {
    let layout: LabLayout
    let records: ProcessRecords

    /// Starts all of them and returns when those that something waits for answer.
    func start() async throws(LabError) {
        try await startWeb()
        try await LabNames(layout: layout, records: records).start()
        try await startTime()
        try await startDisconnectListener()
        let inet = layout.name(of: .inet)
        let whoami = ["curl", "-s", "-o", "/dev/null", "-m", "1", "http://\(LabLayout.web)/whoami"]
        try await waitUntil("nginx answers", within: .seconds(30)) { () throws(LabError) in
            try await Command(whoami, in: inet).output().status == 0
        }
        let sockets = Command(["ss", "-Hlun", "sport = :3799"], in: layout.name(of: .ran))
        try await waitUntil("freeradius listens", within: .seconds(30)) { () throws(LabError) in
            try await !sockets.run().trimmed.isEmpty
        }
        for record in records.all where !ProcessRecords.isRunning(record) {
            throw LabError(
                .toolFailed, "\(record.name) has ended",
                output: LabFiles.lastLines(20, of: layout.log(of: record.name)))
        }
    }

    /// The internet's web servers. Ports that the demo's policies deny are served too: what is refused there is
    /// refused by the gateway, not by nobody listening.
    private func startWeb() async throws(LabError) {
        let root = layout.runDirectory + "/web"
        try LabFiles.makeDirectory(root)
        try await Command(["truncate", "-s", "4G", root + "/endless"]).run()
        let addresses = [LabLayout.web, LabLayout.otherWeb, LabLayout.forbiddenWeb, LabLayout.sharedWeb]
        let listens = (addresses + LabLayout.internetAddresses6.map { "[\($0)]" }).flatMap { address in
            ["80", "443", "2222", "8000-8100"].map { "        listen \(address):\($0);" }
        }
        let configuration = """
            daemon off;
            master_process off;
            user root;
            pid \(layout.runDirectory)/nginx.pid;
            error_log \(layout.logDirectory)/nginx.log;
            events { worker_connections 4096; }
            http {
                log_format requests '$remote_addr $remote_port $server_addr $server_port $status $request_uri';
                access_log \(layout.webAccessLog) requests;
                client_body_temp_path \(root)/body;
                proxy_temp_path \(root)/proxy;
                fastcgi_temp_path \(root)/fastcgi;
                uwsgi_temp_path \(root)/uwsgi;
                scgi_temp_path \(root)/scgi;
                server {
            \(listens.joined(separator: "\n"))
                    root \(root);
                    location = /whoami {
                        default_type text/plain;
                        return 200 "$remote_addr $remote_port\\n";
                    }
                    # Small steps, so that octets seen are octets that just arrived.
                    location = /endless {
                        sendfile off;
                        output_buffers 1 16k;
                        limit_rate 2m;
                    }
                }
            }
            """
        let path = layout.runDirectory + "/nginx.conf"
        try LabFiles.write(configuration + "\n", to: path)
        try await records.start("nginx", ["nginx", "-c", path, "-p", root], in: layout.name(of: .inet))
    }

    private func startTime() async throws(LabError) {
        let path = layout.runDirectory + "/chrony.conf"
        try LabFiles.write(
            """
            local stratum 1
            allow 0.0.0.0/0
            bindaddress \(LabLayout.timeServer)
            cmdport 0
            bindcmdaddress /
            pidfile \(layout.runDirectory)/chronyd.pid

            """, to: path)
        // -x: the machine's clock is never touched.
        try await records.start(
            "chronyd", ["chronyd", "-d", "-x", "-u", "root", "-f", path], in: layout.name(of: .inet))
    }

    /// The P-GW's side of RFC 5176: FreeRADIUS takes Disconnect-Requests, a script ends the session.
    private func startDisconnectListener() async throws(LabError) {
        let database = layout.runDirectory + "/raddb"
        try LabFiles.makeDirectory(database)
        try LabFiles.write("$INCLUDE /usr/share/freeradius/dictionary\n", to: database + "/dictionary")
        try LabFiles.write(disconnectScript, to: layout.runDirectory + "/disconnect", mode: 0o700)
        try LabFiles.write(changeScript, to: layout.runDirectory + "/change", mode: 0o700)
        let secret = LabFiles.read(layout.secretFile)?.trimmed ?? ""
        let changed =
            "%{3GPP-IMSI} interim=%{Acct-Interim-Interval} session-timeout=%{Session-Timeout} "
            + "idle-timeout=%{Idle-Timeout}"
        try LabFiles.write(
            """
            name = radiusd
            raddbdir = \(database)
            logdir = \(layout.logDirectory)
            run_dir = \(layout.runDirectory)
            libdir = /usr/lib/freeradius
            pidfile = \(layout.runDirectory)/freeradius.pid
            max_request_time = 10
            cleanup_delay = 5
            hostname_lookups = no
            log { destination = stdout }
            security { reject_delay = 0 }
            thread pool {
                start_servers = 4
                max_servers = 16
                min_spare_servers = 2
                max_spare_servers = 8
            }
            modules {
                always ok {
                    rcode = ok
                }
                always reject {
                    rcode = reject
                }
                exec {
                    wait = yes
                    input_pairs = request
                    shell_escape = yes
                    timeout = 5
                }
            }
            client gateway {
                ipaddr = \(LabLayout.gatewaySGi)
                secret = \(secret)
            }
            server pgw {
                listen {
                    type = coa
                    ipaddr = \(LabLayout.packetGateway)
                    port = 3799
                }
                recv-coa {
                    # A change of a session that is there is taken, and written down; another has no context.
                    if (&request:Packet-Type == CoA-Request) {
                        update control {
                            Tmp-String-0 := "%{exec:\(layout.runDirectory)/change \(changed)}"
                        }
                    }
                    else {
                        update control {
                            Tmp-String-0 := "%{exec:\(layout.runDirectory)/disconnect %{3GPP-IMSI}}"
                        }
                    }
                    if (&control:Tmp-String-0 == "ok") {
                        ok
                    }
                    else {
                        update reply {
                            Error-Cause := Session-Context-Not-Found
                        }
                        reject
                    }
                }
            }

            """, to: database + "/radiusd.conf")
        try await records.start(
            "freeradius", ["freeradius", "-f", "-l", "stdout", "-d", database, "-n", "radiusd"],
            in: layout.name(of: .ran))
    }

    /// What a session was changed to, a line for each time, beside its file.
    private var changeScript: String {
        """
        #!/bin/sh
        session="\(layout.sessionDirectory)/$1"
        case "$1" in *[!0-9]*|'') echo missing; exit 0 ;; esac
        [ -f "$session" ] || { echo missing; exit 0; }
        shift
        echo "$*" >>"$session.changes"
        echo ok

        """
    }

    /// The session's file holds its Accounting-Stop. The device's address stays: a device that will not be quiet is
    /// what shows that the gateway stopped it.
    private var disconnectScript: String {
        """
        #!/bin/sh
        session="\(layout.sessionDirectory)/$1"
        case "$1" in *[!0-9]*|'') echo missing; exit 0 ;; esac
        mv "$session" "$session.stopping" 2>/dev/null || { echo missing; exit 0; }
        setsid sh -c '
            radclient -x -r 3 -t 2 -S "\(layout.secretFile)" -f "$1.stopping" \\
                \(LabLayout.gatewaySGi):1813 acct && rm -f "$1.stopping"
        ' sh "$session" </dev/null >>"\(layout.log(of: "accounting-stop"))" 2>&1 &
        echo ok

        """
    }
}
