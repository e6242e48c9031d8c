/// How Cordon's own charon is run: nothing of the host's strongSwan is read, and it takes orders over its vici socket only.
public struct CharonSettings: Sendable {
    /// Made when it is not there; what is in it is Cordon's.
    public var directory: String
    /// Encrypts by itself and hands packets over at a TUN (kernel-libipsec), as where the kernel cannot.
    public var isInUserSpace: Bool
    /// Where it is, as a command or a path.
    public var program = "/usr/sbin/charon-systemd"
    public var threads = 32
    /// Of a request without an answer: sent again after so long, then after 1.4 times as long, and so on.
    public var retransmitSeconds = 2.0
    public var retransmitTries = 3
    /// Half-open IKE_SAs of one peer's address, beyond which it is not listened to: several VPNs may have one peer.
    public var halfOpenPerPeer = 256

    public init(directory: String, isInUserSpace: Bool) {
        self.directory = directory
        self.isInUserSpace = isInUserSpace
    }

    public var socketPath: String { directory + "/vici.sock" }
    package var configurationFile: String { directory + "/strongswan.conf" }
    /// The TUN of kernel-libipsec.
    public static let interface = "ipsec0"

    /// From the last sign of a peer until it is taken for dead, at most.
    public func deadPeerSeconds(after silence: UInt32) -> Double {
        (0...retransmitTries).reduce(Double(silence)) { sum, turn in
            var wait = retransmitSeconds
            for _ in 0..<turn { wait *= Self.base }
            return sum + wait
        }
    }

    private static let base = 1.4

    /// The text of its configuration (strongswan.conf(5), 5.9).
    package var configuration: String {
        // What comes first is taken: the processor's instructions before what is written in C, which is five times as slow.
        let plugins =
            "aesni openssl random nonce aes sha1 sha2 hmac kdf gcm curve25519 pem pkcs1 pkcs8 x509 pubkey constraints revocation "
            + (isInUserSpace ? "kernel-libipsec " : "") + "kernel-netlink socket-default vici"
        return """
            # Written by cordond at every start.
            charon-systemd {
                load_modular = no
                load = \(plugins)
                threads = \(threads)
                retransmit_timeout = \(retransmitSeconds)
                retransmit_base = \(Self.base)
                retransmit_tries = \(retransmitTries)
                # Where packets go is Cordon's table to say. What a plugin writes all the same is in a table that no
                # packet's mark leads to.
                install_routes = no
                install_virtual_ip = no
                routing_table = 4711
                routing_table_prio = 40000
                # A peer that is silent must not keep others' connections from being made.
                block_threshold = \(halfOpenPerPeer)
                cookie_threshold = 1024
                half_open_timeout = 15
                ikesa_table_size = 4096
                ikesa_table_segments = 16
                # Names of peers are looked up by Cordon.
                host_resolver {
                    min_threads = 0
                    max_threads = 1
                }
                plugins {
                    vici {
                        socket = unix://\(socketPath)
                    }
                    kernel-netlink {
                        fwmark = 0xc0dec0de/0xffffffff
                    }
                }
                filelog {
                    log {
                        path = \(directory)/charon.log
                        append = no
                        default = 0
                        flush_line = yes
                    }
                }
            }

            """
    }
}
