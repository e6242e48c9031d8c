# Cordon: VPN hq of tenant acme, the enterprise's end (AWS Site-to-Site VPN).
# Follows: AWS Site-to-Site VPN User Guide (tunnel options, tunnel initiation, customer gateway devices) and AWS CLI 2.
# Fill in <vpn-… of the connection>: the one whose tunnel has the outside address.
# Fill in <the key that was shown when the VPN was made>: Cordon does not show it again; a new one is made with cordon vpn rotate-key hq.
# Note: AWS makes two tunnels, each with an outside address of its own; this is the first. For the second make another VPN, and give policies both, the first healthy one carries.
# Note: AWS's end waits for the gateway; it does not start the tunnel itself.
# Note: AWS has no setting that forces ESP in UDP; it follows the gateway, which does.

set -eu
tunnel='{"PreSharedKey":"<the key that was shown when the VPN was made>","IKEVersions":[{"Value":"ikev2"}],"Phase1EncryptionAlgorithms":[{"Value":"AES256"}],"Phase1IntegrityAlgorithms":[{"Value":"SHA2-256"}],"Phase1DHGroupNumbers":[{"Value":14}],"Phase1LifetimeSeconds":14400,"Phase2EncryptionAlgorithms":[{"Value":"AES256"}],"Phase2IntegrityAlgorithms":[{"Value":"SHA2-256"}],"Phase2DHGroupNumbers":[{"Value":14}],"Phase2LifetimeSeconds":3600,"DPDTimeoutSeconds":30,"DPDTimeoutAction":"clear","StartupAction":"add"}'
connection='<vpn-… of the connection>'
aws ec2 modify-vpn-connection-options --vpn-connection-id "$connection" --local-ipv4-network-cidr 100.64.0.0/20 --remote-ipv4-network-cidr 10.0.0.0/24
aws ec2 wait vpn-connection-available --vpn-connection-ids "$connection"
aws ec2 modify-vpn-tunnel-options --vpn-connection-id "$connection" --vpn-tunnel-outside-ip-address 198.51.100.10 --tunnel-options "$tunnel"
aws ec2 wait vpn-connection-available --vpn-connection-ids "$connection"
aws ec2 create-vpn-connection-route --vpn-connection-id "$connection" --destination-cidr-block 100.64.0.0/20
# The outside address of the first tunnel, for cordon vpn update --peer:
aws ec2 describe-vpn-connections --vpn-connection-ids "$connection" --query 'VpnConnections[0].Options.TunnelOptions[0].OutsideIpAddress' --output text
# Let the VPC's route tables take it: aws ec2 enable-vgw-route-propagation --gateway-id vgw-… --route-table-id rtb-…
