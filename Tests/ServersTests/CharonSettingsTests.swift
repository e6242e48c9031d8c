import Foundation
import Servers
import Testing

@Suite struct CharonSettingsTests {
    private static func value(_ key: String, _ text: String) -> String? {
        text.split(separator: "\n").map { $0.split(separator: "=", maxSplits: 1) }
            .first { $0.first?.trimmingCharacters(in: .whitespaces) == key }?.last?.trimmingCharacters(in: .whitespaces)
    }

    @Test func `nothing of the host's is loaded, and routes are not the daemon's to make`() {
        var settings = CharonSettings(directory: "/run/test/charon", isInUserSpace: true)
        settings.threads = 48
        let text = settings.configuration
        for (key, value) in [
            "load_modular": "no", "threads": "48", "install_routes": "no", "install_virtual_ip": "no",
            "socket": "unix:///run/test/charon/vici.sock", "path": "/run/test/charon/charon.log",
            "retransmit_timeout": "2.0", "retransmit_tries": "3", "block_threshold": "256",
        ] { #expect(Self.value(key, text) == value) }
        #expect(text.filter { $0 == "{" }.count == text.filter { $0 == "}" }.count)
        #expect(settings.socketPath == "/run/test/charon/vici.sock")
    }

    @Test func `ESP in user space is a plugin, before the kernel's`() throws {
        let plugins = { (isInUserSpace: Bool) in
            Self.value("load", CharonSettings(directory: "/run/x", isInUserSpace: isInUserSpace).configuration)?
                .split(separator: " ").map(String.init) ?? []
        }
        let own = plugins(true)
        #expect(own.firstIndex(of: "kernel-libipsec").map { own[$0 + 1] } == "kernel-netlink")
        #expect(plugins(false) == own.filter { $0 != "kernel-libipsec" })
        // Of several that have a cipher the first is taken, and these are fast.
        #expect(own.prefix(2) == ["aesni", "openssl"])
    }

    @Test func `a silent peer is taken for dead after all that is sent again`() {
        let settings = CharonSettings(directory: "/run/x", isInUserSpace: false)
        #expect(abs(settings.deadPeerSeconds(after: 10) - (10 + 2 + 2.8 + 3.92 + 5.488)) < 0.001)
    }
}
