"""Who may ask what: the one table of both services, and of the ports of workers.

    method  path                    needs                 note
    GET     /health                 public                whoever asks
    GET     /api/whoami             any                   whoever is known
    GET     /api/alerts             viewer                that role, or a higher one
    GET     /api/topics/{name}      read:{name}           a grant on the topic that the path names
    POST    /api/produce            produce:body          on the topic that the handler finds
    POST    /api/events             produce=events        on this topic
    POST    /api/patterns/test      analyst     nothing   it changes nothing: not told to the audit

Every method but GET is told to the audit when it was done, unless `nothing` or `data` stands
behind: records and events are data, their topics tell of them. Refusals are always told. A route
that does not stand here is for admins.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from summit.base.errors import Internal
from summit.identity import ACTIONS, ROLES

_TABLE: Final = """
GET     /health                                         public
GET     /livez                                          public
GET     /readyz                                         public
GET     /version                                        public
GET     /metrics                                        viewer
GET     /api/whoami                                     any

GET     /api/topics                                     any
POST    /api/topics                                     admin:body
GET     /api/topics/{name}                              read:{name}
DELETE  /api/topics/{name}                              admin:{name}
POST    /api/produce                                    produce:body            data
GET     /api/consume/{topic}/{partition}                read:{topic}
GET     /api/topics/{name}/tail                         read:{name}
GET     /api/metrics                                    viewer
GET     /api/metrics/stream                             viewer

GET     /api/cep/patterns                               viewer
POST    /api/cep/patterns                               operator
GET     /api/cep/patterns/{id}                          viewer
DELETE  /api/cep/patterns/{id}                          operator
PUT     /api/cep/patterns/{id}                          operator
PATCH   /api/cep/patterns/{id}                          operator
POST    /api/cep/patterns/test                          analyst                 nothing
POST    /api/cep/patterns/{id}/explain                  analyst                 nothing

GET     /api/collectors                                 viewer
POST    /api/collectors                                 operator
GET     /api/collectors/{name}                          viewer
DELETE  /api/collectors/{name}                          operator
POST    /api/collectors/{name}/start                    operator
POST    /api/collectors/{name}/stop                     operator
POST    /api/collectors/{name}/pause                    operator
POST    /api/collectors/{name}/resume                   operator
POST    /api/collectors/{name}/restart                  operator

GET     /api/patterns                                   viewer
POST    /api/patterns                                   operator
GET     /api/patterns/{id}                              viewer
DELETE  /api/patterns/{id}                              operator
PUT     /api/patterns/{id}                              operator
PATCH   /api/patterns/{id}                              operator
POST    /api/patterns/test                              analyst                 nothing
POST    /api/patterns/{id}/explain                      analyst                 nothing
POST    /api/events                                     produce=events          data
GET     /api/stats                                      viewer
GET     /api/stats/stream                               viewer
GET     /api/flow                                       viewer

GET     /api/correlation/rules                          viewer
POST    /api/correlation/rules                          operator
GET     /api/correlation/rules/{id}                     viewer
DELETE  /api/correlation/rules/{id}                     operator
PUT     /api/correlation/rules/{id}                     operator
PATCH   /api/correlation/rules/{id}                     operator
POST    /api/correlation/rules/test                     analyst                 nothing
POST    /api/correlation/rules/{id}/explain             analyst                 nothing
GET     /api/correlation/events                         viewer

GET     /api/enrichment/rules                           viewer
POST    /api/enrichment/rules                           operator
GET     /api/enrichment/rules/{id}                      viewer
DELETE  /api/enrichment/rules/{id}                      operator
PUT     /api/enrichment/rules/{id}                      operator
PATCH   /api/enrichment/rules/{id}                      operator

GET     /api/transformations                            viewer
POST    /api/transformations                            operator
GET     /api/transformations/{id}                       viewer
DELETE  /api/transformations/{id}                       operator
PUT     /api/transformations/{id}                       operator
PATCH   /api/transformations/{id}                       operator

GET     /api/filters                                    viewer
POST    /api/filters                                    operator
GET     /api/filters/{id}                               viewer
DELETE  /api/filters/{id}                               operator
PUT     /api/filters/{id}                               operator
PATCH   /api/filters/{id}                               operator

GET     /api/routes                                     viewer
POST    /api/routes                                     operator
GET     /api/routes/{id}                                viewer
DELETE  /api/routes/{id}                                operator
PUT     /api/routes/{id}                                operator
PATCH   /api/routes/{id}                                operator

GET     /api/notifications                              viewer
POST    /api/notifications                              operator
GET     /api/notifications/{id}                         viewer
DELETE  /api/notifications/{id}                         operator
PUT     /api/notifications/{id}                         operator
PATCH   /api/notifications/{id}                         operator
GET     /api/notifications/{id}/status                  viewer
POST    /api/notifications/{id}/test                    operator

GET     /api/analytics/queries                          viewer
POST    /api/analytics/queries                          operator
GET     /api/analytics/queries/{id}                     viewer
DELETE  /api/analytics/queries/{id}                     operator
PUT     /api/analytics/queries/{id}                     operator
PATCH   /api/analytics/queries/{id}                     operator
GET     /api/analytics/queries/{id}/results             viewer
GET     /api/analytics/queries/{id}/live                viewer
GET     /api/analytics/queries/{id}/chart.svg           viewer
POST    /api/analytics/queries/test                     analyst                 nothing
POST    /api/analytics/queries/{id}/explain             analyst                 nothing

GET     /api/alerts                                     viewer
GET     /api/alerts/stream                              viewer
GET     /api/alerts/{id}                                viewer
GET     /api/alerts/{id}/history                        viewer
POST    /api/alerts/{id}/acknowledge                    analyst
POST    /api/alerts/{id}/resolve                        analyst
POST    /api/alerts/{id}/comment                        analyst
POST    /api/alerts/{id}/assign                         analyst
POST    /api/alerts/{id}/notify                         analyst
GET     /api/silences                                   viewer
POST    /api/silences                                   analyst
DELETE  /api/silences/{id}                              analyst
GET     /api/inhibitions                                viewer
POST    /api/inhibitions                                analyst
DELETE  /api/inhibitions/{id}                           analyst
GET     /api/cases                                      viewer
POST    /api/cases                                      analyst
GET     /api/cases/{id}                                 viewer
POST    /api/cases/{id}/close                           analyst
POST    /api/cases/{id}/comment                         analyst
POST    /api/cases/{id}/assign                          analyst
GET     /api/risks                                      viewer
GET     /api/audit                                      analyst

GET     /api/groups                                     viewer
GET     /api/groups/{group}                             viewer
POST    /api/groups/{group}/reset                       admin
DELETE  /api/groups/{group}                             admin
POST    /api/rebalance                                  admin
POST    /api/produce/batch                              produce:body            data
GET     /openapi.json                                   any
GET     /docs                                           any

GET     /api/keys                                       admin
POST    /api/keys                                       admin
GET     /api/keys/{id}                                  admin
DELETE  /api/keys/{id}                                  admin
"""


class Access(NamedTuple):
    """What a route needs.

    Attributes:
        role: One of the roles; `public` and `any` as in the table, `any` beside an action.
        action: What must be allowed on a topic; empty where none is concerned.
        topic: The topic; `{name}` = of that path parameter; `body` = the handler asks.
        audited: Whether it is told to the audit when it was done.
    """

    role: str
    action: str = ""
    topic: str = ""
    audited: bool = False

    @property
    def needed(self) -> str:
        """What is needed, for people."""
        if self.action:
            return f"the grant to {self.action} on the topic"
        return f"the role {self.role}" if self.role in ROLES else "credentials"


ADMINS_ONLY: Final = Access("admin", audited=True)


def access_of(method: str, path: str) -> Access:
    """What a route of the table of routes needs; `/api/v1` is `/api`."""
    if path.startswith("/api/v1/"):
        path = "/api/" + path.removeprefix("/api/v1/")
    return ACCESS.get((method, path), ADMINS_ONLY)


def read_table(text: str) -> dict[tuple[str, str], Access]:
    """The table by method and path. Raises Internal for a row that is none."""
    table: dict[tuple[str, str], Access] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        method, path, needs, *note = line.split()
        audited = method != "GET" and not note
        action, _, topic = needs.replace("=", ":").partition(":")
        if topic and action in ACTIONS:
            row = Access("any", action, topic, audited)
        elif needs in ROLES or needs in ("public", "any"):
            row = Access(needs, audited=audited)
        else:
            raise Internal("internal", reason=f"no row of the access table: {line}")
        if (method, path) in table or note not in ([], ["nothing"], ["data"]):
            raise Internal("internal", reason=f"no row of the access table: {line}")
        table[method, path] = row
    return table


ACCESS: Final = read_table(_TABLE)
