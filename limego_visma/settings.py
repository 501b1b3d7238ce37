"""All settings, from the environment or a `.env` file beside manage.py (the environment wins).

A value that makes no sense is refused here with a hint. A missing one is a system check
(`manage.py check`, run by every web server and worker at its start), so that the project still
loads far enough to say what is missing.
"""

from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from environs import Env, EnvError

from limego_visma.dead_peers import BROKER_OPTIONS, DATABASE_OPTIONS
from limego_visma.queues import QUEUES, ROUTES, beat_schedule

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()
env.read_env(str(BASE_DIR / ".env"), recurse=False)


def _http_url(name: str, default: str) -> str:
    """Read an absolute http(s) address without a trailing slash."""
    value: str = env.str(name, default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ImproperlyConfigured(f"{name} must be an address such as {default}, not {value!r}.")
    return value


def _fernet_keys(name: str) -> list[str]:
    """Read comma-separated Fernet keys, newest first."""
    given: list[str] = env.list(name, [])
    keys = [key.strip() for key in given if key.strip()]
    for place, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError as error:
            hint = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
            raise ImproperlyConfigured(f"Key {place} of {name} is not a Fernet key. Make one: {hint}") from error
    return keys


def _choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    value: str = env.str(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def _positive(name: str, default: float) -> float:
    try:
        value: float = env.float(name, default)
    except EnvError as error:
        raise ImproperlyConfigured(f"{name} must be a number: {error}") from error
    if not 0 < value < float("inf"):
        raise ImproperlyConfigured(f"{name} must be greater than 0, not {value}.")
    return value


try:
    DEBUG = env.bool("DEBUG", default=False)
    DATABASE = env.dj_db_url("DATABASE_URL", "postgresql://localhost/limego_visma", conn_max_age=60)
    EMAIL = env.dj_email_url("EMAIL_URL", "console:")
except (EnvError, ValueError) as error:
    raise ImproperlyConfigured(f"The environment holds a setting that cannot be read: {error}") from error
if "postgresql" not in str(DATABASE.get("ENGINE")):
    raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database: postgresql://user:password@host/name.")
if "EMAIL_BACKEND" not in EMAIL:
    raise ImproperlyConfigured("EMAIL_URL must look like submission://user:password@host:587, smtp://host or console:.")

# Settings that every installation has to give; a missing one is a system check (accounts.checks).
SETTINGS_NOT_GIVEN = [name for name in ("SECRET_KEY", "DATABASE_URL", "BASE_URL") if not env.str(name, "")]

# --- Who we are, and where -------------------------------------------------------------------------
BASE_URL = _http_url("BASE_URL", "http://localhost:8000")
IS_HTTPS = BASE_URL.startswith("https://")
# Without a key each process makes one up: nothing becomes insecure, and accounts.E001 says what to do.
SECRET_KEY = env.str("SECRET_KEY", "") or token_urlsafe(50)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", [urlsplit(BASE_URL).hostname])
CSRF_TRUSTED_ORIGINS = [f"{urlsplit(BASE_URL).scheme}://{urlsplit(BASE_URL).netloc}"]
ROOT_URLCONF = "limego_visma.urls"
WSGI_APPLICATION = "limego_visma.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "accounts",
    "companies",
    "integrations",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "axes",
    "crispy_forms",
    "crispy_bootstrap5",
    "django_countries",
    "django_htmx",
    "heroicons",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.PreferencesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
FORM_RENDERER = "limego_visma.forms.Renderer"
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Stores ----------------------------------------------------------------------------------------
DATABASES = {
    "default": {
        **DATABASE,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**DATABASE_OPTIONS, **DATABASE.get("OPTIONS", {})},
    }
}
REDIS_URL = env.str("REDIS_URL", "redis://localhost:6379/0")
if not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
    raise ImproperlyConfigured("REDIS_URL must be an address such as redis://localhost:6379/0.")
FIELD_ENCRYPTION_KEYS = _fernet_keys("FIELD_ENCRYPTION_KEYS")

# --- People ----------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "companies:list"
LOGOUT_REDIRECT_URL = "accounts:login"
PASSWORD_RESET_TIMEOUT = 7 * 24 * 3600  # seconds; invitations use it too
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "accounts/locked_out.html"
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_FORM_FIELD = "username"
AXES_USERNAME_CALLABLE = "accounts.access.guessed_login"
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

# --- Languages -------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("sv", _("Swedish"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "limego_visma.formats"
COUNTRIES_FIRST = ["SE", "NO", "FI", "DK", "NL"]  # on top of every list of countries
USE_TZ = True
TIME_ZONE = "UTC"

# --- Mail ------------------------------------------------------------------------------------------
EMAIL_BACKEND = EMAIL["EMAIL_BACKEND"]
EMAIL_HOST = EMAIL["EMAIL_HOST"] or ""
EMAIL_PORT = EMAIL["EMAIL_PORT"] or 25
EMAIL_HOST_USER = EMAIL["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = EMAIL["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = EMAIL["EMAIL_USE_TLS"]
EMAIL_USE_SSL = EMAIL["EMAIL_USE_SSL"]
EMAIL_TIMEOUT = 20
EMAIL_FILE_PATH = BASE_DIR / EMAIL["EMAIL_FILE_PATH"]  # of file: only
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "Lime Go <no-reply@limego.example>")

# --- Files and headers -----------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", str(BASE_DIR / ".data" / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_HSTS_PRELOAD = IS_HTTPS
# Only behind a proxy that always sets this header itself; a client could forge it otherwise.
if env.bool("TRUST_X_FORWARDED_PROTO", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_SAMESITE = "Lax"  # the OAuth callback arrives from another site
CSRF_COOKIE_SECURE = IS_HTTPS
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

# --- eAccounting -----------------------------------------------------------------------------------
EACCOUNTING_CLIENT_ID = env.str("EACCOUNTING_CLIENT_ID", "")
EACCOUNTING_CLIENT_SECRET = env.str("EACCOUNTING_CLIENT_SECRET", "")
EACCOUNTING_IDENTITY_URL = _http_url("EACCOUNTING_IDENTITY_URL", "https://identity.vismaonline.com")
EACCOUNTING_API_URL = _http_url("EACCOUNTING_API_URL", "https://eaccountingapi.vismaonline.com/v2")
EACCOUNTING_RATE_LIMIT = _positive("EACCOUNTING_RATE_LIMIT", 600)  # calls a minute and endpoint
EACCOUNTING_RATE_SCOPE = _choice("EACCOUNTING_RATE_SCOPE", "client", ("client", "connection"))
EACCOUNTING_CUSTOMER_URL = env.str("EACCOUNTING_CUSTOMER_URL", "")
EACCOUNTING_SETTLE_SECONDS = _positive("EACCOUNTING_SETTLE_SECONDS", 90)
EACCOUNTING_CONNECT_SECONDS = _positive("EACCOUNTING_CONNECT_SECONDS", 3)
EACCOUNTING_CALL_SECONDS = _positive("EACCOUNTING_CALL_SECONDS", 15)
EACCOUNTING_LIVE_READ_SECONDS = _positive("EACCOUNTING_LIVE_READ_SECONDS", 4)
EACCOUNTING_TOKEN_SECONDS = _positive("EACCOUNTING_TOKEN_SECONDS", 40)
EACCOUNTING_ASK_AGAIN_SECONDS = _positive("EACCOUNTING_ASK_AGAIN_SECONDS", 30)  # after a refused grant
EACCOUNTING_SEND_BY_SECONDS = _positive("EACCOUNTING_SEND_BY_SECONDS", 5)
EACCOUNTING_SWEEP_SECONDS = _positive("EACCOUNTING_SWEEP_SECONDS", 5)
EACCOUNTING_INDEX_SECONDS = _positive("EACCOUNTING_INDEX_SECONDS", 600)

_IDENTITY = urlsplit(EACCOUNTING_IDENTITY_URL)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],  # Tabler draws its arrows and ticks as data: images
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "frame-ancestors": ["'none'"],
        # Browsers check the redirect after a form against this list, and Connect redirects there.
        "form-action": ["'self'", f"{_IDENTITY.scheme}://{_IDENTITY.netloc}"],
    }
}

# --- The seam: companies/ never names its plugins ---------------------------------------------------
COMPANY_FORM_SECTIONS = ["integrations.forms.company_reference.CompanyReferenceSection"]

# --- Workers ---------------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT_OPTIONS = BROKER_OPTIONS
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "upkeep"
WORKER_QUEUES = QUEUES
CELERY_IMPORTS = ["limego_visma.heartbeat"]
CELERY_TASK_ROUTES = ROUTES
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Number of tasks that keep a database connection; each checks its age and health (limego_visma/celery.py).
CELERY_DB_REUSE_MAX = 1_000_000
# KB. A process of the pool that has grown so much is replaced after its task. No time limits: every call has a total
# deadline, and a limit that cut a token exchange would lose the connection.
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 250_000
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "limego_visma.beat:SteadyScheduler"
CELERY_BEAT_SCHEDULE = beat_schedule(sweep_seconds=EACCOUNTING_SWEEP_SECONDS)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        # These two write tokens into their DEBUG lines.
        "requests_oauthlib": {"level": "WARNING"},
        "oauthlib": {"level": "WARNING"},
    },
}
