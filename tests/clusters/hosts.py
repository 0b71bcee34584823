"""Hosts that exist only as namespaces of this machine: to start clusters on, to kill, to cut off.

Each has its own network, processes, home, /tmp and shared memory over this machine's root file
system (an overlay), so that Ray's launcher finds what it finds on a real one: a login by ssh, a
virtual environment, no package. The laptop, from which a user starts things, is one of them, and
holds the network. None of it is visible outside, and all of it ends with the process that made it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LAPTOP = "laptop"
SCRIPT = Path(__file__).with_name("host.sh")
NEEDED = {
    "curl": "curl",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "rsync": "rsync",
    "setpriv": "util-linux",
    "ssh-keygen": "openssh-client",
    "/usr/sbin/sshd": "openssh-server",
    "unshare": "util-linux",
}


NAMESPACES = (
    *("setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child"),
    *("--mount", "--uts", "--ipc", "--net", "--pid"),
)
"""Starts a command in new ones, and ends it and all that it started with this process."""

PROBE = """
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
"""


def missing() -> str | None:
    """Why there can be no such hosts on this machine; None if there can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "simulated hosts need root on Linux"
    if lacking := sorted({package for tool, package in NEEDED.items() if not shutil.which(tool)}):
        return f"simulated hosts need the Debian packages {', '.join(lacking)}"
    if subprocess.run(
        [*NAMESPACES, "sh", "-c", PROBE], check=False, capture_output=True
    ).returncode:
        return "simulated hosts need the right to make namespaces and to mount"
    return None


def address(name: str) -> str:
    """Of a host in their network: the laptop is .1, h1 is .11."""
    return "10.77.0.1" if name == LAPTOP else f"10.77.0.1{name[1:]}"


class Hosts:
    """A laptop, and hosts that a test starts by name: h1 to h9.

    Args:
        folder: A new one.
        bashrc: What the login's ~/.bashrc holds, on every host.

    Attributes:
        shared: /shared on every host.
        project: /project on every host.
    """

    def __init__(self, folder: Path, bashrc: str) -> None:
        self.shared, self.project = folder / "shared", folder / "project"
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[str]] = {}
        for path in (folder / "keys", self.shared, self.project):
            path.mkdir(parents=True)
        self.shared.chmod(0o777)
        (folder / "bashrc").write_text(bashrc)
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/keys/id_ed25519"]
        subprocess.run(key, check=True)
        (folder / "keys/config").write_text("Host *\n  LogLevel ERROR\n")
        self.start(LAPTOP)
        self._ip(LAPTOP, "link add br0 type bridge")
        self._ip(LAPTOP, f"addr add {address(LAPTOP)}/24 dev br0")
        self._ip(LAPTOP, "link set br0 up")

    def start(self, name: str) -> None:
        """Start a host, its home and /tmp empty; returns when it can be reached."""
        root = self._folder / "roots" / name
        root.mkdir(parents=True, exist_ok=True)
        sites = [path for path in sys.path if path.endswith("site-packages")]
        process = subprocess.Popen(
            [*NAMESPACES, "bash", str(SCRIPT)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "NAME": name,
                "ADDRESS": address(name),
                "ROOT": str(root),
                "KEYS": str(self._folder / "keys"),
                "MOUNTS": f"{self.shared} {self.project}",
                "READ_ONLY": " ".join([*sites, sys.base_prefix]),
                "PYTHON": os.path.realpath(sys.executable),
                "SITES": " ".join(sites),
            },
        )
        assert process.stdout
        if process.stdout.readline() != "ready\n":
            raise OSError(f"host {name} did not start: {process.communicate()[1]}")
        self._processes[name] = process
        if name != LAPTOP:
            init = self._init(name)
            self._ip(LAPTOP, f"link add {name} type veth peer name eth0 netns {init}")
            self._ip(LAPTOP, f"link set {name} master br0 up")
            self._ip(name, f"addr add {address(name)}/24 dev eth0")
            self._ip(name, "link set eth0 up")

    def kill(self, name: str) -> None:
        """End a host and all its processes at once; others see its connections close."""
        os.kill(self._init(name), signal.SIGKILL)
        self._processes.pop(name).communicate()

    def cut(self, name: str) -> None:
        """Take a host's link down: for others it has lost power, but it goes on."""
        self._ip(LAPTOP, f"link set {name} down")

    def popen(self, *command: str, host: str = LAPTOP) -> subprocess.Popen[str]:
        """Start a command in /project as the user, with what ~/.bashrc sets."""
        login = ["setpriv", "--reuid=2001", "--regid=2001", "--clear-groups", "env", "-i"]
        login += ["HOME=/home/ubuntu", "LANG=C.UTF-8", "PATH=/usr/bin:/bin", "bash", "-c"]
        login += ['. ~/.bashrc; cd /project; exec "$@"', "bash", *command]
        return subprocess.Popen(
            self._inside(host, "--all", login),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(
        self, *command: str, host: str = LAPTOP, timeout: float = 1200.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as `popen` does; its exit code and all that it printed."""
        with self.popen(*command, host=host) as process:
            try:
                output, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired as error:
                process.kill()
                output, _ = process.communicate()
                raise AssertionError(f"{command} took over {timeout} s:\n{output}") from error
        return subprocess.CompletedProcess(command, process.returncode, output)

    def route(self, network: str, to: str) -> None:
        """Let a host answer for a whole network of addresses, seen from all the others."""
        self._ip(to, f"route add local {network} dev lo")
        for name in self._processes:
            if name != to:
                self._ip(name, f"route add {network} via {address(to)}")

    def close(self) -> None:
        """End all hosts; nothing of them is left."""
        for name in list(self._processes):
            self.kill(name)

    def _init(self, name: str) -> int:
        pid = self._processes[name].pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def _inside(self, name: str, namespaces: str, command: Sequence[str]) -> list[str]:
        return ["nsenter", "--target", str(self._init(name)), namespaces, *command]

    def _ip(self, name: str, command: str) -> None:
        subprocess.run(self._inside(name, "--net", ["ip", *command.split()]), check=True)
