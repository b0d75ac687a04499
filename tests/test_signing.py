"""Signed addresses and cookies: what a key holder said, byte for byte, and nothing else."""

from __future__ import annotations

import string
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from vectors import KEYS, NOW, RING, VECTORS, WITHIN

from media_gate import config_keys, signing
from media_gate.config_values import Wrong
from media_gate.errors import BadTarget
from media_gate.media import Addresses
from media_gate.signing import Key, KeyRing, Malformed, Refused, SigningError

K1 = KEYS["k1"]
SIGNED = VECTORS["urls"][0]["signed"]
COOKIE = VECTORS["cookies"][0]["value"]
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


def about(row: dict[str, str]) -> str:
    return row.get("about") or row["why"]


def verify(target: str, now: int = NOW) -> signing.SignedTarget:
    return signing.verify_url(target, keys=RING, now=now)


# --- the vectors that every implementation shares


@pytest.mark.parametrize("row", VECTORS["urls"], ids=about)
def test_a_vector_is_signed_and_proven(row):
    """Signing gives the very text, and proving it gives back what was said."""
    key, exp = KEYS[row["kid"]], row["exp"]
    signed = signing.sign_url(
        row["url"], key=key, sid=row["sid"], exp=exp, use=row["use"], within=WITHIN
    )
    assert signed == row["signed"]
    proven = verify(signed, exp - 1)
    assert (proven.query, proven.use, proven.exp) == (row["query"], row["use"], exp)
    assert (proven.sid, proven.kid) == (row["sid"], row["kid"])
    assert proven.path == "/".join(quote(part, safe="") for part in row["path"].split("/"))


@pytest.mark.parametrize("row", VECTORS["refused_targets"], ids=about)
def test_a_target_that_does_not_hold_is_refused(row):
    """Each way to bend a signed target is refused, for the reason that the log will name."""
    with pytest.raises(Refused) as caught:
        verify(row["target"], row.get("now", NOW))
    assert caught.value.reason == row["reason"]


@pytest.mark.parametrize("row", VECTORS["refused_inputs"], ids=about)
def test_a_signer_refuses_what_it_could_be_made_to_say(row):
    """Names and addresses that would smuggle something into a statement are not signed."""
    with pytest.raises(SigningError):
        signing.sign_url(row["url"], key=K1, sid="A" * 16, exp=NOW + 900, within=WITHIN)


@pytest.mark.parametrize("row", VECTORS["cookies"], ids=about)
def test_a_cookie_is_minted_and_proven(row):
    """Minting gives the very text, and proving it gives back the sid."""
    assert signing.cookie_value(row["sid"], KEYS[row["kid"]]) == row["value"]
    assert signing.verify_cookie(row["value"], RING) == row["sid"]


@pytest.mark.parametrize("row", VECTORS["refused_cookies"], ids=about)
def test_a_cookie_that_does_not_hold_is_refused(row):
    """Each way to bend a cookie is refused, for the reason that the log will name."""
    with pytest.raises(Refused) as caught:
        signing.verify_cookie(row["value"], RING)
    assert caught.value.reason == row["reason"]


@pytest.mark.parametrize("row", VECTORS["different_macs"], ids=about)
def test_fields_that_read_alike_in_a_row_have_different_macs(row):
    """No field can lend a character to its neighbour."""
    macs = set()
    for fields in (row["one"], row["other"]):
        url = quote(fields["path"], safe="/") + (f"?{fields['query']}" if fields["query"] else "")
        rest = {name: fields[name] for name in ("sid", "exp", "use")}
        macs.add(signing.sign_url(url, key=KEYS[fields["kid"]], **rest).partition("&sig=")[2])
    assert len(macs) == 2


@pytest.mark.parametrize("row", VECTORS["keys"], ids=lambda row: row["id"])
def test_no_gate_starts_with_a_key_of_the_vectors(row):
    """Keys that everybody can read are refused by the configuration."""
    raw = {"id": row["id"], "env": "KEY"}
    with pytest.raises(Wrong):
        config_keys.read_key(raw, folder=None, environ={"KEY": row["secret"]})


# --- every change of a single character


@pytest.mark.parametrize("position", range(len(SIGNED) + 1))
def test_every_single_character_change_of_an_address_is_refused(position):
    """Changed, inserted or left out: no byte of a signed address can be another."""
    before, at, after = SIGNED[:position], SIGNED[position : position + 1], SIGNED[position + 1 :]
    changed = {before + other + after for other in PRINTABLE + "\x00\n\x7fé"}
    inserted = {before + other + at + after for other in PRINTABLE + "\n"}
    for target in (changed | inserted | {before + after}) - {SIGNED}:
        with pytest.raises(Refused):
            verify(target)


@pytest.mark.parametrize("position", range(len(COOKIE) + 1))
def test_every_single_character_change_of_a_cookie_is_refused(position):
    """Changed, inserted or left out: no byte of a cookie can be another."""
    before, at, after = COOKIE[:position], COOKIE[position : position + 1], COOKIE[position + 1 :]
    changed = {before + other + after for other in PRINTABLE + "\x00\n\x7fé"}
    inserted = {before + other + at + after for other in PRINTABLE + "\n"}
    for value in (changed | inserted | {before + after}) - {COOKIE}:
        with pytest.raises(Refused):
            signing.verify_cookie(value, RING)


# --- whatever can be said


SAFE = string.ascii_letters + string.digits + "-_"
SEGMENTS = st.text(
    st.characters(exclude_characters="/\\", exclude_categories=("Cs",)), min_size=1, max_size=12
).filter(lambda text: text not in {".", ".."} and all(c >= " " and c != "\x7f" for c in text))


@dataclass(frozen=True)
class Said:
    """What a signer is asked to state."""

    path: str
    query: str
    use: str | None
    exp: int
    sid: str
    kid: str

    def signed(self) -> str:
        url = f"{self.path}?{self.query}" if self.query else self.path
        key = Key(self.kid, K1.secret)
        return signing.sign_url(url, key=key, sid=self.sid, exp=self.exp, use=self.use)


VALUES = st.text(SAFE + ".~", min_size=1, max_size=5)
SAID = st.builds(
    Said,
    path=st.lists(SEGMENTS, min_size=1, max_size=3).map(
        lambda parts: "/media/uploads/" + "/".join(quote(part, safe="") for part in parts)
    ),
    query=st.dictionaries(st.sampled_from(signing.VARIANT_PARAMETERS), VALUES, max_size=3).map(
        lambda values: "&".join(f"{name}={value}" for name, value in values.items())
    ),
    use=st.sampled_from((None, "page", "link")),
    exp=st.integers(NOW + 1, NOW + 3600),
    sid=st.text(SAFE, min_size=16, max_size=16),
    kid=st.text(SAFE, min_size=1, max_size=32),
)


@given(SAID)
def test_what_is_signed_is_proven_as_it_was_said(said):
    """Every statement that can be signed comes back whole from its proof."""
    proven = signing.verify_url(said.signed(), keys=KeyRing([Key(said.kid, K1.secret)]), now=NOW)
    assert proven == signing.SignedTarget(**vars(said))


@given(SAID, SAID)
def test_different_statements_have_different_macs(one, other):
    """No two lists of fields are the same text, so no MAC serves for both."""
    assume(one != other)
    macs = {said.signed().partition("&sig=")[2] for said in (one, other)}
    assert len(macs) == 2


@given(st.text(max_size=60))
def test_any_text_at_all_is_refused_and_not_an_error(text):
    """Whatever arrives as a target or a cookie, the answer is a refusal."""
    for attempt in (text, SIGNED + text if text else "", text + SIGNED if text else ""):
        with pytest.raises(Refused):
            verify(attempt)
    with pytest.raises(Refused):
        signing.verify_cookie(text, RING)


@given(st.text(max_size=40), st.sampled_from(("", "?w=640", "?")))
def test_any_name_is_signed_harmlessly_or_refused(name, query):
    """A hostile name changes neither the session nor the parameters of a statement."""
    sid = "A" * 16
    try:
        signed = signing.sign_url(f"/media/uploads/{name}{query}", key=K1, sid=sid, exp=NOW + 900)
    except SigningError:
        return
    proven = verify(signed)
    assert (proven.sid, proven.use, proven.exp) == (sid, None, NOW + 900)
    Addresses("/media", {"uploads": None}).parse(proven.path)


# --- the one spelling of a path


@given(st.lists(SEGMENTS, min_size=1, max_size=4))
def test_the_canonical_path_is_a_fixed_point(parts):
    """Brought into the one form, a path stays as it is."""
    once = signing.canonical_path("/" + "/".join(quote(part) for part in parts))
    assert signing.canonical_path(once) == once
    assert once == "/" + "/".join(quote(part, safe="") for part in parts)


@given(st.text(st.sampled_from("aZ09-._~%/\\?#:;+ é\x00\x7f2EeFf5Cc\ud800"), max_size=24))
def test_signer_and_gate_accept_the_same_paths(rest):
    """What a signer brings into its form the gate takes, as the same picture, and no other."""
    addresses = Addresses("/media", {"uploads": None})
    try:
        canonical = signing.canonical_path(f"/media/uploads/{rest}")
    except SigningError:
        with pytest.raises(BadTarget):
            addresses.parse(f"/media/uploads/{rest}")
        return
    assert addresses.public(addresses.parse(canonical)) == canonical


# --- expiry, keys, and what claims to be signed


@given(st.floats(1e9, 4e9), st.integers(1, 86400), st.integers(1, 3600))
def test_expiry_is_rounded_up_to_a_bucket(now, ttl, bucket):
    """A URL lives at least its ttl and less than a bucket more, and equal ones stay equal."""
    exp = signing.expiry(now, ttl, bucket)
    assert exp % bucket == 0
    assert int(now + ttl) <= exp < now + ttl + bucket


def test_a_signed_now_is_accepted_by_every_gate_within_its_limits():
    """The longest ttl, a full bucket and the skew of two clocks still pass; a second more fails."""
    exp = NOW + 3600 + 300 + signing.CLOCK_SKEW
    url = signing.sign_url("/media/uploads/cat.jpg", key=K1, sid="A" * 16, exp=exp)
    assert verify(url, NOW).exp == exp
    with pytest.raises(Refused, match="lives_too_long"):
        verify(url, NOW - 1)
    assert verify(url, exp - 1).exp == exp
    with pytest.raises(Refused, match="expired"):
        verify(url, exp)


@pytest.mark.parametrize(
    ("query", "claims"),
    [
        ("w=640&sig=x", True),
        ("sig", True),
        ("kid=k1", True),
        ("kid", True),
        ("w=640&kid=&x", True),
        ("", False),
        ("w=640", False),
        ("sid=x&exp=1&use=link", False),
        ("signature=x", False),
        ("asig=x", False),
        ("x=sig", False),
        ("%73ig=x", False),
    ],
)
def test_only_sig_and_kid_claim_a_signature(query, claims):
    """What claims to be signed follows the grammar to the letter; anything else is unsigned."""
    assert signing.looks_signed(query) is claims


def test_keys_do_only_what_they_may():
    """A host that signs addresses cannot mint cookies, and the other way round."""
    signs, mints = KEYS["site_2026-url-only-0123456789ab_"], KEYS["C"]
    with pytest.raises(SigningError):
        signing.cookie_value("A" * 16, signs)
    with pytest.raises(SigningError):
        signing.sign_url("/media/uploads/cat.jpg", key=mints, sid="A" * 16, exp=NOW)
    ring = KeyRing([mints, signs, K1])
    assert (ring.signer("url"), ring.signer("cookie")) == (signs, mints)
    with pytest.raises(LookupError):
        KeyRing([mints]).signer("url")


@pytest.mark.parametrize(
    ("kid", "secret"),
    [
        ("", "s" * 43),
        ("k" * 33, "s" * 43),
        ("k 1", "s" * 43),
        ("k.1", "s" * 43),
        ("kä", "s" * 43),
        ("k1\n", "s" * 43),
        ("k1", ""),
        ("k1", "s" * 31),
        ("k1", "ß" * 43),
    ],
)
def test_impossible_keys_are_refused_without_a_word_of_them(kid, secret):
    """A key with a bad id, a short or a foreign secret is no key; the error never quotes it."""
    with pytest.raises(ValueError, match="key") as caught:
        Key(kid, secret)
    assert not secret or secret not in str(caught.value)


def test_a_key_is_not_shown():
    """No log line or traceback can hold a secret by printing a key."""
    assert K1.secret not in repr(K1)
    assert K1.secret not in repr(RING)


def test_generated_keys_are_of_the_form_and_different():
    """A new key is 43 characters of base64url."""
    keys = {signing.generate_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == 43 and set(key) <= set(SAFE) for key in keys)


@pytest.mark.parametrize(
    ("sid", "exp", "use"),
    [
        ("A" * 15, NOW, None),
        ("A" * 17, NOW, None),
        ("A" * 15 + "&", NOW, None),
        ("A" * 16, 1, None),
        ("A" * 16, 10**10, None),
        ("A" * 16, -NOW, None),
        ("A" * 16, NOW, "all"),
        ("A" * 16, NOW, f"page&exp={NOW}&sid={'B' * 16}&kid=k1&sig={'x' * 43}"),
    ],
)
def test_fields_of_another_form_are_not_signed(sid, exp, use):
    """A statement is of its grammar or is not made."""
    with pytest.raises(SigningError):
        signing.sign_url("/media/uploads/cat.jpg", key=K1, sid=sid, exp=exp, use=use)
    if len(sid) != 16 or "&" in sid:
        with pytest.raises(SigningError):
            signing.cookie_value(sid, K1)


def test_taking_apart_is_not_proving():
    """`parse_signed` says what a target claims, whoever made it."""
    forged = SIGNED[:-43] + "A" * 43
    assert signing.parse_signed(forged).sid == VECTORS["urls"][0]["sid"]
    with pytest.raises(Malformed):
        signing.parse_signed("/media/uploads/cat.jpg")
