"""The configuration: what is read, from where, and that everything wrong is reported at once."""

# ruff: noqa: E501  a row of a table reads best in one line

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from config_site import FOLDER, Site
from hypothesis import given
from hypothesis import strategies as st

from media_gate import config
from media_gate.config import ConfigError
from media_gate.settings import Address, Settings
from media_gate.signing import generate_key

MAKE = "make one with: media-gate keygen"


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_a_sound_configuration_keeps_every_other_default(site):
    """What the file does not say stands at the default of the dataclass."""
    settings = site.load()
    assert settings.server == Settings().server
    assert settings.images == Settings().images
    assert settings.mounts["uploads"].folder == site.folder / "uploads"
    assert settings.cache.dir == site.folder / "cache"


def test_all_mistakes_are_reported_at_once(site):
    """Wrong names, types and combinations come in one report, each in its own line."""
    site.change(
        {"server.listen": "x", "cookie.partitioned": True, "log.level": 1, "keys.service": None}
    )
    assert len(site.mistakes()) == 4


def test_what_cannot_be_read_is_not_judged_a_second_time(site):
    """A key file that is missing does not also count as a missing key."""
    (site.folder / "keys" / "signing").unlink()
    assert len(site.mistakes()) == 1


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601])
def test_a_key_open_to_everybody_is_refused(site, mode):
    """The file of a key must be closed to other users of the machine."""
    site.key("signing", generate_key(), mode)
    text = f"number 1 is open to everybody on this machine: chmod 600 {FOLDER}/keys/signing"
    assert site.mistakes() == [f"[keys] signing: {text}"]


def test_a_key_of_a_group_is_taken(site):
    """Service accounts often read keys through their group."""
    site.key("signing", generate_key(), 0o640)
    assert site.load().keys.signing[0].id == "k1"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_key_that_may_not_be_read_is_named(site):
    """The operator learns which file the service may not read."""
    site.key("signing", generate_key(), 0o000)
    assert "Permission denied" in site.mistakes()[0]


BAD_KEYS = [
    ("", f"is shorter than 32 characters; {MAKE}"),
    ("brief", f"is shorter than 32 characters; {MAKE}"),
    ("a" * 43, f"is an example, not a secret; {MAKE}"),
    ("change-me-0123456789-abcdefghijklmnopqrs", f"is an example, not a secret; {MAKE}"),
    ("EXAMPLE0123456789abcdefghijklmnopqrstuvw", f"is an example, not a secret; {MAKE}"),
    ("your-key-goes-here-0123456789abcdefghijk", f"is an example, not a secret; {MAKE}"),
    ("0123456789abcdefghijklmnopqrstuvwxyzABCé", f"is not one line of ASCII text: {FOLDER}/keys/signing"),
    (f"{generate_key()}\n{generate_key()}", f"is not one line of ASCII text: {FOLDER}/keys/signing"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "mistake"), BAD_KEYS, ids=range(len(BAD_KEYS)))
def test_a_weak_key_is_refused_without_quoting_it(site, text, mistake):
    """Short, example and garbled keys are refused, and no message repeats them."""
    site.key("signing", text)
    found = site.mistakes()
    assert found == [f"[keys] signing: number 1 {mistake}"]
    assert not text or text not in found[0]


def test_no_published_key_is_taken(site):
    """The keys of the test vectors are known to everybody."""
    vectors = Path(__file__).parents[1] / "docs" / "signing-vectors.json"
    for row in json.loads(vectors.read_text(encoding="utf-8"))["keys"]:
        site.key("signing", row["secret"])
        assert "is an example, not a secret" in site.mistakes()[0]


@pytest.mark.parametrize("place", ["file", "env", "secret", "id"])
def test_a_key_in_the_wrong_place_is_not_repeated(site, place):
    """Whoever puts the key itself into the file does not find it in the log as well."""
    secret = generate_key()
    site.change({"keys.signing": [{"id": "k1", "file": "keys/spare"} | {place: secret}]})
    if place == "env":
        site.change({"keys.signing": [{"id": "k1", "env": secret}]})
    assert secret not in "".join(site.mistakes())


def test_a_key_may_come_from_the_environment(site):
    """`env` names a variable; white space around the key is no part of it."""
    secret = generate_key()
    site.change({"keys.signing": [{"id": "k1", "env": "SECRET_K1"}]})
    assert site.load({"SECRET_K1": f" {secret}\n"}).keys.signing[0].secret == secret


def test_no_secret_is_in_the_repr(site):
    """Settings may be printed: neither keys nor the password of Redis are in the text."""
    site.change({"redis.url": "redis://:pass-of-redis@h/0"})
    settings = site.load()
    text = repr(settings)
    secrets = {key.secret for key in (*settings.keys.signing, *settings.keys.internal)}
    assert not [secret for secret in (*secrets, "pass-of-redis") if secret in text]


def test_no_password_of_redis_in_a_mistake(site):
    """An address that is refused is not repeated."""
    site.change({"redis.url": "http://:pass-of-redis@h/0"})
    assert "pass-of-redis" not in "".join(site.mistakes())


def test_a_password_needs_a_closed_file(site):
    """A password of Redis in a file that everybody may read is refused."""
    site.change({"redis.url": "redis://:pass-of-redis@h/0"})
    site.load()
    site.path.chmod(0o644)
    with pytest.raises(ConfigError) as caught:
        config.load(site.path, {})
    assert caught.value.mistakes[0].startswith("[redis] url: holds a password, and everybody")
    assert "pass-of-redis" not in str(caught.value)


OVERRIDES = [
    ("SERVER__LISTEN", "0.0.0.0:9000", lambda s: s.server.listen, "0.0.0.0:9000"),
    ("SERVER__WORKERS", "3", lambda s: s.server.workers, 3),
    ("SERVER__OPS_LISTEN", "", lambda s: s.server.ops_listen, None),
    ("SERVER__APP_ORIGINS", "https://a.b, https://c.d", lambda s: s.server.app_origins, ("https://a.b", "https://c.d")),
    ("SERVER__APP_ORIGINS", '["https://a.b"]', lambda s: s.server.app_origins, ("https://a.b",)),
    ("SERVER__APP_ORIGINS", "", lambda s: s.server.app_origins, ()),
    ("IMAGES__WIDTHS", "100,200", lambda s: s.images.widths, (100, 200)),
    ("IMAGES__WIDTHS", "[100, 200]", lambda s: s.images.widths, (100, 200)),
    ("IMAGES__QUALITY__JPEG", "70", lambda s: s.images.quality.jpeg, 70),
    ("IMAGES__PRESETS__AVATAR__W", "96", lambda s: s.images.presets["avatar"].w, 96),
    ("COOKIE__SECURE", "False", lambda s: s.cookie.secure, False),
    ("SESSIONS__LIFETIME", "2d", lambda s: s.sessions.lifetime, 172800),
    ("CACHE__MAX_BYTES", "5 GiB", lambda s: s.cache.max_bytes, 5 * 2**30),
    ("MOUNTS__UPLOADS__CLASS", "public", lambda s: s.mounts["uploads"].klass, "public"),
    ("MOUNTS__WIKI_FILES__PATH", "/w/", lambda s: s.mounts["wiki-files"].path, "/w/"),
    ("KEYS__SERVICE", '[{"id": "z", "file": "keys/spare"}]', lambda s: s.keys.service[0].id, "z"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "read", "value"), OVERRIDES, ids=[f"{row[0]}={row[1]}" for row in OVERRIDES]
)
def test_a_variable_overrides_the_file(site, name, text, read, value):
    """MEDIA_GATE__SECTION__KEY wins over the file and reaches every kind of setting."""
    site.change({"mounts.wiki-files.source": f"file://{FOLDER}/other", "server.workers": 1})
    assert read(site.load({f"MEDIA_GATE__{name}": text})) == value


BAD_VARIABLES = [
    ("SERVER__WORKERS", "two", '[server] workers: "two" is not a whole number (from MEDIA_GATE__SERVER__WORKERS)'),
    ("SERVER__LISTN", "x", "[server] listn: there is no such setting; did you mean listen? (from MEDIA_GATE__SERVER__LISTN)"),
    ("IMAGES__WIDTHS", "[1, ", "[images] widths: is not a JSON list (from MEDIA_GATE__IMAGES__WIDTHS)"),
    ("COOKIE__SECURE", "yes", "[cookie] secure: is not true or false (from MEDIA_GATE__COOKIE__SECURE)"),
    ("SERVER", "x", "MEDIA_GATE__SERVER: is not of the form MEDIA_GATE__SECTION__KEY"),
    ("SERVER__", "x", "MEDIA_GATE__SERVER__: is not of the form MEDIA_GATE__SECTION__KEY"),
    ("CACHE__DIR__X", "x", "MEDIA_GATE__CACHE__DIR__X: is not of the form MEDIA_GATE__SECTION__KEY"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "mistake"), BAD_VARIABLES)
def test_a_wrong_variable_is_named(site, name, text, mistake):
    """A mistake in the environment says which variable it came from."""
    assert site.mistakes({f"MEDIA_GATE__{name}": text}) == [mistake]


def test_the_environment_alone_is_enough(site, monkeypatch):
    """Containers need no file at all."""
    monkeypatch.chdir(site.folder)
    environ = {
        "MEDIA_GATE__MOUNTS__UPLOADS__SOURCE": f"file://{site.folder}/uploads",
        "MEDIA_GATE__KEYS__SIGNING": '[{"id": "k1", "file": "keys/signing"}]',
        "MEDIA_GATE__KEYS__INTERNAL": '[{"id": "i1", "file": "keys/internal"}]',
        "MEDIA_GATE__KEYS__SERVICE": '[{"id": "s1", "file": "keys/service"}]',
    }
    assert config.load(None, environ).mounts["uploads"].klass == "standard"


def test_a_syntax_error_has_its_line(tmp_path):
    """A file that is not TOML is refused with the line."""
    path = tmp_path / "x.toml"
    path.write_text("[server]\nlisten = \n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"x\.toml: is not TOML: .*line 2"):
        config.load(path, {})


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    """Neither a missing nor a binary file ends in a traceback."""
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.toml: "):
        config.load(path, {})


def test_find_asks_in_order(tmp_path, monkeypatch):
    """--config, then the variable, then the folder of the caller; else the places are named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(config, "PLACES", (Path("media-gate.toml"), tmp_path / "etc.toml"))
    with pytest.raises(ConfigError, match=r"media-gate\.toml and "):
        config.find({})
    (tmp_path / "etc.toml").touch()
    assert config.find({}) == tmp_path / "etc.toml"
    (tmp_path / "media-gate.toml").touch()
    assert config.find({}) == Path("media-gate.toml")
    assert config.find({"MEDIA_GATE_CONFIG": "b.toml"}) == Path("b.toml")
    assert config.find({"MEDIA_GATE_CONFIG": "b.toml"}, "a.toml") == Path("a.toml")


def test_the_key_file_keeps_its_mode(site):
    """Reading never changes a file."""
    site.load()
    assert stat.S_IMODE((site.folder / "keys" / "signing").stat().st_mode) == 0o600


@given(st.text(max_size=40))
def test_an_address_is_read_or_refused(text):
    """Any text either makes an address or a ValueError, and nothing else."""
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert address.path or (address.host and 0 <= address.port < 65536)


@pytest.mark.parametrize(
    ("text", "is_local"),
    [
        ("127.0.0.1:80", True),
        ("localhost:0", True),
        ("[::1]:80", True),
        ("unix:/run/gate.sock", True),
        ("0.0.0.0:80", False),
        ("[::]:80", False),
        ("gate:80", False),
    ],
)
def test_what_only_this_machine_reaches(text, is_local):
    """Loopback addresses and unix sockets are local; a name is not until it says so."""
    assert Address.parse(text).is_local is is_local
