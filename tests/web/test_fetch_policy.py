"""Fetch Metadata and origin rules, against what browsers send for each way a request arises."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gate.settings import FetchPolicySettings
from media_gate.web.fetch_policy import (
    ALLOW,
    VIEWER,
    Action,
    FetchContext,
    FetchPolicy,
    Origin,
    Way,
)

APP = "https://wiki.example.org"
EVIL = "https://evil.example.net"
STRICT = FetchPolicy(FetchPolicySettings(), ())
WITH_APP = FetchPolicy(FetchPolicySettings(), (APP,))
WITH_SITE = FetchPolicy(FetchPolicySettings(sites=("same-origin", "same-site")), ())
POLICIES = [STRICT, WITH_APP, WITH_SITE]

A, V, R = Action.ALLOW, Action.VIEWER, Action.REFUSE
AMBIENT = ("cookie", "host", "signed_with_cookie")
SITES = ("same-origin", "same-site", "cross-site", "none")

# How a request arises; its mode and destination; the answer by site, in the order of SITES.
# None: no browser sends it.
MATRIX = {
    "img, picture, background, poster, preload": ("no-cors", "image", (A, R, R, None)),
    "img crossorigin": ("cors", "image", (A, R, R, None)),
    "video": ("no-cors", "video", (A, R, R, None)),
    "audio": ("no-cors", "audio", (A, R, R, None)),
    "fetch, XHR": ("cors", "empty", (A, R, R, None)),
    "fetch no-cors, prefetch": ("no-cors", "empty", (A, R, R, None)),
    "service worker for an img": ("cors", "empty", (A, R, R, None)),
    "script": ("no-cors", "script", (R, R, R, None)),
    "style": ("no-cors", "style", (R, R, R, None)),
    "object": ("no-cors", "object", (R, R, R, None)),
    "embed": ("no-cors", "embed", (R, R, R, None)),
    "object, Firefox": ("navigate", "object", (V, R, R, None)),
    "embed, Firefox": ("navigate", "embed", (V, R, R, None)),
    "iframe": ("navigate", "iframe", (V, R, R, None)),
    "frame": ("navigate", "frame", (V, R, R, None)),
    "fenced frame": ("navigate", "fencedframe", (V, R, R, None)),
    "link, location, window.open": ("navigate", "document", (V, V, V, None)),
    "typed, pasted, reloaded": ("navigate", "document", (None, None, None, V)),
    "open image in new tab": ("navigate", "document", (V, V, V, V)),
    "navigation through a service worker": ("same-origin", "empty", (V, None, None, None)),
}
CASES = [
    pytest.param(site, mode, dest, action, id=f"{how}: {site}")
    for how, (mode, dest, actions) in MATRIX.items()
    for site, action in zip(SITES, actions, strict=True)
    if action is not None
]


@pytest.mark.parametrize(("site", "mode", "dest", "action"), CASES)
@pytest.mark.parametrize("way", [*AMBIENT, "signed"])
def test_browsers_get_what_the_matrix_promises(way, site, mode, dest, action):
    """By default a picture appears on the gate's own site only; alone it becomes the viewer."""
    context = FetchContext(site, mode, dest)
    for klass in ("standard", "sensitive"):
        verdict = STRICT.judge(context, way=way, klass=klass, download=False)
        assert verdict.action is action
        assert (verdict.reason is not None) == (action is R)


@pytest.mark.parametrize(("site", "mode", "dest", "action"), CASES)
def test_a_configured_site_is_treated_as_the_own(site, mode, dest, action):
    """With same-site configured, a sibling host gets what the own origin gets; others do not."""
    verdict = WITH_SITE.judge(
        FetchContext(site, mode, dest), way="cookie", klass="standard", download=False
    )
    if site == "same-site":
        own = FetchContext("same-origin", mode, dest)
        assert verdict == STRICT.judge(own, way="cookie", klass="standard", download=False)
    else:
        assert verdict.action is action


def test_the_own_origin_counts_even_where_only_the_site_is_configured():
    """The viewer page on the gate's own origin can always show its picture."""
    policy = FetchPolicy(FetchPolicySettings(sites=("same-site",)), ())
    context = FetchContext("same-origin", "no-cors", "image")
    assert policy.judge(context, way="cookie", klass="standard", download=False) == ALLOW


@pytest.mark.parametrize(("site", "mode", "dest", "action"), CASES)
@pytest.mark.parametrize("way", get_args(Way))
def test_public_mounts_and_links_are_not_judged(way, site, mode, dest, action):
    """Public pictures and links stand alone: every row is allowed."""
    context = FetchContext(site, mode, dest, EVIL, EVIL)
    assert STRICT.judge(context, way=way, klass="public", download=False) == ALLOW
    assert STRICT.judge(context, way="link", klass="standard", download=False) == ALLOW


@pytest.mark.parametrize(("site", "mode", "dest", "action"), CASES)
def test_without_a_credential_only_the_viewer_is_offered(site, mode, dest, action):
    """What would be refused is left to the 401, which says less."""
    verdict = STRICT.judge(
        FetchContext(site, mode, dest), way="none", klass="standard", download=False
    )
    assert verdict == (VIEWER if action is V else ALLOW)


DOWNLOADS = {  # site, mode, dest: the answers for a credential of the browser, for a bare signature
    "own link": ("same-origin", "navigate", "document", A, A),
    "own link, Chromium": ("same-origin", "navigate", "empty", A, A),
    "own hidden frame": ("same-origin", "navigate", "iframe", A, A),
    "own link through a worker": ("same-origin", "same-origin", "empty", A, A),
    "typed": ("none", "navigate", "document", A, V),
    "saved": ("none", "navigate", "empty", A, V),
    "sibling's link": ("same-site", "navigate", "document", V, V),
    "foreign link": ("cross-site", "navigate", "document", V, V),
    "foreign frame": ("cross-site", "navigate", "iframe", R, R),
    "foreign img": ("cross-site", "no-cors", "image", R, R),
    "own script element": ("same-origin", "no-cors", "script", R, R),
}


@pytest.mark.parametrize(
    ("site", "mode", "dest", "ambient", "bare"), DOWNLOADS.values(), ids=DOWNLOADS
)
def test_downloads_are_for_the_app_and_the_person(site, mode, dest, ambient, bare):
    """An attachment may be navigated to from the own site, or by the person with a credential."""
    context = FetchContext(site, mode, dest)
    for way in AMBIENT:
        assert STRICT.judge(context, way=way, klass="standard", download=True).action is ambient
    assert STRICT.judge(context, way="signed", klass="standard", download=True).action is bare


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_what_goes_to_a_file_is_a_download_without_saying_so(site):
    """`<a download>` and Chromium's "save as" get the picture, not the page that shows it."""
    context = FetchContext(site, "navigate", "empty")
    for way in AMBIENT:
        assert STRICT.judge(context, way=way, klass="standard", download=False) == ALLOW
    bare = STRICT.judge(context, way="signed", klass="standard", download=False)
    assert bare == (ALLOW if site == "same-origin" else VIEWER)
    foreign = FetchContext("cross-site", "navigate", "empty")
    assert STRICT.judge(foreign, way="cookie", klass="standard", download=False) == VIEWER


def test_a_typed_download_without_credential_is_the_viewer():
    """Nobody's credential makes a typed address a download."""
    context = FetchContext("none", "navigate", "document")
    assert STRICT.judge(context, way="none", klass="standard", download=True) == VIEWER


FROM_APP = {  # Origin, Referer: allowed for another site's request
    "Origin of the app": (APP, None, A),
    "Origin with the default port": (APP + ":443", None, A),
    "Origin in capitals": (APP.upper(), None, A),
    "Referer of the app, origin only": (None, APP + "/", A),
    "Referer of the app, whole": (None, APP + "/wiki/Page?a=//b#c", A),
    "Referer without a path": (None, APP, A),
    "Referer with a query alone": (None, APP + "?x", A),
    "neither": (None, None, R),
    "Origin null is no absence": ("null", APP + "/", R),
    "Origin counts before Referer": (EVIL, APP + "/", R),
    "Origin of the app, Referer not": (APP, EVIL, A),
    "Origin empty": ("", APP + "/", R),
    "Origin of a longer host": (APP + ".evil.net", None, R),
    "Origin of a parent": ("https://example.org", None, R),
    "Origin of a child": ("https://a.wiki.example.org", None, R),
    "Origin of another scheme": ("http://wiki.example.org", None, R),
    "Origin of another port": (APP + ":8443", None, R),
    "Origin with a path": (APP + "/", None, R),
    "Origin with a user": ("https://wiki.example.org@evil.net", None, R),
    "Origin twice": (f"{APP}, {EVIL}", None, R),
    "Origin with a line end": (APP + "\n", None, R),
    "Origin with a dot at the end": (APP + ".", None, R),
    "Referer of a longer host": (None, APP + ".evil.net/", R),
    "Referer with a user": (None, APP + "@evil.net/", R),
    "Referer with a user and port": (None, APP + ":443@evil.net/", R),
    "Referer with a backslash": (None, APP + "\\@evil.net/", R),
    "Referer with the app in its path": (None, f"{EVIL}/{APP}/", R),
    "Referer with the app in its query": (None, f"{EVIL}?{APP}/", R),
    "Referer of another scheme": (None, "http://wiki.example.org/", R),
    "Referer of no scheme": (None, "//wiki.example.org/", R),
    "Referer rubbish": (None, "about:blank", R),
    "Referer with a broken port": (None, APP + ":4a3/", R),
}


@pytest.mark.parametrize(("origin", "referer", "action"), FROM_APP.values(), ids=FROM_APP)
@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_other_sites_pass_only_as_an_origin_of_the_app(site, origin, referer, action):
    """Origins are compared parsed and whole: scheme, host and port."""
    context = FetchContext(site, "no-cors", "image", origin, referer)
    for klass in ("standard", "sensitive"):
        verdict = WITH_APP.judge(context, way="cookie", klass=klass, download=False)
        assert verdict.action is action


def test_the_app_elsewhere_gets_pictures_and_nothing_else():
    """An origin of the app widens the site, not the destinations, nor frames."""
    for mode, dest, action in [
        ("no-cors", "video", A),
        ("cors", "empty", A),
        ("no-cors", "script", R),
        ("navigate", "iframe", R),
        ("navigate", "document", V),
    ]:
        context = FetchContext("cross-site", mode, dest, APP, APP)
        verdict = WITH_APP.judge(context, way="signed", klass="standard", download=False)
        assert verdict.action is action


PARTIAL = {
    "site alone": FetchContext(site="same-origin"),
    "mode alone": FetchContext(mode="no-cors"),
    "destination alone": FetchContext(dest="image"),
    "no site": FetchContext(None, "no-cors", "image"),
    "unknown site": FetchContext("own-site", "no-cors", "image"),
    "site in capitals": FetchContext("Same-Origin", "no-cors", "image"),
    "site twice": FetchContext("same-origin, same-origin", "no-cors", "image"),
    "site empty": FetchContext("", "no-cors", "image"),
    "unknown mode for a fetch": FetchContext("same-origin", "websocket", "empty"),
    "no mode for a fetch": FetchContext("same-origin", None, "empty"),
    "unknown destination": FetchContext("same-origin", "no-cors", "picture"),
    "no destination": FetchContext("same-origin", "no-cors", None),
    "nobody's subresource": FetchContext("none", "no-cors", "image"),
    "navigation to nowhere": FetchContext("none", "navigate", None),
    "all empty": FetchContext("", "", ""),
}


@pytest.mark.parametrize("context", PARTIAL.values(), ids=PARTIAL)
def test_partial_or_garbled_metadata_never_helps(context):
    """One header is enough to be judged, and what it does not say counts as wrong."""
    policy = FetchPolicy(FetchPolicySettings(missing="allow"), (APP,))
    from_app = replace(context, origin=APP, referer=APP)
    for way in (*AMBIENT, "signed"):
        for partial in (context, from_app):
            assert policy.judge(partial, way=way, klass="standard", download=False).action is R


UNMARKED = [  # setting, way, standard, sensitive
    *[("careful", way, A, R) for way in AMBIENT],
    ("careful", "signed", R, R),
    *[("allow", way, A, A) for way in (*AMBIENT, "signed")],
    *[("refuse", way, R, R) for way in (*AMBIENT, "signed")],
    *[(missing, way, A, A) for missing in ("careful", "refuse") for way in ("bearer", "link")],
    *[(missing, "none", A, A) for missing in ("careful", "refuse")],
]


@pytest.mark.parametrize(("missing", "way", "standard", "sensitive"), UNMARKED)
def test_requests_without_metadata_follow_the_setting(missing, way, standard, sensitive):
    """Careful: a cookie or login on standard mounts, a signature never alone."""
    policy = FetchPolicy(FetchPolicySettings(missing=missing), ())
    context = FetchContext(referer="https://anything.example/")
    assert policy.judge(context, way=way, klass="standard", download=False).action is standard
    assert policy.judge(context, way=way, klass="sensitive", download=False).action is sensitive


def test_requests_without_metadata_may_not_name_another_origin():
    """A GET with an Origin is a CORS request: only the app's may be one."""
    policy = FetchPolicy(FetchPolicySettings(missing="allow"), (APP,))
    for origin, action in [(EVIL, R), ("null", R), (APP, A)]:
        context = FetchContext(origin=origin)
        assert (
            policy.judge(context, way="cookie", klass="standard", download=False).action is action
        )


BEARER = {
    "native app": (FetchContext(), A),
    "own page": (FetchContext("same-origin", "cors", "empty"), A),
    "own page, POST-like": (FetchContext("same-origin", "cors", "empty", EVIL), A),
    "app's page": (FetchContext("cross-site", "cors", "empty", APP), A),
    "foreign page": (FetchContext("cross-site", "cors", "empty", EVIL), R),
    "sandboxed frame": (FetchContext("cross-site", "cors", "empty", "null"), R),
    "old browser, foreign page": (FetchContext(origin=EVIL), R),
    "worker, own navigation": (FetchContext("same-origin", "navigate", "document"), A),
    "worker, typed address": (FetchContext("none", "navigate", "document"), A),
}


@pytest.mark.parametrize(("context", "action"), BEARER.values(), ids=BEARER)
def test_bearer_tokens_have_their_own_rule(context, action):
    """A token comes from a program: what counts is the origin of its page, if it has one."""
    verdict = WITH_APP.judge(context, way="bearer", klass="sensitive", download=False)
    assert verdict.action is action


def test_an_entry_that_is_no_origin_matches_nothing():
    """A wrong app origin opens nothing, least of all for Origin "null" or a missing Referer."""
    policy = FetchPolicy(
        FetchPolicySettings(), ("null", "", "*", "https://*.example.org", APP + "/")
    )
    for origin in (None, "null", "", "*", APP, "https://x.example.org"):
        context = FetchContext("cross-site", "no-cors", "image", origin, None)
        assert policy.judge(context, way="cookie", klass="standard", download=False).action is R


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://a.example", Origin("https", "a.example", 443)),
        ("http://a.example", Origin("http", "a.example", 80)),
        ("HTTP://A.Example:8080", Origin("http", "a.example", 8080)),
        ("http://127.0.0.1:8080", Origin("http", "127.0.0.1", 8080)),
        ("http://[::1]:8080", Origin("http", "[::1]", 8080)),
        ("https://a.example:", None),
        ("ftp://a.example", None),
        ("https://", None),
        ("http\u017f://a.example", None),
        ("https://\u212aelvin.example", None),
        ("https://a.example:\u0668\u0660", None),
    ],
)
def test_origins_are_read_strictly(text, origin):
    """Default ports are filled in; letters that only resemble ASCII are refused."""
    assert Origin.parse(text) == origin


def test_context_is_taken_from_five_headers():
    """The browser's words, unchanged; nothing else of the request matters."""
    headers = {
        "Sec-Fetch-Site": "same-origin",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Dest": "empty",
        "Origin": APP,
        "Referer": APP + "/",
        "Host": "wiki.example.org",
    }
    assert FetchContext.of(headers) == FetchContext("same-origin", "cors", "empty", APP, APP + "/")
    assert not FetchContext.of({"Host": "x", "Sec-Fetch-User": "?1"}).is_marked


# --- properties ------------------------------------------------------------------------------

MAYBE = st.none() | st.sampled_from(["", "null", "x", EVIL, APP + "@evil.net", "navigate"])
CONTEXTS = st.builds(
    FetchContext,
    site=st.sampled_from(SITES) | MAYBE,
    mode=st.sampled_from(["navigate", "no-cors", "cors", "same-origin", "websocket"]) | MAYBE,
    dest=st.sampled_from(["document", "empty", "image", "video", "iframe", "script"]) | MAYBE,
    origin=st.just(APP) | MAYBE,
    referer=st.just(APP + "/page") | MAYBE,
)
PROTECTED = st.fixed_dictionaries(
    {
        "way": st.sampled_from([*AMBIENT, "signed"]),
        "klass": st.sampled_from(["standard", "sensitive"]),
        "download": st.booleans(),
    }
)
POLICY = st.sampled_from(POLICIES)


@given(policy=POLICY, context=CONTEXTS, request_=PROTECTED)
def test_nothing_foreign_is_ever_shown(policy, context, request_):
    """Another site's request without an origin of the app is never allowed, whatever the rest."""
    foreign = FetchContext("cross-site", context.mode, context.dest, context.origin, EVIL)
    named = policy is WITH_APP and context.origin == APP
    assert named or policy.judge(foreign, **request_).action is not A


@given(policy=POLICY, context=CONTEXTS, request_=PROTECTED, data=st.data())
def test_hostile_headers_never_open(policy, context, request_, data):
    """Replacing any header by a hostile one turns no refusal into a picture."""
    # To be opened as a download is no hostility: a saved picture is shown in nobody's page.
    modes = [context.mode, "x"] if request_["download"] else [context.mode, "x", "navigate"]
    farther = "cross-site" if context.site in {"same-origin", "same-site"} else "x"
    hostile = FetchContext(
        site=data.draw(st.sampled_from([context.site, farther, "x"])),
        mode=data.draw(st.sampled_from(modes)),
        dest=data.draw(st.sampled_from([context.dest, "iframe", "x"])),
        origin=data.draw(st.sampled_from([context.origin, EVIL, "null"])),
        referer=data.draw(st.sampled_from([context.referer, EVIL, "x"])),
    )
    if policy.judge(context, **request_).action is not A:
        assert policy.judge(hostile, **request_).action is not A


@given(policy=POLICY, context=CONTEXTS, request_=PROTECTED)
def test_a_bare_signature_never_opens_more_than_one_with_its_cookie(policy, context, request_):
    """The weaker way is allowed only where the stronger is."""
    if policy.judge(context, **request_ | {"way": "signed"}).action is A:
        stronger = request_ | {"way": "signed_with_cookie"}
        assert policy.judge(context, **stronger).action is A


@given(policy=POLICY, context=CONTEXTS, request_=PROTECTED)
def test_sensitive_never_opens_more_than_standard(policy, context, request_):
    """The stricter class is allowed only where the laxer is."""
    if policy.judge(context, **request_ | {"klass": "sensitive"}).action is A:
        assert policy.judge(context, **request_ | {"klass": "standard"}).action is A


# --- state changes ---------------------------------------------------------------------------

JSON = "application/json"
OWN, SIBLING = FetchContext("same-origin", "cors", "empty"), FetchContext("same-site")
CHANGES = {  # context, Content-Type, X-Media-Gate, CSRF token: the reason, or None for allowed
    "own page, JSON": (OWN, JSON, False, False, None),
    "own page, JSON with charset": (OWN, "Application/JSON; charset=utf-8", False, False, None),
    "own page, gate header": (OWN, None, True, False, None),
    "own page, form": (OWN, "text/plain", False, False, "form_could_send_it"),
    "own page, form with token": (OWN, "text/plain", False, True, "form_could_send_it"),
    "own page, hidden JSON": (
        OWN,
        "text/plain; application/json",
        False,
        False,
        "form_could_send_it",
    ),
    "own page, longer type": (OWN, "application/json-seq", False, False, "form_could_send_it"),
    "own page, no type": (OWN, None, False, False, "form_could_send_it"),
    "own page, own Origin": (FetchContext("same-origin", origin=EVIL), JSON, False, False, None),
    "app's page": (FetchContext("cross-site", origin=APP), JSON, False, False, None),
    "app's page, old browser": (FetchContext(origin=APP), JSON, False, False, None),
    "app's page, form": (FetchContext(origin=APP), None, False, False, "form_could_send_it"),
    "sibling": (SIBLING, JSON, True, False, "foreign_origin"),
    "sibling with token": (SIBLING, JSON, True, True, "foreign_origin"),
    "typed": (FetchContext("none"), JSON, True, True, "foreign_origin"),
    "foreign page": (FetchContext("cross-site", origin=EVIL), JSON, True, True, "foreign_origin"),
    "foreign page, old browser": (FetchContext(origin=EVIL), JSON, True, True, "foreign_origin"),
    "sandboxed frame": (FetchContext(origin="null"), JSON, True, True, "foreign_origin"),
    "garbled site": (FetchContext("", origin=None), JSON, True, True, "foreign_origin"),
    "silent, token": (FetchContext(), None, False, True, None),
    "silent, no token": (FetchContext(), JSON, True, False, "no_csrf_token"),
    "silent but for a Referer": (FetchContext(referer=APP), JSON, True, False, "no_csrf_token"),
}


@pytest.mark.parametrize(
    ("context", "content_type", "gate_header", "csrf_valid", "reason"),
    CHANGES.values(),
    ids=CHANGES,
)
def test_state_changes_by_cookie(context, content_type, gate_header, csrf_valid, reason):
    """A cookie changes something only for the own or the app's page, or with the CSRF token."""
    verdict = WITH_APP.judge_state_change(
        context, content_type=content_type, gate_header=gate_header, csrf_valid=csrf_valid
    )
    assert verdict.reason == reason
    assert verdict.action is (A if reason is None else R)


def test_a_configured_site_does_not_widen_state_changes():
    """Siblings may show pictures where configured; they may never act for the person."""
    verdict = WITH_SITE.judge_state_change(
        SIBLING, content_type=JSON, gate_header=True, csrf_valid=True
    )
    assert verdict.action is R
