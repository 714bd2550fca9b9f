"""The Chromium of this machine: `python -m tests.chromium` sees to it that there is one, where that can be done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: What each new window would start a process for, though no page sees it: pop-ups of the address bar, and a process kept
#: ready for another site. Chromium heeds the last such list alone, so that of Playwright is here too.
SWITCHED_OFF = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "SpareRendererForSitePerProcess"),
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"),
    *("HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding"),
    *("ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints"),
    *("NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch"),
)
#: A browser that does not start inside a container without these; pages are the tests' own.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    f"--disable-features={','.join(SWITCHED_OFF)}",
)
MISSING = (
    "There is no Chromium, so the tests in a browser are skipped: install it (on Debian: `apt install chromium`; "
    "elsewhere, Chrome will do), or name it in the variable CHROMIUM."
)


def find_chromium() -> str | None:
    """Where it is; the variable CHROMIUM names another."""
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)


def install_chromium() -> bool:
    """Whether Debian's package could be installed, which takes root and apt-get."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return False
    print("installing Debian's package chromium", file=sys.stderr)  # noqa: T201
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = ([apt, "update"], [apt, "install", "--yes", "--no-install-recommends", "chromium"])
    return all(
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0
        for command in commands
    )


if __name__ == "__main__" and find_chromium() is None and not (install_chromium() and find_chromium()):
    print(MISSING, file=sys.stderr)  # noqa: T201
