"""The part of the catalogue of errors that belongs to the broker's security."""

from __future__ import annotations

from summit.base.error_spec import ErrorSpec

BROKER_ROWS = (
    ErrorSpec("security.sasl_malformed", "Invalid", 401, "SASL_AUTHENTICATION_FAILED", False,
              "authentication failed: {reason}", "Correct the client, or its user name and password."),
    ErrorSpec("security.exposed", "Invalid", 400, None, False,
              "listener {listener} would be open to everybody who reaches {host}",
              "Give it authentication (SASL_SSL, or SSL with ssl_client_auth=required), listen on 127.0.0.1, "
              "or say insecure (--insecure) where others keep strangers away."),
    ErrorSpec("security.certificate", "Invalid", 400, None, False,
              "certificate, key or CA cannot be used: {reason}",
              "Name PEM files that can be read and belong together."),
    ErrorSpec("security.denied", "Invalid", 403, "TOPIC_AUTHORIZATION_FAILED", False,
              "{principal} may not write to topic {topic}", "Have somebody allow it: `summit acl create`."),
    ErrorSpec("security.id_denied", "Invalid", 403, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", False,
              "{principal} may not use the transactional id {name}",
              "Have somebody allow it: `summit acl create`."),
    ErrorSpec("user.unknown", "Invalid", 404, None, False,
              "there is no user '{user}'", "See `summit user list`."),
    ErrorSpec("client.not_authenticated", "Invalid", 401, None, False,
              "the brokers do not let this client in: {reason}",
              "Set SUMMIT_CLIENT__SECURITY_PROTOCOL, __SASL_USERNAME, __SASL_PASSWORD and __SSL_CAFILE."),
)  # fmt: skip
