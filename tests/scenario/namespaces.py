# SPDX-License-Identifier: MIT
"""The XML namespaces of the scenarios, and the short names that conversations use for them."""

STREAMS = "http://etherx.jabber.org/streams"
CLIENT = "jabber:client"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SESSION = "urn:ietf:params:xml:ns:xmpp-session"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
PING = "urn:xmpp:ping"
SM = ("urn:xmpp:sm:2", "urn:xmpp:sm:3")

SHORT = {
    "{sm}": "urn:xmpp:sm:3",
    "{stanzas}": STANZAS,
    "{streams}": STREAM_ERRORS,
    "{sasl}": SASL,
    "{tls}": TLS,
    "{bind}": BIND,
    "{csi}": "urn:xmpp:csi:0",
    "{ping}": PING,
    "{delay}": "urn:xmpp:delay",
    "{header}": f"version='1.0' xmlns='{CLIENT}' xmlns:stream='{STREAMS}'",
}
