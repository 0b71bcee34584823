"""A real S3 server, SeaweedFS, that is killed by its process id alone."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from pathlib import Path

from pyarrow import fs

from tests.patient_ray import free_port

READY_WITHIN = 300.0
KEYS = {"user": "a-secret-of-the-user", "reader": "a-secret-of-the-reader"}
"""Access keys and their secrets; the reader may only read."""


class S3Server:
    """SeaweedFS with one bucket, ``bucket``. Its files outlive a kill."""

    def __init__(self, folder: Path, program: str) -> None:
        self._folder = folder
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        # SeaweedFS puts its gRPC 10,000 above each
        self._ports = {part: free_port(10_000) for part in ("master", "volume", "filer", "s3")}
        may = {"user": ["Admin", "Read", "Write", "List", "Tagging"], "reader": ["Read", "List"]}
        identities = [
            {
                "name": key,
                "credentials": [{"accessKey": key, "secretKey": secret}],
                "actions": may[key],
            }
            for key, secret in KEYS.items()
        ]
        (folder / "s3.json").write_text(json.dumps({"identities": identities}))

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._ports["s3"]

    def uri(self, folder: str, *, key: str = "user", secret: str = "", port: int = 0) -> str:
        """Of a folder in the bucket, or of any bucket if it holds a slash."""
        place = folder if "/" in folder else f"bucket/{folder}"
        endpoint = f"127.0.0.1:{port or self.address[1]}"
        return (
            f"s3://{key}:{secret or KEYS[key]}@{place}"
            f"?scheme=http&endpoint_override={endpoint}&region=us-east-1"
        )

    def start(self) -> None:
        """Returns when the server answers."""
        folder, ports = self._folder, self._ports
        command = [self._program, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}"]
        command += [f"-{part}.port={port}" for part, port in ports.items()]
        command += ["-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=100"]
        command += ["-volume.preStopSeconds=0", "-filer", f"-filer.localSocket={folder}/filer.sock"]
        command += ["-s3", f"-s3.config={folder}/s3.json", f"-s3.localSocket={folder}/s3.sock"]
        command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false"]
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        until = time.monotonic() + READY_WITHIN
        while True:
            with contextlib.suppress(OSError):
                self._filesystem().create_dir("bucket")
                return
            assert self._process.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < until, f"no answer within {READY_WITHIN:.0f} s"
            time.sleep(0.2)

    def kill(self) -> None:
        """As a power cut does it; on SIGTERM it would take 20 s."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def remove_sockets(self) -> None:
        """Those that a killed server leaves in /tmp, whatever its folder is."""
        for port in self._ports.values():
            for left in Path("/tmp").glob(f"seaweedfs-*-grpc-{port + 10_000}.sock"):
                left.unlink()

    def _filesystem(self) -> fs.S3FileSystem:
        return fs.S3FileSystem(
            access_key="user",
            secret_key=KEYS["user"],
            endpoint_override=f"127.0.0.1:{self.address[1]}",
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
        )
