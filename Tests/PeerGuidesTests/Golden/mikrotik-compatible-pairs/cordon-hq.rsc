# Cordon: VPN hq of tenant acme, the enterprise's end (MikroTik RouterOS).
# Follows: RouterOS 7, IPsec (help.mikrotik.com/docs/display/ROS/IPsec).
# Fill in <the key that was shown when the VPN was made>: Cordon does not show it again; a new one is made with cordon vpn rotate-key hq; one that begins with 0x or 0s is written as 0x and its octets in hexadecimal.
# Note: devices see 10.20.0.0/16 as 10.99.0.0/16; the gateway translates, and this end keeps its addresses.
# Note: Cordon sends echo requests (ping) through the tunnel to 10.0.0.1: let it answer.
# Note: the gateway may also be found at 203.0.113.2; this configuration has its first IPv4 address only.
# Note: RouterOS has no setting that forces ESP in UDP; with nat-traversal it follows the gateway, which does.
# Note: RouterOS also starts the tunnel by itself; that does no harm.

/ip ipsec profile add name="cordon-hq" enc-algorithm=aes-256 hash-algorithm=sha256 prf-algorithm=sha256 dh-group=modp2048 lifetime=14400s dpd-interval=10s dpd-maximum-failures=4 nat-traversal=yes
/ip ipsec proposal add name="cordon-hq" auth-algorithms=sha256 enc-algorithms=aes-256-cbc pfs-group=modp2048 lifetime=3600s
/ip ipsec peer add name="cordon-hq" address=203.0.113.1/32 exchange-mode=ike2 profile="cordon-hq" passive=no send-initial-contact=yes
/ip ipsec identity add peer="cordon-hq" auth-method=pre-shared-key secret="<the key that was shown when the VPN was made>" my-id=user-fqdn:vpn@acme.example remote-id=fqdn:hq.acme.vpn.operator.example
/ip ipsec policy add peer="cordon-hq" tunnel=yes src-address=10.0.0.0/24 dst-address=100.64.0.0/20 action=encrypt level=unique proposal="cordon-hq"
/ip ipsec policy add peer="cordon-hq" tunnel=yes src-address=10.0.0.0/24 dst-address=100.66.4.0/22 action=encrypt level=unique proposal="cordon-hq"
/ip ipsec policy add peer="cordon-hq" tunnel=yes src-address=10.20.0.0/16 dst-address=100.64.0.0/20 action=encrypt level=unique proposal="cordon-hq"
/ip ipsec policy add peer="cordon-hq" tunnel=yes src-address=10.20.0.0/16 dst-address=100.66.4.0/22 action=encrypt level=unique proposal="cordon-hq"
/ip ipsec policy add peer="cordon-hq" tunnel=yes src-address=192.0.2.7/32 dst-address=100.64.0.0/20 action=encrypt level=unique proposal="cordon-hq"
/ip ipsec policy add peer="cordon-hq" tunnel=yes src-address=192.0.2.7/32 dst-address=100.66.4.0/22 action=encrypt level=unique proposal="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=10.0.0.0/24 dst-address=100.64.0.0/20 comment="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=100.64.0.0/20 dst-address=10.0.0.0/24 comment="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=10.0.0.0/24 dst-address=100.66.4.0/22 comment="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=100.66.4.0/22 dst-address=10.0.0.0/24 comment="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=10.20.0.0/16 dst-address=100.64.0.0/20 comment="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=100.64.0.0/20 dst-address=10.20.0.0/16 comment="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=10.20.0.0/16 dst-address=100.66.4.0/22 comment="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=100.66.4.0/22 dst-address=10.20.0.0/16 comment="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=192.0.2.7/32 dst-address=100.64.0.0/20 comment="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=100.64.0.0/20 dst-address=192.0.2.7/32 comment="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=192.0.2.7/32 dst-address=100.66.4.0/22 comment="cordon-hq"
/ip firewall raw add chain=prerouting action=notrack src-address=100.66.4.0/22 dst-address=192.0.2.7/32 comment="cordon-hq"
/ip firewall mangle add chain=forward action=change-mss new-mss=1350 passthrough=yes protocol=tcp tcp-flags=syn tcp-mss=1351-65535 ipsec-policy=in,ipsec comment="cordon-hq"
/ip firewall mangle add chain=forward action=change-mss new-mss=1350 passthrough=yes protocol=tcp tcp-flags=syn tcp-mss=1351-65535 ipsec-policy=out,ipsec comment="cordon-hq"
