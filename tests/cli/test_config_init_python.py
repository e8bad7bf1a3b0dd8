"""`sessctl config init` in Python projects: read as syntax trees, nothing of them is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_config_init import CANARY, Folder

if TYPE_CHECKING:
    from tests.support.cli import Cli

SETTINGS = f"""\
import os, sys
from datetime import timedelta
from pathlib import Path
raise SystemExit("this was run")
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ.get("DJANGO_KEY", "{CANARY}-insecure")
SECRET_KEY_FALLBACKS = [os.environ["DJANGO_OLD_KEY"]]
INSTALLED_APPS = ["django.contrib.sessions"]
"""
DATABASE = f"""\
DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop", "USER": os.environ["DB_USER"], "PASSWORD": "{CANARY}-password",
        "HOST": "db.example", "PORT": 5433,
    }}
}}
"""
CACHES = """\
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "sessions": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.getenv("REDIS_URL", "redis://localhost:6379/1"),
        "KEY_PREFIX": "shop",
    },
}
SESSION_CACHE_ALIAS = "sessions"
"""


@pytest.fixture
def folder(cli: Cli) -> Folder:
    return Folder(cli)


def write(folder: Folder, **files: str) -> dict[str, dict[str, Any]]:
    for name, text in files.items():
        path = folder.path / name.replace("__", "/")
        path = path.with_name(path.name.replace("_py", ".py").replace("_toml", ".toml"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder.proposed()


def test_django_keeps_sessions_in_its_database(folder: Folder) -> None:
    folder.write(__env="DB_USER=shop_user\nDJANGO_KEY=" + CANARY)
    found = write(folder, manage_py="", shop__settings_py=SETTINGS + DATABASE)
    assert found == {
        "dev": {
            "url": "postgresql://shop_user@db.example:5433/shop",
            "password": "env:POSTGRESQL_PASSWORD",
            "layout": "django-db",
        }
        | found["dev"]
    }
    assert found["dev"]["password"].startswith("env:")
    assert found["dev"]["store_secrets"] == ["dotenv:.env#DJANGO_KEY", "env:DJANGO_OLD_KEY"]


def test_django_s_sqlite_file_is_found_from_its_settings(folder: Folder) -> None:
    database = """
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
SESSION_COOKIE_AGE = 60 * 60 * 24 * 7
SESSION_COOKIE_NAME = "shop"
USE_TZ = False
TIME_ZONE = "Europe/Istanbul"
"""
    (dev,) = write(folder, manage_py="", shop__settings_py=SETTINGS + database).values()
    assert dev["url"] == "sqlite:///db.sqlite3"
    assert (dev["lifetime"], dev["cookie_name"]) == ("7d", "shop")
    assert dev["expires_zone"] == "Europe/Istanbul"


def test_django_s_cache_is_the_one_of_its_alias(folder: Folder) -> None:
    engine = 'SESSION_ENGINE = "django.contrib.sessions.backends.cache"\n'
    (dev,) = write(folder, manage_py="", shop__settings_py=SETTINGS + CACHES + engine).values()
    assert dev["layout"] == "django-cache"
    assert dev["prefix"] == "shop:1:django.contrib.sessions.cache"
    assert dev["url"] == "redis://localhost:6379/1"


@pytest.mark.parametrize(
    ("cache", "url"),
    [
        ("redis.RedisCache", "redis://localhost:6379/1"),
        ("memcached.PyMemcacheCache", "127.0.0.1:11211"),
    ],
)
def test_django_s_table_comes_with_the_cache_before_it(
    folder: Folder, cache: str, url: str
) -> None:
    text = (
        SETTINGS
        + DATABASE
        + f"""
CACHES = {{"default": {{"BACKEND": "django.core.cache.backends.{cache}",
                      "LOCATION": ["{url}"], "KEY_PREFIX": "shop", "VERSION": 2}}}}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
"""
    )
    (dev,) = write(folder, manage_py="", shop__settings_py=text).values()
    place = url if "://" in url else f"memcached://{url}"
    assert dev["layout"] == "django-cached_db"
    assert dev["cache"] == f"{place}?prefix=shop:2:django.contrib.sessions.cached_db"
    assert "secrets" not in dev


def test_django_without_the_cache_of_its_sessions_is_noted(folder: Folder) -> None:
    text = SETTINGS + DATABASE + 'SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"\n'
    assert "cache" not in write(folder, manage_py="", shop__settings_py=text)["dev"]
    told = " ".join(folder.cli("config", "init", "--dry-run").stderr.split())
    assert "which no file tells: cache = its URL" in told


def test_a_later_settings_file_adds_to_the_common_one(folder: Folder) -> None:
    """Settings for production are of another place."""
    found = write(
        folder, manage_py="",
        shop__settings__base_py=SETTINGS + DATABASE,
        shop__settings__local_py='SESSION_ENGINE = "django.contrib.sessions.backends.file"\n'
        'SESSION_FILE_PATH = "/var/tmp/shop"\nDATABASES = {}\n',
        shop__settings__production_py='SESSION_ENGINE = "django.contrib.sessions.backends.cache"\n',
    )  # fmt: skip
    (dev,) = found.values()
    assert (dev["url"], dev["layout"]) == ("file:///var/tmp/shop", "django-file")


FLASK = f"""\
import os, redis
from datetime import timedelta
from flask import Flask
from flask_session import Session
raise SystemExit("this was run")
app = Flask(__name__)
app.secret_key = os.environ["SECRET_KEY"]
app.config["SESSION_TYPE"] = "redis"
app.config.update(
    SESSION_KEY_PREFIX="shop:", PERMANENT_SESSION_LIFETIME=timedelta(days=3),
    SESSION_REDIS=redis.from_url(os.environ.get("REDIS_URL", "redis://:{CANARY}-redis@localhost/1")),
)
Session(app)
"""


def test_flask_session_on_redis(folder: Folder) -> None:
    folder.write(__env="SECRET_KEY=" + CANARY)
    (dev,) = write(folder, app_py=FLASK).values()
    assert dev == {
        "url": "redis://localhost/1", "password": "env:REDIS_PASSWORD", "layout": "flask-redis",
        "prefix": "shop:", "lifetime": "3d", "secrets": ["dotenv:.env#SECRET_KEY"],
    }  # fmt: skip


def test_flask_session_is_configured_by_a_class(folder: Folder) -> None:
    config = f"""
import os
class Config:
    SECRET_KEY = "{CANARY}-literal"
    SESSION_TYPE = "sqlalchemy"
    SESSION_SQLALCHEMY_TABLE = "web_sessions"
class Production(Config):
    SQLALCHEMY_DATABASE_URI = "postgresql+psycopg2://shop:{CANARY}@localhost/shop"
"""
    app = "from flask import Flask\napp = Flask(__name__)\napp.config.from_object('config.Config')"
    (dev,) = write(folder, config_py=config, app_py=app).values()
    assert (dev["url"], dev["layout"]) == ("postgresql://shop@localhost/shop", "flask-sqlalchemy")
    assert dev["table"] == "web_sessions"
    assert "secrets" not in dev


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("sqlite:///shop.db", "sqlite:///instance/shop.db"),
        ("sqlite:////srv/shop.db", "sqlite:////srv/shop.db"),
    ],
)
def test_flask_s_sqlite_file(folder: Folder, uri: str, url: str) -> None:
    app = FLASK.replace('"redis"', '"sqlalchemy"')
    app += f'app.config["SQLALCHEMY_DATABASE_URI"] = "{uri}"\n'
    assert write(folder, app_py=app)["dev"]["url"] == url


@pytest.mark.parametrize("kind", ["filesystem", "cachelib"])
def test_flask_session_in_files(folder: Folder, kind: str) -> None:
    app = FLASK.replace('"redis"', f'"{kind}"')
    app += 'from cachelib import FileSystemCache\napp.config["SESSION_FILE_DIR"] = "/srv/s"\n'
    app += 'app.config["SESSION_CACHELIB"] = FileSystemCache(cache_dir="/srv/s")\n'
    dev = write(folder, app_py=app)["dev"]
    assert (dev["url"], dev["layout"]) == ("file:///srv/s", "flask-cachelib-file")


COOKIE_ONLY = {
    "flask": "from flask import Flask\nimport os\napp = Flask('x')\n"
    "app.config.from_mapping(SECRET_KEY=os.environ['SECRET_KEY'])\n",
    "starlette": "import os\nfrom starlette.middleware.sessions import SessionMiddleware\n"
    "app.add_middleware(SessionMiddleware, secret_key=os.environ['SECRET_KEY'])\n",
    "django-signed-cookies": SETTINGS.replace("DJANGO_KEY", "SECRET_KEY")
    + "SESSION_ENGINE = 'django.contrib.sessions.backends.signed_cookies'\n",
    "aiohttp-fernet": "import os, base64\nfrom aiohttp_session.cookie_storage import"
    " EncryptedCookieStorage\nsetup(app, EncryptedCookieStorage(os.environ['SECRET_KEY']))\n",
    "litestar": "import os\nfrom litestar.middleware.session.client_side import"
    " CookieBackendConfig\nconfig = CookieBackendConfig(secret=os.environ['SECRET_KEY'])\n",
    "pyramid": "import os\nfrom pyramid.session import SignedCookieSessionFactory as S\n"
    "factory = S(os.environ['SECRET_KEY'])\n",
}


@pytest.mark.parametrize("name", COOKIE_ONLY)
def test_sessions_in_the_cookie_itself_are_noted_with_what_to_type(
    folder: Folder, name: str
) -> None:
    folder.write(__env="SECRET_KEY=" + CANARY)
    assert write(folder, settings_py=COOKIE_ONLY[name]) == {}
    told = folder.cli("config", "init", "--dry-run").stderr.replace("\n", " ")
    assert f"--format {name} --secret-from dotenv:.env#SECRET_KEY" in " ".join(told.split())


def test_starsessions_on_redis(folder: Folder) -> None:
    app = """
import os
from starsessions import SessionMiddleware
from starsessions.stores.redis import RedisStore
app.add_middleware(SessionMiddleware, store=RedisStore(os.environ["REDIS_URL"], prefix="s."))
"""
    folder.write(__env="REDIS_URL=redis://localhost:6379/3")
    (dev,) = write(folder, main_py=app).values()
    assert dev == {"url": "dotenv:.env#REDIS_URL", "layout": "starsessions", "prefix": "s."}


@pytest.mark.parametrize("name", ["pyproject_toml", "requirements.txt"])
def test_a_dependency_alone_says_little(folder: Folder, name: str) -> None:
    text = '[project]\ndependencies = ["Flask_Session[redis]>=0.8"]\n'
    write(folder, **{name: text if "toml" in name else "Flask-Session==0.8.0  # sessions\n"})
    assert folder.proposed() == {}


HOSTILE = {
    "deep": "INSTALLED_APPS = SESSION_TYPE = " + "(" * 5000,
    "minus": "SECRET_KEY = " + "-" * 90_000 + "1",
    "sum": "INSTALLED_APPS = []\nSESSION_COOKIE_AGE = " + "+".join(["1"] * 20_000),
    "itself": "INSTALLED_APPS = SECRET_KEY = DATABASES = INSTALLED_APPS",
    "attributes": "INSTALLED_APPS = []\nSECRET_KEY = a" + ".b" * 20_000,
    "power": "INSTALLED_APPS = []\nSESSION_COOKIE_AGE = 9**9**9**9 * 1e308 * 1e308",
    "product": "INSTALLED_APPS = []\nSESSION_COOKIE_AGE = " + "*".join(["9" * 14] * 25),
    "nul": "INSTALLED_APPS = []\nSECRET_KEY = 'a\0b'",
    "escapes": "INSTALLED_APPS = []\nSECRET_KEY = '\\d'\nSESSION_COOKIE_NAME = 'x\\x1b[31m'",
    "broken": "INSTALLED_APPS = [\nSECRET_KEY = 'x'\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_source_breaks_it(folder: Folder, name: str) -> None:
    write(folder, settings_py=HOSTILE[name], app_py="from flask import Flask\nFlask('x')\n")
    result = folder.cli("config", "init", "--dry-run")
    assert "\x1b" not in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
