"""Asks OSV, the open database of vulnerabilities, about every version that a lock names.

Ends with 0 when all were asked about and none is known to be vulnerable, 1 when one is, and 2 when some or
all could not be asked about, because the service can't be reached or does not know them: that is no "yes".

    audit.py LOCK [OPTION OF PIP-AUDIT ...]
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def main(lock: str, *options: str) -> int:
    """Audits one lock; what is found goes to standard output."""
    command = (
        *(str(Path(sys.executable).with_name("pip-audit")), "--requirement", lock, "--disable-pip"),
        *("--vulnerability-service", "osv", "--format", "json", "--desc", "off"),
        *("--progress-spinner", "off", *options),
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- our own tool
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except ValueError:
        # Without an answer pip-audit ends with a traceback, and with 1, as it does with findings.
        sys.stderr.write("".join(done.stderr.splitlines(keepends=True)[-1:]))
        sys.stdout.write("advisories: not checked, the service can't be reached\n")
        return 2
    skipped = [each["name"] for each in dependencies if "skip_reason" in each]
    vulnerable = [each for each in dependencies if each.get("vulns")]
    for each in vulnerable:
        for known in each["vulns"]:
            mended = ", ".join(known["fix_versions"]) or "no version yet"
            sys.stdout.write(f"{each['name']} {each['version']}: {known['id']}, mended in {mended}\n")
    if skipped:
        sys.stdout.write(f"advisories: not checked for {', '.join(skipped)}\n")
    checked = len(dependencies) - len(skipped)
    sys.stdout.write(f"advisories: {checked} versions checked, {len(vulnerable)} vulnerable\n")
    return 1 if vulnerable else 2 if skipped else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
