# Cordon: VPN hq of tenant acme, the enterprise's end (Azure VPN Gateway).
# Follows: Azure VPN Gateway, custom IPsec/IKE connection policies (2024), and Azure CLI 2 (az network vpn-connection).
# Fill in <resource group>: of the virtual network gateway.
# Fill in <virtual network gateway>: its name.
# Note: a custom policy needs a gateway of the kind VpnGw1 or above, route-based; Basic has none.
# Note: Azure's IKE lifetime is 28800 s, not to be changed; each end uses its own.
# Note: Azure has ECP-384 and no Curve25519, which is enough.

set -eu
group='<resource group>'
az network local-gateway create --resource-group "$group" --name cordon-hq --gateway-ip-address 203.0.113.1 --local-address-prefixes 100.64.0.0/20
az network vpn-connection create --resource-group "$group" --name cordon-hq --vnet-gateway1 '<virtual network gateway>' --local-gateway2 cordon-hq --shared-key 'mzxw6ytboi4dsmrrgqztamjvgm2tmnzyhezdgnbvgy3tqojqgezq' --use-policy-based-traffic-selectors false
az network vpn-connection ipsec-policy add --resource-group "$group" --connection-name cordon-hq --ike-encryption GCMAES256 --ike-integrity SHA384 --dh-group ECP384 --ipsec-encryption GCMAES256 --ipsec-integrity GCMAES256 --pfs-group ECP384 --sa-lifetime 3600 --sa-max-size 102400000
az network vpn-connection update --resource-group "$group" --name cordon-hq --set dpdTimeoutSeconds=30
