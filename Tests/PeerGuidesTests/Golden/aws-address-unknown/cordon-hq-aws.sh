# Cordon: VPN hq of tenant acme, the enterprise's end (AWS Site-to-Site VPN).
# Follows: AWS Site-to-Site VPN User Guide (tunnel options, tunnel initiation, customer gateway devices) and AWS CLI 2.
# Fill in <vgw-… of the VPC>: the virtual private gateway; it has to be attached to the VPC.
# Note: AWS makes two tunnels, each with an outside address of its own; this is the first. For the second make another VPN, and give policies both, the first healthy one carries.
# Note: AWS says its outside address when the connection is made; the tunnel is not up before cordon vpn update hq --peer OUTSIDE-ADDRESS --peer-id OUTSIDE-ADDRESS.

set -eu
tunnel='{"PreSharedKey":"mzxw6ytboi4dsmrrgqztamjvgm2tmnzyhezdgnbvgy3tqojqgezq","IKEVersions":[{"Value":"ikev2"}],"Phase1EncryptionAlgorithms":[{"Value":"AES256-GCM-16"}],"Phase1IntegrityAlgorithms":[{"Value":"SHA2-384"}],"Phase1DHGroupNumbers":[{"Value":20}],"Phase1LifetimeSeconds":14400,"Phase2EncryptionAlgorithms":[{"Value":"AES256-GCM-16"}],"Phase2IntegrityAlgorithms":[{"Value":"SHA2-384"}],"Phase2DHGroupNumbers":[{"Value":20}],"Phase2LifetimeSeconds":3600,"DPDTimeoutSeconds":30,"DPDTimeoutAction":"clear","StartupAction":"add"}'
gateway=$(aws ec2 create-customer-gateway --type ipsec.1 --ip-address 203.0.113.1 --bgp-asn 65000 --tag-specifications 'ResourceType=customer-gateway,Tags=[{Key=Name,Value=cordon-hq}]' --query CustomerGateway.CustomerGatewayId --output text)
connection=$(aws ec2 create-vpn-connection --type ipsec.1 --customer-gateway-id "$gateway" --vpn-gateway-id '<vgw-… of the VPC>' --tag-specifications 'ResourceType=vpn-connection,Tags=[{Key=Name,Value=cordon-hq}]' --options '{"StaticRoutesOnly":true,"LocalIpv4NetworkCidr":"100.64.0.0/20","RemoteIpv4NetworkCidr":"10.0.0.0/24","TunnelOptions":['"$tunnel"']}' --query VpnConnection.VpnConnectionId --output text)
aws ec2 wait vpn-connection-available --vpn-connection-ids "$connection"
aws ec2 create-vpn-connection-route --vpn-connection-id "$connection" --destination-cidr-block 100.64.0.0/20
# The outside address of the first tunnel, for cordon vpn update --peer:
aws ec2 describe-vpn-connections --vpn-connection-ids "$connection" --query 'VpnConnections[0].Options.TunnelOptions[0].OutsideIpAddress' --output text
# Let the VPC's route tables take it: aws ec2 enable-vgw-route-propagation --gateway-id vgw-… --route-table-id rtb-…
