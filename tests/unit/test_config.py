"""Configuration: what is read, who wins, and what must not lie open."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sessctl.config.checking import check_backend
from sessctl.config.file import load_config
from sessctl.config.model import Backend, Config, JournalSettings, RedactSettings
from sessctl.config.opening import backend_secrets, choose_backend, open_backend, place_of
from sessctl.config.paths import state_dir
from sessctl.config.secrets import describe, is_reference, resolve
from sessctl.errors import ConfigError, MissingExtra, Refused, SessctlError, UsageError

REDIS = 'url = "redis://localhost/0"\n'


class NobodyAsks:
    """Stands for the terminal and for standard input."""

    def __init__(self, answer: str = "", piped: bytes = b"") -> None:
        self.answer, self.piped, self.asked = answer, piped, ""
        self.printed: dict[str, bytes] = {}

    def prompt(self, label: str) -> str:
        self.asked = label
        return self.answer

    def stdin(self) -> bytes:
        return self.piped


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """Where the user's own file goes; the directory is there."""
    path = tmp_path / "xdg" / "sessctl" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "repo" / "src" / "deep"
    path.mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
    return path


@pytest.fixture
def load(user: Path, project: Path):
    def loaded(explicit: str | None = None, **environ: str) -> Config:
        given = {"XDG_CONFIG_HOME": str(user.parents[1]), **environ}
        return load_config(explicit=explicit, environ=given, cwd=project)

    return loaded


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


class TestMerging:
    def test_nothing_configured_is_empty(self, load) -> None:
        assert load() == Config()

    def test_the_project_wins_over_the_user_and_whole(self, load, user, project) -> None:
        write(user, f'[backends.prod]\nprefix = "u:"\n{REDIS}[backends.mine]\n{REDIS}')
        write(project.parent / "sessctl.toml", f'[backends.prod]\ntable = "t"\n{REDIS}')
        config = load()
        assert set(config.backends) == {"prod", "mine"}
        assert (config.backends["prod"].prefix, config.backends["prod"].table) == (None, "t")
        assert (config.backends["prod"].source, config.backends["mine"].source) == (
            "project file", "user config",
        )  # fmt: skip

    def test_a_file_that_is_named_counts_alone(self, load, user, tmp_path) -> None:
        write(user, f"[backends.prod]\n{REDIS}")
        other = write(tmp_path / "other.toml", f"[backends.other]\n{REDIS}")
        assert set(load(str(other)).backends) == {"other"}
        assert set(load(SESSCTL_CONFIG=str(other)).backends) == {"other"}

    def test_a_named_file_that_is_missing_is_an_error(self, load) -> None:
        with pytest.raises(ConfigError, match="no config file at /nowhere"):
            load("/nowhere")

    def test_pyproject_takes_part_with_its_own_table(self, load, project) -> None:
        write(project / "pyproject.toml", f"[tool.ruff]\nx=1\n[tool.sessctl.backends.dev]\n{REDIS}")
        assert set(load().backends) == {"dev"}

    def test_a_pyproject_without_our_table_is_passed_over(self, load, project) -> None:
        write(project / "pyproject.toml", "[tool.ruff]\nx=1\n")
        write(project.parent / "sessctl.toml", f"[backends.up]\n{REDIS}")
        assert set(load().backends) == {"up"}

    def test_the_search_ends_at_the_repository(self, load, project, tmp_path) -> None:
        write(tmp_path / "sessctl.toml", f"[backends.outside]\n{REDIS}")
        assert load().backends == {}

    def test_the_default_may_name_a_backend_of_another_file(self, load, user, project) -> None:
        write(user, f"[backends.prod]\n{REDIS}")
        write(project / "sessctl.toml", 'default_backend = "prod"\n')
        config = load()
        assert choose_backend(config, None).name == "prod"
        assert config.origins == {"default_backend": "project file"}


class TestSections:
    """What a repository says must not loosen what the user says of all of them."""

    @pytest.mark.parametrize("mine", [True, False])
    def test_redaction_is_that_of_every_file(self, load, user, project, mine: bool) -> None:
        both = {True: "true", False: "false"}
        write(
            user,
            f'[redact]\nalways = {both[mine]}\nkeys = ["shoeSize"]\nshapes = ["u.*"]\n',
        )
        write(
            project / "sessctl.toml",
            f'[redact]\nalways = {both[not mine]}\nkeys = ["hat"]\nshapes = ["p.*"]\n',
        )
        config = load()
        assert config.redact == RedactSettings(
            always=True, keys=["hat", "shoeSize"], shapes=["p.*", "u.*"]
        )
        assert config.origins["redact"] == "project file, user config"

    def test_the_journal_is_the_user_s_own_business(self, load, user, project) -> None:
        write(user, '[journal]\nkeep = "7d"\n')
        path = write(project / "sessctl.toml", '[journal]\nkeep = "1s"\ndirectory = "/tmp/x"\n')
        config = load()
        assert config.journal == JournalSettings(keep="7d")
        assert config.origins["journal"] == "user config"
        assert config.notes == [
            f"[journal] in {path} is ignored: it counts in the user's own config only"
        ]

    def test_a_file_that_is_named_sets_the_journal(self, load, project) -> None:
        path = write(project / "sessctl.toml", '[journal]\nkeep = "1d"\n')
        assert load(str(path)).journal == JournalSettings(keep="1d")
        assert load(SESSCTL_CONFIG=str(path)).journal == JournalSettings(keep="1d")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[backends.x]\nurll = 'x'\n", "unknown key 'backends.x.urll'", "did you mean 'url'?"),
        ("[backend.x]\n", "unknown key 'backend'", "did you mean 'backends'?"),
        ("[journal]\nkep = '3d'\n", "unknown key 'journal.kep'", "did you mean 'keep'?"),
        ("[journal]\nkeep = '3 x'\n", "journal.keep: '3 x' is not a duration", "write 90s"),
        ("[redact]\nshapes = ['(']\n", "redact.shapes: '(' is not a pattern", None),
        ("[backends.x]\nlayout = 'y'\n", "backends.x: object missing required field `url`", None),
        ("[backends.x]\nurl = 'localhost'\n", "backends.x.url is not a URL", "write url"),
        ("[backends.x]\nurl = 5\n", "backends.x.url: expected `str`, got `int`", None),
        ("[backends.x]\nurl='x://'\nno_ttl='y'\n", "backends.x.no_ttl: invalid enum value", None),
        ("[backends.x]\nurl='x://'\nsecrets=['evn:X']\n",
         "backends.x: 'evn:' is no kind of reference to a secret", "did you mean 'env:'?"),
        ("[backends.x]\nurl='x://'\npassword='keyrng:X'\n",
         "backends.x: 'keyrng:' is no kind of reference", "did you mean 'keyring:'?"),
        ("[backends.x]\nurl='x://'\nsecrets=['a', '']\n", "backends.x: a secret is empty", "env:"),
        ("backends = 5\n", "backends is not a table", None),
        ("[backends]\nx = 5\n", "backends.x is not a table", None),
        ("default_backend = 'x'\n", "default_backend names 'x', which", "configured: none"),
        ("x = \n", "not TOML: invalid value", None),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_file_and_key(load, user, text, message, hint) -> None:
    write(user, text)
    with pytest.raises(ConfigError) as caught:
        load()
    assert str(caught.value).startswith(message)
    assert hint is None or (caught.value.hint or "").startswith(hint)
    assert "file" in caught.value.where


def test_a_file_that_is_not_utf8_is_named(load, user) -> None:
    user.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load()


class TestOpenFiles:
    @pytest.mark.parametrize("secret", ['secrets = ["canary-91"]\n', 'password = "canary-91"\n'])
    @pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
    def test_inline_secrets_that_others_can_read_are_refused(
        self, load, user, secret, mode
    ) -> None:
        write(user, f"[backends.prod]\n{REDIS}{secret}", mode)
        with pytest.raises(
            ConfigError, match="holds a secret in a file that others can read"
        ) as caught:
            load()
        assert "canary" not in f"{caught.value} {caught.value.hint} {caught.value.where}"
        assert "chmod 600" in (caught.value.hint or "")

    def test_inline_secrets_in_a_private_file_are_fine(self, load, user) -> None:
        write(user, f'[backends.prod]\n{REDIS}secrets = ["canary-92"]\n')
        assert load().backends["prod"].secrets == ["canary-92"]

    def test_references_may_lie_open(self, load, user) -> None:
        write(user, f'[backends.prod]\n{REDIS}secrets = ["env:X"]\npassword = "file:/x"\n', 0o644)
        assert load().backends["prod"].secrets == ["env:X"]

    @pytest.mark.parametrize(
        "url",
        [
            "redis://u:canary-93@db.example/0",
            "redis://u:can/ary-93@db.example/0",  # our URLs take a slash in a password
            "redis://u:canary@localhost:93@db.example/0",
            "redis://db.example/0?password=canary-93",
        ],
    )
    def test_a_password_in_an_open_url_is_refused(self, load, project, url) -> None:
        write(project / "sessctl.toml", f'[backends.prod]\nurl = "{url}"\n', 0o644)
        with pytest.raises(ConfigError, match="others can read"):
            load()

    def test_a_loopback_url_in_a_project_file_is_told_only(self, load, project) -> None:
        write(
            project / "sessctl.toml",
            '[backends.dev]\nurl = "redis://u:pw-94@localhost:1/0"\n',
            0o644,
        )
        config = load()
        assert set(config.backends) == {"dev"}
        assert "holds a password that others can read" in config.notes[0]

    def test_a_project_file_that_anybody_may_write_decides_nothing(self, load, project) -> None:
        path = write(project / "sessctl.toml", f"[backends.evil]\n{REDIS}", 0o666)
        config = load()
        assert config.backends == {}
        assert config.notes == [f"{path} is ignored: anybody may write it"]


class TestChoice:
    def test_the_only_backend_needs_no_name(self) -> None:
        only = Backend(url="redis://h", name="prod")
        assert choose_backend(Config(backends={"prod": only}), None) is only

    def test_several_without_a_default_have_to_be_named(self) -> None:
        many = {name: Backend(url="redis://h", name=name) for name in ("prod", "stage")}
        with pytest.raises(ConfigError, match="which backend"):
            choose_backend(Config(backends=many), None)
        assert choose_backend(Config(backends=many, default_backend="stage"), None).name == "stage"

    def test_a_wrong_name_gets_the_nearest(self) -> None:
        config = Config(backends={"production": Backend(url="redis://h")})
        with pytest.raises(ConfigError) as caught:
            choose_backend(config, "producton")
        assert caught.value.hint == "did you mean 'production'?"

    def test_no_backend_at_all_says_how_to_begin(self) -> None:
        with pytest.raises(ConfigError, match="no backend is configured"):
            choose_backend(Config(), None)

    def test_a_url_is_a_backend_without_a_name(self) -> None:
        backend = choose_backend(Config(), "redis://u:pw-95@h/0")
        assert place_of(backend) == {"backend": "redis://u:***@h/0"}


class TestReferences:
    def get(self, reference: str, tmp_path: Path | None = None, **environ: str) -> bytes:
        return resolve(reference, environ=environ, asker=NobodyAsks("typed", b"piped\n")).reveal()

    def test_environment(self) -> None:
        assert self.get("env:KEY", KEY=" blanks stay ") == b" blanks stay "
        with pytest.raises(UsageError, match="no variable 'KEY'"):
            self.get("env:KEY")

    @pytest.mark.parametrize(
        ("content", "secret"),
        [
            (b"x\n", b"x"),
            (b"x\r\n", b"x"),
            (b"x\n\n", b"x\n"),
            (b" x ", b" x "),
            (b"\xff\x00", b"\xff\x00"),
        ],
    )
    def test_file(self, tmp_path: Path, content: bytes, secret: bytes) -> None:
        (tmp_path / "key").write_bytes(content)
        assert self.get(f"file:{tmp_path}/key") == secret

    def test_a_missing_file_is_named(self) -> None:
        with pytest.raises(UsageError, match="cannot read the secret file /nowhere"):
            self.get("file:/nowhere")

    def test_dotenv_without_interpolation(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("A=1\nSECRET='a${A}b'\n")
        assert self.get(f"dotenv:{tmp_path}/.env#SECRET") == b"a${A}b"
        for reference in (f"dotenv:{tmp_path}/.env#NO", "dotenv:/nowhere#X", "dotenv:.env"):
            with pytest.raises(UsageError):
                self.get(reference)

    def test_prompt_and_stdin(self) -> None:
        assert self.get("prompt") == b"typed"
        assert self.get("stdin") == b"piped"

    def test_the_prompt_says_for_what(self) -> None:
        asker = NobodyAsks("x")
        resolve("prompt", environ={}, asker=asker, label="store password")
        assert asker.asked == "store password"

    def test_a_keyring_that_is_not_installed_is_an_extra(self, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, "keyring", None)
        with pytest.raises(MissingExtra) as caught:
            self.get("keyring:svc/user")
        assert caught.value.hint == "pip install 'sessctl[keyring]'"

    @pytest.mark.parametrize(
        ("text", "message", "hint"),
        [
            ("evn:KEY", "'evn:' is no kind of reference to a secret", "did you mean 'env:'?"),
            ("http:x", "'http:' is no kind of reference to a secret", "known: env:, file:"),
            ("canary-99", "not a reference to a secret", "write env:NAME"),
            ("Canary:99", "not a reference to a secret", "write env:NAME"),
            ("canarycanarycanary:99", "not a reference to a secret", "write env:NAME"),
            ("", "not a reference to a secret", "write env:NAME"),
        ],
    )
    def test_what_is_no_reference_is_refused_and_not_quoted(self, text, message, hint) -> None:
        with pytest.raises(UsageError) as caught:
            self.get(text)
        assert caught.value.message == message
        assert (caught.value.hint or "").startswith(hint)
        assert "99" not in f"{caught.value} {caught.value.hint}"
        assert not is_reference(text)

    def test_a_secret_that_is_empty_is_refused_by_its_reference(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_bytes(b"\n")
        (tmp_path / ".env").write_text("KEY=\n")
        for reference in ("env:KEY", f"file:{tmp_path}/key", f"dotenv:{tmp_path}/.env#KEY"):
            with pytest.raises(UsageError) as caught:
                self.get(reference, KEY="")
            assert caught.value.message == f"the secret from {reference} is empty"
        with pytest.raises(UsageError, match="the secret from stdin is empty"):
            resolve("stdin", environ={}, asker=NobodyAsks())

    @pytest.mark.parametrize(
        ("reference", "shown"),
        [
            ("env:SET", "env:SET (set)"),
            ("env:UNSET", "env:UNSET (not set)"),
            ("env:EMPTY", "env:EMPTY (empty)"),
            ("file:/nowhere", "file:/nowhere (missing)"),
            ("prompt", "prompt"),
            ("inline secret", "***"),
        ],
    )
    def test_a_reference_is_described_without_its_value(self, reference, shown) -> None:
        assert describe(reference, environ={"SET": "canary-96", "EMPTY": ""}) == shown

    def test_a_backends_secrets_keep_their_order_and_origin(self) -> None:
        backend = Backend(url="redis://h", name="prod", secrets=["env:NEW", "old secret"])
        found = backend_secrets(backend, environ={"NEW": "n-97"}, asker=NobodyAsks())
        assert [one.reveal() for one in found] == [b"n-97", b"old secret"]
        assert [one.reference for one in found] == ["env:NEW", "secrets[1]"]


class TestOpening:
    def opened(self, backend: Backend, *, write: bool = True):
        return open_backend(backend, write=write, timeout_s=0.2, environ={}, asker=NobodyAsks())

    def test_a_read_only_backend_is_not_opened_for_writing(self) -> None:
        with pytest.raises(Refused, match="read-only"):
            self.opened(Backend(url="redis://127.0.0.1:1/0", name="prod", read_only=True))

    @pytest.mark.parametrize("setting", ["require_tls", "protected"])
    def test_tls_that_is_required_is_not_done_without(self, setting: str) -> None:
        with pytest.raises(Refused, match="requires TLS"):
            self.opened(Backend(url="redis://db.example/0", **{setting: True}))

    def test_an_error_names_the_backend_and_no_password(self) -> None:
        backend = Backend(url="redis://u:canary-98@127.0.0.1:1/0", source="command line")
        with pytest.raises(SessctlError) as caught:
            self.opened(backend, write=False)
        error = caught.value
        assert error.where["backend"] == "redis://u:***@127.0.0.1:1/0"
        assert "canary" not in f"{error} {error.hint} {error.where}"


def test_journals_live_in_the_state_directory() -> None:
    assert state_dir({"XDG_STATE_HOME": "/s"}) == Path("/s/sessctl")


class TestStoreSecrets:
    """What opens encrypted values: references, newest first, as `secrets` are."""

    def test_they_are_resolved_for_the_store_and_for_nothing_else(self, tmp_path) -> None:
        backend = Backend(
            url=f"file://{tmp_path}", name="files", store_secrets=["env:NEW", "old secret"]
        )
        opening = {"write": False, "timeout_s": 1, "environ": {"NEW": "n"}, "asker": NobodyAsks()}
        with open_backend(backend, **opening) as store:
            assert [one.reference for one in store.layout.store_secrets] == [
                "env:NEW", "store_secrets[1]",
            ]  # fmt: skip
        assert backend_secrets(backend, environ={}, asker=NobodyAsks()) == []
        assert backend.named_secrets == ["env:NEW", "old secret"]

    def test_a_layout_that_encrypts_nothing_refuses_them(self) -> None:
        backend = Backend(
            url="redis://h", name="x", layout="connect-redis", store_secrets=["env:NOT_SET"]
        )
        with pytest.raises(ConfigError, match="encrypts nothing in its store"):
            check_backend(backend)
