# Cordon: VPN hq of tenant acme, the enterprise's end (Azure VPN Gateway).
# Follows: Azure VPN Gateway, custom IPsec/IKE connection policies (2024), and Azure CLI 2 (az network vpn-connection).
# Fill in <resource group>: of the virtual network gateway.
# Fill in <virtual network gateway>: its name.
# Fill in <the key that was shown when the VPN was made>: Cordon does not show it again; a new one is made with cordon vpn rotate-key hq.
# Note: a custom policy needs a gateway of the kind VpnGw1 or above, route-based; Basic has none.
# Note: Azure's IKE lifetime is 28800 s, not to be changed; each end uses its own.
# Note: Azure has no setting that forces ESP in UDP; it follows the gateway, which does.

set -eu
group='<resource group>'
az network local-gateway create --resource-group "$group" --name cordon-hq --gateway-ip-address 203.0.113.1 --local-address-prefixes 100.64.0.0/20
az network vpn-connection create --resource-group "$group" --name cordon-hq --vnet-gateway1 '<virtual network gateway>' --local-gateway2 cordon-hq --shared-key '<the key that was shown when the VPN was made>' --use-policy-based-traffic-selectors false
az network vpn-connection ipsec-policy add --resource-group "$group" --connection-name cordon-hq --ike-encryption AES256 --ike-integrity SHA256 --dh-group DHGroup14 --ipsec-encryption AES256 --ipsec-integrity SHA256 --pfs-group PFS2048 --sa-lifetime 3600 --sa-max-size 102400000
az network vpn-connection update --resource-group "$group" --name cordon-hq --set dpdTimeoutSeconds=30
