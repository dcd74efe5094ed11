"""Modules of Prosody's community and what they need: Debian's packages, where they are installed."""

import shutil
from pathlib import Path

import pytest

from .process import ROOT

INSTALLED = Path("/usr/lib/prosody/modules")
OWN = {"0.12": INSTALLED, "13": ROOT / "target/prosody13/usr/lib/prosody/modules"}
LIBRARIES = next(Path("/usr/lib").glob("*-linux-gnu"), Path("/usr/lib"))
CPATH = LIBRARIES / "lua/5.4/?.so"


def _needs(what, **packages):
    """Skips where one of these packages is missing; each with a file of it."""
    missing = [name.replace("_", "-") for name, there in packages.items() if not there]
    return pytest.mark.skipif(bool(missing), reason=f"{what} needs Debian's {', '.join(missing)}")


def _has(name):
    return (INSTALLED / name).is_dir()


def modules(folder, *names):
    """Those modules that are installed, in a folder of their own: among them are Prosody 0.12's. They find the system's
    C libraries, also where Prosody brings its own Lua."""
    folder.mkdir()
    for name in names:
        if _has(f"mod_{name}"):
            shutil.copytree(INSTALLED / f"mod_{name}", folder / f"mod_{name}")
            main = folder / f"mod_{name}" / f"mod_{name}.lua"
            main.write_text(with_libraries(main))
    return folder


def with_libraries(file):
    """The text of a module that finds the system's C libraries, whichever module is loaded first."""
    return f'package.cpath = package.cpath .. ";{CPATH}"; {file.read_text()}'


def _library(name):
    return (LIBRARIES / f"lua/5.4/{name}.so").exists()


SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin")
SASLPASSWD = shutil.which("saslpasswd2", path="/usr/sbin:/usr/local/sbin")

needs_ldap = _needs("a log-in by LDAP", lua_ldap=_library("lualdap"), slapd=SLAPD)
needs_cyrus = _needs(
    "a log-in by Cyrus SASL",
    prosody_modules=_has("mod_auth_cyrus"),
    lua_cyrussasl=_library("cyrussasl"),
    libsasl2_modules=(LIBRARIES / "sasl2/libanonymous.so").exists(),
    sasl2_bin=SASLPASSWD,
)
needs_sasl2 = _needs("SASL2", prosody_modules=_has("mod_sasl2"))
