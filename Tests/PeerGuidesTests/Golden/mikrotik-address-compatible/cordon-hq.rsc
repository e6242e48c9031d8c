# Cordon: VPN hq of tenant acme, the enterprise's end (MikroTik RouterOS).
# Follows: RouterOS 7, IPsec (help.mikrotik.com/docs/display/ROS/IPsec).
# Fill in <the key that was shown when the VPN was made>: Cordon does not show it again; a new one is made with cordon vpn rotate-key hq; one that begins with 0x or 0s is written as 0x and its octets in hexadecimal.
# Note: RouterOS has no setting that forces ESP in UDP; with nat-traversal it follows the gateway, which does.
# Note: RouterOS also starts the tunnel by itself; that does no harm.

/ip ipsec profile add name="cordon-hq" enc-algorithm=aes-256 hash-algorithm=sha256 prf-algorithm=sha256 dh-group=modp2048 lifetime=14400s dpd-interval=10s dpd-maximum-failures=4 nat-traversal=yes
/ip ipsec proposal add name="cordon-hq" auth-algorithms=sha256 enc-algorithms=aes-256-cbc pfs-group=modp2048 lifetime=3600s
/ip ipsec peer add name="cordon-hq" address=203.0.113.1/32 exchange-mode=ike2 profile="cordon-hq" passive=no send-initial-contact=yes
/ip ipsec identity add peer="cordon-hq" auth-method=pre-shared-key secret="<the key that was shown when the VPN was made>" my-id=address:198.51.100.10 remote-id=address:203.0.113.1
/ip ipsec policy add peer="cordon-hq" tunnel=yes src-address=10.0.0.0/24 dst-address=100.64.0.0/20 action=encrypt level=unique proposal="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=10.0.0.0/24 dst-address=100.64.0.0/20 comment="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=100.64.0.0/20 dst-address=10.0.0.0/24 comment="cordon-hq"
/ip firewall mangle add chain=forward action=change-mss new-mss=1350 passthrough=yes protocol=tcp tcp-flags=syn tcp-mss=1351-65535 ipsec-policy=in,ipsec comment="cordon-hq"
/ip firewall mangle add chain=forward action=change-mss new-mss=1350 passthrough=yes protocol=tcp tcp-flags=syn tcp-mss=1351-65535 ipsec-policy=out,ipsec comment="cordon-hq"
