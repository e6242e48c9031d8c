import HTTPTypes

extension OpenAPI {
    static let vpns: [Operation] = [
        Operation(
            method: .post, path: "/v1/tenants/{tenant}/vpns", id: "createVPN",
            summary:
                "Makes a VPN: a tunnel to a peer, whose key, unless it is brought, is told here and never again; or, only for the operator, of a "
                + "line that is an interface of the gateway's host. With dry_run nothing is made, and the answer is a Preflight.",
            tag: "vpns",
            parameters: [
                .query("dry_run", "Only say what would be; status 200.", ["type": "boolean", "default": false])
            ], body: [.object("NewVPN")],
            answers: [
                .created("VPNHandover"),
                Answer(status: 200, description: "What would be.", content: [.object("VPNPreflight")]),
            ]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/vpns", id: "listVPNs",
            summary: "The tenant's VPNs and how each is.", tag: "vpns", answers: [.page("VPN")]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/vpns/{vpn}", id: "showVPN", summary: "A VPN.", tag: "vpns",
            answers: [.ok("VPN")]),
        Operation(
            method: .patch, path: "/v1/tenants/{tenant}/vpns/{vpn}", id: "updateVPN",
            summary: "Changes a tunnel; what is left out stays as it is.", tag: "vpns", body: [.object("VPNSettings")],
            answers: [.ok("VPNHandover")]),
        Operation(
            method: .delete, path: "/v1/tenants/{tenant}/vpns/{vpn}", id: "deleteVPN",
            summary: "Deletes a VPN that no policy in force names; a line only for the operator.", tag: "vpns",
            answers: [.noContent]),
        Operation(
            method: .post, path: "/v1/tenants/{tenant}/vpns/{vpn}/rotate-key", id: "rotateVPNKey",
            summary:
                "Makes a new key, or new certificates. The peer may come with the old key until the overlap is over.",
            tag: "vpns", body: [.object("VPNRotation")], answers: [.ok("VPNHandover")]),
        Operation(
            method: .post, path: "/v1/tenants/{tenant}/vpns/{vpn}/restart", id: "restartVPN",
            summary: "Ends a tunnel and makes it anew at once.", tag: "vpns", answers: [.noContent]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/vpns/{vpn}/diagnosis", id: "diagnoseVPN",
            summary: "What is wrong with a tunnel, why that most often is, and what to change at which end.",
            tag: "vpns",
            answers: [.ok("VPNDiagnosis")]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/vpns/{vpn}/peer-config", id: "showPeerConfiguration",
            summary: "The configuration of the other end, ready but for the key.", tag: "vpns",
            parameters: [
                .query(
                    "for",
                    "What the other end runs: strongswan, libreswan, fortigate, cisco-iosxe, paloalto, mikrotik, "
                        + "opnsense, aws or azure.", ["type": "string"], isRequired: true)
            ], answers: [.ok("PeerConfiguration")]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/vpn-authorities", id: "listVPNAuthorities",
            summary: "Whose certificates the tenant's tunnels trust, and whose the gateway shows.", tag: "vpns",
            answers: [.page("VPNAuthority")]),
        Operation(
            method: .put, path: "/v1/tenants/{tenant}/vpn-authorities", id: "putVPNAuthorities",
            summary: "Takes the tenant's own certificate authorities, at most 8 in PEM or one in DER.", tag: "vpns",
            body: [
                .text("application/pem-certificate-chain"),
                Content(type: "application/pkix-cert", schema: ["type": "string", "format": "binary"]),
            ], answers: [.noContent]),
        Operation(
            method: .post, path: "/v1/tenants/{tenant}/vpn-authorities/rotate", id: "rotateVPNAuthority",
            summary:
                "Makes a new authority in place of the one that Cordon has made. Both are trusted until the overlap is over, "
                + "thirty days unless given: peers are told of the new one first, and then given certificates by rotate-key.",
            tag: "vpns", body: [.object("VPNRotation")], answers: [.ok("VPNAuthority")]),
        Operation(
            method: .delete, path: "/v1/tenants/{tenant}/vpn-authorities", id: "deleteVPNAuthorities",
            summary: "Trusts the tenant's own authorities no more.", tag: "vpns", answers: [.noContent]),
        Operation(
            method: .put, path: "/v1/tenants/{tenant}/vpn-limit", id: "setVPNLimit",
            summary: "How many VPNs the tenant may have; only for the operator.", tag: "vpns",
            body: [.object("VPNLimit")], answers: [.noContent]),
    ]

    private static let settings = #"""
        "peer": {"description": "Its address, its domain name, or any.", "type": "string"},
        "remote_networks": {
          "description": "What is behind it, IPv4 prefixes; THERE=SEEN for one that devices see translated.",
          "type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 64
        },
        "local_network": {"description": "all, or group:NAME, several with commas.", "type": "string"},
        "profile": {"enum": ["default", "compatible"]},
        "auth": {"enum": ["psk", "certificate"]},
        "peer_id": {"description": "What it must say it is; empty: its address or name.", "type": "string"},
        "gateway_id": {"enum": ["name", "address"]},
        "initiate": {"enum": ["always", "on-demand", "never"]},
        "force_encapsulation": {"description": "ESP in UDP also where no NAT is seen.", "type": "boolean"},
        "pair_selectors": {"description": "One CHILD_SA for each pair of networks.", "type": "boolean"},
        "probe": {"description": "An address behind it that answers an echo request; empty: none.", "type": "string"},
        "partner": {"$ref": "#/components/schemas/VPNPartner"},
        "certificate_request": {"description": "PKCS #10 in PEM.", "type": "string"}
        """#

    /// Those of VPNs: more members of the object that ``schemas`` is.
    static let vpnSchemas =
        #"""
          "NewVPN": {
            "description": "A tunnel has peer and remote_networks, a line interface and networks.",
            "type": "object",
            "required": ["name"],
            "additionalProperties": false,
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "interface": {"description": "Of the gateway's host.", "type": "string"},
              "networks": {"description": "Prefixes of either family.", "type": "array", "items": {"type": "string"}},
              "next_hop": {"description": "Absent: the interface leads to one peer only.", "type": "string"},
              "next_hop6": {"type": "string"},
              "key": {
                "description": "Of a tunnel, what the peer has already; absent: one is made.",
                "type": "string", "pattern": "^[A-Za-z0-9+/=._-]{8,127}$"
              },
        """# + settings + #"""
                }
              },
              "VPNSettings": {"type": "object", "additionalProperties": false, "properties": {
            """# + settings + #"""
              }},
              "VPNPartner": {
                "description": "Whose the VPN is when it is not the tenant's own, and what may pass.",
                "type": "object",
                "required": ["name"],
                "additionalProperties": false,
                "properties": {
                  "name": {"$ref": "#/components/schemas/Name"},
                  "destinations": {"description": "None: all that is behind it.", "type": "array", "items": {"type": "string"}},
                  "ports": {"description": "As in tcp/443, udp/5000-5010, icmp; none: all.", "type": "array", "items": {"type": "string"}},
                  "valid_from": {"description": "RFC 3339.", "type": "string"},
                  "valid_until": {"type": "string"}
                }
              },
              "VPN": {
                "type": "object",
                "required": ["name", "state", "up", "interface", "networks", "created_at"],
                "properties": {
                  "name": {"$ref": "#/components/schemas/Name"},
                  "state": {"enum": [
                    "up", "down", "waiting", "negotiating", "up-without-traffic", "no-answer", "ended", "standing-by",
                    "probe-unanswered"
                  ]},
                  "up": {"description": "Whether flows take it.", "type": "boolean"},
                  "since": {"description": "As far as the daemon has seen it.", "$ref": "#/components/schemas/Time"},
                  "interface": {"type": "string"},
                  "networks": {"description": "As devices see them.", "type": "array", "items": {"type": "string"}},
                  "next_hop": {"type": "string"},
                  "next_hop6": {"type": "string"},
                  "tunnel": {"$ref": "#/components/schemas/Tunnel"},
                  "created_at": {"$ref": "#/components/schemas/Time"}
                }
              },
              "Tunnel": {
                "type": "object",
                "required": [
                  "peer", "remote_networks", "local_network", "profile", "auth", "gateway_addresses", "local_blocks", "initiate",
                  "force_encapsulation", "pair_selectors", "keys_made_at"
                ],
                "properties": {
                  "peer": {"type": "string"},
                  "remote_networks": {"type": "array", "items": {"type": "string"}},
                  "local_network": {"type": "string"},
                  "profile": {"type": "string"},
                  "auth": {"type": "string"},
                  "peer_id": {"type": "string"},
                  "gateway_id": {"description": "What the gateway says it is.", "type": "string"},
                  "gateway_addresses": {"type": "array", "items": {"type": "string"}},
                  "local_blocks": {"description": "The tenant's addresses for devices.", "type": "array", "items": {"type": "string"}},
                  "initiate": {"type": "string"},
                  "force_encapsulation": {"type": "boolean"},
                  "pair_selectors": {"type": "boolean"},
                  "probe": {"type": "string"},
                  "partner": {"$ref": "#/components/schemas/VPNPartner"},
                  "path": {"description": "Who encrypts.", "enum": ["kernel", "user-space"]},
                  "fault": {"description": "As in a diagnosis.", "type": "string"},
                  "peer_seen": {
                    "type": "object",
                    "required": ["address", "port", "identity"],
                    "properties": {
                      "address": {"type": "string"}, "port": {"type": "integer"}, "identity": {"type": "string"}
                    }
                  },
                  "octets_to_peer": {"$ref": "#/components/schemas/Count"},
                  "octets_from_peer": {"$ref": "#/components/schemas/Count"},
                  "packets_refused": {"$ref": "#/components/schemas/Count"},
                  "last_rekey": {"$ref": "#/components/schemas/Time"},
                  "keys_made_at": {"type": "array", "items": {"$ref": "#/components/schemas/Time"}}
                }
              },
              "VPNHandover": {
                "type": "object",
                "required": ["vpn", "warnings"],
                "properties": {
                  "vpn": {"$ref": "#/components/schemas/VPN"},
                  "warnings": {"type": "array", "items": {"type": "string"}},
                  "key": {"description": "Told once.", "type": "string"},
                  "certificate": {"description": "The peer's, PEM.", "type": "string"},
                  "private_key": {"description": "Its key, PEM; told once.", "type": "string"},
                  "authority": {"description": "Whom the peer is to trust, PEM.", "type": "string"}
                }
              },
              "VPNPreflight": {
                "type": "object",
                "required": ["possible", "findings", "gateway_id", "peer_addresses", "local_blocks", "path"],
                "properties": {
                  "possible": {"type": "boolean"},
                  "findings": {"type": "array", "items": {
                    "type": "object",
                    "required": ["weight", "field", "message"],
                    "properties": {
                      "weight": {"enum": ["error", "warning"]}, "field": {"type": "string"}, "message": {"type": "string"}
                    }
                  }},
                  "gateway_id": {"type": "string"},
                  "peer_id": {"type": "string"},
                  "peer_addresses": {"type": "array", "items": {"type": "string"}},
                  "local_blocks": {"type": "array", "items": {"type": "string"}},
                  "path": {"type": "string"}
                }
              },
              "VPNRotation": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                  "overlap_seconds": {"description": "How long the old one is taken too; of a key a day unless given, of an authority thirty.", "type": "integer", "minimum": 0, "maximum": 4294967295}
                }
              },
              "VPNLimit": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                  "vpns": {"description": "Absent: as the configuration says.", "type": "integer", "minimum": 0, "maximum": 4294967295}
                }
              },
              "VPNDiagnosis": {
                "type": "object",
                "required": ["vpn", "faults", "timeline"],
                "properties": {
                  "vpn": {"$ref": "#/components/schemas/VPN"},
                  "faults": {"type": "array", "items": {
                    "type": "object",
                    "required": ["code", "happened", "cause", "here", "there"],
                    "properties": {
                      "code": {"type": "string"},
                      "since": {"$ref": "#/components/schemas/Time"},
                      "happened": {"type": "string"},
                      "cause": {"type": "string"},
                      "here": {"description": "What to change at Cordon's end.", "type": "string"},
                      "there": {"description": "What to change at the peer's end.", "type": "string"}
                    }
                  }},
                  "timeline": {"type": "array", "items": {
                    "type": "object",
                    "required": ["time", "count", "first", "sentence"],
                    "properties": {
                      "time": {"$ref": "#/components/schemas/Time"},
                      "count": {"$ref": "#/components/schemas/Count"},
                      "first": {"$ref": "#/components/schemas/Time"},
                      "sentence": {"type": "string"}
                    }
                  }}
                }
              },
              "PeerConfiguration": {
                "type": "object",
                "required": ["vendor", "title", "documentation", "warnings", "blanks", "files", "text", "steps"],
                "properties": {
                  "vendor": {"type": "string"},
                  "title": {"type": "string"},
                  "documentation": {"description": "What it follows.", "type": "string"},
                  "warnings": {"type": "array", "items": {"type": "string"}},
                  "blanks": {"type": "array", "items": {
                    "type": "object",
                    "required": ["placeholder", "meaning", "decoded_key"],
                    "properties": {
                      "placeholder": {"type": "string"},
                      "meaning": {"type": "string"},
                      "decoded_key": {
                        "description": "What begins with 0x or 0s is decoded there: such a key is written as 0x and its octets.",
                        "type": "boolean"
                      }
                    }
                  }},
                  "files": {"type": "array", "items": {
                    "type": "object",
                    "required": ["path", "text"],
                    "properties": {"path": {"type": "string"}, "text": {"type": "string"}}
                  }},
                  "text": {"type": "string"},
                  "steps": {"description": "What to do on that side.", "type": "array", "items": {"type": "string"}}
                }
              },
              "VPNAuthority": {
                "type": "object",
                "required": ["subject", "fingerprint", "not_before", "not_after", "made_by_cordon", "pem", "created_at"],
                "properties": {
                  "subject": {"type": "string"},
                  "fingerprint": {"type": "string"},
                  "not_before": {"$ref": "#/components/schemas/Time"},
                  "not_after": {"$ref": "#/components/schemas/Time"},
                  "made_by_cordon": {"type": "boolean"},
                  "pem": {"type": "string"},
                  "created_at": {"$ref": "#/components/schemas/Time"},
                  "retires_at": {
                    "description": "From when on it is trusted no more, and another one issues already.",
                    "$ref": "#/components/schemas/Time"
                  }
                }
              }
            """#
}
