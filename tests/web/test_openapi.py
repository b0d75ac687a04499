"""The OpenAPI document says what the two listeners do: every call, every field, nothing else."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, get_args

import pytest
from openapi_document import (
    ALL,
    COMPONENTS,
    DOCUMENT,
    INTERNAL,
    PUBLIC,
    TOP,
    faults,
    faults_of_answer,
    nodes,
    parameters,
    resolved,
)
from website import COOKIE, XHR
from yarl import URL

from media_gate import errors, signing
from media_gate.auth.sessions import Kind
from media_gate.images.variant import MAX_SIDE
from media_gate.settings import Fit, Format
from media_gate.web.probe import ticket
from media_gate.web.signer import MOST_URLS

if TYPE_CHECKING:
    from aiohttp import web
    from website import Site

# A picture's address is a mount and a key; the router takes them as one.
WRITTEN = {
    "GET /{path}": "GET /{mount}/{key}",
    "GET /-/view/{path}": "GET /-/view/{mount}/{key}",
    "GET /v1/media/{path}": "GET /v1/media/{mount}/{key}",
}
BASES = ("/media", "/images")  # of the site of these tests: base_path and a mount's own path

CAT = "/media/uploads/p12/cat.jpg"
EXAMPLES = {
    "sid": "AAAAAAAAAAAAAAAA",
    "user": "ms-l",
    "mount": "uploads",
    "key": "p12/cat.jpg",
    "name": "media-gate.js",
    "path": "uploads/p12",
}

WRONG = {
    "another type": ({"revoked": "1"}, "Revoked"),
    "true for a number": ({"revoked": True}, "Revoked"),
    "too small": ({"revoked": -1}, "Revoked"),
    "missing": ({}, "Revoked"),
    "not named": ({"revoked": 1, "durable": False}, "Revoked"),
    "no object": ([], "Revoked"),
    "wrong below": ({"sessions": [{"sid": "x"}]}, "Sessions"),
    "wrong words": ({"status": "well"}, "Status"),
    "a wrong value in a map": ({"target": "/", "headers": {"Host": 1}}, "Heard"),
    "against a pattern": ("mga_" + "x" * 48, "Sid"),
    "too long": ("x" * 257, "User"),
    "too many": (["/media/uploads/p12/cat.jpg"] * 2001, "Urls"),
    "too few": ([], "Grants"),
    "not in the list": ("anything", "Use"),
}


@pytest.mark.parametrize(("value", "name"), WRONG.values(), ids=WRONG)
def test_the_comparison_finds_faults(value, name):
    """The comparison of answers with schemas has teeth."""
    assert faults(value, COMPONENTS["schemas"][name])


def test_it_is_of_this_version():
    """The document's version is the package's."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert DOCUMENT["info"]["version"] == project["version"]
    assert re.fullmatch(r"3\.1\.\d+", DOCUMENT["openapi"])


def test_every_reference_leads_somewhere_and_every_component_is_used():
    """References resolve to a component of the kind its place needs; none is left over."""
    used = {node["$ref"] for node in nodes(DOCUMENT) if "$ref" in node}
    kinds = COMPONENTS.keys() - {"securitySchemes"}
    there = {f"#/components/{kind}/{name}" for kind in kinds for name in COMPONENTS[kind]}
    assert used == there
    for node in nodes(DOCUMENT):
        if "$ref" in node:
            assert node.keys() == {"$ref"}
        for place, kind in (("schema", "schemas"), ("items", "schemas")):
            assert node.get(place, {}).get("$ref", f"#/components/{kind}/").split("/")[2] == kind


def test_every_operation_is_whole():
    """An id of its own, a known tag and credential, described answers, all path parameters."""
    ids = [operation["operationId"] for operation in ALL.values()]
    assert len(set(ids)) == len(ids) > 15
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    for call, operation in ALL.items():
        assert operation["summary"]
        assert set(operation["tags"]) <= tags
        for demand in operation.get("security", DOCUMENT["security"]):
            assert demand.keys() <= COMPONENTS["securitySchemes"].keys()
        statuses = operation["responses"]
        assert any(status.startswith(("2", "3")) for status in statuses), call
        for status, response in statuses.items():
            assert re.fullmatch(r"[2-5]\d\d|default", status)
            assert resolved(response)["description"]
        listed = parameters(call)
        assert len({(one["in"], one["name"]) for one in listed}) == len(listed)
        assert all(one["in"] in {"path", "query", "header"} and one["schema"] for one in listed)
        in_path = {one["name"] for one in listed if one["in"] == "path" and one["required"]}
        assert in_path == set(re.findall(r"\{(\w+)\}", call)), call


def test_every_path_is_of_a_listener():
    """A path has no server of its own, or that of the public listener."""
    servers = [item["servers"] for item in DOCUMENT["paths"].values() if "servers" in item]
    assert all(one == servers[0] for one in servers)
    for server in (*DOCUMENT["servers"], *servers[0]):
        names = set(re.findall(r"\{(\w+)\}", server["url"]))
        assert names == server.get("variables", {}).keys()


def test_its_words_and_numbers_are_those_of_the_code():
    """Error codes, parameters and limits stand in one place each; the document repeats them."""
    schemas, listed = COMPONENTS["schemas"], COMPONENTS["parameters"]
    family = [errors.GateError]
    for kind in family:
        family += kind.__subclasses__()
    assert set(schemas["Problem"]["properties"]["code"]["enum"]) == {one.code for one in family}
    shaping = set(signing.VARIANT_PARAMETERS)
    for call, names in (
        ("GET /v1/media/{mount}/{key}", shaping),
        ("GET /{mount}/{key}", shaping | set(signing.RESERVED_PARAMETERS) - {"sig"}),
    ):
        assert {one["name"] for one in parameters(call) if one["in"] == "query"} == names
    assert COMPONENTS["securitySchemes"]["signedUrl"]["name"] == "sig"
    assert COMPONENTS["securitySchemes"]["mediaCookie"]["name"] == COOKIE
    assert listed["fit"]["schema"]["enum"] == list(get_args(Fit))
    assert set(listed["format"]["schema"]["enum"]) == set(get_args(Format))
    assert {listed[side]["schema"]["maximum"] for side in "wh"} == {MAX_SIDE}
    assert schemas["Use"]["enum"] == list(get_args(signing.Use))
    assert schemas["Session"]["properties"]["kind"]["enum"] == list(get_args(Kind))
    assert schemas["Urls"]["maxItems"] == MOST_URLS


def routes(app: web.Application) -> set[str]:
    """What an application serves, as the document writes it; HEAD is said once for all GETs."""
    served = set()
    for resource in app.router.resources():
        methods = {route.method for route in resource}
        assert ("HEAD" in methods) == ("GET" in methods)
        path = resource.canonical
        for base in BASES:
            path = path.removeprefix(base)
        served |= {f"{method} {path}" for method in methods - {"HEAD"}}
    return {WRITTEN.get(call, call) for call in served}


async def test_every_route_is_documented_and_no_other(site):
    """The document's paths and methods are those of the routers, listener by listener."""
    assert routes(site.public.app) == PUBLIC.keys()
    assert routes(site.internal.app) == INTERNAL.keys()
    without_key = {call for call, one in INTERNAL.items() if one.get("security") == []}
    assert routes(site.ops.app) == without_key


async def test_the_file_is_served_to_programs_with_a_key(site):
    """`GET /openapi.json` answers the file; without the key 401, and nowhere else at all."""
    async with site.internal.get("/openapi.json", headers=site.service) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/json"
        assert await answer.json() == DOCUMENT
    async with site.internal.get("/openapi.json") as answer:
        assert answer.status == 401
    for client in (site.public, site.ops):
        async with client.get("/openapi.json", headers=site.service) as answer:
            assert answer.status == 404


async def test_credentials_are_demanded_where_it_says_so(site):
    """Without any, exactly the calls that name a key, token or cookie are 401."""
    for call, operation in ALL.items():
        method, path = call.split(" ")
        client, base = (site.public, "/media") if call in PUBLIC else (site.internal, "")
        demands = operation.get("security", DOCUMENT["security"])
        schemes = {name for demand in demands for name in demand}
        async with client.request(method, base + path.format(**EXAMPLES), headers={}) as answer:
            is_refused = answer.status == 401
        assert is_refused == bool(schemes - {"probeTicket"}), call
        assert not is_refused or "401" in operation["responses"], call


async def ask(
    site: Site, call: str, target: str, headers: dict[str, str], body: Any = None
) -> tuple[int, str, Any]:
    """Status, media type and JSON of the answer to a documented call."""
    method, _ = call.split(" ")
    client = site.public if call in PUBLIC else site.internal
    url = URL(target, encoded=True)
    async with client.request(method, url, json=body, headers=headers) as answer:
        return answer.status, answer.content_type, await answer.json(content_type=None)


async def test_real_answers_have_the_fields_it_names(site):
    """Answers of each call with a JSON body: every field declared, every required one there."""
    login = await site.login(label="library computer")
    session, user = f"/v1/sessions/{login.sid}", "/v1/users/ms-l/sessions"
    new = {"user": "ms-l", "grants": ["uploads/p12/"], "label": "x"}
    asked = {"sid": login.sid, "urls": [CAT, "/images/p12/cat.jpg"]}
    probe = f"/media/-/probe/x?{ticket(site.clock(), site.settings.keys.internal[0])}"
    service, page = site.service, login.by_bearer | XHR
    calls = (
        ("POST /v1/sessions", "/v1/sessions", service, new, 201),
        ("POST /v1/sessions", "/v1/sessions", service, {}, 422),
        ("POST /v1/sessions", "/v1/sessions", {}, new, 401),
        ("GET /v1/sessions/{sid}", session, service, None, 200),
        ("GET /v1/sessions/{sid}", "/v1/sessions/x", service, None, 404),
        ("PATCH /v1/sessions/{sid}", session, service, {"grants": ["uploads/"]}, 200),
        ("GET /v1/users/{user}/sessions", user, service, None, 200),
        ("POST /v1/sign", "/v1/sign", service, asked | {"ttl": 60, "use": "link"}, 200),
        ("POST /v1/sign", "/v1/sign", service | {"Origin": "https://x.example"}, asked, 403),
        ("GET /v1/media/{mount}/{key}", "/v1/media/uploads/p12/cat.jpg?w=x", service, None, 400),
        ("GET /v1/media/{mount}/{key}", "/v1/media/uploads/p12/page.jpg", service, None, 415),
        ("GET /healthz", "/healthz", {}, None, 200),
        ("GET /readyz", "/readyz", {}, None, 200),
        ("POST /-/session", "/media/-/session", page, None, 200),
        ("POST /-/sign", "/media/-/sign", page, {"urls": [CAT], "use": "page"}, 200),
        ("GET /{mount}/{key}", CAT, {}, None, 401),
        ("GET /{mount}/{key}", CAT + "?sig=x", {}, None, 400),
        ("GET /{mount}/{key}", "/media/uploads/none.jpg", login.by_cookie, None, 404),
        ("GET /-/probe/{path}", probe, {}, None, 200),
        ("DELETE /v1/sessions/{sid}", session, service, None, 200),
        ("DELETE /-/session", "/media/-/session", page, None, 401),
        ("DELETE /v1/users/{user}/sessions", user, service, None, 200),
    )
    for call, target, headers, body, status in calls:
        answered, kind, said = await ask(site, call, target, headers, body)
        assert answered == status, (call, said)
        assert faults_of_answer(call, status, kind, said) == [], call


async def test_bodies_are_what_it_says(site):
    """A body with all named fields is taken; one without a required or with another is 422."""
    login = await site.login()
    session, service, page = f"/v1/sessions/{login.sid}", site.service, login.by_bearer | XHR
    new = {"user": "u", "grants": ["uploads/"], "label": "", "idle_timeout": 1, "lifetime": 1}
    asked = {"sid": login.sid, "urls": [CAT], "ttl": 60, "use": "page"}
    table = (
        ("POST /v1/sessions", "/v1/sessions", service, new),
        ("PATCH /v1/sessions/{sid}", session, service, {"grants": ["uploads/"]}),
        ("POST /v1/sign", "/v1/sign", service, asked),
        ("POST /-/sign", "/media/-/sign", page, {"urls": [], "use": "page"}),
    )
    assert {row[0] for row in table} == {call for call in ALL if "requestBody" in ALL[call]}
    for call, target, headers, body in table:
        schema = resolved(ALL[call]["requestBody"]["content"]["application/json"]["schema"])
        assert schema["properties"].keys() == body.keys()
        assert faults(body, schema) == []
        assert schema["additionalProperties"] is False
        assert (await ask(site, call, target, headers, body))[0] in {200, 201}
        status, _, _ = await ask(site, call, target, headers, body | {"admin": True})
        assert status == 422
        for name in body:
            less = {field: value for field, value in body.items() if field != name}
            status, _, _ = await ask(site, call, target, headers, less)
            assert (status == 422) == (name in schema["required"]), (call, name)
