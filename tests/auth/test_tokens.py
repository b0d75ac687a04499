"""Tokens: the sid selects, the verifier proves, and nothing of them is kept."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from media_gate.auth import tokens
from media_gate.auth.tokens import ACCESS, TokenKind

SECRET = b"s" * 43
SEED = b"\x00" * 16
SID = "q3Zt8LxV-0_mB7cN"
TOKEN = tokens.issue(ACCESS, sid=SID, generation=1, seed=SEED, secret=SECRET)
BASE64URL = string.ascii_letters + string.digits + "-_"
OTHER = TokenKind("mga_", b"media-gate/other/v1")

sids = st.text(BASE64URL, min_size=16, max_size=16)
seeds = st.binary(min_size=16, max_size=16)
secrets = st.binary(min_size=32, max_size=64)
generations = st.integers(0, 2**32 - 1)


def proves(text: str, *, seed: bytes = SEED, secret: bytes = SECRET) -> bool:
    token = tokens.parse(ACCESS, text)
    return token is not None and tokens.prove(ACCESS, token, seed=seed, secret=secret)


@given(sids, generations, seeds, secrets)
def test_a_token_comes_back_whole(sid, generation, seed, secret):
    """Whatever was issued is taken apart into what it was made of, and proven."""
    text = tokens.issue(ACCESS, sid=sid, generation=generation, seed=seed, secret=secret)
    assert re.fullmatch(r"mga_[A-Za-z0-9_-]{48}", text)
    token = tokens.parse(ACCESS, text)
    assert token is not None
    assert (token.sid, token.generation) == (sid, generation)
    assert tokens.prove(ACCESS, token, seed=seed, secret=secret)


@given(seeds, secrets)
def test_only_the_seed_and_the_key_prove_it(seed, secret):
    """A token is proven by its own record and key ring together, and by no other."""
    assume((seed, secret) != (SEED, SECRET))
    assert proves(TOKEN)
    assert not proves(TOKEN, seed=seed, secret=secret)
    assert not proves(TOKEN, seed=seed) or seed == SEED
    assert not proves(TOKEN, secret=secret) or secret == SECRET


@pytest.mark.parametrize("position", range(len(TOKEN) + 1))
def test_every_single_character_change_is_refused(position):
    """Changed, inserted or left out: no character of a token can be another."""
    before, at, after = TOKEN[:position], TOKEN[position : position + 1], TOKEN[position + 1 :]
    others = BASE64URL + "=+/ .\n\x00é"
    changed = {before + other + after for other in others}
    inserted = {before + other + at + after for other in others}
    for text in (changed | inserted | {before + after}) - {TOKEN}:
        assert not proves(text), text


@given(st.text(max_size=80))
def test_any_other_text_is_no_token(text):
    """Whatever stands after "Bearer" is taken apart or refused, and never an error."""
    assert tokens.parse(ACCESS, text) is None
    assert tokens.parse(ACCESS, TOKEN + text) is None or not text


def test_a_token_of_one_kind_is_none_of_another():
    """The label is part of the MAC, the prefix of the form."""
    token = tokens.parse(OTHER, TOKEN)
    assert token is not None
    assert not tokens.prove(OTHER, token, seed=SEED, secret=SECRET)
    assert tokens.parse(TokenKind("mgr_", ACCESS.label), TOKEN) is None


def test_the_documented_bytes():
    """Sid, generation and MAC lie where the head of the module says; the text never changes."""
    assert TOKEN == "mga_q3Zt8LxV-0_mB7cNAAAAAY8bY-ZyAOnWdIK-cRniaKL31h0F"


def test_sids_are_random_and_fit_command_lines():
    """Sids are 16 characters of base64url, never twice the same, never like an option."""
    made = {tokens.new_sid() for _ in range(2000)}
    assert len(made) == 2000
    assert all(tokens.SID_PATTERN.fullmatch(sid) and not sid.startswith("-") for sid in made)


def test_seeds_are_random():
    """Two sessions never share a seed."""
    made = {tokens.new_seed() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(seed) for seed in made} == {tokens.SEED_BYTES}


def test_a_token_taken_apart_does_not_show_its_verifier():
    """No traceback or log line can hold the part that proves."""
    token = tokens.parse(ACCESS, TOKEN)
    assert token is not None
    assert repr(token) == f"Token(sid='{SID}', generation=1)"


@given(sids, sids, secrets)
def test_a_csrf_token_is_bound_to_its_session(one, other, secret):
    """It serves for one session under one key, and is neither cookie nor access token."""
    text = tokens.csrf_token(one, secret)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", text)
    assert (tokens.csrf_token(other, secret) == text) is (one == other)
    assert tokens.csrf_token(one, secret + b"x") != text
